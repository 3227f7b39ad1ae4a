"""Names come and go in params.yaml, and no other byte does."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.errors import ParamsError
from motiontransfer.project.params_entries import (
    with_entry,
    with_item,
    without_entry,
    without_item,
)

ENTRY = {"path": "data/videos/me.mp4", "subject": "eve", "crop": "auto"}
WRITTEN = "{path: data/videos/me.mp4, subject: eve, crop: auto}"

BLOCK = """\
# All that is computed.
videos:   # yours
  demo: {path: a.mp4, subject: ada}   # hers
  # the dancer
  dance: {path: b.mp4, subject: ben}  # his

# Everyone.
subjects: [ada, ben]
targets:
  - ada   # one training each
transfers: {}   # none yet
"""
LAYOUTS = [
    BLOCK,
    BLOCK.replace("\n", "\r\n"),
    "subjects: []\ntransfers:\ntargets: [x]\nvideos: {}",
    "videos: {}  # nobody\nsubjects: []\ntargets: []\ntransfers: {}\n",
    "videos: {a: {path: a, subject: x}, b: {path: b, subject: x}}\nsubjects: [\n  x,  # one\n]\n",
    "videos:\n    a:\n        path: a.mp4\n        subject: x\nsubjects:\n- x\n- y",
    "subjects: ['1', x]\nvideos:\n  a: {path: a, subject: x}\n\n\n# the end\n",
]


@pytest.mark.parametrize("text", LAYOUTS)
def test_what_is_added_and_taken_out_again_leaves_the_bytes_of_before(text):
    added = with_item(with_entry(text, "videos", "me", ENTRY), "subjects", "eve")
    content = yaml.safe_load(added)
    assert content["videos"]["me"] == ENTRY
    assert content["subjects"][-1] == "eve"
    assert without_item(without_entry(added, "videos", "me"), "subjects", "eve") == text


names = st.from_regex(r"\w[\w-]{0,8}", fullmatch=True)


@settings(deadline=None)  # YAML is read six times and more
@given(st.sampled_from(LAYOUTS), st.lists(names, unique=True, max_size=4), st.data())
def test_any_names_in_any_order_of_removal(text, added, data):
    taken = set(yaml.safe_load(text)["videos"] or ()) | set(yaml.safe_load(text)["subjects"])
    added = [name for name in added if name not in taken]
    edited = text
    for name in added:
        edited = with_item(with_entry(edited, "videos", name, ENTRY), "subjects", name)
    assert set(added) <= set(yaml.safe_load(edited)["videos"] or ())
    for name in data.draw(st.permutations(added)):
        edited = without_item(without_entry(edited, "videos", name), "subjects", name)
    assert edited == text


def test_one_line_is_added_below_the_last_entry():
    added = with_entry(BLOCK, "videos", "me", ENTRY)
    assert added.splitlines()[5] == f"  me: {WRITTEN}"
    assert [*added.splitlines()[:5], *added.splitlines()[6:]] == BLOCK.splitlines()


def test_one_line_goes_with_its_comment_and_the_comment_above_stays():
    assert without_entry(BLOCK, "videos", "dance") == BLOCK.replace(
        "  dance: {path: b.mp4, subject: ben}  # his\n", ""
    )


def test_the_last_entry_leaves_an_empty_section_that_takes_another():
    lone = "targets:\n  - ada\nvideos:  # all\n  a: {path: a}\nrender:\n  crf: 1\n"
    assert without_entry(lone, "videos", "a") == (
        "targets:\n  - ada\nvideos: {}  # all\nrender:\n  crf: 1\n"
    )
    assert without_item(lone, "targets", "ada").startswith("targets: []\nvideos:")
    again = with_entry(without_entry(lone, "videos", "a"), "videos", "a", {"path": "a"})
    assert again == lone


def test_lists_are_edited_as_they_are_written():
    assert with_item(BLOCK, "subjects", "eve") == BLOCK.replace("[ada, ben]", "[ada, ben, eve]")
    assert without_item(BLOCK, "subjects", "ada") == BLOCK.replace("[ada, ben]", "[ben]")
    assert with_item(BLOCK, "targets", "ben") == BLOCK.replace(
        "training each\n", "training each\n  - ben\n"
    )
    assert with_item(BLOCK, "subjects", "ada") == BLOCK
    assert without_item(BLOCK, "subjects", "nobody") == BLOCK


def test_a_name_that_yaml_would_take_for_something_else_is_quoted():
    added = with_entry(BLOCK, "transfers", "2024", {"source": "yes"})
    assert "  '2024': {source: 'yes'}\n" in added
    assert yaml.safe_load(added)["transfers"] == {"2024": {"source": "yes"}}


def test_the_projects_own_params_take_an_entry_of_each_kind():
    text = Path("params.yaml").read_text(encoding="utf-8")
    edited = with_entry(text, "videos", "me", ENTRY)
    for section in ("subjects", "targets"):
        edited = with_item(edited, section, "eve")
    edited = with_entry(edited, "transfers", "eve_as_ben", {"source": "demo_dance"})
    assert len(edited.splitlines()) == len(text.splitlines()) + 2
    edited = without_entry(without_entry(edited, "transfers", "eve_as_ben"), "videos", "me")
    for section in ("subjects", "targets"):
        edited = without_item(edited, section, "eve")
    assert edited == text


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda: with_entry(BLOCK, "videos", "demo", ENTRY), r"videos\.demo: is there; take"),
        (lambda: without_entry(BLOCK, "videos", "no"), r"videos\.no: missing; videos has demo, d"),
        (lambda: with_entry("a: 1\n", "videos", "me", ENTRY), r"videos: missing; expected this"),
        (lambda: with_entry("videos: [1]\n", "videos", "me", ENTRY), r"videos: expected names and"),
        (lambda: with_item("targets: 3\n", "targets", "me"), r"targets: expected a list of names"),
        (lambda: with_entry("videos: [\n", "videos", "me", ENTRY), r"params\.yaml: not valid YAML"),
        (lambda: with_entry("7\n", "videos", "me", ENTRY), r"expected sections"),
        (
            lambda: without_entry("videos: &v\n  a: {x: 1}\n  b: 2\nw: *v\n", "videos", "b"),
            r"cannot be edited here; edit it by hand",
        ),
    ],
)
def test_what_cannot_be_edited_is_told(edit, message):
    with pytest.raises(ParamsError, match=message):
        edit()
