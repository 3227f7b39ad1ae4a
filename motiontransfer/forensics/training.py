"""Training of a detector of rendered video on a project's real/fake pairs."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from motiontransfer.forensics.corruptions import CONDITIONS
from motiontransfer.forensics.data import (
    Division,
    Footage,
    Share,
    TwinBatch,
    TwinDataset,
    Twins,
    divide,
    input_files,
    project_footage,
    seconds_of,
)
from motiontransfer.forensics.evaluation import (
    Logits,
    measures,
    plot_trial,
    score_stretches,
    try_detector,
)
from motiontransfer.forensics.model import (
    Calibration,
    DetectorConfig,
    SynthesisDetector,
    TrainedDetector,
    fit_calibration,
    initialise_detector,
    write_detector,
)
from motiontransfer.models.layers import count_parameters, update_average
from motiontransfer.params import Transfer
from motiontransfer.rendering.renderer import FaceMode
from motiontransfer.source_fingerprint import source_files
from motiontransfer.training.checkpoint import (
    adam_state,
    load_adam_state,
    load_module_state,
    module_state,
    run_folder,
    run_key,
)
from motiontransfer.training.config import Schedule
from motiontransfer.training.data import RankBatch
from motiontransfer.training.distributed import all_reduce_mean, arithmetic, barrier
from motiontransfer.training.run_log import Picture, Throughput, copy_logs, spread
from motiontransfer.training.trainer import fit
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import tensor_to_frames

_NETWORKS = ("network", "average")


class DetectorTask:
    """A detector with its EMA and its optimiser."""

    def __init__(self, fabric: Fabric, network: SynthesisDetector, *, ema_decay: float) -> None:
        self.network = network.to(fabric.device)
        self.average = deepcopy(self.network).requires_grad_(False)
        self._fabric, self._ema_decay = fabric, ema_decay
        self._optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def step(
        self, share: RankBatch[TwinBatch], *, step: int, learning_rate: float
    ) -> dict[str, Float[Tensor, ""]]:
        """Train on one batch."""
        parameters = list(self.network.parameters())
        cross_entropy, right, *gradients = self._gradients(share, parameters)
        for parameter, gradient in zip(
            parameters, all_reduce_mean(self._fabric, gradients), strict=True
        ):
            parameter.grad = gradient
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        # The average of the first steps would otherwise be mostly the random initial weights.
        decay = min(self._ema_decay, (1 + step) / (10 + step))
        update_average(self.average, self.network, decay=decay)
        return {"detector/cross_entropy": cross_entropy, "detector/accuracy": right}

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        networks = [module_state(name, getattr(self, name)) for name in _NETWORKS]
        return {**networks[0], **networks[1], **adam_state("optimizer", self._optimizer)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        for name in _NETWORKS:
            load_module_state(name, getattr(self, name), state)
        load_adam_state("optimizer", self._optimizer, state)

    def _gradients(
        self, share: RankBatch[TwinBatch], parameters: list[torch.nn.Parameter]
    ) -> tuple[Tensor, ...]:
        """Cross entropy, share of pairs that are judged right, and the gradients of the first."""
        batch = share.batch.to(self._fabric.device)
        with self._fabric.autocast():
            logits = self.network(torch.cat([batch.real, batch.fake]))
        is_fake = torch.arange(len(logits), device=logits.device) >= len(batch.real)
        cross_entropy = functional.binary_cross_entropy_with_logits(logits, is_fake.float())
        right = ((logits >= 0) == is_fake).float().mean()
        return cross_entropy.detach(), right, *torch.autograd.grad(cross_entropy, parameters)


_NUM_SAMPLES = 4  # items, each of several pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """Numbers of the training."""

    crop_size: int
    """Height and width of what a step is shown of a frame, pixels."""
    ema_decay: float
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
) -> tuple[TrainedDetector, Throughput]:
    """Train on some twins and calibrate on others; all that is drawn follows from the seed.

    Args:
        held_out: what the scores are calibrated on.
        folder: where checkpoints and logs of this run lie.

    Raises:
        TrainingError: a loss is not finite, or nothing moves in what is to be calibrated on.
    """
    torch.manual_seed(schedule.seed)
    network = SynthesisDetector(config)
    task = DetectorTask(fabric, network.apply(initialise_detector), ema_decay=settings.ema_decay)
    dataset = TwinDataset(twins, crop_size=settings.crop_size, seed=schedule.seed)
    shown = dataset.batch(spread(range(len(twins)), count=_NUM_SAMPLES))
    throughput = fit(
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
    return detector, throughput


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


_OTHER_SUBJECT = "{}, who was not trained on"
_SAME_SUBJECT = (
    "later frames and the transfers of {}, who was trained on, and filmed people who were not: "
    "with one target nothing can be said about renders of other subjects"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Whom a project films and renders."""

    root: Path
    """Its folder."""
    targets: Sequence[str]
    transfers: Mapping[str, Transfer]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorPaths:
    """Where a run keeps things."""

    checkpoints: Path
    """Runs that are not finished; outside DVC's outs."""
    weights: Path
    logs: Path
    """Curves and pictures."""


def make_detector(
    project: Project,
    fabric: Fabric,
    *,
    config: DetectorConfig,
    settings: DetectorSettings,
    schedule: Schedule,
    face: FaceMode,
    share: Share,
    paths: DetectorPaths,
) -> dict[str, object]:
    """Render, train, calibrate and test; write weights, curves and a picture; return metrics.

    Raises:
        MissingFileError: an artifact is not there.
        TrainingError: there is too little to train, calibrate or test on.
    """
    inputs = input_files(project.root, targets=project.targets, transfers=project.transfers)
    key = run_key(
        [config, settings, schedule, face, share, *arithmetic(fabric)],
        [*inputs, *source_files(__name__)],
    )
    with run_folder(fabric, paths.checkpoints, key) as folder:
        division = divide(_footage(project, fabric, face=face, share=share, folder=folder))
        detector, throughput = train_detector(
            division.training,
            division.calibration,
            fabric,
            config=config,
            settings=settings,
            schedule=schedule,
            folder=folder,
        )
        if not fabric.is_global_zero:
            return {}
        scores_of = try_detector(detector, division.test)
        copy_logs(folder, paths.logs)
        shows = _shows(division)
        plot_trial(
            paths.logs / "trial.png",
            detector,
            division.test,
            scores_of,
            title=f"Detector of rendered video, tested on {shows.split(':')[0]}",
        )
        trained_on = seconds_of(division.training).description
        write_detector(paths.weights, detector, trained_on=trained_on)
    return {
        **throughput.metrics,
        "detector_parameters": count_parameters(detector.network),
        "trained_on": trained_on,
        "calibrated_on": seconds_of(division.calibration).description,
        "tested_on": {"what": shows, **division.test.description},
        **measures(detector, scores_of),
    }


def _footage(
    project: Project, fabric: Fabric, *, face: FaceMode, share: Share, folder: Path
) -> Footage:
    """The first process renders; the others wait, and find all of it."""
    if not fabric.is_global_zero:
        barrier(fabric)
    footage = project_footage(
        project.root,
        fabric,
        targets=project.targets,
        transfers=project.transfers,
        face=face,
        share=share,
        folder=folder,
    )
    if fabric.is_global_zero:
        barrier(fabric)
    return footage


def _shows(division: Division) -> str:
    if division.held_out_subject is not None:
        return _OTHER_SUBJECT.format(division.held_out_subject)
    return _SAME_SUBJECT.format(division.training[0].real.subject)
