"""Comment-preserving edits: presets in params.yaml, entries and items in films.yaml.

PyYAML says where each node of a file stands. Only the text of the edited node changes. Edits raise
`ParamsError` if the section, entry or key is missing or of another type, or a new name is there.

ruamel.yaml's round trip would not do: it keeps the comment above a section with the last entry of
the section before, so that removing this entry removes that comment, and a new entry comes after
it; it aligns comments anew behind a changed value, and writes names such as `yes` or `on` without
the quotes that YAML 1.1, which stages read, needs.
"""

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast

import yaml

from motiontransfer.core.errors import FILMS_FILE, ParamsError
from motiontransfer.core.names import is_plain
from motiontransfer.core.params import (
    FILM_SECTIONS,
    FILMS,
    PARAMS_FILE,
    SHIPPED_FILE,
    load_films,
    load_params,
    read_sections,
)
from motiontransfer.core.storage import params_lock, write_text

PRESETS_FOLDER = Path("presets")
DEFAULT = "default"
"""The preset that is params.yaml as it is shipped."""

_LINES = r"(?:(?!<{7} |\|{7} |={7}\n|>{7} ).*\n)*"
_OF_ONE_SIDE = re.compile(
    rf"^<<<<<<< .*\n({_LINES})(?:\|{{7}} .*\n{_LINES})?=======\n((?:#.*\n|\n)*)>>>>>>> .*\n",
    re.MULTILINE,
)
"""A conflict whose other side has at most comments."""

_OF_FILMS = re.compile(rf"^(?:{'|'.join(FILM_SECTIONS)})\s*:", re.MULTILINE)


class Change(NamedTuple):
    key: str
    """Dotted, as `train_gan.steps`."""
    old: str
    """Text before, as in the file."""
    new: str


def preset_changes(
    name: str, *, params_file: Path = PARAMS_FILE, folder: Path = PRESETS_FOLDER
) -> list[Change]:
    return _with_preset(name, params_file, folder)[1]


def apply_preset(
    name: str, *, params_file: Path = PARAMS_FILE, folder: Path = PRESETS_FOLDER
) -> list[Change]:
    """Write a preset's values into params.yaml and return what changed.

    Keys that another preset names take their shipped values; `default` restores the whole file.
    """
    with params_lock(params_file.parent):
        text, changes = _with_preset(name, params_file, folder)
        if changes or name == DEFAULT:
            write_text(params_file, text)
        return changes


def read_text(path: Path = FILMS_FILE) -> str:
    """Read a file of sections; raises as `load_params`."""
    load_params(path)
    return path.read_text(encoding="utf-8")


def add_entry(text: str, section: str, name: str, entry: Mapping[str, object]) -> str:
    """Add `name: {…}` at the end of a section of names."""
    key, entries = _section(text, section, yaml.MappingNode)
    if name in _names(entries):
        raise ParamsError(f"{FILMS_FILE}: {section}.{name}: already exists; choose another name")
    item = f"{_flow(name)}: {_flow(dict(entry))}"
    if entries.value:
        return _append(text, entries, item)
    colon = text.index(":", _end(key)) + 1
    end = _line_end(text, _end(entries))
    indent = " " * (key.start_mark.column + 2)
    return f"{text[:colon]}{text[_end(entries) : end]}\n{indent}{item}{text[end:]}"


def remove_entry(text: str, section: str, name: str) -> str:
    """Remove an entry of a section of names, with the comment in its line."""
    key, entries = _section(text, section, yaml.MappingNode)
    names = _names(entries)
    if name not in names:
        known = ", ".join(names) or "none"
        raise ParamsError(f"{FILMS_FILE}: {section}.{name}: missing; {section} has {known}")
    return _remove(text, key, entries, names.index(name))


def add_item(text: str, section: str, item: str) -> str:
    """Add an item at the end of a list that lacks it."""
    _, items = _section(text, section, yaml.SequenceNode)
    if item in [node.value for node in items.value]:
        return text
    return _append(text, items, _flow(item))


def remove_item(text: str, section: str, item: str) -> str:
    """Remove an item of a list, if it is there."""
    key, items = _section(text, section, yaml.SequenceNode)
    values = [node.value for node in items.value]
    return _remove(text, key, items, values.index(item)) if item in values else text


def move_films(root: Path = Path()) -> str:
    """Move sections that an earlier version had in params.yaml to films.yaml, with their comments.

    Where films.yaml has more than the demo, what it lacks is added to it. Conflicts that git leaves
    of sections that are gone on the other side are resolved: its comments there are kept.

    Returns:
        A sentence that says so; empty where there is nothing to move.

    Raises:
        ParamsError: an entry is another in both files; or they cannot be edited.
    """
    params, films = root / PARAMS_FILE, root / FILMS_FILE
    if not (params.is_file() and _OF_FILMS.search(params.read_text(encoding="utf-8"))):
        return ""
    with params_lock(root):
        text = _OF_ONE_SIDE.sub(r"\2\1", params.read_text(encoding="utf-8"))
        write_text(params, text)
        content = read_sections(params)
        blocks = _blocks(text, [each for each in _sections(text) if each[0].value in FILM_SECTIONS])
        known = load_films(root) if films.is_file() else {}
        before = films.read_text(encoding="utf-8") if known else f"{FILMS}:\n"
        videos = known.get("videos")
        entries = videos.values() if isinstance(videos, Mapping) else ()
        if all(str(each.get("path")).startswith("demo/") for each in entries):
            after = _replaced_films(before, blocks, content)
        else:
            after = _with_films(before, known, content)
        write_text(films, after)
        for block in blocks.values():
            text = text.replace(block, "", 1)
        write_text(params, text)
    return f"moved {', '.join(blocks)} from {PARAMS_FILE} to {FILMS_FILE}; commit both"


def _blocks(text: str, sections: list[tuple[yaml.Node, yaml.Node]]) -> dict[str, str]:
    """Text of each section by name, with the comments above, in and below it."""
    found = {}
    for key, value in sections:
        start, end = _line_start(text, _start(key)), _line_end(text, _end(value)) + 1
        above = re.search(r"(?:^ *#.*\n)*\Z", text[:start], re.MULTILINE)
        below = re.match(r"(?:[ \t]+#.*\n)*\n*", text[end:])
        assert above
        assert below
        found[key.value] = above[0] + text[start : end + below.end()]
    return found


def _replaced_films(text: str, blocks: Mapping[str, str], content: Mapping[str, object]) -> str:
    """films.yaml with blocks of params.yaml in place of its own; what neither has is empty."""
    own = _blocks(text, _film_sections(text))
    head = text[: text.index(next(iter(own.values())))] if own else text
    own.pop("trained", None)  # the demo's; of before there were photos, all targets were
    empty = dict.fromkeys(
        ("videos", "transfers", "guides", "scenes", "in_film", "face_cycles"), "{}"
    )
    empty["trained"] = _flow(content.get("targets", []))
    moved = {name: textwrap.indent(block, "  ") for name, block in blocks.items()}
    lines = {name: f"  {name}: {empty.get(name, '[]')}\n\n" for name in FILM_SECTIONS}
    return head + "".join({**lines, **own, **moved}.values()).rstrip("\n") + "\n"


def _with_films(text: str, known: Mapping[str, object], content: Mapping[str, object]) -> str:
    """films.yaml with what params.yaml has beside it."""
    for section in filter(content.__contains__, FILM_SECTIONS):
        there, own = known.get(section), content[section]
        if isinstance(own, Mapping):
            there = there if isinstance(there, Mapping) else {}
            for name in own:
                if name not in there:
                    text = add_entry(text, section, name, own[name])
                elif there[name] != own[name]:
                    raise ParamsError(
                        f"{section}.{name}: {PARAMS_FILE} and {FILMS_FILE} have different ones; "
                        f"remove the wrong one, then run this again"
                    )
        for item in own if isinstance(own, list) else ():
            text = add_item(text, section, str(item))
    return text


def _section(text: str, name: str, kind: type[yaml.Node]) -> tuple[yaml.Node, yaml.CollectionNode]:
    """Key and value of a section of films.yaml; an empty value is an empty section of names."""
    expected = "names and entries" if kind is yaml.MappingNode else "a list of names"
    got = "nothing"
    for key, value in _film_sections(text):
        if key.value == name:
            is_empty = kind is yaml.MappingNode and value.value == ""
            if (isinstance(value, kind) or is_empty) and not _is_alias(key, value):
                return key, cast("yaml.CollectionNode", value)
            got = text[_start(value) : _end(value)]
    raise ParamsError(f"{FILMS_FILE}: {name}: expected {expected}, got {got}")


def _sections(text: str) -> list[tuple[yaml.Node, yaml.Node]]:
    return yaml.compose(text, yaml.CSafeLoader).value


def _film_sections(text: str) -> list[tuple[yaml.Node, yaml.Node]]:
    films = [value for key, value in _sections(text) if key.value == FILMS]
    return films[0].value if films and isinstance(films[0], yaml.MappingNode) else []


def _is_alias(key: yaml.Node, value: yaml.Node) -> bool:
    """Return True for `*name`, whose node is the one that `&name` marks."""
    return _start(value) < _end(key)


def _names(entries: yaml.CollectionNode) -> list[str]:
    return [key.value for key, _ in entries.value]


def _spans(node: yaml.CollectionNode) -> list[tuple[int, int]]:
    """(start, end) of each child in the text."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else zip(node.value, node.value)  # noqa: B905 - itself
    return [(_start(key), max(_end(key), _end(value))) for key, value in pairs]


def _start(node: yaml.Node) -> int:
    return node.start_mark.index


def _end(node: yaml.Node) -> int:
    """End of the node; PyYAML ends block collections at the next node, after comments."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        return _spans(node)[-1][1]
    return node.end_mark.index


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    end = text.find("\n", index)
    return len(text) if end < 0 else end


def _append(text: str, node: yaml.CollectionNode, item: str) -> str:
    """Add to a block, or to a flow collection, which may be empty."""
    spans = _spans(node)
    if node.flow_style:
        end = spans[-1][1] if spans else _start(node) + 1
        return f"{text[:end]}{', ' if spans else ''}{item}{text[end:]}"
    first_line = text[_line_start(text, spans[0][0]) :]
    indent = " " * (len(first_line) - len(first_line.lstrip(" ")))
    dash = "- " if isinstance(node, yaml.SequenceNode) else ""
    end = _line_end(text, _end(node))
    return f"{text[:end]}\n{indent}{dash}{item}{text[end:]}"


def _remove(text: str, key: yaml.Node, node: yaml.CollectionNode, index: int) -> str:
    """Remove a child: the lines of a block, or a part of a flow collection."""
    spans = _spans(node)
    start, end = spans[index]
    if node.flow_style:
        if index + 1 < len(spans):
            end = spans[index + 1][0]
        elif index:
            start = spans[index - 1][1]
        return text[:start] + text[end:]
    rest = text[: _line_start(text, start)] + text[_line_end(text, end) + 1 :]
    if len(spans) > 1:
        return rest
    colon = text.index(":", _end(key)) + 1
    return f"{rest[:colon]} {'{}' if isinstance(node, yaml.MappingNode) else '[]'}{rest[colon:]}"


class _Dumper(yaml.SafeDumper):
    """Writes a text in quotes that only one version of YAML reads as a text."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = None if is_plain(data) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


def _flow(value: object) -> str:
    """YAML in one line; text is quoted where version 1.1 or 1.2 has another type."""
    options = {"default_flow_style": True, "sort_keys": False, "width": float("inf")}
    text = ""
    for allow_unicode in (True, False):  # not where a line of text would end in it
        text = yaml.dump(value, Dumper=_Dumper, allow_unicode=allow_unicode, **options)
        text = text.removesuffix("\n").removesuffix("\n...")
        if text.isprintable():
            break
    return text


class _Value(NamedTuple):
    value: object
    written: str
    start: int
    end: int


def _values(text: str) -> dict[str, _Value]:
    """Each value below a section by its dotted key."""
    found = {}
    for section, values in _sections(text):
        for key, node in values.value if isinstance(values, yaml.MappingNode) else ():
            if not _is_alias(key, node):
                value = yaml.SafeLoader("").construct_document(node)
                start, end = _start(node), _end(node)
                if text.startswith("&", start):
                    start = text.index(" ", start) + 1
                if node.start_mark.column == key.start_mark.column:  # only a block may stand there
                    start = text.index(":", key.end_mark.index) + 1
                written = _flow(value) if isinstance(value, list) else text[start:end]
                found[f"{section.value}.{key.value}"] = _Value(value, written, start, end)
    return found


def _load_preset(name: str, folder: Path) -> dict[str, _Value]:
    """Values that differ from the shipped ones: a preset's, and those of its base."""
    path = folder / f"{name}.yaml"
    if not path.exists():
        names = [DEFAULT, *sorted(path.stem for path in folder.glob("*.yaml"))]
        raise ParamsError(f"no preset {name!r}; there are {', '.join(names)}")
    sections = load_params(path)
    base = sections.pop("base", None)
    for section, values in sections.items():
        if not isinstance(values, Mapping):
            raise ParamsError(f"preset {name}: {section}: expected keys and values, got {values!r}")
    of_base = _load_preset(str(base), folder) if base else {}
    return of_base | _values(path.read_text(encoding="utf-8"))


def _with_preset(name: str, params_file: Path, folder: Path) -> tuple[str, list[Change]]:
    """Text of params.yaml with a preset's values, and what changed."""
    if name == DEFAULT:
        return _restored(params_file)
    text = read_text(params_file)
    values, chosen = _values(text), _load_preset(name, folder)
    if missing := sorted(chosen.keys() - values.keys()):
        raise ParamsError(f"preset {name}: {missing[0]}: no such key in params.yaml")
    of_others = {key for path in folder.glob("*.yaml") for key in _load_preset(path.stem, folder)}
    shipped = _values(SHIPPED_FILE.read_text(encoding="utf-8"))
    kept = {key: shipped[key] for key in of_others & shipped.keys() & values.keys()}
    edits = [
        (values[key], Change(key, values[key].written, new.written))
        for key, new in {**kept, **chosen}.items()
        if _differs(values[key], new)
    ]
    edits.sort(key=lambda edit: edit[0].start)
    for old, change in reversed(edits):
        text = _replaced(text, old, change.new)
    return text, [change for _, change in edits]


def _differs(old: _Value, new: _Value) -> bool:
    """Unequal in YAML: Python has False == 0."""
    return old.value != new.value or isinstance(old.value, bool) != isinstance(new.value, bool)


def _restored(params_file: Path) -> tuple[str, list[Change]]:
    """The shipped text, and what changed."""
    read_sections(params_file)
    text = SHIPPED_FILE.read_text(encoding="utf-8")
    old, new = _values(params_file.read_text(encoding="utf-8")), _values(text)
    changes = [
        Change(key, *(them[key].written if key in them else "missing" for them in (old, new)))
        for key in {**new, **old}
        if key not in old or key not in new or _differs(old[key], new[key])
    ]
    return text, changes


def _replaced(text: str, old: _Value, new: str) -> str:
    """The text with one value exchanged; a comment behind it keeps its column."""
    before, after = text[: old.start], text[old.end :]
    if before.endswith(":"):  # an empty value
        new = f" {new}"
    gap = len(after) - len(after.lstrip(" "))
    if after[gap : gap + 1] == "#":
        after = " " * max(gap + old.end - old.start - len(new), 1) + after[gap:]
    return before + new + after
