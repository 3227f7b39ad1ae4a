import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from motiontransfer.core.params import Guide, Transfer
from stages.check_params import VideoParams

ROOT = Path(__file__).parents[2]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.fixture(scope="module")
def generated():
    spec = importlib.util.spec_from_file_location("generated", ROOT / "docs/generated.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(generated) -> dict[str, dict[str, list[str]]]:
    """Cells (values, default, meaning) by section and key."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in generated.params_reference().splitlines():
        if line.startswith("## "):
            rows = sections.setdefault(line.strip("# `"), {})
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            rows[cells[0].strip("`")] = cells[1:]
    return sections


def test_every_key_is_on_the_page_with_its_default_values_and_meaning(page):
    shown = {
        section: {key: yaml.safe_load(row[1].strip("`")) for key, row in rows.items()}
        for section, rows in page.items()
        if not section.endswith(".NAME")
    }
    assert shown == PARAMS
    assert all(row[0] and len(row[2]) > 5 for rows in page.values() for row in rows.values())


def test_entries_have_the_keys_and_defaults_of_their_models(page):
    assert set(page["videos.NAME"]) == set(VideoParams.model_fields)
    assert set(page["transfers.NAME"]) == set(Transfer.model_fields)
    for section in ("guides", "in_film", "face_cycles"):
        assert set(page[f"{section}.NAME"]) == set(Guide.model_fields)
    defaults = {key: page["videos.NAME"][key][1] for key in ("person", "detector", "path")}
    assert defaults == {"person": "`largest`", "detector": "`null`", "path": "required"}
