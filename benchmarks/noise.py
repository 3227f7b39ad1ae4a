"""Noise of the demo's metrics: their standard deviation over trainings with other seeds.

    uv run python -m benchmarks.noise PROJECT PROJECT PROJECT ...

Each PROJECT is a clone of this one in which `dvc repro` has run, with other `train_gan.seed` and
`train_face_gan.seed`. Written: motiontransfer/evaluation/noise.json.
"""

import argparse
from contextlib import chdir
from pathlib import Path

import numpy as np

from motiontransfer.core import layout
from motiontransfer.core.storage import write_json
from motiontransfer.evaluation.measurements import OURS, MetricKey, read_measurements
from motiontransfer.evaluation.noise import FILE

_TARGET, _TRANSFER = "ada", "ada_as_ben"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("projects", nargs="+", type=Path)
    values: dict[MetricKey, list[float]] = {}
    projects = parser.parse_args().projects
    for project in projects:
        with chdir(project):
            for stage, name in (("evaluate", _TARGET), ("evaluate_transfer", _TRANSFER)):
                found = read_measurements(layout.measurements_file(stage, name))
                for one in found.summary:
                    if one.key.system == OURS and one.value is not None:
                        values.setdefault(one.key, []).append(one.value)
    noise: dict[str, dict[str, dict[str, float]]] = {}
    for key, of_projects in values.items():
        if len(of_projects) == len(projects):
            of_section = noise.setdefault(key.section, {}).setdefault(key.metric, {})
            of_section[key.region] = round(float(np.std(of_projects, ddof=1)), 6)
    write_json(FILE, noise)


if __name__ == "__main__":
    main()
