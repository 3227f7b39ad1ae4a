"""Typing commands as a reader of the pages does, in an environment of the test's own."""

import os
import subprocess
import sys
from pathlib import Path


def run(command: str, folder: Path) -> subprocess.CompletedProcess:
    """A line of shell as a person types it; what it says, errors and all, is in stdout."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **{"DVC_NO_ANALYTICS": "1", "PYTHONWARNINGS": "ignore", "COLUMNS": "200", "NO_COLOR": "1"},
        **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "ada@example.org" for who in ("AUTHOR", "COMMITTER")},
        **{"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
        "DVC_SITE_CACHE_DIR": str(folder.parent / "site_cache"),
        "DVC_GLOBAL_CONFIG_DIR": str(folder.parent / "global_config"),
        "PYTHONPATH": str(folder),
    }
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
