"""Curves and sample pictures of a run, as DVC plots them.

They are logged to a folder inside the run's, so that a resumed run's curves are whole, and copied
to the outs at the end. Only one of several processes logs.
"""

import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dvclive import Live
from scmrepo.exceptions import SCMError

from motiontransfer.errors import TrainingError
from motiontransfer.storage import replacing
from motiontransfer.training.samples import Picture


class RunLog:
    """What is logged under the number of steps that are done with it."""

    def __init__(self, live: Live | None) -> None:
        self._live = live
        """None: another process logs."""

    def add_values(self, done: int, values: Mapping[str, float]) -> None:
        """Add a point to the curve of each name."""
        if self._live is not None:
            self._live.step = done
            for name, value in values.items():
                self._live.log_metric(name, value, timestamp=False)

    def add_picture(self, done: int, draw: Callable[[], Picture]) -> None:
        """Add a sample picture, which is drawn only where it is logged."""
        if self._live is not None:
            self._live.log_image(_picture_name(done), draw())


@contextmanager
def silent_log() -> Generator[RunLog]:
    """For the processes that do not log."""
    yield RunLog(None)


@contextmanager
def open_log(run: Path, *, step: int) -> Generator[RunLog]:
    """Go on with a run's log after some step: what was logged later is trained and logged again.

    Raises:
        TrainingError: git has no commit yet.
    """
    if step == 0:
        # Logs without a checkpoint are of a run that never reached one.
        shutil.rmtree(run / "live", ignore_errors=True)
    _forget_after(run / "live/plots", step)
    try:
        live = Live(
            str(run / "live"), resume=step > 0, save_dvc_exp=False, dvcyaml=None, report=None
        )
    except SCMError as error:
        raise TrainingError(
            f"DVCLive cannot log here: {error}; commit once (git add -A && git commit -m start), "
            "or do without git: dvc config --local core.no_scm true"
        ) from error
    with live:
        live.step = step
        yield RunLog(live)


def copy_logs(run: Path, destination: Path) -> None:
    """Copy curves and sample pictures of a finished run to where DVC expects them."""
    shutil.rmtree(destination, ignore_errors=True)  # of a run that may have been longer
    shutil.copytree(run / "live/plots", destination)


def _picture_name(step: int) -> str:
    return f"step_{step:06d}.png"


def _forget_after(plots: Path, step: int) -> None:
    for path in sorted((plots / "images").glob("*.png")):
        if path.name > _picture_name(step):
            path.unlink()
    for path in sorted((plots / "metrics").rglob("*.tsv")):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [row for row in lines[1:] if row.endswith("\n") and int(row.split("\t")[0]) <= step]
        if not kept:
            path.unlink()
            continue
        with replacing(path) as temporary:
            temporary.write_text("".join([lines[0], *kept]), encoding="utf-8")
