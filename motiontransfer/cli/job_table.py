"""Display of stages that run in parallel: a table on a terminal, lines in a log."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import typer
from rich.live import Live
from rich.table import Table
from tqdm import tqdm

from motiontransfer.errors import printable
from motiontransfer.project.jobs import Job, Progress


@contextmanager
def shown_progress() -> Generator[Callable[[Progress], None]]:
    """Yield a function that shows progress."""
    told: set[str] = set()

    def tell(progress: Progress) -> None:
        states = {"runs": progress.running, "failed": progress.failed, "is done": progress.done}
        for line in [f"{name} {state}" for state, names in states.items() for name in names]:
            if line not in told:
                told.add(line)
                typer.echo(f"{len(progress.done)} of {len(progress.graph)}: {line}")

    if sys.stdout.isatty():
        with Live(auto_refresh=False) as live:
            yield lambda progress: live.update(make_table(progress), refresh=True)
    else:
        yield tell


def make_table(progress: Progress) -> Table:
    """One row for each kind of stage: how many are done and wait, which failed, which run."""
    table, kinds = Table("stage", "done", "waits", "failed", "runs", box=None), {}
    for name in progress.graph:
        kind, _, key = name.rpartition(":")[2].partition("@")
        kinds.setdefault(kind, {})[name] = key
    for kind, keys in kinds.items():
        done, waits = (len(keys.keys() & names) for names in (progress.done, progress.waiting()))
        failed = ", ".join(key for name, key in keys.items() if name in progress.failed)
        runs = [
            _activity(keys[name], job) for name, job in progress.running.items() if name in keys
        ]
        table.add_row(kind, str(done or ""), str(waits or ""), failed, "\n".join(runs))
    return table


def _activity(key: str, job: Job) -> str:
    elapsed = tqdm.format_interval(int(time.monotonic() - job.began))
    last = printable(job.printed().rpartition("\n")[2])
    return f"{key} {elapsed} {last}".lstrip()
