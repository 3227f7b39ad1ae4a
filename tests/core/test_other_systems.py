"""What other systems lack is not asked for when modules are imported."""

import subprocess

import pytest

from tests.clone import ROOT
from tests.command import isolated_environment


@pytest.mark.slow
def test_all_modules_load_without_the_names_that_windows_lacks(tmp_path):
    """The libraries are those of this system: they are loaded before."""
    done = subprocess.run(
        ["python", "-m", "tests.core.as_on_windows"],
        cwd=ROOT, env=isolated_environment(tmp_path), capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "loaded True\n", done.stderr[-2000:]
