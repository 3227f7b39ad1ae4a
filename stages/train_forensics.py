"""Train a detector of rendered video: `python -m stages train_forensics detector`."""

from motiontransfer.core import layout
from motiontransfer.core.params import Name, Transfer, load_section
from motiontransfer.forensics.training import TrainForensicsParams, train_on_project
from motiontransfer.training.trainer import LoggingParams


def main(name: str) -> None:
    params = load_section(TrainForensicsParams, "train_forensics")
    params.launch(
        lambda runtime: train_on_project(
            runtime,
            params,
            targets=load_section(list[Name], "targets"),
            transfers=load_section(dict[Name, Transfer], "transfers"),
            checkpoints=layout.CHECKPOINTS_FOLDER / "train_forensics" / name,
            weights=layout.detector_file(name),
            logging=load_section(LoggingParams, "logging"),
            logs=layout.training_folder("forensics") / name,
        ),
        metrics_file=layout.metrics_file("train_forensics", name),
    )
