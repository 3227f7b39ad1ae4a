"""Values and figures that pages name: those of the params' models and of the recorded demo."""

import json
import re

import yaml

from benchmarks.record import with_figures
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
    page = (ROOT / "README.md").read_text()
    recorded = json.loads((ROOT / "docs/demo.json").read_text())
    assert with_figures(page, recorded) == page
    recorded["truth"]["ours"]["face"]["likeness"] = 0.1234
    assert "| likeness, face | 0.123 | " in with_figures(page, recorded)


def test_the_headline_in_git_is_of_the_recorded_demo():
    recorded = json.loads((ROOT / "docs/demo.json").read_text())
    headline = json.loads((ROOT / "results/ada_as_ben/metrics.json").read_text())
    for region in ("person", "face", "hands"):
        assert headline[f"truth_{region}"] == recorded["truth"]["ours"][region]["likeness"]
