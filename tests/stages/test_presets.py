from itertools import product

import pytest
import yaml

from motiontransfer.core.params import SHIPPED_FILE, check_params, load_section
from motiontransfer.project.presets import apply_preset
from stages.check_params import SECTIONS
from tests.clone import ROOT
from tests.project_files import SHIPPED, write_shipped

PRESETS = ROOT / "presets"
NAMES = [path.stem for path in sorted(PRESETS.glob("*.yaml"))]
GROUPS = yaml.safe_load((ROOT / "benchmarks/ablation.yaml").read_text())
VARIANTS = [(group, name) for group in GROUPS for name in GROUPS[group]["variants"]]


@pytest.fixture
def params_file(tmp_path):
    write_shipped(tmp_path)
    return tmp_path / "params.yaml"


def set_values(path, values):
    content = yaml.safe_load(path.read_text())
    of_params = {key: value for key, value in values.items() if not key.startswith("films.yaml:")}
    for key, value in of_params.items():
        section, key_there = key.split(".")
        assert key_there in content[section]
        content[section][key_there] = value
    path.write_text(yaml.safe_dump(content))


def check_training(path):
    for name, model in SECTIONS.items():
        section = load_section(model, name, path=path)
        if name != "train_face_gan":
            section.check_conflicts()


def test_the_package_has_copies_of_what_is_shipped():
    """Of TEST_WORK_TREE=1; after an edit: `cp params.yaml films.yaml motiontransfer/project/`."""
    for name, text in SHIPPED.items():
        assert SHIPPED_FILE.with_name(name).read_text("utf-8") == text


def test_a_preset_fits_whatever_was_before_and_the_default_takes_it_back(params_file, monkeypatch):
    monkeypatch.chdir(ROOT)
    films_file = params_file.with_name("films.yaml")
    shipped = params_file.read_text(), films_file.read_text()
    alone = {}
    for name in NAMES:
        apply_preset(name, params_file=params_file, folder=PRESETS)
        check_params(params_file.parent)
        alone[name] = params_file.read_text()
        apply_preset("default", params_file=params_file, folder=PRESETS)
        assert (params_file.read_text(), films_file.read_text()) == shipped
    for first, name in product(("paper", "retold"), NAMES):
        apply_preset(first, params_file=params_file, folder=PRESETS)
        apply_preset(name, params_file=params_file, folder=PRESETS)
        check_params(params_file.parent)
        assert yaml.safe_load(params_file.read_text()) == yaml.safe_load(alone[name])


@pytest.mark.parametrize(("group", "name"), VARIANTS)
def test_every_variant_of_the_ablation_can_be_trained(params_file, group, name):
    variant = GROUPS[group]["variants"][name]
    if "preset" in variant:
        apply_preset(variant["preset"], params_file=params_file, folder=PRESETS)
    set_values(params_file, {**GROUPS[group]["params"], **variant.get("params", {})})
    check_training(params_file)
    assert variant["what"]
