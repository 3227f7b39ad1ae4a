"""Evaluation of a detector: AUC and accuracy under each corruption, with a plot."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.transforms import Bbox
from scipy.stats import rankdata
from torch import nn

from motiontransfer.forensics.corruptions import (
    CONDITIONS,
    EXACT,
    Encoding,
    Frames,
    Stretch,
    draw_view,
    recompressed,
)
from motiontransfer.forensics.data import Seconds
from motiontransfer.forensics.model import TrainedDetector, moves
from motiontransfer.progress import track
from motiontransfer.storage import replacing
from motiontransfer.video.geometry import resize
from motiontransfer.video.tensors import frames_to_tensor

Logits = Float64[np.ndarray, " _"]
"""Of the pairs of one second, or of many."""

_NUM_DRAWS = 1000
_QUANTILES = (0.025, 0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Logits of pairs, second by second; seconds in which nothing moves have none."""

    real: Sequence[Logits]
    fake: Sequence[Logits]

    @property
    def judged(self) -> "Scores":
        """Only the seconds that have any."""
        return Scores(
            real=[logits for logits in self.real if len(logits)],
            fake=[logits for logits in self.fake if len(logits)],
        )


def area_under_curve(real: Logits, fake: Logits) -> float:
    """How often a fake pair scores higher than a real one; a tie counts half (Mann-Whitney)."""
    ranks = rankdata(np.concatenate([real, fake]))
    above = ranks[len(real) :].sum() - len(fake) * (len(fake) + 1) / 2
    return float(above / (len(real) * len(fake)))


def roc_curve(
    real: Logits, fake: Logits
) -> tuple[Float64[np.ndarray, " thresholds"], Float64[np.ndarray, " thresholds"]]:
    """False and true positive rates, from the highest threshold to the lowest."""
    thresholds = np.unique(np.concatenate([real, fake]))[::-1]
    rates = [
        np.array([0.0, *((logits >= threshold).mean() for threshold in thresholds)])
        for logits in (real, fake)
    ]
    return rates[0], rates[1]


def accuracy(real: Logits, fake: Logits, *, threshold: float) -> float:
    """Mean of the shares of real and of fake pairs that are told for what they are."""
    return float(((real < threshold).mean() + (fake >= threshold).mean()) / 2)


def measure(scores: Scores, *, threshold: float) -> dict[str, object]:
    """AUC and accuracy with 95 % intervals, and the confusion table, all counted in pairs.

    Args:
        threshold: from this logit on a pair counts as fake.
    """
    judged = scores.judged
    counts = {
        "seconds": {"real": len(judged.real), "fake": len(judged.fake)},
        "seconds_without_movement": len(scores.real)
        + len(scores.fake)
        - len(judged.real)
        - len(judged.fake),
    }
    if not (judged.real and judged.fake):
        return counts
    real, fake = np.concatenate(judged.real), np.concatenate(judged.fake)
    measures: dict[str, Callable[[Logits, Logits], float]] = {
        "auc": area_under_curve,
        "accuracy": lambda real, fake: accuracy(real, fake, threshold=threshold),
    }
    return {
        **{name: round(of(real, fake), 4) for name, of in measures.items()},
        **{
            f"{name}_{end}": value
            for name, of in measures.items()
            for end, value in zip(("low", "high"), interval(judged, of), strict=True)
        },
        "confusion": {
            kind: {
                "judged_real": int((logits < threshold).sum()),
                "judged_fake": int((logits >= threshold).sum()),
            }
            for kind, logits in (("real", real), ("fake", fake))
        },
        **counts,
    }


def interval(scores: Scores, of: Callable[[Logits, Logits], float]) -> tuple[float, float]:
    """95 % interval by bootstrap of seconds; (0, 1) where there are fewer than two of a kind."""
    if min(len(scores.real), len(scores.fake)) < 2:
        return 0.0, 1.0
    draws = np.random.default_rng(0)
    drawn = [
        of(_redrawn(scores.real, draws), _redrawn(scores.fake, draws)) for _ in range(_NUM_DRAWS)
    ]
    low, high = np.quantile(drawn, _QUANTILES)
    return round(float(low), 4), round(float(high), 4)


def _redrawn(seconds: Sequence[Logits], draws: np.random.Generator) -> Logits:
    return np.concatenate([seconds[i] for i in draws.integers(len(seconds), size=len(seconds))])


_PAIRS_AT_ONCE = 8


def score_frames(network: nn.Module, frames: Frames, *, max_height: int) -> Logits:
    """Score every pair of consecutive frames in which something moves.

    Args:
        max_height: higher frames are shrunk to it.
    """
    device = next(network.parameters()).device
    frames = np.stack([shrunk(frame, max_height=max_height) for frame in frames])
    logits: list[np.ndarray] = []
    for start in range(0, len(frames) - 1, _PAIRS_AT_ONCE):
        tensor = frames_to_tensor(list(frames[start : start + _PAIRS_AT_ONCE + 1])).to(device)
        pairs = torch.stack([tensor[:-1], tensor[1:]], dim=1)
        pairs = pairs[moves(pairs)]
        if len(pairs):
            with torch.inference_mode():
                logits.append(network(pairs).double().cpu().numpy())
    return np.concatenate(logits) if logits else np.zeros(0)


def shrunk(frame: UInt8[np.ndarray, "_ _ 3"], *, max_height: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """Return a frame that is no higher than those which the detector was trained on.

    That is how it knows filmed people, and what was rendered small and enlarged loses nothing.
    """
    height, width = frame.shape[:2]
    if height <= max_height:
        return frame
    return resize(frame, (max_height, max(1, round(width * max_height / height))))


def score_stretches(
    network: nn.Module,
    stretches: Iterable[Stretch],
    *,
    encoding: Encoding,
    max_height: int,
    description: str,
) -> list[Logits]:
    """Score each stretch as it is after an encoding; no scores where nothing moves."""
    stretches = list(stretches)
    return [
        score_frames(network, recompressed(stretch.read(), encoding), max_height=max_height)
        for stretch in track(stretches, description, total=len(stretches))
    ]


def try_detector(detector: TrainedDetector, seconds: Seconds) -> dict[str, Scores]:
    """Score real and fake seconds after each condition, the same for both."""
    scores = {}
    for name, encoding in CONDITIONS.items():
        real, fake = (
            score_stretches(
                detector.network,
                stretches,
                encoding=encoding,
                max_height=detector.max_height,
                description=f"test {name}",
            )
            for stretches in (seconds.real, seconds.fake)
        )
        scores[name] = Scores(real=real, fake=fake)
    return scores


def measures(detector: TrainedDetector, scores_of: dict[str, Scores]) -> dict[str, object]:
    """What `measure` says of each condition's scores."""
    threshold = detector.calibration.threshold
    return {name: measure(scores, threshold=threshold) for name, scores in scores_of.items()}


_COLOURS = ("#1f6feb", "#2b8a3e", "#f59f00", "#e8590c", "#862e9c", "#495057", "#0b7285")
_NUM_EXAMPLES = 8
_EXAMPLE_PX = 96


def plot_trial(
    path: Path,
    detector: TrainedDetector,
    seconds: Seconds,
    scores_of: Mapping[str, Scores],
    *,
    title: str,
) -> None:
    """Draw a trial as a PNG.

    Args:
        scores_of: of the seconds, under each condition.
    """
    figure = Figure(figsize=(11, 8.2), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(4.4, 3.6))[:, 0]
    curves, table = above.subplots(1, 2, width_ratios=(5, 6))
    _draw_curves(curves, scores_of)
    _draw_confusion(table, scores_of, threshold=detector.calibration.threshold)
    _draw_examples(below, detector, seconds, scores_of[EXACT])
    figure.suptitle(title, fontsize=12)
    with replacing(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def _draw_curves(axes: Axes, scores_of: Mapping[str, Scores]) -> None:
    for colour, (name, scores) in zip(_COLOURS, scores_of.items(), strict=False):
        judged = scores.judged
        if not (judged.real and judged.fake):
            continue
        real, fake = np.concatenate(judged.real), np.concatenate(judged.fake)
        label = f"{name}, AUC {area_under_curve(real, fake):.3f}"
        axes.plot(*roc_curve(real, fake), color=colour, linewidth=1.6, label=label)
    axes.plot([0, 1], [0, 1], color="#adb5bd", linewidth=1, linestyle=":")
    axes.set(xlabel="real pairs called rendered", ylabel="rendered pairs found", aspect="equal")
    axes.set_title("ROC, pairs of consecutive frames", loc="left", fontsize=10)
    axes.grid(visible=True, alpha=0.25)
    axes.legend(loc="lower right", fontsize=8)


def _draw_confusion(axes: Axes, scores_of: Mapping[str, Scores], *, threshold: float) -> None:
    cells = [
        [f"{(logits >= threshold).sum()} of {len(logits)}" for logits in _kinds(scores)]
        for scores in scores_of.values()
    ]
    axes.set_axis_off()
    axes.set_title("Pairs called rendered, of all pairs", loc="left", fontsize=10)
    table = axes.table(
        cellText=cells,
        rowLabels=list(scores_of),
        colLabels=["of real ones", "of rendered ones"],
        cellLoc="center",
        bbox=Bbox.from_bounds(0.16, 0.12, 0.84, 0.82),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)


def _draw_examples(
    figure: SubFigure, detector: TrainedDetector, seconds: Seconds, scores: Scores
) -> None:
    """Both kinds, one row each."""
    kinds = {
        "real": _from_real_to_rendered(seconds.real, scores.real),
        "rendered": _from_real_to_rendered(seconds.fake, scores.fake),
    }
    num_columns = max(1, *(len(chosen) for chosen in kinds.values()))
    rows = figure.subplots(2, num_columns, squeeze=False)
    for axes in rows.flat:
        axes.set_axis_off()
    for axes_of_row, (kind, chosen) in zip(rows, kinds.items(), strict=True):
        for axes, (stretch, logit) in zip(axes_of_row, chosen, strict=False):
            probability = detector.calibration.probability(np.array([logit]))[0]
            axes.imshow(_example(stretch))
            axes.set_title(f"{kind}: {probability:.2f}", fontsize=9)
    figure.suptitle("Probability that a second was rendered; where it moves", fontsize=10)


def _from_real_to_rendered(
    stretches: Sequence[Stretch], logits: Sequence[Logits]
) -> list[tuple[Stretch, float]]:
    """Some stretches with their mean logits, evenly chosen, the most real looking one first."""
    judged = sorted((float(each.mean()), index) for index, each in enumerate(logits) if len(each))
    places = np.linspace(0, len(judged) - 1, min(_NUM_EXAMPLES, len(judged))).round()
    return [(stretches[judged[int(k)][1]], judged[int(k)][0]) for k in places]


def _example(stretch: Stretch) -> UInt8[np.ndarray, "height width 3"]:
    frames = stretch.read()
    draws = np.random.default_rng(0)
    x0, y0, x1, y1 = draw_view(frames, frames, crop_size=_EXAMPLE_PX, draws=draws).box
    return frames[len(frames) // 2, y0:y1, x0:x1]


def _kinds(scores: Scores) -> Sequence[np.ndarray]:
    return [np.concatenate([np.zeros(0), *seconds]) for seconds in (scores.real, scores.fake)]
