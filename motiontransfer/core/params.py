"""Reading params.yaml and films.yaml: one section, validated by the caller's own model.

Errors name the YAML key. The models themselves live in the stage that reads the section, or in what
it shares with live transfer. A schema of all sections would be an input of all stages. `Transfer`
and `Compute` are here, since many read them.
"""

import difflib
import math
import os
import re
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Annotated, ClassVar, Literal, NamedTuple, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.cyaml import CParser
from yaml.resolver import Resolver

from motiontransfer.core import layout
from motiontransfer.core.errors import (
    FILMS_FILE,
    PARAMS_FILE,
    ChangedInputError,
    MissingFileError,
    ParamsError,
    one_line,
)
from motiontransfer.core.storage import read_checked_json

_MOST_LEVELS = 100  # of a file of YAML; ours have fewer than ten

_Config = TypeVar("_Config")

_FORMER_KEYS = dict.fromkeys(
    (
        "clean_keypoints.longest_outlier_seconds",
        *("train_gan.limb_dropout", "train_gan.part_dropout", "train_gan.compile"),
        *("train_face_gan.compile", "train_face_cycle.compile"),
        *("evaluate.inception_weights", "evaluate_transfer.inception_weights"),
    ),
    "it went; remove it",
)
"""Key of version 0.1.0 -> what to do about it."""

FILMS = "films"
"""The key of films.yaml below which all is: DVC reads both files as one, without a key in both."""

SHIPPED_FILE = Path(__file__).parents[1] / "project/params.yaml"
"""A copy of params.yaml as it is shipped, from which presets are differences."""


class Idle(NamedTuple):
    """A key that has no effect beside other values."""

    key: str
    why: str
    """Where that is so: `texture is none`."""
    value: object = ...
    """The key's value then; where any will do, the shipped one."""


class Section(BaseModel):
    """Base of a section's model: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    affects_outputs: ClassVar[bool] = True
    """Whether what a stage writes depends on it."""

    @classmethod
    def section(cls) -> str:
        """The model's section: `train_gan` of `TrainGanParams`."""
        return re.sub("(?<!^)(?=[A-Z])", "_", cls.__name__.removesuffix("Params")).lower()

    def idle(self) -> Iterator[Idle]:
        """Keys without effect beside the values of others."""
        yield from ()

    def conflicts(self) -> Iterator[str]:
        """Values, valid alone, that fail beside others: `key: why`."""
        yield from ()

    def check_conflicts(self) -> None:
        """Refuse what has `conflicts`.

        Raises:
            ParamsError: one line for each.
        """
        faults = [f"{PARAMS_FILE}: {self.section()}.{fault}" for fault in self.conflicts()]
        if faults:
            raise ParamsError("\n".join(faults))

    def to_config(self, config: type[_Config], **others: object) -> _Config:
        """Build a dataclass or another model from the values of the same names, and others."""
        names = [name for name in signature(config).parameters if name not in others]
        return config(**{name: getattr(self, name) for name in names}, **others)


NAME_BYTES = 120  # of 255 of a file name, some of which have two names or a suffix


def _short(name: str) -> str:
    if len(name.encode()) > NAME_BYTES:
        raise ValueError(f"expected at most {NAME_BYTES} bytes of UTF-8")
    return name


Name = Annotated[str, Field(pattern=r"^\w[\w-]*$"), AfterValidator(_short)]


Rotation = Literal[0, 90, 180, 270]
"""Clockwise, degrees."""


def _check_trim(trim: tuple[float, float]) -> tuple[float, float]:
    start, end = trim
    if not 0 <= start < end < math.inf:
        raise ValueError("expected [start, end] in seconds of the film, with 0 <= start < end")
    return trim


Trim = Annotated[tuple[float, float], AfterValidator(_check_trim)]
"""Start and end of the part of a film that is used, seconds from its first frame."""


class PersonAt(Section):
    """Who is at a place of the film at a time."""

    x: float = Field(ge=0, le=1)
    """Share of the upright film's width."""
    y: float = Field(ge=0, le=1)
    seconds: float = Field(ge=0)
    """From the film's first frame."""


class Video(BaseModel):
    """What commands read of an entry of `videos`."""

    path: Path
    subject: Name
    crop: object = "none"
    rotate: Rotation = 0
    trim: Trim | None = None
    person: object = "largest"


SceneChoice = Literal["target", "dancer"]
"""Where a target performs: in their own room, or in the dancer's film."""


class DancersScene(Section):
    """A dancer's film in which targets perform."""

    subject: Name
    film: Path
    """What is shown around the targets: the video, or a result in it, in which another of several
    dancers is replaced already."""


class Pair(Section):
    """A source video, its subject, and the subject to whom its motion goes."""

    source: Name
    source_subject: Name
    target: Name
    """Of a guide: whose films count as filmed; the dancer: nobody's."""


class Transfer(Pair):
    """A target that performs a source video's motion."""

    truth: str

    @property
    def truth_path(self) -> Path | None:
        """Ground-truth clip of the target performing the source's motion; None without one."""
        return None if self.truth == "none" else layout.TRUTH_FOLDER / self.truth


class Films(BaseModel):
    """What commands read of films.yaml, where a section may be empty."""

    videos: dict[str, Video] = {}
    subjects: list[str] = []
    targets: list[str] = []
    trained: list[str] = []
    transfers: dict[str, Transfer] = {}
    guides: dict[str, Pair] = {}
    detectors: list[str] = []
    scenes: dict[str, DancersScene] = {}
    in_film: dict[str, Pair] = {}
    face_cycles: dict[str, Pair] = {}


FILM_SECTIONS = tuple(Films.model_fields)
"""Sections of films.yaml, in its order."""
FILM_LISTS = ("subjects", "targets", "trained", "detectors")
"""Those of names alone."""


class SplitParams(Section):
    """Frames of each clip of a target that no training sees."""

    held_out_fraction: float = Field(ge=0, lt=1)
    gap_frames: int = Field(ge=0)


class Compute(Section):
    """Section `compute`, explained in params.yaml."""

    affects_outputs = False

    num_workers: int = Field(ge=0)


_Value = TypeVar("_Value")
_Section = TypeVar("_Section", bound=Section)
_values_read: ContextVar[dict[tuple[Path, str], object] | None] = ContextVar(
    "values_read", default=None
)
"""Value by file and dotted key, within `unchanged_params`."""

_folder: ContextVar[Path] = ContextVar("folder", default=Path())
"""Of params.yaml and films.yaml, within `check_params`."""


def flattened(tree: object, prefix: str = "") -> dict[str, object]:
    """Every leaf of nested params or metrics, by its dotted key."""
    if isinstance(tree, Mapping) and tree:
        leaves: dict[str, object] = {}
        for key, child in tree.items():
            leaves |= flattened(child, f"{prefix}.{key}" if prefix else str(key))
        return leaves
    return {prefix: tree}


def load_params(path: Path = PARAMS_FILE) -> dict[str, object]:
    """Read the whole of params.yaml, or of what `check_params` made of it, with a checksum.

    Raises:
        MissingFileError: it is not there.
        ParamsError: keys of an earlier version, or as `read_sections`.
        DamagedFileError: what `check_params` made is not as it was written.
    """
    if path.suffix == ".json":
        if not path.is_file():
            raise MissingFileError(f"{path}: no such file; `dvc repro` writes it")
        return read_checked_json(path)
    content = read_sections(path)
    keys = flattened(content)
    moved = [f"{path}: {old}: {what}" for old, what in _FORMER_KEYS.items() if old in keys]
    if path.name == PARAMS_FILE.name and (films := [*filter(content.__contains__, FILM_SECTIONS)]):
        moved.append(f"{path}: {', '.join(films)}: move them to {FILMS_FILE}, below {FILMS}")
    if moved:
        raise ParamsError("\n".join(moved))
    return content


def load_films(root: Path = Path()) -> dict[str, object]:
    """Read the sections of films.yaml.

    Raises:
        ParamsError: they are not there, or as `read_sections`.
    """
    path = root / FILMS_FILE
    films = read_sections(path).get(FILMS)
    if not isinstance(films, dict):
        raise ParamsError(f"{path}: {FILMS}: expected sections below it, got {films!r}")
    return films


def read_films(root: Path = Path()) -> Films:
    """Read what commands need of films.yaml.

    Raises:
        ParamsError: an entry is not valid, or as `load_films`.
    """
    sections = {name: section for name, section in load_films(root).items() if section is not None}
    return _validated(Films, sections, "", root / FILMS_FILE)


def check_project(*files: Path) -> None:
    """Refuse to work where a project has these files and this folder has not.

    Raises:
        MissingFileError: one of them is not there.
    """
    for path in files:
        if not path.is_file():
            raise MissingFileError(
                f"{path}: no such file; run from the project's root, where params.yaml is"
            )


def read_sections(path: Path) -> dict[str, object]:
    """Read a file of sections, whatever their keys.

    Raises:
        MissingFileError: no such file.
        ParamsError: not YAML in UTF-8, or not a mapping at the top.
    """
    text = read_text(path)
    try:
        content = _parse(text)
    except (yaml.YAMLError, ValueError) as error:  # numbers of 5000 digits, too
        raise ParamsError(f"{path}: not valid YAML: {one_line(error)}") from error
    if not isinstance(content, dict):
        raise ParamsError(
            f"{path}: expected sections (name: …) at the top, got {type(content).__name__}"
        )
    return content


def read_text(path: Path) -> str:
    """Read a file of sections as it is: with its own line breaks, and a BOM if it begins with one.

    Raises:
        MissingFileError: no such file.
        ParamsError: not in UTF-8, which DVC expects.
    """
    check_project(path)
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        told = "expected text in UTF-8, got another encoding, as of Windows PowerShell"
        raise ParamsError(f"{path}: {told}; save it in UTF-8") from error


class SectionsLoader(Composer, CParser, SafeConstructor, Resolver):
    """Loader of YAML that refuses a key that stands twice, as DVC does.

    It is parsed in C and composed in Python: in C, many levels would overflow the stack. Finalizers
    that run far down Python's stack fail, so levels are limited. Positions of nodes do not count a
    BOM.
    """

    levels = 0

    def __init__(self, text: str | bytes) -> None:
        CParser.__init__(self, text)
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        Resolver.__init__(self)

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        self.levels += 1
        if self.levels > _MOST_LEVELS:
            raise yaml.YAMLError(f"more than {_MOST_LEVELS} levels")
        node = super().compose_node(parent, index)
        self.levels -= 1
        return node

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        for name, number in Counter(str(key.value) for key, _ in node.value).items():
            if number > 1:
                raise yaml.MarkedYAMLError(None, None, f"{name} stands twice", node.start_mark)
        return node


@lru_cache(maxsize=3)  # a stage reads sections one by one, of two files and the shipped one
def _parse(text: str) -> object:
    return yaml.load(text, SectionsLoader)


def load_section(
    schema: type[_Value] | GenericAlias | UnionType, key: str, *, path: Path = PARAMS_FILE
) -> _Value:
    """Read and validate the value of a dotted key, e.g. `train_gan` or `videos.demo_dance`.

    Args:
        schema: a `Section`, or any type pydantic can check, such as `dict[str, Video]`.

    Raises:
        ParamsError: the key is absent, or a key or value under it is wrong; the message names the
            full key.
    """
    if path.name == PARAMS_FILE.name and key.partition(".")[0] in FILM_SECTIONS:
        path = path.with_name(FILMS_FILE.name)
    value = _value_of(key, path)
    if (read := _values_read.get()) is not None and getattr(schema, "affects_outputs", True):
        read.setdefault((path, key), value)
    found = _validated(schema, value, key, path)
    return _effective(found, key, path) if isinstance(found, Section) else found


def _validated(
    schema: type[_Value] | GenericAlias | UnionType, value: object, key: str, path: Path
) -> _Value:
    try:
        return TypeAdapter(schema).validate_python(value)  # ty: ignore[invalid-argument-type]
    except ValidationError as error:
        raise ParamsError(
            "\n".join(_line(path, key, schema, detail) for detail in error.errors())
        ) from error


def _effective(section: _Section, name: str, path: Path) -> _Section:
    """The section with keys that have no effect as they then are.

    An experiment changes one key, and leaves others as they are shipped.

    Raises:
        ParamsError: one of another value.
    """
    while True:
        idle = [one for one in section.idle() if getattr(section, one.key) != one.value]
        shipped_values = flattened(read_sections(SHIPPED_FILE)) if idle else {}
        for key, why, value in idle:
            got = getattr(section, key)
            shipped = shipped_values[f"{section.section()}.{key}"]
            if got != shipped:
                other = "" if value is ... else f"{_as_yaml(value)} or "
                raise ParamsError(
                    f"{path}: {name}.{key}: has no effect where {why}; expected {other}the shipped "
                    f"{_as_yaml(shipped)}, got {_as_yaml(got)}"
                )
        changes = {key: value for key, _, value in idle if value is not ...}
        if not changes:
            return section
        section = section.model_copy(update=changes)


def _as_yaml(value: object) -> str:
    return yaml.safe_dump(str(value) if isinstance(value, Path) else value).split("\n")[0]


def _value_of(key: str, path: Path) -> object:
    is_films = path.name == FILMS_FILE.name
    file = _folder.get() / path
    value: object = load_films(file.parent) if is_films else load_params(file)
    walked: list[str] = []
    for part in key.split("."):
        walked.append(part)
        if not isinstance(value, Mapping) or part not in value:
            raise ParamsError(f"{path}: {'.'.join(walked)}: missing; expected this key")
        value = value[part]
    return value


def check_params(root: Path = Path()) -> None:
    """Refuse what the stage `check_params` would refuse, by its own code.

    It is imported by name, as DVC runs it: each stage owns the model of its params.

    Args:
        root: folder of params.yaml and films.yaml; the files that they name are this project's.

    Raises:
        ParamsError: a line for each fault.
        MissingFileError: one of the two files is not there.
    """
    token = _folder.set(root)
    try:
        import_module("stages.check_params").check()
    finally:
        _folder.reset(token)


@contextmanager
def unchanged_params() -> Generator[None]:
    """Refuse values that `load_section` read within the block and that were edited since.

    DVC records params after a stage's command has ended, and would record the edited ones as those
    from which its outputs were made.

    Raises:
        ChangedInputError: a value is another.
        ParamsError: it is not there any more.
    """
    read: dict[tuple[Path, str], object] = {}
    token = _values_read.set(read)
    try:
        yield
    finally:
        _values_read.reset(token)
    changed = [
        f"{path}: {key}" for (path, key), value in read.items() if _value_of(key, path) != value
    ]
    if changed:
        raise ChangedInputError(
            f"changed while this stage ran: {', '.join(changed)}; its outputs are stale and were "
            "not recorded. `dvc repro` makes them again; to keep them instead, undo the change and "
            f"run `dvc commit -f {os.environ.get('DVC_STAGE', 'STAGE')}`"
        )


def _line(path: Path, key: str, schema: object, detail: Mapping[str, object]) -> str:
    location = [str(part) for part in detail["loc"]]  # ty: ignore[not-iterable]
    full_key = ".".join(filter(None, [key, *location]))
    if detail["type"] == "extra_forbidden":
        known = sorted(getattr(schema, "model_fields", {})) if len(location) == 1 else []
        close = difflib.get_close_matches(location[-1], known, n=1)
        hint = f"; known keys: {', '.join(known)}" if known else ""
        hint = f"; did you mean {close[0]!r}?" if close else hint
        return f"{path}: {full_key}: unknown key{hint}"
    got = "" if detail["type"] == "missing" else f", got {detail['input']!r}"
    message = str(detail["msg"])
    return f"{path}: {full_key}: {message[:1].lower()}{message[1:]}{got}"
