"""The params page has every key of params.yaml and no other; the command page every subcommand."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from motiontransfer.cli.app import app

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generated():
    spec = importlib.util.spec_from_file_location("generated", ROOT / "docs/generated.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(markdown: str) -> dict[str, dict[str, list[str]]]:
    """Cells by section and key."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in markdown.splitlines():
        if line.startswith("## "):
            rows = sections.setdefault(line.strip("# `"), {})
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            rows[cells[0].strip("`")] = cells[1:]
    return sections


def test_every_key_of_params_yaml_is_on_the_page_and_no_other(generated):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    page = rows_of(generated.params_reference())
    settings = {name: set(values) for name, values in params.items() if isinstance(values, dict)}
    for entries in ("videos", "transfers"):
        used = {key for entry in settings.pop(entries) for key in params[entries][entry]}
        assert used <= set(page.pop(f"{entries}.NAME"))
    assert {section: set(rows) for section, rows in page.items()} == settings


def test_the_entries_of_videos_and_transfers_have_the_keys_that_the_checks_know(generated):
    from motiontransfer.params import Transfer
    from stages.check_params import Video

    page = rows_of(generated.params_reference())
    assert set(page["videos.NAME"]) == set(Video.model_fields)
    assert set(page["transfers.NAME"]) == set(Transfer.model_fields)


def test_defaults_are_those_that_the_project_is_shipped_with(generated):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, rows in rows_of(generated.params_reference()).items():
        if section.endswith(".NAME"):
            continue
        for key, (_, default, _) in rows.items():
            assert yaml.safe_load(default.strip("`")) == params[section][key], (section, key)


def test_every_key_says_what_may_stand_there_and_what_it_means(generated):
    for section, rows in rows_of(generated.params_reference()).items():
        for key, (values, _, meaning) in rows.items():
            assert values, (section, key)
            assert len(meaning) > 5, (section, key)


def test_types_and_bounds_are_told_in_words(generated):
    page = rows_of(generated.params_reference())
    assert page["render"]["crf"][0] == "integer ≥ 0 and ≤ 51"
    assert page["train_gan"]["max_minutes"][0] == "number > 0 or `null`"
    assert page["train_gan"]["upsampling"][0] == "`transposed`, `resize`, `subpixel`"
    assert page["decode"]["size"][0].startswith("a list of 2, each integer ≥ 16")
    assert page["videos.NAME"]["person"][1] == "`largest`"


def test_a_comment_goes_on_below_its_key_and_ends_with_the_next(generated):
    found = generated.comments(
        "# above\na:   # of a\n  x: 1  # first\n        # second\n  y: 2\n\n# of b\nb: [1]\n"
    )
    assert found == {"a": "of a", "a.x": "first second"}


def test_every_subcommand_is_described_with_its_options(generated):
    page = generated.command_reference()
    for command in app.registered_commands:
        name = command.name or command.callback.__name__.replace("_", "-")
        assert f"## `{name}`" in page
    for group in app.registered_groups:
        for command in group.typer_instance.registered_commands:
            assert f"## `{group.name} {command.callback.__name__}`" in page
    assert "`--dry-run`" in page
    assert "motiontransfer preset NAME [OPTIONS]" in page
