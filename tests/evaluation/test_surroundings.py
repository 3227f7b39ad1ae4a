"""Fog and ghosts around a person are seen; a person a little aside is neither."""

import cv2
import numpy as np
import pytest

from motiontransfer.evaluation.frames import FrameSet
from motiontransfer.evaluation.measurements import MetricKey
from motiontransfer.evaluation.surroundings import (
    FilmedRoom,
    film_room,
    foggy_rim,
    surroundings_scores,
    trace,
)
from tests.evaluation.conftest import noisy, textured
from tests.films import film, training_clip
from tests.people import dance, picture

SIZE = (120, 100)
PERSON = np.zeros(SIZE, bool)
PERSON[30:90, 40:60] = True
SCENE = textured(1, SIZE, contrast=1)
REAL = np.where(PERSON[..., None], np.uint8((40, 30, 90)), SCENE)
ROOM = FilmedRoom(SCENE, np.ones(SIZE, bool), {7: PERSON}, height_px=100.0)


def share(found):
    return found[0] / found[1]


def fogged(sigma):
    """The person with a soft outline, inside and outside, as a network paints it."""
    soft = cv2.GaussianBlur(PERSON.astype(np.float32), (0, 0), sigma)[..., None]
    blended = SCENE + soft * (np.float32((40, 30, 90)) - SCENE)
    return np.where(PERSON[..., None], REAL, blended.round().astype(np.uint8))


def test_fog_round_an_outline_is_seen_and_more_fog_more():
    rims = [share(foggy_rim(fogged(sigma), REAL, ROOM, PERSON)) for sigma in (0.5, 2, 4)]
    assert rims[0] < 0.2 < rims[1] < rims[2]
    assert trace(fogged(2), REAL, ROOM, PERSON)[0] == 0


def test_neither_the_film_nor_the_room_nor_a_person_a_little_aside_is_fog():
    aside = np.where(np.roll(PERSON, 3, axis=1)[..., None], np.uint8((40, 30, 90)), SCENE)
    for shown in (REAL, SCENE, aside, noisy(REAL, 2)):
        assert share(foggy_rim(shown, REAL, ROOM, PERSON)) == 0


def test_what_a_film_hides_or_changes_by_itself_is_not_judged():
    unknown = ROOM._replace(is_steady=np.zeros(SIZE, bool))
    assert foggy_rim(fogged(4), REAL, unknown, PERSON) == (0, 0)
    assert trace(fogged(4), REAL, unknown, PERSON) == (0, 0)


def test_a_ghost_panel_in_the_room_is_a_trace_of_its_area():
    panel = np.s_[20:80, 75:95]
    ghost = REAL.copy()
    ghost[panel] += 5
    touched, known = trace(ghost, REAL, ROOM, PERSON)
    assert touched == pytest.approx(60 * 20, rel=0.15)
    assert touched / known > 0.1
    assert foggy_rim(ghost, REAL, ROOM, PERSON)[0] == 0
    for shown in (REAL, noisy(REAL, 2)):
        assert trace(shown, REAL, ROOM, PERSON)[0] == 0


def test_a_shadow_is_a_trace_only_where_the_film_has_none():
    shadow = REAL.copy()
    shadow[95:110, 30:70] = (0.7 * shadow[95:110, 30:70]).astype(np.uint8)
    assert trace(shadow, REAL, ROOM, PERSON)[0] > 300
    assert trace(shadow, shadow, ROOM, PERSON)[0] == trace(REAL, shadow, ROOM, PERSON)[0] == 0


def test_only_frames_with_a_mask_are_measured():
    frames = {"real": REAL, "ours": fogged(3)}
    fog, traces = (MetricKey(metric, "", "ours") for metric in ("foggy_rim", "trace"))
    options = {"room": ROOM, "indices": range(6, 8), "real": "real", "systems": ("ours",)}
    scores = [surroundings_scores(FrameSet(i, frames, None), **options) for i in (0, 1)]
    assert scores[0] == {fog: (0, 0), traces: (0, 0)}
    assert scores[1][fog] == foggy_rim(frames["ours"], REAL, ROOM, PERSON)
    assert scores[1][traces][1] > 0


def test_the_room_is_the_films_where_it_was_seen_and_stays_the_same(tmp_path):
    """A caption blinks in a corner while the person dances."""

    def captioned(poses, index):
        frame = picture(poses, index)
        frame[:10, :10] = 255 * (index % 2)
        return frame

    clip = training_clip(tmp_path, dance(9))
    film(clip.frames, clip.keypoints, draw=captioned)
    room, empty = film_room(clip), picture(dance(1, missing=[0]), 0)
    assert not room.is_steady[:10, :10].any()
    assert room.is_steady.mean() > 0.5
    assert np.abs(room.image.astype(int) - empty)[room.is_steady].max() <= 1
    always = np.logical_and.reduce([*room.persons.values()])
    assert always.any()
    assert not room.is_steady[always].any()
    assert list(room.persons) == list(range(9))
