import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.core.errors import ParamsError
from motiontransfer.project.params_editing import (
    add_entry,
    add_item,
    remove_entry,
    remove_item,
    set_entry,
)
from tests.project_files import SHIPPED, films_text

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
ALIAS = "films:\n  videos:\n    a: &a {x: y}\n    b: *a\n"
NAMES = st.from_regex(r"[a-z][\w-]{0,8}", fullmatch=True)


@pytest.mark.parametrize("text", LAYOUTS)
@settings(deadline=None, max_examples=9)
@given(
    added=st.lists(NAMES, unique=True, min_size=1, max_size=3),
    bom=st.sampled_from(["", "\ufeff"]),
    line_break=st.sampled_from(["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"]),
    comment=st.sampled_from(["#", "# 💃é"]),
    data=st.data(),
)
def test_additions_removed_leave_the_same_text(text, added, bom, line_break, comment, data):
    text = bom + text.replace("#", comment).replace("\n", line_break)
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
    for name in before["videos"]:  # whatever the layout of its entry is
        other = yaml.safe_load(set_entry(text, "videos", name, ENTRY))["films"]
        assert other["videos"] == {**before["videos"], name: ENTRY}
    for name in data.draw(st.permutations(added)):
        changed = remove_item(remove_entry(changed, "videos", name), "subjects", name)
    assert changed == text


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        ([(add_entry, "videos", "me", ENTRY)], " # his\n", f" # his\n  me: {WRITTEN}\n"),
        ([(remove_entry, "videos", "dance")], f"  {DANCE}  # his\n", ""),
        ([(set_entry, "videos", "demo", ENTRY)], "{path: a.mp4, subject: ada}", WRITTEN),
        ([(set_entry, "videos", "dance", ENTRY)], "{path: b.mp4, subject: ben}", WRITTEN),
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
        (BLOCK, set_entry, ("videos", "nobody", ENTRY), r"videos\.nobody: missing"),
        (BLOCK, remove_entry, ("videos", "no"), r"videos\.no: missing; videos has demo, d"),
        ("a: 1\n", add_entry, ("videos", "me", ENTRY), "videos: .* got nothing"),
        ("films: {videos: [1]}\n", add_entry, ("videos", "me", ENTRY), r"videos: .* got \[1\]"),
        ("films: {targets: 3}\n", add_item, ("targets", "me"), "targets: .* got 3"),
        ("films: {a: &a [x], b: *a}\n", add_item, ("b", "me"), "b: expected a list"),
        ("films: {a: &a [x], b: *a}\n", add_item, ("a", "me"), "cannot be edited as it is wr"),
        ("films: {guides: {}}\n", add_entry, ("guides", "g", ENTRY), "cannot be edited as it is"),
        (ALIAS, remove_entry, ("videos", "a"), "cannot be edited as it is"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(text, change, arguments, message):
    with pytest.raises(ParamsError, match=message):
        change(text, *arguments)
