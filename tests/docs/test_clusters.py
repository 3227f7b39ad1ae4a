import re
from pathlib import Path

import pytest

from tests.docs.pages import run

PAGE = (Path(__file__).parents[2] / "docs/clusters.md").read_text()
SCRIPTS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
GENERATOR = "artifacts/models/ada/generator.safetensors"
SLURM = "SLURM_JOB_ID=1 SLURM_JOB_NODELIST=localhost"
RESULT = "results/ada_as_ben/report.html"


@pytest.mark.parametrize(
    ("named", "made"),
    [
        ("torchrun", {GENERATOR}),  # one process on one machine
        ("motiontransfer repro", {GENERATOR, RESULT}),
    ],
)
def test_a_script_makes_what_is_missing(project, named, made):
    (script,) = (each for each in SCRIPTS if named in each)
    here = {"uv run ": "", " me\n": " ada\n", "--nnodes 2": "--nnodes 1", "node 4": "node 1"}
    for there, replaced in here.items():
        script = script.replace(there, replaced)
    (project / "job.sh").write_text(script)
    shims = {"srun": 'exec "$@"', "scontrol": "echo localhost"}
    for name, command in shims.items():
        shim = project / "shim" / name
        shim.parent.mkdir(exist_ok=True)
        shim.write_text(f"#!/bin/sh\n{command}\n")
        shim.chmod(0o755)
    for path in (GENERATOR, RESULT):
        (project / path).unlink()
    done = run(f"PATH={shim.parent}:$PATH {SLURM} bash -e job.sh", project)
    assert done.returncode == 0, done.stdout[-3000:]
    assert {path for path in (GENERATOR, RESULT) if (project / path).exists()} == made
