"""Comment-preserving edits of YAML: entries and items in films.yaml.

PyYAML says where each node of a file stands. Only the text of the edited node changes: a BOM, and
line breaks of any kind, stay. Edits raise `ParamsError` if the section, entry or key is missing or
of another type, or a new name exists. They raise it, too, if the new text does not read as meant.

ruamel.yaml's round trip has three faults. It keeps the comment above a section with the last entry
of the section before. Removing this entry removes the comment, and a new entry comes after it. It
aligns comments anew behind a changed value. It writes names such as `yes` or `on` without the
quotes that YAML 1.1, which stages read, needs.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import yaml

from motiontransfer.core.errors import FILMS_FILE, ParamsError
from motiontransfer.core.names import is_plain
from motiontransfer.core.params import FILMS, Films, SectionsLoader, load_films, read_text
from motiontransfer.core.storage import write_text

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""A line break, as YAML 1.1 has them."""


def film_sections(root: Path = Path()) -> dict[str, Any]:
    """Content of each section of films.yaml, to be changed and given to `write_films`."""
    present = {name: content for name, content in load_films(root).items() if content is not None}
    return deepcopy({**Films().model_dump(), **present})


def write_films(films: Mapping[str, Any], *, root: Path = Path()) -> None:
    """Write what is changed in sections of films.yaml, see `with_films`."""
    path = root / FILMS_FILE
    before = read_text(path)
    after = with_films(before, films)
    if after != before:
        write_text(path, after)


def with_films(text: str, films: Mapping[str, Any]) -> str:
    """Text of films.yaml whose sections have this content: names with entries, or lists of names.

    What stays keeps its place, with the comments there; what is new stands last.

    Raises:
        ParamsError: a section is missing or of another type, or cannot be edited as it is written.
    """
    before = _films(text)
    changed = {
        section: content
        for section, content in films.items()
        if content != (before.get(section) or type(content)())
    }
    after = text
    for section, content in changed.items():
        after = _with_section(after, section, before.get(section), content)
    verify(FILMS_FILE, lambda: _films(after) == {**before, **changed})
    return after


def _with_section(text: str, section: str, before: Any, content: Any) -> str:  # noqa: ANN401
    """Text with what differs in one section added, replaced or removed."""
    kind = yaml.SequenceNode if isinstance(content, list) else yaml.MappingNode
    _section(text, section, kind)
    for name in dict.fromkeys([*content, *(before or ())]):
        key, node = _section(text, section, kind)
        values = {child.value: value for child, value in _children(node)}
        if name not in content:
            text = _remove(text, key, node, [*values].index(name))
        elif name not in values:
            entry = f": {in_one_line(content[name])}" if isinstance(content, Mapping) else ""
            text = _append(text, key, node, in_one_line(name) + entry)
        elif isinstance(content, Mapping) and content[name] != before[name]:
            start, end = start_of(values[name]), end_of(values[name])
            text = text[:start] + in_one_line(content[name]) + text[end:]
    return text


def _films(text: str) -> dict[str, Any]:
    content = yaml.load(text, SectionsLoader)
    films = content.get(FILMS) if isinstance(content, dict) else None
    return films if isinstance(films, dict) else {}


def verify(file: Path, is_as_meant: Callable[[], bool]) -> None:
    """Refuse an edit after which a file would read as something else.

    Raises:
        ParamsError: it would, or would be no YAML.
    """
    with suppress(ParamsError, yaml.YAMLError, LookupError, TypeError):
        if is_as_meant():
            return
    remedy = "give each entry and value a line of its own, without & and *, or edit it by hand"
    raise ParamsError(f"{file}: cannot be edited as it is written, and was not; {remedy}")


def _section(text: str, name: str, kind: type[yaml.Node]) -> tuple[yaml.Node, yaml.CollectionNode]:
    """Key and value of a section of films.yaml; an empty value is an empty section of names."""
    expected = "names and entries" if kind is yaml.MappingNode else "a list of names"
    got = "nothing"
    films = [value for key, value in sections_of(text) if key.value == FILMS]
    sections = films[0].value if films and isinstance(films[0], yaml.MappingNode) else []
    for key, value in sections:
        if key.value == name:
            is_empty = kind is yaml.MappingNode and value.value == ""
            if (isinstance(value, kind) or is_empty) and not is_alias(key, value):
                return key, cast("yaml.CollectionNode", value)
            got = text[start_of(value) : end_of(value)]
    raise ParamsError(f"{FILMS_FILE}: {name}: expected {expected}, got {got}")


def sections_of(text: str) -> list[tuple[yaml.Node, yaml.Node]]:
    counted = re.sub("^\ufeff", "\n", text)  # an empty line means nothing, and has a position
    return yaml.compose(counted, SectionsLoader).value


def is_alias(key: yaml.Node, value: yaml.Node) -> bool:
    """Return True for `*name`, whose node is the one that `&name` marks."""
    return start_of(value) < end_of(key)


def _children(node: yaml.CollectionNode) -> list[tuple[yaml.Node, yaml.Node]]:
    """Key and value of each child; of a list an item is both."""
    is_list = isinstance(node, yaml.SequenceNode)
    return [(item, item) for item in node.value] if is_list else [*node.value]


def _spans(node: yaml.CollectionNode) -> list[tuple[int, int]]:
    """(start, end) of each child in the text."""
    return [(start_of(key), max(end_of(key), end_of(value))) for key, value in _children(node)]


def start_of(node: yaml.Node) -> int:
    return node.start_mark.index


def end_of(node: yaml.Node) -> int:
    """End of the node; PyYAML ends block collections at the next node, after comments."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        return _spans(node)[-1][1]
    return node.end_mark.index


def _line_start(text: str, index: int) -> int:
    return max((found.end() for found in _BREAK.finditer(text, 0, index)), default=0)


def _line_end(text: str, index: int) -> tuple[int, int]:
    """Where the line's break begins and ends, as it is: the same where the text ends without."""
    found = _BREAK.search(text, index)
    return found.span() if found else (len(text), len(text))


def _with_line(text: str, index: int, line: str) -> str:
    """Add a line below the one with this index, which ends as that one."""
    start, end = _line_end(text, index)
    return text[:end] + ("" if start < end else "\n") + line + text[start:]


def _append(text: str, key: yaml.Node, node: yaml.CollectionNode, item: str) -> str:
    """Add to a block, or to a flow collection; a section without names becomes a block."""
    spans = _spans(node)
    if isinstance(node, yaml.MappingNode | yaml.ScalarNode) and not spans:
        colon = text.index(":", end_of(key)) + 1
        line = " " * (key.start_mark.column + 2) + item
        return text[:colon] + _with_line(text, end_of(node), line)[end_of(node) :]
    if node.flow_style:
        end = spans[-1][1] if spans else start_of(node) + 1
        return f"{text[:end]}{', ' if spans else ''}{item}{text[end:]}"
    first_line = text[_line_start(text, spans[0][0]) :]
    indent = " " * (len(first_line) - len(first_line.lstrip(" ")))
    dash = "- " if isinstance(node, yaml.SequenceNode) else ""
    return _with_line(text, end_of(node), indent + dash + item)


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
    rest = text[: _line_start(text, start)] + text[_line_end(text, end)[1] :]
    if len(spans) > 1:
        return rest
    colon = text.index(":", end_of(key)) + 1
    return f"{rest[:colon]} {'{}' if isinstance(node, yaml.MappingNode) else '[]'}{rest[colon:]}"


class _Dumper(yaml.SafeDumper):
    """Writes a text in quotes that only one version of YAML reads as a text."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = None if is_plain(data) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


def in_one_line(value: object) -> str:
    """YAML in one line; text is quoted where version 1.1 or 1.2 has another type."""
    options = {"default_flow_style": True, "sort_keys": False, "width": float("inf")}
    text = ""
    for allow_unicode in (True, False):  # not where a line of text would end in it
        text = yaml.dump(value, Dumper=_Dumper, allow_unicode=allow_unicode, **options)
        text = text.removesuffix("\n").removesuffix("\n...")
        if text.isprintable():
            break
    return text
