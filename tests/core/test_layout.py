from inspect import isfunction, signature
from itertools import product
from pathlib import Path

import yaml

from motiontransfer.core import layout

STAGES = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
NAMES = {"item.subject": "WHO", "item.target": "WHO", "item.source_subject": "WHO", "item": "WHO"}
INSIDE = {layout.FRAMES_FILE, layout.FACE_CYCLE_FILE}
"""Files of folders that are outputs as a whole."""


def named(template: str, key: str) -> Path:
    """A path of dvc.yaml for one video, subject or transfer."""
    for name, value in {**NAMES, "key": key, "item.source": "VIDEO"}.items():
        template = template.replace(f"${{{name}}}", value)
    return Path(template)


def outs(stage: str) -> set[Path]:
    definition = STAGES[stage].get("do", STAGES[stage])
    listed = [*definition["outs"], *definition.get("metrics", [])]
    paths = [next(iter(out)) if isinstance(out, dict) else out for out in listed]
    key = "VIDEO" if STAGES[stage].get("foreach") == "${videos}" else "TRANSFER"
    return {named(path, key) for path in paths}


def paths_of_layout(stage: str, name: str) -> dict[str, Path]:
    """Whatever layout.py names, by its function or constant, for one of each."""
    given = {"stage": stage, "name": name, "subject": "WHO", "target": "WHO"}
    given |= {"video": "VIDEO", "transfer": "TRANSFER"}
    given |= {"keypoints": layout.keypoints_file("WHO", "VIDEO"), "models": Path("a/models/WHO")}
    found = {key: it for key, it in vars(layout).items() if isinstance(it, Path)}
    for key, function in vars(layout).items():
        if isinstance(function, layout.PathOf):
            found[key] = function(*(given[parameter] for parameter in function.names))
        elif isfunction(function) and function.__module__ == layout.__name__:
            found[key] = function(
                *(given[parameter] for parameter in signature(function).parameters)
            )
    return found


def test_layout_has_every_output_of_the_pipeline():
    """As it is, as the plot of it, or, of a file of one name, in a folder of one name."""
    for stage in STAGES:
        known = set()
        others = [*STAGES, "film"] if stage == "code" else [stage]
        for other, name in product(others, ("WHO", "VIDEO", "TRANSFER", "forensics")):
            found = paths_of_layout(other, name)
            known |= {*found.values(), found["masks_beside"].parent}
            known |= {path.with_suffix(".png") for path in found.values()}
            known |= {
                found[f"{kind}_folder"] / out.name
                for kind in ("models", "training", "results")
                for out in outs(stage)
            }
        assert outs(stage) <= known, stage


def test_names_of_files_are_those_of_outputs():
    names = {it for key, it in vars(layout).items() if key.endswith("_FILE") and type(it) is str}
    assert names - INSIDE < {out.name for stage in STAGES for out in outs(stage)}
