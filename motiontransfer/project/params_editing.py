"""Comment-preserving edits of params.yaml: presets, entries of a section, items of a list.

ruamel.yaml keeps comments with the value before them, also those that introduce what follows. They
are moved here when that value is no longer the last before what they introduce.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import SingleQuotedScalarString
from ruamel.yaml.tokens import CommentToken
from yaml.resolver import Resolver

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.params import PARAMS_FILE
from motiontransfer.storage import replacing

PRESETS_FOLDER = Path("presets")

_UNBROKEN = 1 << 20  # longer than any line: nothing is wrapped
_YAML_1_1 = Resolver()
_YAML_1_1_TEXT = _YAML_1_1.DEFAULT_SCALAR_TAG


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One edited value."""

    key: str
    """Dotted, as `train_gan.steps`."""
    old: str
    """As it was written in the file."""
    new: str
    """As it is written now."""


def preset_changes(
    name: str, *, params_file: Path = PARAMS_FILE, folder: Path = PRESETS_FOLDER
) -> list[Change]:
    """List the changes that a preset makes to params.yaml.

    Raises:
        ParamsError: no such preset, or it names a key that params.yaml lacks.
        MissingFileError: no params.yaml.
    """
    return _apply(read_document(params_file), _load_preset(name, folder), name)


def apply_preset(
    name: str, *, params_file: Path = PARAMS_FILE, folder: Path = PRESETS_FOLDER
) -> list[Change]:
    """Write a preset's values into params.yaml and return what changed.

    Raises:
        ParamsError: no such preset, or it names a key that params.yaml lacks.
        MissingFileError: no params.yaml.
    """
    params = read_document(params_file)
    changes = _apply(params, _load_preset(name, folder), name)
    if changes:
        write_document(params, params_file)
    return changes


def read_document(path: Path = PARAMS_FILE) -> CommentedMap:
    """Read a file of sections with its comments and order.

    Raises:
        MissingFileError: no such file.
        ParamsError: not YAML, or not sections.
    """
    if not path.exists():
        raise MissingFileError(
            f"{path}: no such file; run from the project's root, where params.yaml is"
        )
    try:
        content = _yaml().load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise ParamsError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, CommentedMap):
        raise ParamsError(f"{path}: expected sections (name: …) at the top")
    return content


def write_document(content: CommentedMap, path: Path = PARAMS_FILE) -> None:
    """Replace a file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(_dumped(content), encoding="utf-8")


def add_entry(document: CommentedMap, section: str, name: str, entry: Mapping[str, object]) -> None:
    """Add `name: {…}` at the end of a section of names.

    Raises:
        ParamsError: there is no such section, or it has the name.
    """
    entries = _entries(document, section)
    if name in entries:
        raise ParamsError(f"{PARAMS_FILE}: {section}.{name}: is there; take another name")
    following = _take_following(document, section)
    entries.fa.set_block_style()
    written = CommentedMap({key: _quoted(value) for key, value in entry.items()})
    written.fa.set_flow_style()
    entries[_quoted(name)] = written
    _put_following(document, section, following)


def remove_entry(document: CommentedMap, section: str, name: str) -> None:
    """Remove an entry of a section of names, with the comment in its line.

    Raises:
        ParamsError: there is no such section, or it lacks the name.
    """
    entries = _entries(document, section)
    if name not in entries:
        known = ", ".join(map(str, entries)) or "none"
        raise ParamsError(f"{PARAMS_FILE}: {section}.{name}: missing; {section} has {known}")
    _remove(document, section, name)


def add_item(document: CommentedMap, section: str, item: str) -> None:
    """Add an item at the end of a list that lacks it.

    Raises:
        ParamsError: there is no such list.
    """
    items = _items(document, section)
    if item not in items:
        following = _take_following(document, section)
        items.append(_quoted(item))
        _put_following(document, section, following)


def remove_item(document: CommentedMap, section: str, item: str) -> None:
    """Remove an item of a list, if it is there.

    Raises:
        ParamsError: there is no such list.
    """
    items = _items(document, section)
    if item in items:
        _remove(document, section, items.index(item))


def _entries(document: CommentedMap, section: str) -> CommentedMap:
    if document.get(section, "") is None:
        document[section] = CommentedMap()
    entries = document.get(section)
    if not isinstance(entries, CommentedMap):
        raise ParamsError(f"{PARAMS_FILE}: {section}: expected names and entries, got {entries!r}")
    return entries


def _items(document: CommentedMap, section: str) -> CommentedSeq:
    items = document.get(section)
    if not isinstance(items, CommentedSeq):
        raise ParamsError(f"{PARAMS_FILE}: {section}: expected a list of names, got {items!r}")
    return items


def _remove(document: CommentedMap, section: str, key: str | int) -> None:
    """Delete a value; the lines below its own stay."""
    values = document[section]
    following = _take_following(values, key)
    keys: list = list(values if isinstance(values, CommentedMap) else range(len(values)))
    index = keys.index(key)
    values.ca.items.pop(key, None)
    del values[key]
    if not values:
        values.fa.set_flow_style()
    if values.fa.flow_style():
        _put_following(document, section, following)
    elif index:
        _put_following(values, keys[index - 1], following)
    else:
        _put_before_first(values, following)


def _take_following(parent: CommentedMap | CommentedSeq, key: str | int) -> str:
    """Remove and return the comment lines below a value's own line."""
    parent, key = _last_leaf(parent, key)
    slot = parent.ca.items.get(key)
    token = slot[_slot_of(parent)] if slot else None
    if token is None:
        return ""
    own, _, following = token.value.partition("\n")
    token.value = f"{own}\n"
    if not own:
        slot[_slot_of(parent)] = None
    return following


def _put_following(parent: CommentedMap | CommentedSeq, key: str | int, following: str) -> None:
    """Attach lines below a value."""
    if not following:
        return
    parent, key = _last_leaf(parent, key)
    slot = parent.ca.items.setdefault(key, [None] * 4)
    token = slot[_slot_of(parent)]
    if token is None:
        slot[_slot_of(parent)] = CommentToken(f"\n{following}", CommentMark(0), None)
    else:
        token.value += following


def _put_before_first(values: CommentedMap | CommentedSeq, lines: str) -> None:
    key = next(iter(values)) if isinstance(values, CommentedMap) else 0
    slot = values.ca.items.setdefault(key, [None] * 4)
    tokens = [
        CommentToken(f"{line.lstrip()}\n", CommentMark(len(line) - len(line.lstrip())), None)
        for line in lines.splitlines()
    ]
    slot[1] = [*tokens, *(slot[1] or [])] or None


def _last_leaf(
    parent: CommentedMap | CommentedSeq, key: str | int
) -> tuple[CommentedMap | CommentedSeq, str | int]:
    """Node to which ruamel.yaml attaches the comment after a value: its last block-style leaf."""
    value = parent[key]
    while isinstance(value, CommentedMap | CommentedSeq) and value and not value.fa.flow_style():
        parent = value
        key = next(reversed(value)) if isinstance(value, CommentedMap) else len(value) - 1
        value = parent[key]
    return parent, key


def _slot_of(parent: CommentedMap | CommentedSeq) -> int:
    """Index of the comment after a value, in ruamel.yaml's lists of comments."""
    return 2 if isinstance(parent, CommentedMap) else 0


def _load_preset(name: str, folder: Path) -> CommentedMap:
    path = folder / f"{name}.yaml"
    if not path.exists():
        names = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        raise ParamsError(f"no preset {name!r}; there are {names or 'none'} in {folder}")
    preset = read_document(path)
    base = preset.pop("base", None)
    if base is None:
        return preset
    merged = _load_preset(base, folder)
    for section, values in preset.items():
        if isinstance(values, Mapping) and section in merged:
            merged[section].update(values)
        else:
            merged[section] = values
    return merged


def _apply(params: CommentedMap, preset: CommentedMap, name: str) -> list[Change]:
    changes = []
    for section, values in preset.items():
        if not isinstance(values, Mapping):
            raise ParamsError(f"preset {name}: {section}: expected keys and values, got {values!r}")
        for key, value in values.items():
            if not isinstance(params.get(section), Mapping) or key not in params[section]:
                raise ParamsError(f"preset {name}: {section}.{key}: no such key in params.yaml")
            old = params[section][key]
            if old == value and isinstance(old, bool) == isinstance(value, bool):
                continue
            params[section][key] = _in_one_line(value)
            changes.append(Change(key=f"{section}.{key}", old=_written(old), new=_written(value)))
    return changes


def _quoted(value: object) -> object:
    """In quotes, if stages, which read YAML 1.1, would take it for another type: `no`, `2024`."""
    is_text = isinstance(value, str)
    if is_text and _YAML_1_1.resolve(yaml.ScalarNode, value, (True, False)) != _YAML_1_1_TEXT:
        return SingleQuotedScalarString(value)
    return value


def _in_one_line(value: object) -> object:
    if not isinstance(value, list):
        return value
    sequence = CommentedSeq(value)
    sequence.fa.set_flow_style()
    return sequence


def _written(value: object) -> str:
    return _dumped(CommentedMap({"value": _in_one_line(value)})).removeprefix("value:").strip()


def _dumped(content: CommentedMap) -> str:
    text = io.StringIO()
    _yaml().dump(content, text)
    return text.getvalue()


class _Representer(RoundTripRepresenter):
    """Writes None as `null`, not as an empty value."""


def _null(representer: RoundTripRepresenter, _: None) -> ScalarNode:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _null)


def _yaml() -> YAML:
    editor = YAML()
    editor.Representer = _Representer
    editor.preserve_quotes = True
    editor.width = _UNBROKEN
    editor.indent(mapping=2, sequence=4, offset=2)
    return editor
