"""Pages agree with the params' models, the recorded demo, and each other."""

import importlib.util
import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
import yaml
from markdown.extensions.toc import slugify

from benchmarks.record import with_figures, with_headline
from motiontransfer.cli.app import app
from stages.check_params import SECTIONS
from tests.clone import ROOT, recorded
from tests.project_files import SHIPPED

PARAMS = yaml.safe_load(SHIPPED["params.yaml"])
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMED = re.compile(r"`(?:(\w+)\.)?(\w+): ([\w.-]+)`")  # `section.key: value`
LINK = re.compile(r"\]\((?!https?://)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", flags=re.M | re.S)
COMMAND = re.compile(r"(?<!import )\bmotiontransfer (?=[a-z])(?!motiontransfer )([^\n`#…]+)")
SHORT_COMMAND = re.compile(r"^`([a-z-]+ [^`…]*)`$")  # `live --photo`
MODULE = re.compile(r"python -m ((?:benchmarks|demo|stages|motiontransfer)[\w.]*)")
GENERATED = {"commands.md", "params.md"}  # their headings are not in the Markdown


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


def test_commands_and_options_that_pages_and_messages_name_exist():
    commands, wrong, found = typer.main.get_command(app).commands, [], 0
    others = [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md")]
    for page in (*PAGES, *others, *ROOT.glob("motiontransfer/**/*.py")):
        text = page.read_text(encoding="utf-8")
        wrong += [f"{page.name}: {it}" for it in MODULE.findall(text) if not find_spec(it)]
        for code in CODE.findall(text):
            short = [line for line in SHORT_COMMAND.findall(code) if line.split()[0] in commands]
            for line in [*COMMAND.findall(code), *short]:
                name, *words = shlex.split(line)
                named = {word.partition("=")[0] for word in words if word.startswith("-")}
                params = commands[name].params if name in commands else ()
                known = {option for it in params for option in (*it.opts, *it.secondary_opts)}
                found += 1
                if name not in commands or named - known:
                    wrong.append(f"{page.name}: {line}")
    assert not wrong
    assert found > 100


def test_the_messages_that_pages_explain_are_those_of_the_code():
    """DVC's and git's have a section of their own. `…` in a message stands for any text."""
    files = [*ROOT.glob("motiontransfer/**/*.py"), *ROOT.glob("stages/*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    code = re.sub(r'"\s*\n\s*f?"', "", code)  # a message may be on several lines
    pages = [(ROOT / f"docs/{name}.md").read_text() for name in ("app", "troubleshooting")]
    text = "\n".join(page.split("## DVC")[0] for page in pages)
    rows = re.findall(r"^\| (`.+?`) \|", text.split("## What can go wrong")[1], re.MULTILINE)
    parts = [part.strip(" :;,.`") for row in rows for part in re.split("…|`, `", row)]
    assert len(parts) > 30
    assert [part for part in parts if part not in code] == []


def test_the_first_table_and_the_headline_in_git_are_those_of_the_recorded_demo():
    page = (ROOT / "README.md").read_text()
    figures = json.loads((ROOT / "docs/demo.json").read_text())
    headline = json.loads(recorded("results/ada_as_ben/metrics.json"))
    for region in ("person", "face", "hands"):
        likeness = figures["truth"]["ours"][region]["likeness"]
        assert headline[f"truth_{region}"] == round(likeness, 3)
    assert with_figures(page, figures) == page
    figures["truth"]["ours"]["face"]["likeness"] = 0.1234
    assert "| likeness, face | 0.123 | " in with_figures(page, figures)
    tutorial = (ROOT / "docs/tutorial.md").read_text()
    assert with_headline(tutorial, headline) == tutorial
    assert '"truth_face": 0.1234,' in with_headline(tutorial, {**headline, "truth_face": 0.1234})


@pytest.fixture(scope="module")
def reference() -> dict[str, dict[str, list[str]]]:
    """Cells (values, default, meaning) by section and key, of the page of all params."""
    spec = importlib.util.spec_from_file_location("generated", ROOT / "docs/generated.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sections: dict[str, dict[str, list[str]]] = {}
    for line in module.params_reference().splitlines():
        if line.startswith("## "):
            rows = sections.setdefault(line.strip("# `"), {})
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            rows[cells[0].strip("`")] = cells[1:]
    return sections


def test_every_key_is_on_the_page_with_its_default_values_and_meaning(reference):
    shown = {
        section: {key: yaml.safe_load(row[1].strip("`")) for key, row in rows.items()}
        for section, rows in reference.items()
        if not section.endswith(".NAME")
    }
    assert shown == PARAMS
    assert all(row[0] and len(row[2]) > 5 for rows in reference.values() for row in rows.values())


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    return {slugify(title, "-") for title in re.findall(r"^#+ (.+)$", text, flags=re.M)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings(page):
    for link in LINK.finditer(page.read_text()):
        linked = page.parent / link["path"] if link["path"] else page
        assert linked.exists(), link[0]
        if link["anchor"] and linked.name not in GENERATED:
            assert link["anchor"] in anchors(linked), link[0]


def test_the_navigation_names_every_page():
    named = re.findall(r": (\w[\w-]*\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.M)
    assert sorted(named) == [page.name for page in PAGES[1:]]
