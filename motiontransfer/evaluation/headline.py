"""The few numbers of a transfer that DVC compares, `results/<transfer>/metrics.json`.

All others, with their intervals, are in the tables of measurements.
"""

from motiontransfer.evaluation.measurements import CEILING, OURS, Measurements, MetricKey

NOISE = {"person": 0.0005, "face": 0.0001, "hands": 0.001}
"""Standard deviation of the demo's likeness over three trainings (docs/evaluation.md)."""

_OF_HELD_OUT = {
    name + suffix: MetricKey("likeness", name, system)
    for name in NOISE
    for suffix, system in (("", OURS), ("_ceiling", CEILING))
}
_OF_RESULT = {
    **{f"truth_{name}": key._replace(section="truth") for name, key in _OF_HELD_OUT.items()},
    "coverage": MetricKey("coverage", "all", OURS, "film"),
    "sharp_faces": MetricKey("sharp_frames", "face", OURS, "sharpness"),
    "sharp_hands": MetricKey("sharp_frames", "hands", OURS, "sharpness"),
    "pose_px": MetricKey("pose_distance_px", "all", OURS, "detection"),
    "missed_hands": MetricKey("missed_detections", "hands", OURS, "detection"),
    "flicker": MetricKey("background_flicker", "", OURS, "temporal"),
}


def headline(held_out: Measurements, result: Measurements) -> dict[str, float]:
    """Name -> value; what was not measured is left out.

    Args:
        held_out: of the target's held-out frames, which the likeness needs no ground truth for.
    """
    found: dict[str, float] = {}
    for keys, measured in ((_OF_HELD_OUT, held_out), (_OF_RESULT, result)):
        values = {one.key: one.value for one in measured.summary}
        for name, key in keys.items():
            if (value := values.get(key)) is not None:
                found[name] = value
                if name.endswith("_ceiling"):
                    region = key.region
                    found[name.replace("_ceiling", "_noise")] = NOISE[region]
    return found
