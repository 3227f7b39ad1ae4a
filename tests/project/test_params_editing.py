import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.core.errors import ParamsError
from motiontransfer.project.params_editing import with_films
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
    for count in range(1, len(added) + 1):
        entries = {**before["videos"], **dict.fromkeys(added[:count], ENTRY)}
        wanted = {"videos": entries, "subjects": [*before["subjects"], *added[:count]]}
        changed = with_films(changed, wanted)
        assert yaml.safe_load(changed)["films"] == {**before, **wanted}
    for name in before["videos"]:  # whatever the layout of its entry is
        other = {"videos": {**before["videos"], name: ENTRY}}
        assert yaml.safe_load(with_films(text, other))["films"] == {**before, **other}
    for name in data.draw(st.permutations(added)):
        left = {key: entry for key, entry in entries.items() if key != name}
        entries, subjects = left, [each for each in wanted["subjects"] if each != name]
        wanted = {"videos": entries, "subjects": subjects}
        changed = with_films(changed, wanted)
    assert changed == text


@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        ({"videos": {"me": ENTRY}}, " # his\n", f" # his\n  me: {WRITTEN}\n"),
        ({"videos": {"dance": None}}, f"  {DANCE}  # his\n", ""),
        ({"videos": {"demo": ENTRY}}, "{path: a.mp4, subject: ada}", WRITTEN),
        ({"videos": {"dance": ENTRY}}, "{path: b.mp4, subject: ben}", WRITTEN),
        (
            {"transfers": {"2024": {"source": "yes"}}},
            *("{}   # none yet\n", "  # none yet\n  '2024': {source: 'yes'}\n"),
        ),
        ({"subjects": ["ada", "ben", "eve"]}, "[ada, ben]", "[ada, ben, eve]"),
        ({"subjects": ["ben"]}, "[ada, ben]", "[ben]"),
        ({"targets": ["ada", "ben"]}, "training each\n", "training each\n  - ben\n"),
        ({"targets": []}, ":\n  - ada   # one training each\n", ": []\n"),
        ({"subjects": ["ada", "ben"], "guides": {}}, "", ""),
        (
            {"videos": {"dance": None, "demo": None}},
            SECTIONS[: SECTIONS.index("\n# Everyone")],
            "videos: {}   # yours\n  # the dancer\n",
        ),
    ],
)
def test_one_line_changes_and_all_comments_below_stay(change, old, new):
    (section, content), *_ = change.items()
    if isinstance(content, dict):
        merged = {**yaml.safe_load(SECTIONS)[section], **content}
        change = {section: {name: entry for name, entry in merged.items() if entry}}
    assert with_films(BLOCK, change) == films_text(SECTIONS.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "films", "message"),
    [
        ("a: 1\n", {"videos": {"me": ENTRY}}, "videos: .* got nothing"),
        ("films: {videos: [1]}\n", {"videos": {"me": ENTRY}}, r"videos: .* got \[1\]"),
        ("films: {targets: 3}\n", {"targets": ["me"]}, "targets: .* got 3"),
        ("films: {a: &a [x], b: *a}\n", {"b": ["x", "me"]}, "b: expected a list"),
        ("films: {a: &a [x], b: *a}\n", {"a": ["x", "me"]}, "cannot be edited as it is wr"),
        ("films: {guides: {}}\n", {"guides": {"g": ENTRY}}, "cannot be edited as it is"),
        (ALIAS, {"videos": {"b": {"x": "y"}}}, "cannot be edited as it is"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(text, films, message):
    with pytest.raises(ParamsError, match=message):
        with_films(text, films)
