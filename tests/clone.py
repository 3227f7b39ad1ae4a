"""The clone that is tested, and what runs write in it as the last commit has it."""

import atexit
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_WRITTEN_BY_RUNS = (
    *(".dvc/config", "artifacts", "data", "demo/dvc.lock", "demo/params.yaml", "dvc.lock"),
    *("films.yaml", "params.yaml", "results"),
)
"""What the demo, a dance, an experiment or sharing changes of what is in git."""
_NOT_IN_GIT = re.compile(r"not a (git repository|valid object name)|did not match|is untracked")


def _committed() -> Path:
    """Those files in a folder of their own; the clone itself where they are in no commit."""
    if os.environ.get("TEST_WORK_TREE"):
        return ROOT
    archive = subprocess.run(
        ["git", "archive", "HEAD", *_WRITTEN_BY_RUNS],
        **{"cwd": ROOT, "env": {**os.environ, "LC_ALL": "C"}, "capture_output": True},
    )
    if archive.returncode and _NOT_IN_GIT.search(archive.stderr.decode()):
        return ROOT
    assert archive.returncode == 0, archive.stderr.decode()
    folder = Path(tempfile.mkdtemp(prefix="committed-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return folder


COMMITTED = _committed()
"""Where tests read those files, and never in ROOT; of TEST_WORK_TREE=1 it is the clone."""


def copy_all(names: tuple[str, ...], root: Path, *, ignored: tuple[str, ...] = ()) -> None:
    """Copy these files and folders of the clone; what runs write, as it was committed."""
    for name in names:
        source = (COMMITTED if name in _WRITTEN_BY_RUNS else ROOT) / name
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", *ignored)
            shutil.copytree(source, root / name, ignore=ignore)
        else:
            shutil.copy(source, root / name)
