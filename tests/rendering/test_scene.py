from dataclasses import replace

import cv2
import numpy as np
import pytest

from motiontransfer.core import layout
from motiontransfer.core.tensor_files import write_arrays
from motiontransfer.plate.scene import Scene
from motiontransfer.rendering.scene import (
    DancersFilm,
    Room,
    in_light,
    light_between,
    networks_in_film,
    with_person,
    with_scene,
)
from motiontransfer.retargeting.film_place import FilmPlace
from motiontransfer.video.geometry import Framing
from tests.films import clip_in, film
from tests.people import appearance_of, person

FILM = (96, 128)
CROP = (32, 16, 96, 80)
"""x0, y0, x1, y1: the part of the film that the dancer's crop keeps, which is 64 x 64 pixels."""
NUM_FRAMES = 3


def room_of(before=0):
    empty = np.random.default_rng(0).integers(0, 255, (*FILM, 3)).astype(np.uint8)
    return Room(empty, np.full(FILM, before, np.uint8))


def test_a_person_is_laid_over_the_room_where_they_cover_it_and_nothing_is_before_them():
    cut, nobody = np.zeros((10, 20, 4), np.uint8), np.zeros((1, 1, 4), np.uint8)
    cut[2:8, 5:15] = (200, 100, 50, 255)
    shown, expected = with_person(room_of(), cut, (30, 40)), room_of().empty
    expected[32:38, 45:55] = (200, 100, 50)
    np.testing.assert_array_equal(shown[..., :3], expected)
    assert shown[..., 3].astype(bool).sum() == 60
    for shown in (with_person(room_of(255), cut, (30, 40)), with_person(room_of(), nobody, (0, 0))):
        np.testing.assert_array_equal(shown[..., :3], room_of().empty)
        assert not shown[..., 3].any()


def test_light_passes_over_half_way_and_hue_hardly():
    """A face of L 100 in light of L 140, 240 and 20; in the first the hue is far off."""
    own = np.float32([100, 140, 150])
    cut = np.full((1, 2, 4), 255, np.uint8)
    cut[0, 0, :3] = cv2.cvtColor(own[None, None].astype(np.uint8), cv2.COLOR_LAB2RGB)
    cut[0, 1, :3] = 0
    expected = {(140, 100, 190): (120, 137, 153), (240, 140, 150): (145, 140, 150)}
    for there, lit in {**expected, (20, 140, 150): (69, 140, 150)}.items():
        shown = in_light(cut, light_between(own, np.float32(there)))
        found = cv2.cvtColor(np.ascontiguousarray(shown[..., :3]), cv2.COLOR_RGB2LAB)
        np.testing.assert_allclose(found[0, 0], lit, atol=1)
        assert not shown[0, 1, :3].any()


def test_light_changes_what_is_covered_and_keeps_its_coverage():
    own = np.float32([100, 128, 128])
    light = light_between(own, np.float32([140, 128, 128]))
    cut = np.zeros((8, 8, 4), np.uint8)
    cut[2:6, 2:6] = (93, 93, 93, 255)  # L of 100, of 255
    lit = in_light(cut, light)
    np.testing.assert_array_equal(lit[..., 3], cut[..., 3])
    assert not lit[..., :3][cut[..., 3] == 0].any()
    np.testing.assert_allclose(lit[3, 3, :3], 113, atol=2)  # of 120
    half = np.uint8([[[120, 120, 120, 128]]])
    assert in_light(half, light).ravel().tolist() == [128] * 4
    assert light_between(np.zeros(3, np.float32), own) is None  # of nobody
    np.testing.assert_array_equal(in_light(cut, None), cut)


@pytest.fixture
def film_frames():
    """Noise that changes: of a captioned film hardly a pixel stays."""
    noise = np.random.default_rng(5).integers(40, 200, (NUM_FRAMES, *FILM, 3))
    return noise.astype(np.uint8)


@pytest.fixture
def folder(tmp_path, film_frames):
    """What `fit_scene` leaves: the dancer is in the middle of the crop, and a thing before them.

    A caption is at its upper edge.
    """
    film(tmp_path / "film.mkv", iter(film_frames))
    levels = np.zeros((64, 64, 3), np.uint8)
    levels[..., 1] = 255
    levels[20:40, 20:40, 0] = 255
    levels[:2, :, 2] = 255
    film(tmp_path / "levels.mkv", [levels] * NUM_FRAMES)
    before = np.zeros((64, 64), np.uint8)
    before[30:34, 20:40] = 255
    of_frame = {"picture": np.array([0, 0, 128, 90]), "skin": np.zeros(3, np.float32)}
    plate, maps = np.full((64, 64, 3), 77, np.uint8), np.zeros((0, 3, 3))
    scene = Scene(plate=plate, maps=maps, before=before, **of_frame)
    write_arrays(tmp_path / "scene.safetensors", scene._asdict(), description={})
    return tmp_path


def clip_of(folder):
    framing = Framing(source_size=FILM, crop=CROP, size=(64, 64), content=(0, 0, 64, 64))
    return clip_in(folder, framing, NUM_FRAMES)


def test_a_frame_stays_wherever_the_dancer_is_not(folder, film_frames):
    filmed = DancersFilm(folder, clip_of(folder), size=FILM)
    rooms = [*filmed.rooms()]
    np.testing.assert_array_equal([*filmed.frames()], film_frames)
    assert len(rooms) == NUM_FRAMES
    gone = np.zeros(FILM, bool)
    gone[16 + 20 : 16 + 40, 32 + 20 : 32 + 40] = True
    gone[16 + 30 : 16 + 34] = False  # the thing before the dancer
    for room, frame in zip(rooms, film_frames, strict=True):
        np.testing.assert_array_equal(room.empty[~gone], frame[~gone])
        assert np.abs(room.empty[gone].astype(int) - frame[gone]).mean() > 10


def test_where_the_dancer_was_is_the_plate(folder):
    """Of a film that is as bright as the plate beside the dancer."""
    still = np.full((*FILM, 3), 77, np.uint8)
    still[40:50, 55:65] = 200
    film(folder / "film.mkv", [still] * NUM_FRAMES)
    for room in DancersFilm(folder, clip_of(folder), size=FILM).rooms():
        assert (room.empty[40:46, 55:65] == 77).all()


def test_black_bars_and_captions_are_before_the_person(folder):
    room = next(DancersFilm(folder, clip_of(folder), size=FILM).rooms())
    assert (room.before[90:] == 255).all()
    assert (room.before[16 + 30 : 16 + 34, 32 + 20 : 32 + 40] == 255).all()
    assert (room.before[16:18, 32:96] == 255).all()
    assert room.before.astype(bool).sum() == 6 * 128 + 4 * 20 + 2 * 64


def test_a_manifest_says_that_someone_was_replaced(tmp_path, monkeypatch):
    file, manifest = tmp_path / "place.safetensors", {"networks": []}
    monkeypatch.setattr(layout, "place_file", lambda _: file)
    assert with_scene(manifest, "ada_as_ben") == manifest
    scene = {"film.mkv": "d1", "levels.mkv": "d2"}
    write_arrays(file, {}, description={"scene": scene, "target": ["d3"]})
    said = {"person": "replaced", "film_sha256": "d1", "target_sha256": ["d3"]}
    assert with_scene(manifest, "ada_as_ben") == {**manifest, "scene": said}


def test_what_networks_drew_at_home_is_moved_into_the_film(folder):
    """Poses are half as large at home, and 20 and 10 px farther left and up."""
    filmed = DancersFilm(folder, clip_of(folder), size=FILM)
    poses = replace(person([(22.0, 19.0)] * NUM_FRAMES), image_size=FILM)
    shift = np.array([[20.0, 10.0]] * NUM_FRAMES)
    place = FilmPlace(np.full(NUM_FRAMES, 2.0), shift, np.array(FILM))
    appearance = replace(appearance_of(person()), background=np.zeros((*FILM, 3), np.uint8))
    frame = np.zeros((*FILM, 4), np.uint8)
    frame[10:30, 20:40] = (250, 120, 60, 255)
    home = iter([frame] * NUM_FRAMES)
    moved = networks_in_film(home, poses, appearance, filmed, place, match_light=False)
    for (shown, room), _ in zip(moved, range(NUM_FRAMES), strict=True):
        inside = np.s_[34:44, 64:96]  # of rows 30 to 70 and columns 60 to 100, before the caption
        np.testing.assert_allclose(shown[inside][..., :3] - np.float32((250, 120, 60)), 0, atol=2)
        assert (shown[:28, :, 3] == 0).all()
        np.testing.assert_array_equal(shown[:28, :, :3], room.empty[:28])
