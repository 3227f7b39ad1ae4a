"""Editing params.yaml as a person would: values change, comments and layout stay.

Hides how YAML is kept as it was written. Used by commands only: no stage imports it.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.params import PARAMS_FILE
from motiontransfer.storage import replacing

PRESETS_FOLDER = Path("presets")

_UNBROKEN = 1 << 20  # longer than any line: nothing is wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One edited value."""

    key: str
    """Dotted, as `train_gan.steps`."""
    old: str
    """As it stood in the file."""
    new: str
    """As it stands there now."""


def preset_names(folder: Path = PRESETS_FOLDER) -> list[str]:
    """Names of the presets there are."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def preset_changes(
    name: str, *, params_file: Path = PARAMS_FILE, folder: Path = PRESETS_FOLDER
) -> list[Change]:
    """What a preset would change in params.yaml.

    Raises:
        ParamsError: no such preset, or it names a key that params.yaml lacks.
        MissingFileError: no params.yaml.
    """
    params = _load(params_file)
    return _apply(params, _load_preset(name, folder), name)


def apply_preset(
    name: str, *, params_file: Path = PARAMS_FILE, folder: Path = PRESETS_FOLDER
) -> list[Change]:
    """Write a preset's values into params.yaml and return what changed.

    Raises:
        ParamsError: no such preset, or it names a key that params.yaml lacks.
        MissingFileError: no params.yaml.
    """
    params = _load(params_file)
    changes = _apply(params, _load_preset(name, folder), name)
    if changes:
        with replacing(params_file) as temporary:
            temporary.write_text(_dumped(params), encoding="utf-8")
    return changes


def _load_preset(name: str, folder: Path) -> CommentedMap:
    path = folder / f"{name}.yaml"
    if not path.exists():
        raise ParamsError(
            f"no preset {name!r}; there are {', '.join(preset_names(folder)) or 'none'} in {folder}"
        )
    preset = _load(path)
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


def _in_one_line(value: object) -> object:
    if not isinstance(value, list):
        return value
    sequence = CommentedSeq(value)
    sequence.fa.set_flow_style()
    return sequence


def _written(value: object) -> str:
    return _dumped(CommentedMap({"value": _in_one_line(value)})).removeprefix("value:").strip()


def _load(path: Path) -> CommentedMap:
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


def _dumped(content: CommentedMap) -> str:
    text = io.StringIO()
    _yaml().dump(content, text)
    return text.getvalue()


class _Representer(RoundTripRepresenter):
    """Writes `null` where others leave nothing."""


def _null(representer: RoundTripRepresenter, _: None) -> ScalarNode:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _null)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.preserve_quotes = True
    yaml.width = _UNBROKEN
    return yaml
