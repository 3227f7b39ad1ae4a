"""All that can be examined before a run, in the order in which it would stop one."""

from collections.abc import Iterator
from pathlib import Path

from motiontransfer.errors import MotionTransferError
from motiontransfer.params import PARAMS_FILE, load_params
from motiontransfer.workspace.findings import Finding, fault
from motiontransfer.workspace.lock_checks import check_checkpoints, check_locks
from motiontransfer.workspace.machine_checks import (
    check_encoders,
    check_gpu,
    check_packages,
    check_processor,
    check_python,
    check_weights,
)


def examine(root: Path) -> Iterator[Finding]:
    """Yield what is found, one thing after the other."""
    yield check_python()
    broken = False
    for finding in check_packages():
        broken = broken or finding.level == "fault"
        yield finding
    yield check_processor()
    if broken:
        return
    yield check_gpu()
    yield check_encoders()
    yield from _project(root)


def _project(root: Path) -> Iterator[Finding]:
    # Imported here: they load DVC and OpenCV, and what is broken is told before.
    from motiontransfer.workspace import project_checks
    from motiontransfer.workspace.remote import opened

    try:
        params = load_params(root / PARAMS_FILE)
        yield from check_weights(params)
        yield from project_checks.check_names(root, params)
        with opened(root) as repo:
            yield project_checks.check_git(root, repo)
            yield project_checks.check_remote(repo)
            yield project_checks.check_links(repo)
            yield from check_locks(root)
            yield from check_checkpoints(root)
            yield project_checks.check_disk(root)
    except MotionTransferError as error:
        yield fault("project", str(error), "run from the project's root, with its params.yaml")
