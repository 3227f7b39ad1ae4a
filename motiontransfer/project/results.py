"""Finished results of a project, found again: whose, of which dance, when, how large."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from motiontransfer.core import layout
from motiontransfer.core.params import read_films


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A transfer whose video is there."""

    name: str
    target: str
    """The person in it; empty where films.yaml no longer has the transfer."""
    source: str
    """The video of the dance; empty likewise."""
    video: Path
    dance: Path | None
    """Film of the dance, where it is there."""
    comparison: Path | None
    report: Path | None
    others: tuple[Path, ...]
    """The person over other backgrounds, or over none."""
    made: float
    """When, as a Unix time."""
    num_bytes: int
    """Of the video."""
    size: tuple[int, int] | None
    """(height, width) in pixels, where `encode` told."""

    @property
    def facts(self) -> str:
        """When it was made, and its size."""
        day = datetime.fromtimestamp(self.made).astimezone().strftime("%Y-%m-%d %H:%M")
        pixels = "{1}x{0} px, ".format(*self.size) if self.size else ""
        return f"{day}, {pixels}{self.num_bytes / 1e6:.1f} MB"


def finished_results() -> list[Result]:
    """All results whose video is there, the newest first; also of transfers that were removed."""
    films = read_films()
    found = []
    for file in layout.RESULTS_FOLDER.glob(f"*/{layout.TRANSFER_FILE}"):
        name, state = file.parent.name, file.stat()
        folder, entry = layout.results_folder(name), films.transfers.get(name)
        source = films.videos.get(entry.source) if entry else None
        found.append(
            Result(
                name=name,
                target=entry.target if entry else "",
                source=entry.source if entry else "",
                video=folder / layout.TRANSFER_FILE,
                dance=_if_there(source.path if source else None),
                comparison=_if_there(folder / layout.COMPARISON_FILE),
                report=_if_there(folder / layout.REPORT_FILE),
                others=tuple(sorted(layout.backgrounds_folder(name).glob("*.*"))),
                made=state.st_mtime,
                num_bytes=state.st_size,
                size=_size(layout.counts_file("encode", name)),
            )
        )
    return sorted(found, key=lambda each: (-each.made, each.name))


def _if_there(path: Path | None) -> Path | None:
    return path if path is not None and path.is_file() else None


def _size(counts: Path) -> tuple[int, int] | None:
    if not counts.is_file():
        return None
    content = json.loads(counts.read_text(encoding="utf-8"))
    return content["height"], content["width"]
