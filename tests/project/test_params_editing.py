import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.core.errors import ParamsError
from motiontransfer.project.params_editing import (
    SHIPPED_FILE,
    Change,
    add_entry,
    add_item,
    apply_preset,
    preset_changes,
    remove_entry,
    remove_item,
)
from tests.project_files import SHIPPED, films_text

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
  compile: false
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
    changes = preset_changes("big", **files)
    assert files["params_file"].read_text() == PARAMS
    assert apply_preset("big", **files) == changes
    assert files["params_file"].read_text() == PARAMS.replace(old, new, 1)
    assert apply_preset("big", **files) == []


def test_a_preset_is_its_base_with_its_own_values(project, tmp_path):
    files = project("base: small\ntrain_gan: {seed: 7}\n")
    (tmp_path / "presets/small.yaml").write_text("train_gan: {seed: 3, compile: true}\n")
    assert preset_changes("big", **files) == [
        Change("train_gan.seed", "0", "7"),
        Change("train_gan.compile", "false", "true"),
    ]
    with pytest.raises(ParamsError, match=r"no preset 'tiny'; there are default, big, small"):
        preset_changes("big", **project("base: tiny\n"))


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


def test_keys_of_other_presets_take_their_shipped_values(project, tmp_path):
    files = project("train_gan: {seed: 7}\n")
    (tmp_path / "presets/small.yaml").write_text("train_gan: {compile: true}\n")
    apply_preset("small", **files)
    assert preset_changes("big", **files) == [
        Change("train_gan.seed", "0", "7"),
        Change("train_gan.compile", "true", "false"),
    ]


def test_the_default_restores_all(project):
    files = project("")
    files["params_file"].write_text("# mine\ntrain_gan:\n  gap_frames: 3  # of before\n")
    changes = preset_changes("default", **files)
    assert Change("train_gan.gap_frames", "3", "missing") in changes
    assert Change("split.gap_frames", "missing", "10") in changes
    assert apply_preset("default", **files) == changes
    assert files["params_file"].read_bytes() == SHIPPED_FILE.read_bytes()
    assert apply_preset("default", **files) == []


ENTRY = {"path": "data/videos/me.mp4", "subject": "eve", "crop": "auto"}
WRITTEN = "{path: data/videos/me.mp4, subject: eve, crop: auto}"
DANCE = "dance: {path: b.mp4, subject: ben}"

SECTIONS = """\
videos:   # yours
  demo: {path: a.mp4, subject: ada}   # hers
  # the dancer
  dance: {path: b.mp4, subject: ben}  # his

# Everyone.
subjects: [ada, ben]
targets:
  - ada   # one training each

# Motion to target.
transfers: {}   # none yet
"""
BLOCK = films_text(SECTIONS)
OTHERS = (
    "videos: {} # nobody\nsubjects: []\n# end\n",
    "videos:\n  a:\n    path: a\n    subject: x # X\n\n# them\nsubjects:\n  - x\n\n# z\n",
    "subjects: ['1', x]\nvideos:\n  a: {path: a, subject: x}\n\n\n# the end\n",
    "videos: {a: {path: a}, b: {path: b}}  # …\nsubjects: [x, y,]",
    "subjects: [x]\nvideos:\n  # first\n  a: {path: a}\n",
)
LAYOUTS = [SHIPPED["films.yaml"], BLOCK, *map(films_text, OTHERS)]
NAMES = st.from_regex(r"[a-z][\w-]{0,8}", fullmatch=True)


@pytest.mark.parametrize("text", LAYOUTS)
@settings(deadline=None, max_examples=5)
@given(added=st.lists(NAMES, unique=True, min_size=1, max_size=3), data=st.data())
def test_additions_removed_in_any_order_leave_the_same_text(text, added, data):
    before = yaml.safe_load(text)["films"]
    added = [name for name in added if name not in {*before["videos"], *before["subjects"]}]
    changed = text
    for name in added:
        changed = add_item(add_entry(changed, "videos", name, ENTRY), "subjects", name)
    assert yaml.safe_load(changed)["films"] == {
        **before,
        "videos": {**before["videos"], **dict.fromkeys(added, ENTRY)},
        "subjects": [*before["subjects"], *added],
    }
    for name in data.draw(st.permutations(added)):
        changed = remove_item(remove_entry(changed, "videos", name), "subjects", name)
    assert changed == text


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        ([(add_entry, "videos", "me", ENTRY)], " # his\n", f" # his\n  me: {WRITTEN}\n"),
        ([(remove_entry, "videos", "dance")], f"  {DANCE}  # his\n", ""),
        (
            [(add_entry, "transfers", "2024", {"source": "yes"})],
            *("{}   # none yet\n", "  # none yet\n  '2024': {source: 'yes'}\n"),
        ),
        ([(add_item, "subjects", "eve")], "[ada, ben]", "[ada, ben, eve]"),
        ([(remove_item, "subjects", "ada")], "[ada, ben]", "[ben]"),
        ([(add_item, "targets", "ben")], "training each\n", "training each\n  - ben\n"),
        ([(remove_item, "targets", "ada")], ":\n  - ada   # one training each\n", ": []\n"),
        ([(add_item, "subjects", "ada"), (remove_item, "subjects", "nobody")], "", ""),
        (
            [(remove_entry, "videos", "dance"), (remove_entry, "videos", "demo")],
            SECTIONS[: SECTIONS.index("\n# Everyone")],
            "videos: {}   # yours\n  # the dancer\n",
        ),
    ],
)
def test_one_line_changes_and_all_comments_below_stay(changes, old, new):
    text = BLOCK
    for change, *arguments in changes:
        text = change(text, *arguments)
    assert text == films_text(SECTIONS.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "change", "arguments", "message"),
    [
        (BLOCK, add_entry, ("videos", "demo", ENTRY), r"videos\.demo: already exists"),
        (BLOCK, remove_entry, ("videos", "no"), r"videos\.no: missing; videos has demo, d"),
        ("a: 1\n", add_entry, ("videos", "me", ENTRY), "videos: .* got nothing"),
        ("films: {videos: [1]}\n", add_entry, ("videos", "me", ENTRY), r"videos: .* got \[1\]"),
        ("films: {targets: 3}\n", add_item, ("targets", "me"), "targets: .* got 3"),
        ("films: {a: &a [x], b: *a}\n", add_item, ("b", "me"), "b: expected a list"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(text, change, arguments, message):
    with pytest.raises(ParamsError, match=message):
        change(text, *arguments)
