"""Adding names to params.yaml and taking them out again, as a person would with an editor.

Hides where in the text a section, an entry or an item of a list lies. The text is cut and spliced
there, so that every other byte stays: comments, alignment, line ends. What was added and taken out
again leaves the bytes of before. An edit that would mean anything but what was asked is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from motiontransfer.errors import ParamsError
from motiontransfer.params import PARAMS_FILE

_UNBROKEN = 1 << 20  # longer than any line: nothing is wrapped


def with_entry(text: str, section: str, name: str, entry: Mapping[str, object]) -> str:
    """Return the text with `name: {…}` as the last entry of a section of names.

    Raises:
        ParamsError: there is no such section, or it has the name.
    """
    content = _content(text)
    entries = _names_of(content, section)
    if name in entries:
        raise ParamsError(f"{PARAMS_FILE}: {section}.{name}: is there; take another name")
    written = _flow({name: dict(entry)})[1:-1]
    edited = _inserted(text, _located(text, section), written)
    return _checked(edited, content | {section: {**entries, name: dict(entry)}}, written)


def without_entry(text: str, section: str, name: str) -> str:
    """Return the text without one entry of a section of names.

    Raises:
        ParamsError: there is no such section, or it lacks the name.
    """
    content = _content(text)
    entries = _names_of(content, section)
    if name not in entries:
        raise ParamsError(f"{PARAMS_FILE}: {section}.{name}: missing; {_known(section, entries)}")
    edited = _removed(text, _located(text, section), list(entries).index(name))
    left = {other: entry for other, entry in entries.items() if other != name}
    return _checked(edited, content | {section: left}, f"(without {section}.{name})")


def with_item(text: str, section: str, item: str) -> str:
    """Return the text with an item at the end of a list, or as it is where the list has it.

    Raises:
        ParamsError: there is no such list.
    """
    content = _content(text)
    items = _items_of(content, section)
    if item in items:
        return text
    written = _flow([item])[1:-1]
    edited = _inserted(text, _located(text, section), written)
    return _checked(edited, content | {section: [*items, item]}, f"{section}: {written}")


def without_item(text: str, section: str, item: str) -> str:
    """Return the text without an item of a list, or as it is where the list lacks it.

    Raises:
        ParamsError: there is no such list.
    """
    content = _content(text)
    items = _items_of(content, section)
    if item not in items:
        return text
    edited = _removed(text, _located(text, section), items.index(item))
    left = [other for other in items if other != item]
    return _checked(edited, content | {section: left}, f"(without {item} in {section})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Located:
    """Where a section lies in the text; positions count characters."""

    colon_end: int
    """Just behind the colon after its name."""

    end: int
    """Just behind its value."""

    column: int
    """Of the section's name."""

    kind: str
    """`mapping`, `sequence` or `scalar`."""

    in_brackets: bool
    """Whether it is written in `{}` or `[]`."""

    spans: tuple[tuple[int, int], ...]
    """From where to where each entry or item goes, without the dash of an item."""


def _located(text: str, section: str) -> _Located:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    key, value = next(pair for pair in root.value if pair[0].value == section)
    if value.id == "mapping":
        spans = [(name.start_mark.index, _end(entry)) for name, entry in value.value]
    elif value.id == "sequence":
        spans = [(item.start_mark.index, _end(item)) for item in value.value]
    else:
        spans = []
    return _Located(
        colon_end=text.index(":", key.end_mark.index) + 1,
        end=_end(value),
        column=key.start_mark.column,
        kind=value.id,
        in_brackets=bool(getattr(value, "flow_style", False)),
        spans=tuple(spans),
    )


def _end(node: yaml.Node) -> int:
    """Behind the last character of a value: a block ends for YAML where the next thing begins."""
    if getattr(node, "flow_style", None) is False and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index


def _inserted(text: str, where: _Located, written: str) -> str:
    if where.in_brackets and where.spans:
        last = where.spans[-1][1]
        return f"{text[:last]}, {written}{text[last:]}"
    if where.in_brackets and where.kind == "sequence":
        return f"{text[: where.end - 1]}{written}{text[where.end - 1 :]}"
    newline = "\r\n" if "\r\n" in text else "\n"
    if where.spans:
        start, end = where.spans[-1]
        lead = text[_line_start(text, start) : start]
    else:  # nothing in it, or {}, which goes
        text = text[: where.colon_end] + text[where.end :]
        end, lead = where.colon_end, " " * (where.column + 2)
    line_end = _line_end(text, end)
    return f"{text[:line_end]}{newline}{lead}{written}{text[line_end:]}"


def _removed(text: str, where: _Located, index: int) -> str:
    start, end = where.spans[index]
    if where.in_brackets:
        if index:
            start = where.spans[index - 1][1]
        elif len(where.spans) > 1:
            end = where.spans[1][0]
        return text[:start] + text[end:]
    start, end = _line_start(text, start), _line_end(text, end)
    if end < len(text):
        end = text.index("\n", end) + 1
    else:  # the last line, which nothing ends
        start = max(start - (2 if text[:start].endswith("\r\n") else 1), 0)
    left = text[:start] + text[end:]
    if len(where.spans) > 1:
        return left
    empty = " {}" if where.kind == "mapping" else " []"
    return left[: where.colon_end] + empty + left[where.colon_end :]


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


def _line_end(text: str, position: int) -> int:
    """Where the line's end begins, a carriage return included."""
    newline = text.find("\n", position)
    if newline < 0:
        return len(text)
    return newline - 1 if text[newline - 1] == "\r" and newline > position else newline


def _content(text: str) -> dict[str, object]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParamsError(
            f"{PARAMS_FILE}: not valid YAML: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(content, dict):
        raise ParamsError(f"{PARAMS_FILE}: expected sections (name: …) at the top")
    return content


def _names_of(content: Mapping[str, object], section: str) -> dict[str, object]:
    entries = _section(content, section)
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise ParamsError(f"{PARAMS_FILE}: {section}: expected names and entries, got {entries!r}")
    return entries


def _items_of(content: Mapping[str, object], section: str) -> list[object]:
    items = _section(content, section)
    if not isinstance(items, list):
        raise ParamsError(f"{PARAMS_FILE}: {section}: expected a list of names, got {items!r}")
    return items


def _section(content: Mapping[str, object], section: str) -> object:
    if section not in content:
        raise ParamsError(f"{PARAMS_FILE}: {section}: missing; expected this section")
    return content[section]


def _checked(edited: str, expected: Mapping[str, object], written: str) -> str:
    """Return the text if it means what it should; anchors, for one, may mean something else."""
    try:
        meant = yaml.safe_load(edited)
    except yaml.YAMLError:
        meant = None
    if meant != expected:
        raise ParamsError(
            f"{PARAMS_FILE}: is written in a way that cannot be edited here; edit it by hand: "
            f"{written}"
        )
    return edited


def _flow(content: object) -> str:
    """One line of YAML, quoted where it must be."""
    line = yaml.safe_dump(
        content, default_flow_style=True, sort_keys=False, allow_unicode=True, width=_UNBROKEN
    )
    return line.strip()


def _known(section: str, entries: Mapping[str, object]) -> str:
    return f"{section} has {', '.join(map(str, entries)) or 'none'}"
