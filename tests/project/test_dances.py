import os
from functools import partial
from pathlib import Path

import pytest
from dvc.repo import Repo
from PIL import Image

from motiontransfer.core.errors import MissingFileError, ParamsError, VideoError
from motiontransfer.project import entries
from motiontransfer.project.dances import Wishes, add_dance, add_guide, pair_all, take_back
from motiontransfer.project.entries import add_transfer, add_video, is_picture, remove_video
from tests.project.small_project import files, small_project
from tests.project_files import films_of
from tests.project_files import read_films as params

FILMS = films_of(
    videos={"demo_dance": {"path": "demo/clips/source.mp4", "subject": "ben", "crop": "none"}},
    subjects=["ben"],
)
OF_DANCER = {"scene": "dancer", "crop": "none"}


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    files = {"films.yaml": FILMS, "params.yaml": "render: {face: residual}\n"}
    root = small_project(tmp_path / "project", files, monkeypatch)
    monkeypatch.chdir(root)
    monkeypatch.setattr("motiontransfer.project.dances.metadata_of", lambda _: True)


@pytest.fixture
def films(tmp_path):
    names = ("WhatsApp Video 2024-05-01 at 12.34.56", "00008")
    films = [tmp_path / f"{name}.mp4" for name in names]
    for film in films:
        film.write_bytes(film.name.ljust(40).encode())  # of one size
    return films


@pytest.fixture
def photos(tmp_path):
    photos = [tmp_path / name for name in ("me.png", "at the sea.jpg")]
    for number, photo in enumerate(photos):
        Image.new("RGB", (32, 32), (80 * number, 90, 120)).save(photo)
    return photos


@pytest.mark.parametrize("face", ["residual", "cycle"])
def test_a_new_transfer_has_a_face_cycle_where_faces_are_those_of_cycles(films, photos, face):
    Path("params.yaml").write_text(f"render: {{face: {face}}}\n")
    dance = add_dance(*films)
    of = {"source": dance.source, "source_subject": dance.source, "target": dance.target}
    assert params()["face_cycles"] == ({dance.transfer: of} if face == "cycle" else {})
    before = params()["face_cycles"]
    add_dance(films[0], *photos)  # of whom nothing is trained
    assert params()["face_cycles"] == before


def test_films_of_any_names_are_known_by_their_content(films):
    dance = add_dance(*films)
    assert dance.transfer == "film_00008_as_WhatsApp_Video_202"
    assert [*params()["videos"]] == [dance.source, "film_00008"]
    assert dance.removed == ["demo_dance"]
    before = files()
    again = add_dance(*(film.rename(film.with_name(f"other {i}")) for i, film in enumerate(films)))
    assert (again.transfer, again.new) == (dance.transfer, {})
    assert files() == before


def test_known_films_that_are_not_here_are_put_back(films):
    dance = add_dance(*films)
    name, *_ = add_guide(films[0], None)
    before, paths = files(), [Path(video["path"]) for video in params()["videos"].values()]
    for add in (partial(add_dance, *films), partial(add_guide, films[0], None)):
        for path in paths:
            path.unlink()  # as a teammate has no films
        add(entry_only=True)
        assert not any(path.exists() for path in paths)
        add()
        add_dance(*films)
        assert files() == before
    assert (add_dance(*films).new, name) == ({}, dance.source)


def test_one_film_as_both_goes_on_with_the_same_pair(films):
    first = add_dance(films[1], films[1])
    assert (first.source, first.target) == ("film_00008", "film_00008_1")
    assert add_dance(films[1], films[1]).transfer == first.transfer
    assert len(params()["transfers"]) == 1


def test_photos_are_of_one_person_and_nothing_is_trained_on_them(films, photos):
    dance = add_dance(films[0], *photos)
    assert (dance.target, dance.is_trained) == ("me", False)
    assert [*dance.new] == [dance.source, "me", "me_1"]
    content = params()
    assert [content["videos"][name]["subject"] for name in ("me", "me_1")] == ["me", "me"]
    assert (content["targets"], content["trained"]) == (["me"], [])
    assert add_dance(films[0], *photos).new == {}
    assert add_dance(films[0], photos[1]).transfer == dance.transfer  # known by any of them


def test_a_known_photo_is_no_dance_and_not_trained_on_where_its_file_is_not_here(films, photos):
    add_dance(films[0], photos[0])
    before = files()
    for add in (add_dance, add_guide):
        with pytest.raises(VideoError, match=r"me\.png: is one picture; a dance is a film"):
            add(photos[0], films[1])
    assert files() == before
    add_video(films[1], name="walk", subject="walk", crop="auto", role="source")
    Path("data/videos/me.png").unlink()  # as in a project where DVC plans only
    add_transfer(source="walk", target="me", name=None, truth="none")
    assert params()["trained"] == []


def test_what_a_file_is_is_asked_once_until_it_changes(photos, monkeypatch):
    asked, me = [], photos[0]

    def ask(read, file):
        asked.append(file)
        return read(file)

    monkeypatch.setattr(entries, "run_isolated", ask)
    assert [is_picture(me), is_picture(me), len(asked)] == [True, True, 1]
    me.write_text("Dear all")
    os.utime(me, ns=(0, 0))
    assert [is_picture(me), is_picture(me), len(asked)] == [False, False, 2]
    assert not is_picture(me.with_name("nowhere.png"))


def test_a_film_beside_photos_is_trained_on(films, photos):
    add_dance(films[0], photos[0])
    assert add_dance(films[0], photos[0], films[1]).is_trained
    assert params()["trained"] == ["me"]
    assert [*params()["videos"]][1:] == ["me", "me_1"]
    remove_video("me_1")
    assert (params()["targets"], params()["trained"]) == (["me"], [])


def test_two_dancers_in_one_film_are_replaced_one_in_the_result_of_the_other(films, photos):
    """And of both all is taken back."""

    def both():
        first = add_dance(films[1], photos[0], **OF_DANCER)
        return first, add_dance(films[1], photos[1], other=first, **OF_DANCER)

    before = files()
    for dance in reversed(both()):
        take_back(dance)
    assert files() == before
    _, second = both()
    content = params()
    path, transfer = "data/videos/film_00008.mp4", "me_as_film_00008_in_film"
    one = {"path": path, "subject": "film_00008", "crop": "none"}
    another = {**one, "subject": "film_00008_second", "person": "second_largest"}
    assert content["videos"]["film_00008"] == one
    assert content["videos"]["film_00008_second"] == another
    shown = {"film_00008": path, "film_00008_second": f"results/{transfer}/transfer.mp4"}
    assert content["scenes"] == {of: {"subject": of, "film": film} for of, film in shown.items()}
    assert [*content["in_film"]] == [transfer, second.transfer]
    before = files()
    assert [each.transfer for each in both()] == [transfer, second.transfer]
    assert files() == before
    other = add_dance(films[1], photos[1], **OF_DANCER)
    third = add_dance(films[1], photos[0], **OF_DANCER, other=other)
    assert third.source == "film_00008_second_1"
    remove_video("me")
    assert [*params()["transfers"]] == [other.transfer]
    assert [*params()["scenes"]] == ["film_00008"]


def test_a_film_that_was_cropped_to_one_dancer_is_entered_anew_for_two(films, photos):
    known = add_dance(films[1], photos[0], scene="dancer")
    whole = add_dance(films[1], photos[0], **OF_DANCER)
    assert (known.source, whole.source) == ("film_00008", "film_00008_1")
    assert add_dance(films[1], photos[0], scene="dancer").source == "film_00008"


def test_of_films_that_are_there_only_one_whose_name_dvc_takes_for_a_stage_is_copied(films):
    """A killed command may have left a copy."""
    left, film = (Path("data/videos", f"{name}.mp4") for name in ("WhatsApp", "12:30"))
    left.parent.mkdir(parents=True)
    left.write_bytes(films[0].read_bytes())
    film.write_bytes(b"noon")
    dance = add_dance(films[0], film)
    assert dance.new["WhatsApp"] == left
    copies = {path.name for path in left.parent.glob("*.mp4")} - {left.name, film.name}
    assert copies == {"film_12_30.mp4"}
    assert params()["videos"]["film_12_30"]["path"] == "data/videos/film_12_30.mp4"
    take_back(dance)
    assert {path.name for path in left.parent.iterdir()} == {left.name, film.name}


def test_a_failure_leaves_all_as_it_was(films, monkeypatch):
    before, add = files(), Repo.add

    def fails(repo, paths):
        if "00008" in paths[0]:
            raise OSError(28, os.strerror(28))
        return add(repo, paths)

    monkeypatch.setattr(Repo, "add", fails)
    with pytest.raises(OSError, match="No space left"):
        add_dance(*films)
    assert files() == before
    for add_both in (add_dance, add_guide):
        with pytest.raises(MissingFileError, match=r"nowhere\.mp4: no such file; expected a vide"):
            add_both(films[0], Path("nowhere.mp4"))
        assert files() == before


def test_parts_and_params_are_entered_where_they_are_set_and_taken_back(films):
    first = add_dance(*films)
    before = files()
    assert not any({"trim", "person"} & video.keys() for video in params()["videos"].values())
    person = {"x": 0.4, "y": 0.5, "seconds": 1.0}
    wishes = Wishes(
        of_dance={"trim": [1.0, 2.5]},
        of_me={"crop": "none", "person": person},
        params={"render.face": "none"},
    )
    dance = add_dance(*films, wishes=wishes)
    assert dance.transfer == first.transfer
    video, me = params()["videos"].values()
    assert (video["trim"], me["person"], me["crop"]) == ([1.0, 2.5], person, "none")
    assert Path("params.yaml").read_text() == "render: {face: none}\n"
    assert f"videos.{dance.source}.trim: none -> [1.0, 2.5]" in dance.changed
    assert "render.face: residual -> none" in dance.changed
    assert set(dance.changed_stages) == {
        f"{stage}@{name}"
        for stage in ("decode", "clean_keypoints")
        for name in (dance.source, dance.target)
    }
    assert not add_dance(*films, wishes=wishes).changed  # they are so already
    assert not add_dance(*films).changed  # what is not given stays
    take_back(dance)
    assert files() == before
    add_dance(*films, wishes=wishes)
    add_dance(*films, wishes=Wishes(of_dance={"trim": None}))
    assert "trim" not in params()["videos"][dance.source]


def add_another(folder, name, role):
    film = folder / f"{name}.mp4"
    film.write_bytes(name.encode())
    add_video(film, name=name, subject=name, crop="auto", role=role)


def test_what_is_taken_back_leaves_what_others_entered_meanwhile(films, tmp_path):
    dance = add_dance(*films, wishes=Wishes(of_dance={"trim": [0.5, 1.0]}))
    assert params()["videos"][dance.source]["trim"] == [0.5, 1.0]
    assert dance.changed == []  # it is new
    add_another(tmp_path, "solo", "source")
    take_back(dance)
    assert [*params()["videos"]] == ["solo"]
    assert (params()["subjects"], params()["targets"]) == (["solo"], [])
    assert {path.name for path in files() if path.parts[0] == "data"} >= {"solo.mp4"}
    assert not list(Path("data/videos").glob("*00008*"))


def test_one_dance_for_all_targets_and_all_dances_for_one(films, tmp_path):
    add_dance(*films)
    me, waltz = "film_00008", "WhatsApp_Video_2024-05-01_at_12_34_56"
    add_another(tmp_path, "eve", "target")
    add_another(tmp_path, "tango", "source")
    assert pair_all(source="tango", target=None) == [f"{me}_as_tango", "eve_as_tango"]
    before = files()
    assert pair_all(source="tango", target=None) == [f"{me}_as_tango", "eve_as_tango"]
    assert files() == before
    assert pair_all(source=None, target="eve") == [f"eve_as_{waltz}"[:32], "eve_as_tango"]
    assert len(pair_all(source=None, target=None)) == 4 == len(params()["transfers"])
    before = files()
    for wrong in ({"source": "no", "target": None}, {"source": None, "target": "no"}):
        with pytest.raises(ParamsError, match="no video"):
            pair_all(**wrong)
    with pytest.raises(ParamsError, match="no dance and target to pair"):
        pair_all(source="eve", target="eve")
    assert files() == before


def test_a_guide_is_entered_once_and_goes_with_the_films_it_needs(films):
    name, *_ = add_guide(films[0], None)
    (entry,) = params()["guides"].values()
    assert entry == {"source": name, "source_subject": name, "target": name}
    assert params()["subjects"] == ["ben", name]
    assert params()["targets"] == []
    before = files()
    assert add_guide(films[0], None) == (name, name, {})
    assert files() == before
    mine, source, new = add_guide(*films)
    assert (source, new) == (name, {"film_00008": films[1]})
    assert mine.startswith("film_00008_for_WhatsApp_Video")
    assert params()["guides"][mine] == {**entry, "target": "film_00008"}
    remove_video("film_00008")
    assert [*params()["guides"]] == [name]
    remove_video(name)
    assert params()["guides"] == {}
