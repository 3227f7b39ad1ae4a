"""Paths of a training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from motiontransfer.core import layout
from motiontransfer.core.storage import write_json

_TIMES = ("minutes", "own_minutes", "steps_per_second", "loader_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaths:
    checkpoints: Path
    models: Path
    logs: Path
    counts: Path
    """All that a training counted."""
    times: Path
    """How long it took, which is no output: the same run has the same outputs on each machine."""

    @classmethod
    def of_stage(cls, stage: str, name: str, *, models: Path, logs: Path) -> "RunPaths":
        """Those of a stage of dvc.yaml for a target, a transfer or a detector."""
        return cls(
            checkpoints=layout.CHECKPOINTS_FOLDER / stage / name,
            models=models,
            logs=logs,
            counts=layout.counts_file(stage, name),
            times=layout.times_file(stage, name),
        )

    def write_counts(self, counts: Mapping[str, object]) -> None:
        others = {key: number for key, number in counts.items() if key not in _TIMES}
        write_json(self.counts, others)
        write_json(self.times, {key: counts[key] for key in _TIMES if key in counts})
