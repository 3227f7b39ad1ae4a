import shutil
from pathlib import Path

import pytest
import yaml

from motiontransfer.core.params import load_section
from motiontransfer.project.params_editing import apply_preset
from stages.check_params import SECTIONS

ROOT = Path(__file__).parents[2]
PRESETS = ROOT / "presets"
NAMES = [path.stem for path in sorted(PRESETS.glob("*.yaml"))]
GROUPS = yaml.safe_load((ROOT / "benchmarks/ablation.yaml").read_text())
VARIANTS = [(group, name) for group in GROUPS for name in GROUPS[group]["variants"]]


@pytest.fixture
def params_file(tmp_path):
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path))


def set_values(path, values):
    content = yaml.safe_load(path.read_text())
    for key, value in values.items():
        section, key_there = key.split(".")
        assert key_there in content[section]
        content[section][key_there] = value
    path.write_text(yaml.safe_dump(content))


def check_training(path):
    """Each section is valid by itself, and its values go together."""
    for name, model in SECTIONS.items():
        section = load_section(model, name, path=path)
        if name != "train_face_gan":
            section.check_conflicts()


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_fits_and_the_demo_that_is_shipped_takes_it_back(params_file, name):
    before = yaml.safe_load(params_file.read_text())
    apply_preset(name, params_file=params_file, folder=PRESETS)
    check_training(params_file)
    apply_preset("demo", params_file=params_file, folder=PRESETS)
    assert yaml.safe_load(params_file.read_text()) == before


def test_a_preset_does_not_depend_on_the_one_before(params_file):
    """Each names every key that another names, by way of its base."""
    shipped = params_file.read_text()

    def applied(name, *, before):
        params_file.write_text(before)
        apply_preset(name, params_file=params_file, folder=PRESETS)
        return params_file.read_text()

    alone = {name: applied(name, before=shipped) for name in NAMES}
    for name in NAMES:
        after_another = applied(name, before=alone["paper"])
        assert yaml.safe_load(after_another) == yaml.safe_load(alone[name])


@pytest.mark.parametrize(("group", "name"), VARIANTS)
def test_every_variant_of_the_ablation_can_be_trained(params_file, group, name):
    variant = GROUPS[group]["variants"][name]
    if "preset" in variant:
        apply_preset(variant["preset"], params_file=params_file, folder=PRESETS)
    set_values(params_file, {**GROUPS[group]["params"], **variant.get("params", {})})
    check_training(params_file)
    assert variant["what"]
