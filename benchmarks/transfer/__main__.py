"""The benchmark set: four pairs filmed, transferred, and compared with the truth.

    uv run python -m benchmarks.transfer FOLDER            # our videos
    uv run python -m benchmarks.transfer FOLDER --videos OTHERS --name NAME

The first makes a project in FOLDER with this one's code and params, films the set and runs the
pipeline on it. It takes about ten minutes a pair on two cores; what is done is not done again. It
writes benchmarks/transfer/results.md and .jpg. The second scores another system's videos,
OTHERS/<pair>.mp4 for each pair, frame for frame beside FOLDER/data/truth/<pair>.mp4. It writes
results-NAME.md: the same table, from the same code.
"""

import argparse
import shutil
from pathlib import Path

import yaml

from benchmarks.transfer.film import SET_FILE, clip_path
from benchmarks.transfer.project import make_project, reproduce, write_params
from benchmarks.transfer.results import write_results
from motiontransfer.core.layout import measurements_file
from motiontransfer.core.params import Compute, load_section
from motiontransfer.evaluation.measurements import read_measurements
from motiontransfer.evaluation.metrics import nested
from motiontransfer.evaluation.params import NetworkParams
from motiontransfer.evaluation.protocols import open_lpips, score_videos

_STAGES = Path("benchmarks/transfer/stages.yaml")


def main() -> None:
    """Run the set, or score another system's videos, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of the project with the set's videos")
    parser.add_argument("--videos", type=Path, help="folder of another system's videos")
    parser.add_argument("--name", default="other", help="of the other system")
    arguments = parser.parse_args()
    content = yaml.safe_load(SET_FILE.read_text(encoding="utf-8"))
    pairs = list(content["pairs"])
    if arguments.videos is None:
        _run(arguments.folder, content)
        metrics = {pair: _metrics(arguments.folder, pair) for pair in pairs}
        write_results(metrics, folder=arguments.folder, name=None)
        return
    compute = load_section(Compute, "compute")
    params = load_section(NetworkParams, "evaluate_transfer")
    lpips = open_lpips(params.lpips_weights, param="evaluate_transfer.lpips_weights")
    scored = {}
    for pair in pairs:
        videos = {"ours": arguments.videos / f"{pair}.mp4"}
        truth = arguments.folder / clip_path(pair, "truth")
        scored[pair] = nested(score_videos(videos, truth, compute=compute, lpips=lpips))
    write_results(scored, folder=arguments.folder, name=arguments.name)


def _run(folder: Path, content: dict) -> None:
    """Make or refresh the project, and run its pipeline."""
    make_project(folder, "benchmarks/transfer")
    shutil.copy(_STAGES, folder / "demo/dvc.yaml")
    write_params(folder, _names(content["pairs"]))
    reproduce(folder)


def _names(pairs: dict) -> dict[str, object]:
    """The sections of films.yaml that say who is who."""
    videos, transfers = {}, {}
    for pair, entry in pairs.items():
        for role in ("target", "source"):
            path = str(clip_path(pair, role))
            videos[f"{pair}_{role}"] = {"path": path, "subject": f"{pair}_{role}", "crop": "none"}
        transfers[pair] = {
            **{"source": f"{pair}_source", "source_subject": f"{pair}_source"},
            **{"target": f"{pair}_target", "truth": f"{pair}.mp4"},
        }
        assert entry["target"] != entry["source"]
    return {
        "videos": videos,
        "subjects": list(videos),
        **{key: [f"{pair}_target" for pair in pairs] for key in ("targets", "trained")},
        "transfers": transfers,
    }


def _metrics(folder: Path, pair: str) -> dict:
    return nested(read_measurements(folder / measurements_file("evaluate_transfer", pair)))


if __name__ == "__main__":
    main()
