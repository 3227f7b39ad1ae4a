"""MkDocs hook: reference tables of params and commands, generated from the code."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import typer
import yaml
from pydantic import TypeAdapter

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # `stages` is not installed

ENTRIES = {  # keys of entries in films.yaml
    "videos.path": "the video file, or the folder with it and its imported keypoints",
    "videos.subject": "the person in it; one of `subjects`",
    "videos.crop": "region: all, around the person, or `[x0, y0, x1, y1]` in pixels",
    "videos.rotate": "degrees clockwise, of a picture that is on its side or upside down",
    "videos.trim": "start and end of the part that is used, seconds from the first frame",
    "videos.detector": "overrides `detect_keypoints.detector`",
    "videos.person": "which of several people in view: see [Poses](poses.md)",
    "transfers.source": "the video whose motion is used; one of `videos`",
    "transfers.source_subject": "the person in it",
    "transfers.target": "the person rendered; one of `targets`",
    "transfers.truth": "a ground-truth video in `data/truth/`, or `none`",
    "guides.source": "the video whose dance is to be filmed for; one of `videos`",
    "guides.source_subject": "the person in it",
    "guides.target": "whose films count as filmed; the person in the video: nobody's",
    "scenes.subject": "the person in the video of this name, whom targets replace",
    "scenes.film": "the video's path, or the `transfer.mp4` in which the first of two is replaced",
    "in_film.source": "as in the transfer of this name, as the others; one of `scenes`",
    "in_film.source_subject": "the person in it",
    "in_film.target": "the person rendered",
    "face_cycles.source": "as in the transfer of this name, as the others",
    "face_cycles.source_subject": "the person in it",
    "face_cycles.target": "the person rendered; one of `trained`",
}
_TYPES = {"integer": "integer", "number": "number", "string": "text", "null": "`null`"}
_TYPES |= {"boolean": "`true`, `false`"}
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_BOUNDS |= {"multipleOf": "a multiple of"}


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace the markers on a page by the generated tables."""
    tables = {"params": params_reference, "commands": command_reference}
    return re.sub(r"<!-- generated: (\w+) -->", lambda marker: tables[marker[1]](), markdown)


def params_reference() -> str:
    """One table per section of films.yaml and params.yaml: key, values, default, meaning."""
    text = (ROOT / "motiontransfer/project/params.yaml").read_text(encoding="utf-8")
    meanings = ENTRIES | comments(text)
    by_key = {key.rpartition(".")[2]: meaning for key, meaning in reversed(meanings.items())}
    parts = []
    entries = dict.fromkeys(key.partition(".")[0] for key in ENTRIES)
    for section, values in {**entries, **yaml.safe_load(text)}.items():
        schema, is_entry = _schema(section), section in entries
        intro = meanings.get(section, "")
        parts.append(f"## `{section}{'.NAME' if is_entry else ''}`\n")
        parts.append(f"{intro[:1].upper()}{intro[1:]}.\n" if intro else "")
        parts.append("| key | values | default | meaning |\n|---|---|---|---|")
        for key in schema if is_entry else values:
            default = schema[key].get("default", ...) if is_entry else values[key]
            shown = "required" if default is ... else f"`{_yaml(default)}`"
            meaning = meanings.get(f"{section}.{key}", by_key[key])
            meaning = meaning.replace("docs/poses.md", "[Poses](poses.md)")
            parts.append(_row(f"`{key}`", _allowed(schema[key]), shown, meaning))
        parts.append("")
    return "\n".join(parts)


def _schema(section: str) -> dict[str, Mapping]:
    """JSON schema of each key of a section."""
    from motiontransfer.core.params import DancersScene, Pair, Transfer
    from motiontransfer.pose.detectors import DetectorName, HolisticConfig
    from stages.check_params import SECTIONS, VideoParams

    entries = {
        "videos": VideoParams,
        "transfers": Transfer,
        **dict.fromkeys(("guides", "in_film", "face_cycles"), Pair),
        "scenes": DancersScene,
    }
    model = (SECTIONS | entries | {"detect_keypoints": HolisticConfig})[section]
    schema = model.model_json_schema()["properties"]
    if section == "detect_keypoints":
        schema["detector"] = TypeAdapter(DetectorName).json_schema()
    return schema


def _allowed(schema: Mapping) -> str:
    """Type and bounds in words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_allowed, schema["anyOf"])))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "$ref" in schema:
        return f"`{{{', '.join(_definition(schema['$ref'])['properties'])}}}`"
    if schema["type"] == "array":
        items = schema.get("prefixItems") or [schema["items"]]
        length = f" of {schema['maxItems']}" if "maxItems" in schema else ""
        return f"a list{length}, each {' or '.join(dict.fromkeys(map(_allowed, items)))}"
    bounds = [f"{sign} {schema[key]}" for key, sign in _BOUNDS.items() if key in schema]
    word = "path" if schema.get("format") == "path" else _TYPES[schema["type"]]
    return f"{word} {' and '.join(bounds)}".strip()


def _definition(reference: str) -> Mapping:
    from stages.check_params import VideoParams

    return VideoParams.model_json_schema()["$defs"][reference.rpartition("/")[2]]


def comments(text: str) -> dict[str, str]:
    """Comments of params.yaml by section and key; each may continue on lines of its own."""
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
    """Each subcommand: usage, description, arguments and options."""
    from motiontransfer.cli.app import app

    return _described("", typer.main.get_command(app))


def _described(name: str, command: click.Command) -> str:
    if parts := getattr(command, "commands", {}):
        return "\n".join(
            _described(f"{name} {part}".strip(), parts[part]) for part in sorted(parts)
        )
    options = [p for p in command.params if p.name != "help"]
    arguments = [str(p.name).upper() for p in options if p.param_type_name == "argument"]
    names = [*arguments, *(", ".join(p.opts) for p in options[len(arguments) :])]
    rows = [
        _row(f"`{n}`", getattr(p, "help", "") or "") for n, p in zip(names, options, strict=True)
    ]
    usage = " ".join(["motiontransfer", name, *arguments, "[OPTIONS]"])
    table = "\n".join(["| | |", "|---|---|", *rows, ""]) if rows else ""
    return f"## `{name}`\n\n{(command.help or '').strip()}\n\n```\n{usage}\n```\n\n{table}"


def _yaml(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
