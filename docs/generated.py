"""The parts of the site that are read off the code: params, and the command (a hook of MkDocs).

Hides how a type becomes words. A page says where such a part goes: `<!-- generated: params -->`.
"""

import importlib
import re
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Union, get_args, get_origin

import annotated_types
import click
import typer
import yaml
from pydantic.fields import FieldInfo

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the stages are no package that is installed

_PLAIN = {
    **{int: "integer", float: "number", str: "text", bool: "`true`, `false`"},
    **{Path: "path", type(None): "`null`"},
}
_BOUNDS = {
    **{annotated_types.Ge: ("ge", "≥"), annotated_types.Gt: ("gt", ">")},
    **{annotated_types.Le: ("le", "≤"), annotated_types.Lt: ("lt", "<")},
}

ENTRIES = {
    "videos": {
        "path": "where the file is, or the folder that holds it with keypoints made elsewhere",
        "subject": "who is in it; one of `subjects`",
        "crop": "which part of the picture to use: all, around the person, or `[x0, y0, x1, y1]` "
        "in pixels",
        "detector": "this video's own, in the place of `detect_keypoints.detector`",
        "person": "who it is where several are in view: see [Poses](poses.md)",
    },
    "transfers": {
        "source": "the video whose motion it is; one of `videos`",
        "source_subject": "who is in it",
        "target": "who performs it; one of `targets`",
        "truth": "a file in `data/truth/` that shows the target really doing it, or `none`",
    },
}

PLAIN = {
    "seed": "of all that is left to chance; the same seed is the same result on the same machine",
    "num_downsamplings": "levels of half the size before the residual blocks",
    "num_residual_blocks": "blocks at the coarsest level",
    "adversarial_weight": "of the loss that the discriminators give",
    "feature_matching_weight": "of L1 between the discriminators' features of real and generated",
    "l1_weight": "of L1 between generated and real",
    "log_every_steps": "how often losses are written down",
    "sample_every_steps": "how often sample pictures are drawn",
    "checkpoint_every_steps": "how often a checkpoint is kept, from which a stopped run goes on",
}
"""What params.yaml says nothing about, because the name says it all to whoever knows the method."""


def on_page_markdown(markdown: str, **_: object) -> str:
    """Put the generated parts into a page."""
    for name, generate in (("params", params_reference), ("commands", command_reference)):
        marker = f"<!-- generated: {name} -->"
        if marker in markdown:
            markdown = markdown.replace(marker, generate())
    return markdown


def section_models() -> dict[str, Mapping[str, FieldInfo]]:
    """The fields of every section of params.yaml that has any, in the file's order.

    The entries of `videos` and `transfers` are under `videos.NAME` and `transfers.NAME`.
    """
    from motiontransfer.parallel import Compute
    from motiontransfer.params import Transfer
    from motiontransfer.pose.detectors.registry import DetectorName, HolisticParams
    from motiontransfer.pose.subject import PersonRule
    from stages import decode, render

    shared = {
        "videos": {
            **decode.VideoParams.model_fields,  # which leaves these two to the stages that use them
            "detector": FieldInfo.from_annotated_attribute(DetectorName | None, None),
            "person": FieldInfo.from_annotated_attribute(PersonRule, "largest"),
        },
        "transfers": Transfer.model_fields,
        "detect_keypoints": {
            **HolisticParams.model_fields,
            "detector": FieldInfo.from_annotation(DetectorName),
        },
        "normalization": render.NormalizationParams.model_fields,
        "compute": Compute.model_fields,
    }
    return {
        f"{name}.NAME" if name in ENTRIES else name: shared.get(name) or _stage_fields(name)
        for name, values in _shipped_params().items()
        if isinstance(values, Mapping)
    }


def _stage_fields(name: str) -> Mapping[str, FieldInfo]:
    """A stage's own section has the stage's name, and its model is named after it."""
    module = importlib.import_module(f"stages.{name}")
    return getattr(module, f"{name.title().replace('_', '')}Params").model_fields


def _shipped_params() -> dict[str, dict[str, object]]:
    return yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def params_reference() -> str:
    """A table for every section: key, what may stand there, the default, what it means."""
    values = _shipped_params()
    meanings = comments((ROOT / "params.yaml").read_text(encoding="utf-8"))
    parts = []
    for section, fields in section_models().items():
        name = section.removesuffix(".NAME")
        parts.append(f"## `{section}`\n")
        if meanings.get(name):
            parts.append(f"{_sentence(meanings[name])}\n")
        entry = name in ENTRIES
        parts.append("| key | values | default | meaning |\n|---|---|---|---|")
        order = list(fields) if entry else list(values[name])
        for key in order:
            field = fields[key]
            meaning = ENTRIES[name][key] if entry else meanings.get(f"{name}.{key}") or PLAIN[key]
            meaning = meaning.replace("docs/poses.md", "[Poses](poses.md)")
            default = _default(field) if entry else f"`{_yaml(values[name][key])}`"
            allowed = _words(field.annotation, field.metadata)
            parts.append(_row(f"`{key}`", allowed, default, meaning))
        parts.append("")
    return "\n".join(parts)


def comments(text: str) -> dict[str, str]:
    """What the comments of params.yaml say about each section and each key.

    A comment stands behind its key, and goes on below it on lines of its own.
    """
    found: dict[str, str] = {}
    section = key = ""
    for line in text.splitlines():
        code, _, comment = line.partition("#")
        if match := re.match(r"(\w+):", code):
            section = key = match.group(1)
        elif match := re.match(r"  (\w+):", code):
            key = f"{section}.{match.group(1)}"
        elif code.strip() or not code:
            key = ""  # an entry of a list, a comment above a section, an empty line
        if key and comment:
            found[key] = f"{found.get(key, '')} {comment.strip()}".strip()
    return found


def command_reference() -> str:
    """Each subcommand: how it is called, what it does, its arguments and options."""
    from motiontransfer.cli.app import app

    commands = getattr(typer.main.get_command(app), "commands", {})
    return "\n".join(_described(name, commands[name]) for name in sorted(commands))


def _described(name: str, command: click.Command) -> str:
    """One command, or each of those that it groups."""
    if own := getattr(command, "commands", {}):
        return "\n".join(_described(f"{name} {part}", own[part]) for part in sorted(own))
    arguments = [_spelled(p) for p in command.params if p.param_type_name == "argument"]
    rows = [
        _row(f"`{_spelled(parameter)}`", getattr(parameter, "help", None) or "")
        for parameter in command.params
        if parameter.name != "help"
    ]
    parts = [
        f"## `{name}`\n\n{(command.help or '').strip()}\n",
        f"```\nmotiontransfer {' '.join([name, *arguments, '[OPTIONS]'])}\n```\n",
        *(["| | |", "|---|---|", *rows, ""] if rows else []),
    ]
    return "\n".join(parts)


def _spelled(parameter: click.Parameter) -> str:
    is_option = parameter.param_type_name == "option"
    return ", ".join(parameter.opts) if is_option else str(parameter.name).upper()


def _words(annotation: object, metadata: list[object]) -> str:
    """A type and its bounds as a person would say them."""
    bounds = [bound for item in metadata for bound in _bounds(item)]
    base = annotation
    if hasattr(annotation, "__value__"):  # `type X = …`
        base = annotation.__value__
    if get_origin(base) is Annotated:
        inner, *more = get_args(base)
        return _words(inner, [*more, *metadata])
    if get_origin(base) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(base))
    if get_origin(base) in (Union, types.UnionType):
        each = [_words(part, [] if part is type(None) else metadata) for part in get_args(base)]
        return " or ".join(dict.fromkeys(each))
    if get_origin(base) in (list, tuple):
        return _list_words(get_args(base))
    words = _PLAIN.get(base, getattr(base, "__name__", str(base)))
    return f"{words} {' and '.join(bounds)}".strip()


def _list_words(items: tuple[object, ...]) -> str:
    kinds = " or ".join(dict.fromkeys(_words(item, []) for item in items if item is not Ellipsis))
    if Ellipsis in items or len(items) == 1:
        return f"a list, each {kinds}"
    return f"a list of {len(items)}, each {kinds}"


def _bounds(item: object) -> list[str]:
    if isinstance(item, FieldInfo):
        return [bound for inner in item.metadata for bound in _bounds(inner)]
    return [
        f"{sign} {getattr(item, attribute)}"
        for kind, (attribute, sign) in _BOUNDS.items()
        if isinstance(item, kind)
    ] + (
        [f"a multiple of {item.multiple_of}"]
        if isinstance(item, annotated_types.MultipleOf)
        else []
    )


def _default(field: FieldInfo) -> str:
    return "required" if field.is_required() else f"`{_yaml(field.default)}`"


def _yaml(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
