"""Where a training run keeps things, and the line that says so when it has ended."""

import logging
from dataclasses import dataclass
from pathlib import Path

from motiontransfer.training.throughput import Throughput

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaths:
    """Where a training run keeps things."""

    checkpoints: Path
    """Runs that are not finished; outside DVC's outs."""

    models: Path
    """The target's weights."""

    logs: Path
    """Curves and sample pictures."""


def log_results(throughput: Throughput, paths: RunPaths) -> None:
    """Log what a training took and where its results are, in one line."""
    _logger.info(
        "%d steps in %.1f min, %.1f %% of it waiting for frames; weights in %s, curves and sample "
        "pictures in %s (`dvc plots show` draws them)",
        *(throughput.steps, throughput.minutes, 100 * throughput.loader_share),
        *(paths.models, paths.logs),
    )
