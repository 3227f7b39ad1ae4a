"""How long stages took on this machine, kept beside DVC's own scratch files and shared with nobody.

Hides the file, and how a few records become one number: how many times as long as the model of
`motiontransfer.workspace.cost` expects. Only `motiontransfer run` writes it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from motiontransfer.storage import replacing

RUN_TIMES_FILE = Path(".dvc/tmp/motiontransfer/run_times.json")

_KEPT = 200
_RECENT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTime:
    """One run of one stage."""

    stage: str
    """As DVC names it."""

    seconds: float
    """What it took."""

    modelled_seconds: float
    """What the model expected of the machine that it was measured on."""

    @property
    def kind(self) -> str:
        """The stage without the name of the video, target or transfer."""
        return self.stage.rpartition(":")[2].partition("@")[0]


def read_run_times(root: Path) -> list[RunTime]:
    """All records, the oldest first; none where the file is absent or not ours."""
    try:
        records = json.loads((root / RUN_TIMES_FILE).read_text(encoding="utf-8"))
        return [RunTime(**record) for record in records]
    except (OSError, ValueError, TypeError):
        return []


def add_run_time(root: Path, record: RunTime) -> None:
    """Add a record, and forget those of long ago."""
    path = root / RUN_TIMES_FILE
    records = [*read_run_times(root), record][-_KEPT:]
    content = [
        {"stage": it.stage, "seconds": it.seconds, "modelled_seconds": it.modelled_seconds}
        for it in records
    ]
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def factors(records: list[RunTime]) -> Mapping[str, float]:
    """How many times as long each kind of stage takes as the model expects, of its last runs."""
    of_kind: dict[str, list[float]] = {}
    for record in records:
        if record.modelled_seconds > 0:
            ratio = record.seconds / record.modelled_seconds
            of_kind.setdefault(record.kind, []).append(ratio)
    return {kind: median(ratios[-_RECENT:]) for kind, ratios in of_kind.items()}
