"""Noise of metrics: standard deviation over trainings that differ by their seed alone.

`noise.json` has that of the demo, by section, metric and region, as `benchmarks.noise` measures it.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from motiontransfer.evaluation.measurements import NOISE, OURS, Measurements, MetricKey

FILE = Path(__file__).with_name("noise.json")

BEYOND_NOISE = 4
"""Noises by which two runs differ to count: by chance one in 200 metrics does."""


@cache
def deviations() -> Mapping[MetricKey, float]:
    """Of our metrics."""
    sections = json.loads(FILE.read_text(encoding="utf-8"))
    return {
        MetricKey(metric, region, OURS, section): deviation
        for section, metrics in sections.items()
        for metric, regions in metrics.items()
        for region, deviation in regions.items()
    }


def noise_of(keys: Iterable[MetricKey]) -> Measurements:
    """The noise of those of ours for which it is known, as one system more."""
    known = deviations()
    return Measurements.from_values(
        {key._replace(system=NOISE): (known[key], None) for key in keys if key in known}
    )
