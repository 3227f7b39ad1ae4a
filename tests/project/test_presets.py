import pytest

from motiontransfer.core.errors import ParamsError
from motiontransfer.core.params import SHIPPED_FILE
from motiontransfer.project.presets import Change, apply_preset, with_preset, with_values

PARAMS = """\
# The only truth.
decode:
  size: [256, 256]              # height and width
  frame_rate: null              # frames a second
  empty:                        # unset
  block:
    - 1                         # one
  # of training

train_gan:
  seed: 0
  learning_rate: 4.0e-4         # of Adam
  pose_encoding: limbs          # sticks | limbs
  frame_discriminator: false
  name: &name me
  alias: *name
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "presets").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMS)

    def preset(text):
        (tmp_path / "presets" / "big.yaml").write_text(text)
        return {"params_file": tmp_path / "params.yaml", "folder": tmp_path / "presets"}

    return preset


@pytest.mark.parametrize(
    ("preset", "old", "new"),
    [
        ("decode: {size: [512, 1024]}", "[256, 256]  ", "[512, 1024] "),
        ("decode: {size: null}", "[256, 256]", "null      "),
        ("decode:\n  size:\n    - 1  # one\n    - 2", "[256, 256]", "[1, 2]    "),
        ("decode: {empty: 3}", "empty:   ", "empty: 3 "),
        ("decode: {block: [4]}", "- 1 ", "[4] "),
        ("train_gan: {seed: false}", "seed: 0", "seed: false"),  # Python: False == 0
        ("train_gan: {learning_rate: 2.0e-4, seed: 0}", "4.0e-4", "2.0e-4"),
        ("train_gan: {pose_encoding: 'no'}", "limbs ", "'no'  "),
        ("train_gan: {name: you}", "&name me", "&name you"),
    ],
)
def test_a_value_changes_and_comments_and_layout_stay(project, preset, old, new):
    files = project(preset)
    changes = with_preset("big", **files)[1]
    assert files["params_file"].read_text() == PARAMS
    assert apply_preset("big", **files) == changes
    assert files["params_file"].read_text() == PARAMS.replace(old, new, 1)
    assert apply_preset("big", **files) == []


def test_a_preset_is_its_base_with_its_own_values_and_others_keys_are_as_shipped(project, tmp_path):
    files = project("base: small\ntrain_gan: {seed: 7}\n")
    small = "train_gan: {seed: 3, frame_discriminator: true}\n"
    (tmp_path / "presets/small.yaml").write_text(small)
    assert with_preset("big", **files)[1] == [
        Change("train_gan.seed", "0", "7"),
        Change("train_gan.frame_discriminator", "false", "true"),
    ]
    apply_preset("big", **files)
    assert with_preset("big", **project("train_gan: {seed: 7}\n"))[1] == [
        Change("train_gan.frame_discriminator", "true", "false")
    ]
    with pytest.raises(ParamsError, match=r"no preset 'tiny'; there are default, big, small"):
        with_preset("big", **project("base: tiny\n"))


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("train_gan: {sed: 1}\n", r"preset big: train_gan\.sed: no such key"),
        ("paint: {colour: 1}\n", r"preset big: paint\.colour: no such key"),
        ("train_gan: {alias: you}\n", r"preset big: train_gan\.alias: no such key"),
        ("train_gan: 3\n", r"preset big: train_gan: expected keys and values, got 3"),
        ("train_gan: [\n", r"big\.yaml: not valid YAML"),
        ("7\n", r"expected sections"),
    ],
)
def test_a_preset_that_does_not_fit_changes_nothing(project, preset, message):
    files = project(preset)
    with pytest.raises(ParamsError, match=message):
        apply_preset("big", **files)
    assert files["params_file"].read_text() == PARAMS


def test_the_default_restores_all(project):
    files = project("")
    files["params_file"].write_text("# mine\ntrain_gan:\n  gap_frames: 3  # of before\n")
    changes = with_preset("default", **files)[1]
    assert Change("train_gan.gap_frames", "3", "missing") in changes
    assert Change("split.gap_frames", "missing", "10") in changes
    assert apply_preset("default", **files) == changes
    assert files["params_file"].read_bytes() == SHIPPED_FILE.read_bytes()
    assert apply_preset("default", **files) == []


def test_a_single_value_without_a_key_is_refused():
    with pytest.raises(ParamsError, match=r"params\.yaml: train_gan\.speed: no such key"):
        with_values(PARAMS, {"train_gan.speed": 1})
