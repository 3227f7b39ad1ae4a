"""Recipes: the params by which a result was made, which its file carries.

A recipe has the params that differ from the shipped ones, and the version. It names nobody, no file
and no machine. What is read as one is anybody's text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from pydantic import BaseModel, ValidationError

from motiontransfer.core.errors import printable
from motiontransfer.core.layout import PLAIN_BACKGROUNDS
from motiontransfer.core.params import SHIPPED_FILE, flattened, read_sections

_MOST_CHARACTERS = 65_536  # ten times what all params take
_MOST_ITEMS, _MOST_LETTERS = 8, 64  # of a list, of a word: no param has more
_NAMING = ("perceptual_file", "lpips_weights", "devices", "detector")
"""Last parts of keys that name a file, a device or a detector's model."""
_OWN = ("render.provenance", "render.visible_label")
"""What a result says of itself: nobody else decides that."""
_ELSEWHERE = ("compute", "logging", "evaluate", "evaluate_transfer", "report", "train_forensics")
"""Sections on which no result depends."""

ParamValue = bool | int | float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a file's text says of params; their values are not checked yet."""

    version: str
    params: Mapping[str, object]
    """Values of all params on which results depend, by dotted keys: its own, and shipped ones."""
    own: Mapping[str, object]
    """Those that it has itself."""
    left_out: tuple[str, ...]
    """Keys that are unknown, or that no recipe decides."""

    def __str__(self) -> str:
        told = f"made by version {self.version}; params of its own: {len(self.own)}"
        left_out = f"; left out: {', '.join(self.left_out)}" if self.left_out else ""
        return printable(told + left_out)


class _Carried(BaseModel):
    """What a file carries."""

    motiontransfer: str
    """The version."""
    params: dict[str, object]


def recipe_text(params: Mapping[str, object]) -> str:
    """The recipe of results by these params of all sections, as JSON."""
    shipped, own = _decided(read_sections(SHIPPED_FILE)), _decided(params)
    changed = {key: own[key] for key in own if key in shipped and own[key] != shipped[key]}
    return json.dumps({"motiontransfer": version("motiontransfer"), "params": changed})


def read_recipe(text: str) -> Recipe | None:
    """Read a recipe; None of a text that is none."""
    if len(text) > _MOST_CHARACTERS:
        return None
    try:
        carried = _Carried.model_validate_json(text)
    except ValidationError:
        return None
    shipped, given = _decided(read_sections(SHIPPED_FILE)), carried.params
    own = {
        key: value
        for key, value in given.items()
        if key in shipped and _is_value(value) and _is_plain(key, value)
    }
    left_out = tuple(key[:_MOST_LETTERS] for key in given if key not in own)
    made_by = carried.motiontransfer[:_MOST_LETTERS]
    return Recipe(version=made_by, params=shipped | own, own=own, left_out=left_out)


def _decided(params: Mapping[str, object]) -> dict[str, object]:
    """Params that a recipe decides, by dotted keys."""
    return {
        key: value
        for key, value in flattened(params).items()
        if key.partition(".")[0] not in _ELSEWHERE
        and key.rpartition(".")[2] not in _NAMING
        and key not in _OWN
        and _is_plain(key, value)
    }


def _is_plain(key: str, value: object) -> bool:
    return key != "render.background" or value in [*PLAIN_BACKGROUNDS]


def _is_value(value: object) -> bool:
    if isinstance(value, list):
        return len(value) <= _MOST_ITEMS and all(isinstance(item, int | float) for item in value)
    return isinstance(value, ParamValue) and len(str(value)) <= _MOST_LETTERS
