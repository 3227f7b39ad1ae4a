import re
from collections.abc import Mapping

import yaml

from motiontransfer.core.storage import source_files
from stages import check_params, clean_keypoints, decode, detect_keypoints
from stages.code import stage_modules
from tests.tiny_project import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
GRAPH = {
    name: stage.get("do", stage)
    for name, stage in STAGES.items()
    if name not in ("code", "check_params")
}
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
OF_VIDEOS = (decode, detect_keypoints, clean_keypoints)
CODE = {it: source_files(module) for it, module in stage_modules().items() if it in GRAPH}


def which(reads) -> list[str]:
    """Stages of which something is true, in the graph's order."""
    return [name for name, stage in GRAPH.items() if reads(name, stage)]


def readers_of_param(section: str, key: str) -> list[str]:
    def reads(name, stage):
        listed = stage.get("params", [])
        on_page = "artifacts/params_of_results.json" in stage["deps"]
        is_result = section not in check_params.NOT_OF_RESULTS
        return {section, f"{section}.{key}"} & set(listed) or (on_page and is_result)

    return which(reads)


def lists(stage: Mapping, section: str) -> bool:
    return any(param.split(".")[0] == section for param in stage.get("params", []))


def readers_of_video(key: str) -> list[str]:
    models = {module.__name__.split(".")[1]: module.Video for module in OF_VIDEOS}

    def reads(name, stage):
        if f"artifacts/videos/${{key}}/{name}.json" in stage["deps"]:
            return key in models[name].model_fields
        return lists(stage, "videos")

    return which(reads)


def readers_of_name(section: str) -> list[str]:
    """Stages that run for each name, or read all names."""
    foreach = f"${{{section}}}"
    return which(
        lambda name, stage: STAGES[name].get("foreach") == foreach or lists(stage, section)
    )


def readers_of_file(name: str) -> list[str]:
    return which(lambda _, stage: any(dep.startswith(name) for dep in stage["deps"]))


def importers(folder: str) -> list[str]:
    return [it for it in GRAPH if any(path.is_relative_to(ROOT / folder) for path in CODE[it])]


def grouped(section: str, values: Mapping) -> dict[str, list[str]]:
    """Changed -> stages, keys with the same stages together; most of a section by its name."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for key in values:
        groups.setdefault(tuple(readers_of_param(section, key)), []).append(key)
    most = max(groups.values(), key=len)
    others = ": other keys" if len(groups) > 1 else ""
    named = {
        stages: others if keys is most else f": {', '.join(f'`{key}`' for key in keys)}"
        for stages, keys in groups.items()
    }
    return {f"`{section}`{which_keys}": [*stages] for stages, which_keys in named.items()}


def table() -> str:
    rows: dict[str, list[str]] = {}
    for key in check_params.VideoParams.model_fields:
        rows[f"`videos.NAME.{key}`"] = readers_of_video(key)
    for section in ("subjects", "targets", "transfers", "detectors"):
        rows[f"a name in `{section}`"] = readers_of_name(section)
    for section, values in PARAMS.items():
        if isinstance(values, dict) and section not in ("videos", "transfers"):
            rows |= grouped(section, values)
    rows["the file of a video"] = readers_of_file("${item.path}")
    rows["a video in `data/truth/`"] = readers_of_file("data/truth/")
    packages = sorted(path.parent.name for path in (ROOT / "motiontransfer").glob("*/__init__.py"))
    for package in packages:
        if found := importers(f"motiontransfer/{package}"):
            rows[f"code in `motiontransfer/{package}/`"] = found
    lines = ["| changed | runs again |", "|---|---|"]
    for changed, stages in rows.items():
        named = ", ".join(f"`{stage}`" for stage in stages) or "nothing"
        lines.append(f"| {changed} | {named} |")
    return "\n".join(lines)


def test_the_table_of_what_runs_again_is_the_graphs():
    page = (ROOT / "docs/experiments.md").read_text()
    shown = re.search(r"^\| changed \| runs again \|\n(?:\|.*\n)+", page, flags=re.M)
    assert shown is not None
    assert shown[0].strip() == table()
