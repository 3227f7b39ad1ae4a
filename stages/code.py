"""Source fingerprint of each stage: `python -m stages code`.

An edit reruns only the stages that import the edited module.
"""

import pkgutil
from pathlib import Path

from motiontransfer.core import layout
from motiontransfer.core.storage import source_digests, write_json


def main() -> None:
    """Write artifacts/code/<stage>.json: path -> SHA-256 of each module that the stage imports."""
    for stage, module in stage_modules().items():
        write_json(layout.code_file(stage), source_digests(module))


def stage_modules() -> dict[str, str]:
    """Stage -> its module, of every stage but this one."""
    names = sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return {name: f"stages.{name}" for name in names if name not in ("__main__", "code")}
