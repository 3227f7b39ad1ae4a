import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from motiontransfer.core.params import FILM_SECTIONS, FILMS, Films
from tests import clone

SHIPPED = {
    name: (clone.SHIPPED / name).read_text("utf-8") for name in ("params.yaml", "films.yaml")
}
"""Text of each file, as it shipped."""
EMPTY = Films().model_dump()
"""films.yaml of nobody."""


def write_sections(sections: Mapping[str, object], root: Path = Path()) -> None:
    """Write each section to the file where it belongs."""
    films = {name: content for name, content in sections.items() if name in FILM_SECTIONS}
    others = {name: content for name, content in sections.items() if name not in films}
    for name, content in (("params.yaml", others), ("films.yaml", {FILMS: films})):
        (root / name).write_text(_dumped(content), encoding="utf-8")


def write_shipped(root: Path) -> None:
    for name, text in SHIPPED.items():
        (root / name).write_text(text, encoding="utf-8")


def read_sections(root: Path = Path()) -> dict[str, Any]:
    """The sections of both files."""
    return (_read(root / "params.yaml") or {}) | read_films(root)


def read_films(root: Path = Path()) -> dict[str, Any]:
    return _read(root / "films.yaml")[FILMS]


def _dumped(content: object) -> str:
    how = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None, "width": 10_000}
    return yaml.dump(content, Dumper=yaml.CSafeDumper, **how)


def _read(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)


def edit_sections(root: Path, edit: Callable[[dict], object]) -> None:
    sections = read_sections(root)
    edit(sections)
    write_sections(sections, root)


def films_of(**sections: object) -> str:
    """Text of films.yaml with an entry a line; sections that are not given are empty."""
    return _dumped({FILMS: EMPTY | sections})


def films_text(sections: str) -> str:
    """Text of films.yaml, of the sections below its key."""
    return f"{FILMS}:\n" + textwrap.indent(sections, "  ")
