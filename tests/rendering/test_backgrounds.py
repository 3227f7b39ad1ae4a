from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from motiontransfer.core.layout import PLAIN_BACKGROUNDS
from motiontransfer.rendering import backgrounds
from motiontransfer.video.frame_store import write_frames
from tests.clone import ROOT

SIZE = (60, 48)
RATE = Fraction(25)


def plain(*color, size=SIZE):
    return np.full((*size, 3), color, np.uint8)


def noise(seed):
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)


def mask():
    """A blob with a wide soft edge."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return (1.6 - np.hypot(y - 28, x - 22) / 14).clip(0, 1)[..., None]


def masked(person, room):
    """The person before the room, as networks composite it."""
    share = (255 * mask()).round() / 255
    shown = share * person + (1 - share) * room
    return np.concatenate([shown, 255 * share], axis=2).round().astype(np.uint8)


def apart(one, other):
    return np.abs(np.subtract(one, other, dtype=float))


def test_over_the_films_own_room_the_frame_is_the_films():
    room, frame = noise(0), masked(noise(1), noise(0))
    made = backgrounds.over(backgrounds.cut_out(frame, room), room)
    assert apart(made, frame[..., :3]).max() <= 1


COLORS = [(name, color) for name, color in PLAIN_BACKGROUNDS.items() if color]


@pytest.mark.parametrize(("name", "color"), COLORS)
def test_over_a_color_it_is_this_where_nobody_is_and_the_person_where_nobody_else_is(name, color):
    (plain,) = islice(backgrounds.background_frames(name, size=SIZE, frame_rate=RATE), 1)
    person, room = noise(1), noise(0)
    made = backgrounds.over(backgrounds.cut_out(masked(person, room), room), plain)
    share = mask()[..., 0]
    assert (made[share == 0] == color).all()
    assert (share == 0).mean() > 0.3
    assert np.array_equal(made[share == 1], person[share == 1])


def test_of_a_half_covered_pixel_the_room_is_taken_off():
    """As between hairs: it is the person's color and the new background's."""
    person, room, new = plain(40, 20, 10), plain(250, 240, 230), plain(0, 90, 200)
    share = (255 * mask()).round() / 255
    half = ((share > 0.1) & (share < 0.7))[..., 0]
    cut = backgrounds.cut_out(masked(person, room), room)
    expected = share * person + (1 - share) * new
    assert apart(backgrounds.over(cut, new), expected.round())[half].max() <= 1
    straight = backgrounds.with_alpha(cut, SIZE)
    assert apart(straight[..., :3], person)[half].max() <= 6
    assert apart(straight[..., 3:], 255 * share)[half].max() <= 1


def test_shadows_on_the_room_are_neither_kept_nor_seen_at_the_persons_edge():
    person, room = plain(200, 180, 160), plain(250, 240, 230)
    made = backgrounds.over(backgrounds.cut_out(masked(person, room - 60), room), plain(0, 0, 0))
    share = (255 * mask()).round() / 255
    beside = cv2.dilate((share[..., 0] == 0).astype(np.uint8), np.ones((3, 3))).astype(bool)
    edge = (share[..., 0] > 0) & beside
    assert not made[share[..., 0] == 0].any()
    assert apart(made, (share * person).round())[edge].max() <= 2


def test_colors_go_on_beside_the_mask_so_that_coding_leaves_no_dark_rim():
    color, black = (200, 180, 160), plain(0, 0, 0)
    cut = backgrounds.cut_out(masked(plain(*color), black), black)
    straight = backgrounds.with_alpha(cut, SIZE)
    beside = (straight[..., 3] == 0) & (cv2.dilate(straight[..., 3], np.ones((3, 3))) > 0)
    assert beside.any()
    assert apart(straight[beside][:, :3], color).max() < 25


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data/backgrounds").mkdir(parents=True)
    return Path("data/backgrounds")


def frames_of(name, count):
    return [*islice(backgrounds.background_frames(name, size=SIZE, frame_rate=RATE), count)]


@pytest.mark.parametrize("size", [(30, 120), (240, 48), (60, 48), (20, 16)])
def test_a_picture_stands_still_and_covers_the_frame_around_its_middle(folder, size):
    height, width = size
    picture = plain(0, 0, 0, size=size)
    picture[height // 2 - 2 : height // 2 + 2, width // 2 - 2 : width // 2 + 2] = 255
    cv2.imwrite(str(folder / "sea.png"), picture)
    first, *others = frames_of("sea.png", 4)
    assert first.shape == (*SIZE, 3)
    assert all(np.array_equal(first, other) for other in others)
    y, x = np.nonzero(first[..., 0] > 127)
    assert (y.mean(), x.mean()) == pytest.approx((29.5, 23.5), abs=0.6)
    scale = max(SIZE[0] / height, SIZE[1] / width)
    assert len(y) == pytest.approx((4 * scale) ** 2, rel=0.3, abs=3)


def test_a_video_is_shown_in_its_own_time_and_begins_again(folder):
    shades = [10, 60, 110, 160]
    write_frames(folder / "sea.mkv", [plain(s, s, s) for s in shades], frame_rate=Fraction(50, 4))
    shown = [int(frame[0, 0, 0]) for frame in frames_of("sea.mkv", 18)]
    assert shown == ([10, 10, 60, 60, 110, 110, 160, 160] * 3)[:18]


def test_dvcs_stage_can_depend_on_a_file_of_each():
    assert all((ROOT / "data/backgrounds" / name).is_file() for name in PLAIN_BACKGROUNDS)
