"""The few numbers of a transfer that DVC compares, `results/<transfer>/metrics.json`.

They are at most as many as fit side by side. All others, with their intervals, ceilings and noise,
are in the tables of measurements.
"""

import math
from collections.abc import Mapping

from motiontransfer.evaluation.measurements import OURS, Measurements, MetricKey
from motiontransfer.evaluation.noise import BEYOND_NOISE, deviations

_HELD_OUT = {name: MetricKey("likeness", name, OURS) for name in ("person", "face", "hands")}
_TRUTH = {f"truth_{name}": key._replace(section="truth") for name, key in _HELD_OUT.items()}
_RESULT = {
    "sharp_faces": MetricKey("sharp_frames", "face", OURS, "sharpness"),
    "sharp_hands": MetricKey("sharp_frames", "hands", OURS, "sharpness"),
    "pose_px": MetricKey("pose_error_px", "all", OURS, "detection"),
}


def headline(held_out: Measurements, result: Measurements) -> dict[str, float]:
    """Name -> value; what was not measured is left out.

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
