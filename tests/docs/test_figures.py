"""Values and figures that pages name: those of the params' models and of the recorded demo."""

import json
import re

import yaml

from stages.check_params import SECTIONS
from tests.tiny_project import ROOT

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMED = re.compile(r"`(?:(\w+)\.)?(\w+): ([\w.-]+)`")  # `section.key: value`


def is_valid(section: str, key: str, value: object) -> bool:
    try:
        SECTIONS[section].model_validate({**PARAMS[section], key: value})
    except ValueError:
        return False
    return True


def test_every_value_that_a_page_names_is_one_that_its_key_takes():
    wrong, found = [], 0
    for page in PAGES:
        for section, key, text in NAMED.findall(page.read_text(encoding="utf-8")):
            readers = [s for s in SECTIONS if key in PARAMS[s] and section in ("", s)]
            found += bool(readers)
            if readers and not any(is_valid(s, key, yaml.safe_load(text)) for s in readers):
                wrong.append(f"{page.name}: {key}: {text}")
    assert not wrong
    assert found > 30


def test_the_first_table_is_that_of_the_recorded_demo():
    truth = json.loads((ROOT / "docs/demo.json").read_text())["truth"]
    metrics = {
        "[likeness](docs/evaluation.md), person": (("person", "likeness"), 2),
        "likeness, face": (("face", "likeness"), 2),
        "likeness, hands": (("hands", "likeness"), 2),
        "SSIM, person box": (("person", "ssim"), 2),
        "pose distance to the ground truth (px of 256)": (("pose_distance_px", "all"), 1),
    }
    page = (ROOT / "README.md").read_text()
    for title, ((region, metric), digits) in metrics.items():
        ours, nearest = (truth[by][region][metric] for by in ("ours", "nearest_neighbours"))
        assert f"| {title} | {ours:.{digits}f} | {nearest:.{digits}f} |" in page
