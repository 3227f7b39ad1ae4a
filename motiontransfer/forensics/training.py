"""Training a detector on twins, and calibrating it on seconds that it was not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric

from motiontransfer.forensics.calibration import Calibration, fit_calibration
from motiontransfer.forensics.conditions import CONDITIONS
from motiontransfer.forensics.dataset import TwinBatch, TwinDataset, Twins
from motiontransfer.forensics.division import seconds_of
from motiontransfer.forensics.measures import Logits
from motiontransfer.forensics.network import (
    DetectorConfig,
    SynthesisDetector,
    initialise_detector,
)
from motiontransfer.forensics.scoring import score_stretches
from motiontransfer.forensics.task import DetectorTask
from motiontransfer.forensics.trained import TrainedDetector
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.media.tensors import tensor_to_frames
from motiontransfer.training.loop import Effort, fit
from motiontransfer.training.samples import Picture, spread
from motiontransfer.training.schedule import Schedule

_NUM_SAMPLES = 4  # items, each of several pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """Numbers of the training."""

    crop_size: int
    """Height and width of what a step is shown of a frame, pixels."""
    average_decay: float
    """Decay a step of the moving average of the weights, which is what is kept."""


def train_detector(
    twins: Sequence[Twins],
    held_out: Sequence[Twins],
    fabric: Fabric,
    *,
    config: DetectorConfig,
    settings: DetectorSettings,
    schedule: Schedule,
    folder: Path,
) -> tuple[TrainedDetector, Effort]:
    """Train on some twins and calibrate on others; all that is drawn follows from the seed.

    Args:
        held_out: what the scores are calibrated on.
        folder: where checkpoints and logs of this run lie.

    Raises:
        TrainingError: a loss is not finite, or nothing moves in what is to be calibrated on.
    """
    torch.manual_seed(schedule.seed)
    network = SynthesisDetector(config)
    task = DetectorTask(
        fabric, network.apply(initialise_detector), average_decay=settings.average_decay
    )
    dataset = TwinDataset(twins, crop_size=settings.crop_size, seed=schedule.seed)
    shown = dataset.batch(spread(range(len(twins)), count=_NUM_SAMPLES))
    effort = fit(
        task,
        fabric=fabric,
        schedule=schedule,
        dataset=dataset,
        sample=lambda: _sample_grid(shown),
        folder=folder,
        description="train detector",
    )
    average = task.average.eval()
    max_height = max(_height(each.real.path) for each in twins)
    detector = TrainedDetector(
        network=average,
        config=config,
        calibration=_calibrate(average, held_out, max_height),
        max_height=max_height,
    )
    return detector, effort


def _calibrate(network: SynthesisDetector, twins: Sequence[Twins], max_height: int) -> Calibration:
    seconds = seconds_of(twins)
    real, fake = (
        [
            logits
            for name, encoding in CONDITIONS.items()
            for logits in score_stretches(
                network,
                stretches,
                encoding=encoding,
                max_height=max_height,
                description=f"calibrate {name}",
            )
        ]
        for stretches in (seconds.real, seconds.fake)
    )
    return fit_calibration(_means(real), _means(fake), num_seconds=len(twins))


def _means(seconds: Sequence[Logits]) -> np.ndarray:
    return np.array([logits.mean() for logits in seconds if len(logits)], np.float64)


def _height(path: Path) -> int:
    with FrameStore(path) as store:
        return store.size[0]


def _sample_grid(batch: TwinBatch) -> Picture:
    """What a step is shown: one column a pair, its second frame real above, fake below."""
    rows = [tensor_to_frames(images[:, 1]) for images in (batch.real, batch.fake)]
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])
