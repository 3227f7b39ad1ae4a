"""Paths of a training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from motiontransfer.core import layout
from motiontransfer.core.storage import write_json

_COMPARED = ("steps", "planned_steps", "minutes", "steps_per_second", "auc")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaths:
    checkpoints: Path
    models: Path
    logs: Path
    counts: Path
    """All that a training counted."""
    metrics: Path
    """The few numbers of it that DVC compares."""

    @classmethod
    def of_stage(cls, stage: str, name: str, *, models: Path, logs: Path) -> "RunPaths":
        """Those of a stage of dvc.yaml for a target, a transfer or a detector."""
        return cls(
            checkpoints=layout.CHECKPOINTS_FOLDER / stage / name,
            models=models,
            logs=logs,
            counts=layout.counts_file(stage, name),
            metrics=layout.metrics_file(stage, name),
        )

    def write_counts(self, counts: Mapping[str, object]) -> None:
        write_json(self.counts, counts)
        self.write_metrics(counts)

    def write_metrics(self, counts: Mapping[str, object]) -> None:
        write_json(self.metrics, {key: counts[key] for key in _COMPARED if key in counts})
