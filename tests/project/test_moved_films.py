import textwrap
from pathlib import Path

import pytest
import yaml

from motiontransfer.core.errors import ParamsError
from motiontransfer.core.params import FILM_SECTIONS
from motiontransfer.project.params_editing import add_entry, move_films
from tests.project_files import SHIPPED, films_text, read_films

PARAMS, FILMS = SHIPPED.values()
OF_FILMS = textwrap.dedent(FILMS.partition("films:\n")[2])
HEAD, FIRST, REST = PARAMS.partition("decode:\n")
MINE = """\
# All params.

# Mine, and hers.
videos:
  me: {path: data/videos/me.mp4, subject: me, crop: auto}   # 2026
  # the best
  dance: {path: data/videos/dance.mp4, subject: ben}

subjects: [me, ben]
targets:
- me   # I
- ben
transfers:
  me_as_ben: {source: dance, source_subject: ben, target: me, truth: none}
  # one day: ben_as_me

# What it is tuned by.
render: {face: residual}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(params, films=FILMS):
    Path("params.yaml").write_text(params)
    Path("films.yaml").write_text(films)


@pytest.mark.parametrize(("bom", "line_break"), [("", "\n"), ("\ufeff", "\r\n"), ("", "\x85")])
def test_the_demos_are_moved_byte_for_byte_and_once(bom, line_break):
    write(HEAD + OF_FILMS + "\n" + FIRST + REST)
    for path in map(Path, ("params.yaml", "films.yaml")):
        path.write_bytes((bom + path.read_text().replace("\n", line_break)).encode())
    said = move_films()
    assert said == f"moved {', '.join(FILM_SECTIONS)} from params.yaml to films.yaml; commit both"
    assert (Path("params.yaml").read_text(), Path("films.yaml").read_text()) == (PARAMS, FILMS)
    assert move_films() == ""


def test_ones_own_take_the_place_of_the_demos_with_their_comments():
    write(MINE)
    move_films()
    text = Path("films.yaml").read_text()
    left = "# All params.\n\n# What it is tuned by.\nrender: {face: residual}\n"
    assert Path("params.yaml").read_text() == left
    for comment in ("# Mine, and hers.", "# 2026", "# the best", "# I", "# one day: ben_as_me"):
        assert comment in text
    films, before = read_films(), yaml.safe_load(MINE)
    del before["render"]
    assert films.keys() == set(FILM_SECTIONS)
    assert films.items() >= before.items()
    assert films["trained"] == ["me", "ben"]


def test_what_films_yaml_lacks_is_added_where_it_has_more_than_the_demo():
    """A colleague's branch, from before, has a dance more."""
    theirs = {"path": "data/videos/x.mp4", "subject": "x"}
    write(MINE)
    move_films()
    before = read_films()
    write(
        MINE.replace("  dance:", f"  x: {theirs}\n  dance:").replace("ben]", "ben, x]"),
        Path("films.yaml").read_text(),
    )
    assert move_films()
    films = read_films()
    assert films["videos"] == {**before["videos"], "x": theirs}
    assert films["subjects"] == ["me", "ben", "x"]
    assert films["transfers"] == before["transfers"]


@pytest.mark.parametrize("start", [0, MINE.index("# Mine")])
@pytest.mark.parametrize("theirs", ["", "# Films are elsewhere.\n# All params.\n"])
@pytest.mark.parametrize("base", ["", "||||||| abc\n# before\nvideos: {}\n"])
def test_what_git_cannot_merge_as_it_is_gone_on_the_other_side_is_moved(base, theirs, start):
    """The other side may have comments there."""
    end = MINE.index("# What it")
    conflict = f"<<<<<<< HEAD\n{MINE[start:end]}{base}=======\n{theirs}>>>>>>> main\n"
    write(f"{MINE[:start]}{theirs}{MINE[start:]}")
    move_films()
    expected = [Path(name).read_text() for name in ("params.yaml", "films.yaml")]
    write(MINE[:start] + conflict + MINE[end:])
    assert move_films()
    assert [Path(name).read_text() for name in ("params.yaml", "films.yaml")] == expected


def test_a_conflict_of_params_is_left_to_who_knows():
    gone = "<<<<<<< HEAD\nsubjects: []\n=======\n>>>>>>> main\n"
    conflict = "<<<<<<< HEAD\nrender: {face: none}\n=======\nrender: {face: cycle}\n>>>>>>> main\n"
    write(MINE + conflict + gone)
    with pytest.raises(ParamsError, match="not valid YAML"):
        move_films()
    assert Path("params.yaml").read_text() == MINE + conflict + "subjects: []\n"


def test_an_entry_that_is_another_in_both_is_named_and_nothing_is_lost():
    other = add_entry(films_text("videos: {}\n"), "videos", "me", {"path": "data/videos/me.mov"})
    write(MINE, other)
    with pytest.raises(ParamsError, match=r"^videos\.me: params\.yaml and films\.yaml have diff"):
        move_films()
    assert (Path("params.yaml").read_text(), Path("films.yaml").read_text()) == (MINE, other)
