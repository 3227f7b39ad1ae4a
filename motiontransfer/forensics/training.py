"""Training, calibration and test of a detector on a project's real/fake pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from motiontransfer.core.arrays import Frame
from motiontransfer.core.params import Transfer
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.forensics.data import (
    CORRUPTIONS,
    EXACT,
    FramePairBatch,
    RealFakeDataset,
    Second,
    SecondPair,
    SecondSet,
    both_sides,
    corrupt,
    input_files,
    project_segments,
    split_segments,
)
from motiontransfer.forensics.model import (
    Calibration,
    FramePairConfig,
    FramePairDetector,
    Logits,
    TrainedDetector,
    bootstrap_interval,
    fit_calibration,
    initialize_detector,
    score_frames,
    write_detector,
)
from motiontransfer.models.layers import count_parameters
from motiontransfer.models.runtime import Runtime
from motiontransfer.plate.target_clips import HeldOut
from motiontransfer.training.checkpoint import run_folder, run_key
from motiontransfer.training.distributed import barrier
from motiontransfer.training.params import TrainForensicsParams
from motiontransfer.training.run_log import Throughput, show_log_anew
from motiontransfer.training.trainer import AdamTask, Run, fit
from motiontransfer.video.tensors import image_grid

_NUM_SAMPLES = 4  # items, each of several frame pairs
_OTHER_SUBJECT = "{}, who was not trained on"
_SAME_SUBJECT = (
    "later frames and the transfers of {}, who was trained on, and filmed people who were not. "
    "With one target nothing can be said about renders of other subjects"
)


class DetectorTask(AdamTask[FramePairBatch, RealFakeDataset]):
    description = "train detector"

    ema: FramePairDetector

    def __init__(self, runtime: Runtime, network: FramePairDetector, *, ema_decay: float) -> None:
        super().__init__(runtime, {"detector": network}, betas=(0.9, 0.999), ema_decay=ema_decay)
        self.network = network

    def step(
        self, batch: FramePairBatch, *, step: int, learning_rate: float
    ) -> dict[str, Float[Tensor, ""]]:
        batch = batch.to(self.runtime.device)
        with self.runtime.autocast():
            logits = self.network(torch.cat([batch.real, batch.fake]))
        is_fake = torch.arange(len(logits), device=logits.device) >= len(batch.real)
        cross_entropy = functional.binary_cross_entropy_with_logits(logits, is_fake.float())
        losses = {"detector": {"cross_entropy": cross_entropy}}
        curves = self.update(losses, step=step, learning_rate=learning_rate)
        return {**curves, "detector/accuracy": ((logits >= 0) == is_fake).float().mean()}

    def sample(self, dataset: RealFakeDataset) -> Frame:
        """Second frames of some items, one column a pair: real above, fake below."""
        batch = dataset.batch(evenly_spaced(range(len(dataset.pairs)), count=_NUM_SAMPLES))
        return image_grid([batch.real[:, 1], batch.fake[:, 1]])


def train_detector(
    dataset: RealFakeDataset,
    calibration: Sequence[SecondPair],
    run: Run,
    *,
    config: FramePairConfig,
    ema_decay: float,
    folder: Path,
) -> tuple[TrainedDetector, Throughput]:
    """Train on some segment pairs, keep the EMA, calibrate on others; the seed alone decides."""
    torch.manual_seed(run.schedule.seed)
    network = FramePairDetector(config).apply(initialize_detector)
    task = DetectorTask(run.runtime, network, ema_decay=ema_decay)
    throughput = fit(task, dataset, run, folder)
    detector = TrainedDetector(
        network=task.ema.eval(),
        config=config,
        calibration=Calibration(slope=1.0, offset=0.0),
        max_height=max(pair.real.height for pair in dataset.pairs),
    )
    scores = evaluate(detector, both_sides(calibration), description="calibrate").values()
    real, fake = (
        np.array(
            [segment.mean() for segments in kind for segment in segments if len(segment)],
            np.float64,
        )
        for kind in ([each.real for each in scores], [each.fake for each in scores])
    )
    fitted = fit_calibration(real, fake, num_seconds=len(calibration))
    return replace(detector, calibration=fitted), throughput


def train_on_project(
    run: Run,
    params: TrainForensicsParams,
    *,
    targets: Sequence[str],
    transfers: Mapping[str, Transfer],
    weights: Path,
) -> dict[str, object]:
    """Train, calibrate and test on the project in the current folder; return the metrics."""
    runtime, paths = run.runtime, run.paths
    inputs = input_files(targets=targets, transfers=transfers)
    key = run_key(runtime, [params], inputs, code=__name__)
    with run_folder(runtime, paths.checkpoints, key) as folder:
        if not runtime.is_first:
            barrier(runtime)  # the first process renders what the others then find
        segments = project_segments(
            runtime,
            targets=targets,
            transfers=transfers,
            face=params.face,
            held_out=params.to_config(HeldOut),
            max_frames=params.max_frames,
            folder=folder,
        )
        if runtime.is_first:
            barrier(runtime)
        split = split_segments(*segments)
        detector, throughput = train_detector(
            RealFakeDataset(split.training, crop_size=params.crop_size, seed=params.seed),
            split.calibration,
            run,
            config=params.to_config(FramePairConfig),
            ema_decay=params.ema_decay,
            folder=folder,
        )
        if not runtime.is_first:
            return {}
        scores_of = evaluate(detector, split.test)
        show_log_anew(folder, paths.logs)
        tested_on = (
            _OTHER_SUBJECT.format(split.held_out_subject)
            if split.held_out_subject is not None
            else _SAME_SUBJECT.format(split.training[0].real.subject)
        )
        trained_on = both_sides(split.training).description
        write_detector(weights, detector, trained_on=trained_on)
    threshold = detector.calibration.threshold
    found = {name: metrics(scores, threshold=threshold) for name, scores in scores_of.items()}
    return {
        **throughput.metrics,
        **{key: found[EXACT][key] for key in ("auc",) if key in found[EXACT]},
        "detector_parameters": count_parameters(detector.network),
        "trained_on": trained_on,
        "calibrated_on": both_sides(split.calibration).description,
        "tested_on": {"what": tested_on, **split.test.description},
        **found,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorScores:
    """Logits of the frame pairs of each segment; a segment without motion has none."""

    real: Sequence[Logits]
    fake: Sequence[Logits]

    @property
    def pooled(self) -> tuple[Logits, Logits]:
        none = np.zeros(0)
        return np.concatenate([none, *self.real]), np.concatenate([none, *self.fake])


def area_under_curve(real: Logits, fake: Logits) -> float:
    """Probability that a fake pair scores higher than a real one; a tie is half (Mann-Whitney)."""
    from scipy.stats import rankdata  # a second of importing, and each run starts with checks

    ranks = rankdata(np.concatenate([real, fake]))
    above = ranks[len(real) :].sum() - len(fake) * (len(fake) + 1) / 2
    return float(above / (len(real) * len(fake)))


def balanced_accuracy(real: Logits, fake: Logits, *, threshold: float) -> float:
    """Mean of the shares of real and of fake pairs that are classified correctly."""
    return float(((real < threshold).mean() + (fake >= threshold).mean()) / 2)


def metrics(scores: DetectorScores, *, threshold: float) -> dict[str, object]:
    """AUC and accuracy with 95 % intervals, and the confusion matrix; fake from `threshold` on."""
    real, fake = (
        [each for each in segments if len(each)] for segments in (scores.real, scores.fake)
    )
    counts = {
        "seconds": {"real": len(real), "fake": len(fake)},
        "seconds_without_movement": sum(not len(each) for each in [*scores.real, *scores.fake]),
    }
    if not (real and fake):
        return counts
    statistics = {
        "auc": area_under_curve,
        "accuracy": partial(balanced_accuracy, threshold=threshold),
    }
    values: dict[str, float] = {}
    for name, statistic in statistics.items():
        value = statistic(*scores.pooled)
        interval = bootstrap_interval(statistic, real, fake)
        for suffix, number in zip(("", "_low", "_high"), (value, *interval), strict=True):
            values[f"{name}{suffix}"] = round(number, 4)
    confusion = {
        kind: {
            "predicted_real": int((logits < threshold).sum()),
            "predicted_fake": int((logits >= threshold).sum()),
        }
        for kind, logits in zip(("real", "fake"), scores.pooled, strict=True)
    }
    return {**values, "confusion": confusion, **counts}


def evaluate(
    detector: TrainedDetector, segments: SecondSet, *, description: str = "test"
) -> dict[str, DetectorScores]:
    """Score real and fake segments after each corruption, by its name."""

    def logits(segments: Sequence[Second], name: str) -> list[Logits]:
        return [
            score_frames(
                detector.network,
                corrupt(segment.read(), CORRUPTIONS[name]),
                max_height=detector.max_height,
            )
            for segment in track(segments, f"{description} {name}", total=len(segments))
        ]

    return {
        name: DetectorScores(real=logits(segments.real, name), fake=logits(segments.fake, name))
        for name in CORRUPTIONS
    }
