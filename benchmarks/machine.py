"""Tables and JSON of measurements with their machine; time and memory of processes of their own.

Steal is the share of the machine's CPU time that other virtual machines took while it ran.
"""

import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import psutil
import torch

from motiontransfer.core.device import choose_accelerator
from motiontransfer.core.storage import write_json

RESULTS = Path("benchmarks/results")
_PACKAGES = ("torch", "av", "mediapipe", "onnxruntime", "openvino")  # the last one is an extra


class Usage(NamedTuple):
    """Resources that a command used, with all processes that it started."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    """Of its largest process."""


# Linux counts the memory of the process that starts another as the other's, so a small one does.
_MEASURE = """
import os, resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
os.write(int(sys.argv[1]), f"{status} {used.ru_utime + used.ru_stime} {used.ru_maxrss}".encode())
"""


def usage_of(command: Sequence[str], *, folder: Path) -> Usage:
    """Run a command in a folder.

    Raises:
        CalledProcessError: it failed.
    """
    began = time.perf_counter()
    reader, writer = os.pipe()
    with (
        os.fdopen(reader) as used,
        subprocess.Popen(
            [sys.executable, "-c", _MEASURE, str(writer), *command], cwd=folder, pass_fds=[writer]
        ),
    ):
        os.close(writer)
        status, cpu_seconds, peak_kib = used.read().split()
    if int(status):
        raise subprocess.CalledProcessError(int(status), list(command))
    return Usage(time.perf_counter() - began, float(cpu_seconds), int(peak_kib) / 1024)


def in_own_process(*arguments: str, folder: Path | None = None) -> dict:
    """Run this benchmark again with its own and further arguments; return what `answer` printed.

    Args:
        folder: a checkout whose code is run; by default this one's.

    Raises:
        CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", sys.modules["__main__"].__spec__.name, *sys.argv[1:]]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def answer(measured: object) -> None:
    """Print what `in_own_process` returns to the process that began this one."""
    print(json.dumps(measured))  # noqa: T201


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """One line per row, with a header."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


@contextmanager
def recorded(name: str) -> Generator[list[dict[str, object]]]:
    """Yield a list for rows; at the end print a table and write JSON, with the machine."""
    rows: list[dict[str, object]] = []
    described, before = machine(), psutil.cpu_times()
    yield rows
    after = psutil.cpu_times()
    total = sum(after) - sum(before)
    steal = (getattr(after, "steal", 0.0) - getattr(before, "steal", 0.0)) / total
    content = {**described, "steal": round(steal, 3), "rows": rows}
    path = RESULTS / f"{name}.json"
    write_json(path, content)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[row.get(column, "") for column in columns] for row in rows]
    print(markdown_table(columns, cells))  # noqa: T201
    bf16, gpu = "bf16" if content["bf16"] else "no bf16", content["gpu"] or "no GPU"
    where = f"{content['cores']} cores of {content['cpu']}, {bf16}, {gpu}"
    print(f"\n{where}; commit {content['commit']}; steal {steal:.0%}; {path}")  # noqa: T201


def machine() -> dict[str, object]:
    """CPU, GPU, commit and versions."""
    info = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    fields = dict(re.findall(r"^(model name|flags)\s*: (.*)$", info, re.MULTILINE))
    return {
        "cpu": fields.get("model name") or platform.processor(),
        "cores": psutil.cpu_count(),
        "bf16": bool({"avx512_bf16", "amx_bf16"} & set(fields.get("flags", "").split())),
        "gpu": torch.cuda.get_device_name() if choose_accelerator() == "cuda" else None,
        "commit": commit_of(Path(__file__).parent),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in _PACKAGES if find_spec(package)},
        },
    }


def commit_of(folder: Path) -> str:
    """Commit of a checkout, with `-dirty` where it was changed since."""
    return subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        **{"cwd": folder, "check": True, "capture_output": True, "text": True},
    ).stdout.strip()
