"""What training gave: likeness of held-out frames with the networks and by the puppet alone.

Held-out frames resemble their neighbors, of which the puppet's references are. A dance's poses do
not. So each frame is also drawn without the references that are nearer than a distance.
"""

from collections.abc import Mapping

from motiontransfer.evaluation.measurements import CEILING, FRAMES, OURS, Measurements, MetricKey
from motiontransfer.evaluation.noise import deviations

LEAST_DISTANCES = {"near": 2.0, "far": 4.0}
"""Section -> the least distance of references, as they are retrieved; % of the body's height."""
UNTRAINED = "untrained"
_REGIONS = ("person", "face", "hands")
_SYSTEMS = {OURS: "trained", UNTRAINED: UNTRAINED}


def training_gain(found: Measurements) -> dict[str, object]:
    """Likeness by section, `trained` or `untrained`, and region; its ceiling, noise and frames."""
    values = {one.key: one.value for one in found.summary}
    return {
        **{
            section: {name: _regions(values, system, section) for system, name in _SYSTEMS.items()}
            for section in LEAST_DISTANCES
        },
        "noise": _regions(deviations(), OURS),
        "ceiling": _regions(values, CEILING),
        FRAMES: values[MetricKey(FRAMES, "", "")],
    }


def _regions(
    values: Mapping[MetricKey, float | None], system: str, section: str = ""
) -> dict[str, float | None]:
    """None where nothing was measured, or the noise is not known."""
    return {
        region: values.get(MetricKey("likeness", region, system, section)) for region in _REGIONS
    }
