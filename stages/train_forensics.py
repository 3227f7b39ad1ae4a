"""Train a detector of rendered video: `python -m stages train_forensics detector`."""

from pathlib import Path

from pydantic import Field

from motiontransfer.forensics.data import Share
from motiontransfer.forensics.model import DetectorConfig
from motiontransfer.forensics.training import (
    DetectorPaths,
    DetectorSettings,
    Project,
    make_detector,
)
from motiontransfer.params import Name, Transfer, load_section
from motiontransfer.rendering.renderer import FaceMode
from motiontransfer.storage import write_json
from motiontransfer.training.clips import HeldOut
from motiontransfer.training.config import RunParams


class TrainForensicsParams(RunParams):
    """Section `train_forensics` of params.yaml, where each value is explained."""

    steps: int = Field(ge=1)
    held_out_fraction: float = Field(gt=0, lt=1)
    gap_frames: int = Field(ge=0)
    max_frames: int = Field(ge=50)
    face: FaceMode
    crop_size: int = Field(ge=32, multiple_of=8)
    num_filters: int = Field(ge=1)
    num_downsamplings: int = Field(ge=1, le=5)
    ema_decay: float = Field(ge=0, lt=1)


def main(name: str) -> None:
    """Read frames, poses and weights of all targets; write a detector, a picture and metrics."""
    params = load_section(TrainForensicsParams, "train_forensics")
    paths = DetectorPaths(
        checkpoints=Path(f"checkpoints/train_forensics/{name}"),
        weights=Path(f"artifacts/forensics/{name}.safetensors"),
        logs=Path(f"artifacts/training/forensics/{name}"),
    )
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
            write_json(Path(f"artifacts/metrics/train_forensics/{name}.json"), metrics)
