"""Train the detector of rendered video: `python -m stages train_forensics`."""

from pathlib import Path

from pydantic import Field

from motiontransfer.forensics.footage import Share
from motiontransfer.forensics.network import DetectorConfig
from motiontransfer.forensics.project import DetectorPaths, Project, make_detector
from motiontransfer.forensics.trained import write_no_detector
from motiontransfer.forensics.training import DetectorSettings
from motiontransfer.params import load_section
from motiontransfer.rendering.rollout import FaceMode
from motiontransfer.storage import write_json
from motiontransfer.training.run_params import RunParams
from motiontransfer.training.split import HeldOut
from motiontransfer.transfers import Name, Transfer


class TrainForensicsParams(RunParams):
    """Section `train_forensics` of params.yaml, where each value is explained."""

    held_out_fraction: float = Field(gt=0, lt=1)
    gap_frames: int = Field(ge=0)
    max_frames: int = Field(ge=50)
    face: FaceMode
    crop_size: int = Field(ge=32, multiple_of=8)
    num_filters: int = Field(ge=1)
    num_downsamplings: int = Field(ge=1, le=5)
    average_decay: float = Field(ge=0, lt=1)


def main() -> str | None:
    """Read frames, poses and weights of all targets; write the detector, a picture and metrics."""
    params = load_section(TrainForensicsParams, "train_forensics")
    paths = DetectorPaths(
        checkpoints=Path("checkpoints/train_forensics"),
        weights=Path("artifacts/forensics/detector.safetensors"),
        logs=Path("artifacts/training/forensics/detector"),
    )
    metrics_file = Path("artifacts/metrics/train_forensics.json")
    if params.steps == 0:
        write_no_detector(paths.weights)
        paths.logs.mkdir(parents=True, exist_ok=True)
        write_json(metrics_file, {"steps": 0})
        return "steps: 0, so no detector is trained"
    project = Project(
        root=Path(),
        targets=load_section(list[Name], "targets"),
        transfers=load_section(dict[Name, Transfer], "transfers"),
    )
    with params.launched() as fabric:
        metrics = make_detector(
            project,
            fabric,
            config=params.fill(DetectorConfig, judged="pair"),
            settings=params.fill(DetectorSettings),
            schedule=params.schedule,
            face=params.face,
            share=params.fill(Share, held_out=params.fill(HeldOut)),
            paths=paths,
        )
        if fabric.is_global_zero:
            write_json(metrics_file, metrics)
    return None
