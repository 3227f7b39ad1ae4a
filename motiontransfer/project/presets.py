"""Presets of params.yaml, with the face cycles that they need in films.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from motiontransfer.core.errors import FILMS_FILE, ParamsError
from motiontransfer.core.params import (
    PARAMS_FILE,
    SHIPPED_FILE,
    flattened,
    load_params,
    read_films,
    read_sections,
    read_text,
)
from motiontransfer.core.storage import params_lock, write_text
from motiontransfer.project.params_editing import (
    end_of,
    film_sections,
    in_one_line,
    is_alias,
    sections_of,
    start_of,
    verify,
    write_films,
)

PRESETS_FOLDER = Path("presets")
DEFAULT = "default"
"""The preset that is params.yaml as it is shipped."""


class Change(NamedTuple):
    key: str
    """Dotted, as `train_gan.steps`."""
    old: str
    """Text before, as in the file."""
    new: str


def apply_preset(
    name: str, *, params_file: Path = PARAMS_FILE, folder: Path = PRESETS_FOLDER
) -> list[Change]:
    """Write a preset's values into params.yaml and return what changed.

    Keys that another preset names take their shipped values; `default` restores the whole file.
    With `render.face: cycle` each transfer to a trained target is entered in `face_cycles` of the
    films.yaml beside it. Another preset removes them all, as nothing would use them.
    """
    root = params_file.parent
    with params_lock(root):
        text, changes = with_preset(name, params_file=params_file, folder=folder)
        did_translate = translates_faces(root)
        if changes or name == DEFAULT:
            write_text(params_file, text)
        if did_translate or translates_faces(root):
            changes += _set_face_cycles(root)
        return changes


def translates_faces(root: Path) -> bool:
    """Whether rendered faces are those of face cycles."""
    return flattened(read_sections(root / PARAMS_FILE)).get("render.face") == "cycle"


def _set_face_cycles(root: Path) -> list[Change]:
    films, sections = read_films(root), film_sections(root)
    trained = films.trained if translates_faces(root) else []
    wanted = {
        name: each.model_dump(exclude={"truth"})
        for name, each in films.transfers.items()
        if each.target in trained
    }
    if films.face_cycles.keys() == wanted.keys():
        return []
    sections["face_cycles"] = wanted
    write_films(sections, root=root)
    names = [", ".join(each) or "none" for each in (films.face_cycles, wanted)]
    return [Change(f"{FILMS_FILE}: face_cycles", *names)]


class _Written(NamedTuple):
    value: object
    written: str
    start: int
    end: int


def _values(text: str) -> dict[str, _Written]:
    """Each value below a section by its dotted key."""
    found = {}
    for section, values in sections_of(text):
        for key, node in values.value if isinstance(values, yaml.MappingNode) else ():
            if not is_alias(key, node):
                value = yaml.SafeLoader("").construct_document(node)
                start, end = start_of(node), end_of(node)
                if text.startswith("&", start):
                    start = text.index(" ", start) + 1
                if node.start_mark.column == key.start_mark.column:  # only a block may stand there
                    start = text.index(":", key.end_mark.index) + 1
                written = in_one_line(value) if isinstance(value, list) else text[start:end]
                found[f"{section.value}.{key.value}"] = _Written(value, written, start, end)
    return found


def _load_preset(name: str, folder: Path) -> dict[str, _Written]:
    """Values that differ from the shipped ones: a preset's, and those of its base."""
    path = folder / f"{name}.yaml"
    if not path.exists():
        names = [DEFAULT, *sorted(path.stem for path in folder.glob("*.yaml"))]
        raise ParamsError(f"no preset {name!r}; there are {', '.join(names)}")
    sections = load_params(path)
    base = sections.get("base")
    for section, values in sections.items():
        if section != "base" and not isinstance(values, Mapping):
            raise ParamsError(f"preset {name}: {section}: expected keys and values, got {values!r}")
    of_base = _load_preset(str(base), folder) if base else {}
    return of_base | _values(read_text(path))


def with_preset(
    name: str, *, params_file: Path = PARAMS_FILE, folder: Path = PRESETS_FOLDER
) -> tuple[str, list[Change]]:
    """Text of params.yaml with a preset's values, and what changed."""
    read_sections(params_file)
    before = read_text(params_file)
    if name == DEFAULT:
        text = SHIPPED_FILE.read_text(encoding="utf-8")
    else:
        load_params(params_file)
        text = _with_values(before, _load_preset(name, folder), name, folder)
    return text, _changes(_values(before), _values(text))


def _with_values(text: str, chosen: Mapping[str, _Written], name: str, folder: Path) -> str:
    values = _values(text)
    if missing := sorted(chosen.keys() - values.keys()):
        raise ParamsError(f"preset {name}: {missing[0]}: no such key in params.yaml")
    of_others = {key for path in folder.glob("*.yaml") for key in _load_preset(path.stem, folder)}
    shipped = _values(SHIPPED_FILE.read_text(encoding="utf-8"))
    kept = {key: shipped[key] for key in of_others & shipped.keys() & values.keys()}
    return _rewritten(text, {**values, **kept, **chosen})


def with_values(text: str, chosen: Mapping[str, object]) -> tuple[str, list[Change]]:
    """Text of params.yaml with some values by their dotted keys, and what changed.

    Raises:
        ParamsError: there is no such key.
    """
    values = _values(text)
    if missing := sorted(chosen.keys() - values.keys()):
        raise ParamsError(f"{PARAMS_FILE}: {missing[0]}: no such key")
    new = {key: _Written(value, in_one_line(value), 0, 0) for key, value in chosen.items()}
    after = _rewritten(text, {**values, **new})
    return after, _changes(values, _values(after))


def _rewritten(text: str, meant: Mapping[str, _Written]) -> str:
    """The text with values that differ exchanged."""
    values = _values(text)
    for key in sorted(values, key=lambda key: values[key].start, reverse=True):
        if _differs(values[key], meant[key]):
            text = _replaced(text, values[key], meant[key].written)
    verify(PARAMS_FILE, lambda: not _changes(_values(text), meant))
    return text


def _changes(old: Mapping[str, _Written], new: Mapping[str, _Written]) -> list[Change]:
    return [
        Change(key, *(them[key].written if key in them else "missing" for them in (old, new)))
        for key in {**new, **old}
        if key not in old or key not in new or _differs(old[key], new[key])
    ]


def _differs(old: _Written, new: _Written) -> bool:
    """Unequal in YAML: Python has False == 0."""
    return old.value != new.value or isinstance(old.value, bool) != isinstance(new.value, bool)


def _replaced(text: str, old: _Written, new: str) -> str:
    """The text with one value exchanged; a comment behind it keeps its column."""
    before, after = text[: old.start], text[old.end :]
    if before.endswith(":"):  # an empty value
        new = f" {new}"
    gap = len(after) - len(after.lstrip(" "))
    if after[gap : gap + 1] == "#":
        after = " " * max(gap + old.end - old.start - len(new), 1) + after[gap:]
    return before + new + after
