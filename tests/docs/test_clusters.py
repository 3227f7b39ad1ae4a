import re
from pathlib import Path

import pytest

from tests.docs.pages import run

PAGE = (Path(__file__).parents[2] / "docs/clusters.md").read_text()
SCRIPTS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
GENERATOR = "artifacts/models/ada/generator.safetensors"
RESULT = "results/ada_as_ben/report.html"


@pytest.mark.parametrize(
    ("named", "made"),
    [
        ("python -m stages train_gan", {GENERATOR}),
        ("repro --single-item", {GENERATOR}),  # and nothing that depends on it
        ("motiontransfer repro", {GENERATOR, RESULT}),
    ],
)
def test_a_script_makes_what_is_missing(project, named, made):
    (script,) = (each for each in SCRIPTS if named in each)
    (project / "job.sh").write_text(
        script.replace("uv run ", "").replace("train_gan me", "train_gan ada")
    )
    srun = project / "shim/srun"
    srun.parent.mkdir()
    srun.write_text('#!/bin/sh\nexec "$@"\n')
    srun.chmod(0o755)
    for path in (GENERATOR, RESULT):
        (project / path).unlink()
    done = run(f"PATH={srun.parent}:$PATH SLURM_ARRAY_TASK_ID=1 bash -e job.sh", project)
    assert done.returncode == 0, done.stdout[-3000:]
    assert {path for path in (GENERATOR, RESULT) if (project / path).exists()} == made
