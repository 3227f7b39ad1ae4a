"""What a detector is worth, on one page: ROC curves, the confusion table, and what it saw."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.transforms import Bbox

from motiontransfer.forensics.conditions import EXACT
from motiontransfer.forensics.division import Seconds
from motiontransfer.forensics.measures import Logits, Scores, area_under_curve, roc_curve
from motiontransfer.forensics.stretches import Stretch
from motiontransfer.forensics.trained import TrainedDetector
from motiontransfer.forensics.views import draw_view
from motiontransfer.storage import replacing

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
