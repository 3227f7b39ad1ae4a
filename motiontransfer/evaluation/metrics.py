"""Every metric as its module defines it, and the pivots of the table of measurements."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from motiontransfer.core.arrays import Series
from motiontransfer.core.storage import replacing
from motiontransfer.evaluation import (
    image_metrics,
    pose_metrics,
    sharp_frames,
    surroundings,
    temporal_metrics,
)
from motiontransfer.evaluation.measurements import (
    FRAMES,
    NEAREST_NEIGHBORS,
    OF_POSES,
    OURS,
    Measurement,
    Measurements,
    Metric,
    MetricKey,
)
from motiontransfer.evaluation.noise import BEYOND_NOISE, deviations

METRICS: Mapping[str, Metric] = {
    **image_metrics.METRICS,
    **sharp_frames.METRICS,
    **pose_metrics.METRICS,
    "coverage": Metric("Share of the dance that the films cover", "", "higher", OF_POSES),
    **temporal_metrics.METRICS,
    **surroundings.METRICS,
    FRAMES: Metric("Frames", FRAMES, "unknown", "{section}.{metric}"),
}

HEADLINES = (
    MetricKey("likeness", "person", "", "truth"),
    MetricKey("likeness", "face", "", "truth"),
    MetricKey("likeness", "hands", "", "truth"),
    MetricKey("sharp_frames", "face", "", "sharpness"),
    MetricKey("sharp_frames", "hands", "", "sharpness"),
    MetricKey("lpips", "person", "", "truth"),
    MetricKey("pose_distance_px", "all", "", "truth"),
    MetricKey("pose_error_px", "all", "", "detection"),
    MetricKey("missed_detections", "hands", "", "detection"),
    MetricKey("background_flicker", "", "", "temporal"),
    MetricKey("frame_change_to_source", "", "", "temporal"),
    MetricKey("warping_error_person", "", "", "temporal"),
)

Curves = dict[MetricKey, dict[str, Series]]
"""Metric of any system -> system or label -> its values in each frame."""


def path_of(key: MetricKey) -> tuple[str, ...]:
    """The keys of a value in nested JSON."""
    keys = METRICS[key.metric].path.format_map(key._asdict()).split(".")
    return tuple(key for key in keys if key)


def is_count(one: Measurement) -> bool:
    """True if it is a number of frames."""
    return not one.note and METRICS[one.key.metric].unit == FRAMES


def curves(found: Measurements) -> Curves:
    """The values of each system in each frame; the headline metrics first."""
    values: Curves = {}
    for key, of_frames in found.per_frame.items():
        values.setdefault(key.of_any_system, {})[key.system] = of_frames
    first = [key for key in HEADLINES if key in values]
    return {key: values[key] for key in dict.fromkeys([*first, *values])}


def nested(
    found: Measurements, cell: Callable[[Measurement], object] | None = None
) -> dict[str, object]:
    """The pivot for JSON: values over all frames under their `path_of`.

    `cell` converts each measurement; None: the value, an integer for counts.
    """
    tree: dict[str, object] = {}
    for one in found.summary:
        if one.note:
            continue
        *groups, name = path_of(one.key)
        node = tree
        for group in groups:
            node = node.setdefault(group, {})
            assert isinstance(node, dict)
        whole = is_count(one) and one.value is not None
        node[name] = cell(one) if cell else int(one.value) if whole else one.value
    return tree


def write_curves(folder: Path, found: Measurements) -> None:
    """Write a CSV for each headline metric of both systems, with a row a frame.

    `dvc plots` draws one plot a file and needs the same columns in all. Metrics that only one of
    the systems has are left out. Held-out frames are compared as with a ground truth. Missing
    values are empty cells. Numbers have four decimals, and small ones four significant digits.
    """
    import pandas as pd

    def number(value: float) -> str:
        return f"{value:.4g}" if 0 < abs(value) < 0.1 else f"{value:.4f}"

    folder.mkdir(parents=True, exist_ok=True)
    for key, of_system in curves(found).items():
        is_headline = key in HEADLINES or key._replace(section="truth") in HEADLINES
        if is_headline and {OURS, NEAREST_NEIGHBORS} <= of_system.keys():
            table = pd.DataFrame({name: of_system[name] for name in (OURS, NEAREST_NEIGHBORS)})
            with replacing(folder / f"{key.slug}.csv") as temporary:
                table.to_csv(
                    temporary, index_label="frame_index", float_format=number, lineterminator="\n"
                )


# What `metrics.json` of a transfer has, at most as many as fit side by side: of its held-out frames
# where there is no ground truth, and of the result.
_HELD_OUT = {name: MetricKey("likeness", name, OURS) for name in ("person", "face", "hands")}
_TRUTH = {f"truth_{name}": key._replace(section="truth") for name, key in _HELD_OUT.items()}
_RESULT = {
    "sharp_faces": MetricKey("sharp_frames", "face", OURS, "sharpness"),
    "sharp_hands": MetricKey("sharp_frames", "hands", OURS, "sharpness"),
    "pose_px": MetricKey("pose_error_px", "all", OURS, "detection"),
}


def headline(held_out: Measurements, result: Measurements) -> dict[str, float]:
    """What DVC compares of a transfer: name -> value; what was not measured is left out.

    Args:
        held_out: of the target's held-out frames, which count where there is no ground truth.
    """
    likeness = _chosen(_TRUTH, result) or _chosen(_HELD_OUT, held_out)
    return likeness | _chosen(_RESULT, result)


def _chosen(keys: Mapping[str, MetricKey], measured: Measurements) -> dict[str, float]:
    values = {one.key: one.value for one in measured.summary}
    return {
        name: round(value, _decimals(key))
        for name, key in keys.items()
        if (value := values.get(key)) is not None
    }


def _decimals(key: MetricKey) -> int:
    """So many that a step of the last one is no more than a difference that counts."""
    noise = deviations().get(key)
    return math.ceil(-math.log10(BEYOND_NOISE * noise)) if noise else 3
