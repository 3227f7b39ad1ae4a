"""Train a detector of rendered video: `python -m stages train_forensics detector`."""

from motiontransfer.core import layout
from motiontransfer.core.params import Name, Transfer, load_section
from motiontransfer.forensics.training import train_on_project
from motiontransfer.training.params import TrainForensicsParams
from motiontransfer.training.paths import RunPaths
from motiontransfer.training.trainer import launch


def main(name: str) -> None:
    params = load_section(TrainForensicsParams, "train_forensics")
    trained = load_section(list[Name], "trained")
    transfers = load_section(dict[Name, Transfer], "transfers")
    paths = RunPaths.of_stage(
        "train_forensics",
        name,
        models=layout.detector_file(name).parent,
        logs=layout.training_folder("forensics") / name,
    )
    launch(
        params,
        lambda run: train_on_project(
            run,
            params,
            targets=trained,
            transfers={key: each for key, each in transfers.items() if each.target in trained},
            weights=layout.detector_file(name),
        ),
        paths=paths,
    )
