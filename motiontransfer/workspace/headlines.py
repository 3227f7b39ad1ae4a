"""The few numbers that say how good a result is, beside those of the run before.

Hides which of all metrics these are, and which way is better. The run before is what lay in the
workspace, or, where nothing did, what git's last commit has.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_SAME_WITHIN = 0.005  # of the value: less is noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One number of one file."""

    words: str
    """What it is."""

    value: float
    """Now."""

    before: float | None
    """Of the run before; None: there was none."""

    better: Literal["higher", "lower"]
    """Which way is better."""

    @property
    def judgement(self) -> Literal["better", "worse", "as before", "new"]:
        """What became of it."""
        if self.before is None:
            return "new"
        change = self.value - self.before
        if abs(change) <= _SAME_WITHIN * max(abs(self.before), abs(self.value)):
            return "as before"
        return "better" if (change > 0) == (self.better == "higher") else "worse"


_HEADLINES: tuple[tuple[str, str, Literal["higher", "lower"]], ...] = (
    ("detection.ours.body_found", "body found again, share of frames", "higher"),
    ("detection.ours.pose_distance_px.all", "pose, px from where it should be", "lower"),
    ("truth.ours.person.ssim", "SSIM of the person to the truth", "higher"),
    ("truth.ours.face.ssim_aligned", "SSIM of the face, apart from place", "higher"),
    ("truth.ours.person.l1", "L1 of the person to the truth, of 255", "lower"),
    ("ours.person.ssim", "SSIM of the person to held-out frames", "higher"),
    ("ours.person.l1", "L1 of the person to held-out frames, of 255", "lower"),
)


def metrics_files(root: Path) -> dict[Path, Mapping[str, object]]:
    """What the metrics files with headlines hold, by path relative to the project."""
    files = [*root.glob("results/*/metrics.json"), *root.glob("artifacts/metrics/evaluate/*.json")]
    read = {path.relative_to(root): _read(path) for path in sorted(files)}
    return {path: content for path, content in read.items() if content}


def headlines(
    path: Path,
    now: Mapping[str, object],
    *,
    before: Mapping[Path, Mapping[str, object]],
    root: Path,
) -> list[Headline]:
    """The headlines of one file.

    Args:
        path: relative to the project.
        before: what all files held before the run.
    """
    last = before.get(path) or _committed(root, path)
    return [
        Headline(words=words, value=value, before=_number(last, key), better=better)
        for key, words, better in _HEADLINES
        if (value := _number(now, key)) is not None
    ]


def table(lines: list[Headline]) -> Iterator[tuple[str, str, str, str]]:
    """Words, now, before and judgement, each as text."""
    for line in lines:
        before = "" if line.before is None else f"{line.before:.3f}"
        yield line.words, f"{line.value:.3f}", before, line.judgement


def _number(content: Mapping[str, object], key: str) -> float | None:
    value: object = content
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _committed(root: Path, path: Path) -> Mapping[str, object]:
    done = subprocess.run(
        ["git", "show", f"HEAD:./{path.as_posix()}"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return _parsed(done.stdout) if done.returncode == 0 else {}


def _read(path: Path) -> Mapping[str, object]:
    return _parsed(path.read_text(encoding="utf-8"))


def _parsed(text: str) -> Mapping[str, object]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
