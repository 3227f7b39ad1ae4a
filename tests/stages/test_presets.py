"""Every preset fits params.yaml, and `demo` takes all of them back."""

import shutil
from pathlib import Path

import pytest
import yaml

from motiontransfer.params import load_section
from motiontransfer.params_editing import apply_preset, preset_changes
from stages.fit_normalization import FitNormalizationParams
from stages.train_face_gan import TrainFaceGanParams
from stages.train_gan import TrainGanParams, check_choices

ROOT = Path(__file__).parents[2]
PRESETS = ROOT / "presets"
NAMES = [path.stem for path in sorted(PRESETS.glob("*.yaml"))]
VARIANTS = yaml.safe_load((ROOT / "benchmarks/ablation.yaml").read_text())


@pytest.fixture
def params_file(tmp_path):
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path))


def check_training(path):
    params = load_section(TrainGanParams, "train_gan", path=path)
    check_choices(params)
    load_section(TrainFaceGanParams, "train_face_gan", path=path)
    load_section(FitNormalizationParams, "fit_normalization", path=path)
    return params


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_fits_and_can_be_taken_back(params_file, name):
    before = yaml.safe_load(params_file.read_text())
    apply_preset(name, params_file=params_file, folder=PRESETS)
    check_training(params_file)
    apply_preset("demo", params_file=params_file, folder=PRESETS)
    assert yaml.safe_load(params_file.read_text()) == before


def test_the_demo_is_what_is_shipped(params_file):
    assert preset_changes("demo", params_file=params_file, folder=PRESETS) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_does_not_depend_on_the_one_before(params_file, name):
    """Another one in between leaves nothing behind that training would notice."""
    if name == "standard":
        pytest.skip("it says only where it differs from the default")
    apply_preset(name, params_file=params_file, folder=PRESETS)
    alone = params_file.read_text()
    shutil.copy(ROOT / "params.yaml", params_file)
    other = "frame_by_frame" if name != "frame_by_frame" else "paper"
    for each in (other, name):
        apply_preset(each, params_file=params_file, folder=PRESETS)
    left, expected = yaml.safe_load(params_file.read_text()), yaml.safe_load(alone)
    unused = {"near_pose_radius_px"}
    for key, value in expected["train_gan"].items():
        assert key in unused or left["train_gan"][key] == value


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name in VARIANTS and name != "standard"]
)
def test_the_ablation_compares_the_presets_themselves(name):
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())
    preset = yaml.safe_load((PRESETS / f"{name}.yaml").read_text())
    expected = {
        f"{section}.{key}": value
        for section, values in preset.items()
        for key, value in values.items()
        if section.startswith("train_")
        and (section, key) != ("train_gan", "steps")
        and shipped[section][key] != value
    }
    assert VARIANTS[name]["params"] == expected


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_one_that_can_be_trained(params_file, name):
    content = yaml.safe_load(params_file.read_text())
    for key, value in VARIANTS[name]["params"].items():
        section, key_there = key.split(".")
        assert key_there in content[section]
        assert content[section][key_there] != value
        content[section][key_there] = value
    params_file.write_text(yaml.safe_dump(content))
    check_training(params_file)
    assert VARIANTS[name]["what"]
