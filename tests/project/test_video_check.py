from contextlib import chdir

import numpy as np
import pytest
from PIL import Image

from motiontransfer.core.errors import MotionTransferError
from motiontransfer.filming.quality import NOTHING_TO_FIX
from motiontransfer.project import video_check
from motiontransfer.project.film_advice import advice, film_checked, metadata_line, quality_lines
from motiontransfer.project.video_check import check_stages, check_video
from motiontransfer.rendering.inspect import Filmed
from motiontransfer.video.frame_store import FrameStore
from tests.films import MIDDLE, STILL, film, film_person
from tests.people import detects
from tests.project_files import write_shipped
from tests.video.conftest import write_test_video


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """Check a video, of a person unless it is given; people are detected at these positions.

    What was asked before is not checked again.
    """
    known, folder = {}, tmp_path_factory.mktemp("check")

    def run(path=None, **how):
        asked = str((path, how))
        if asked not in known:
            known[asked] = checked(path, folder / f"{len(known)}/video.mkv", **how)
        return known[asked]

    write_shipped(folder)
    with chdir(folder):
        yield run


def checked(path, made, *, people=(MIDDLE,), waves=True, present=20, in_whole=None, **others):
    how = {key: others.pop(key) for key in ("crop", "person", "trim") if key in others}

    def detect_person(frames):
        found = detects(*people[:1], waves=waves)(frames)
        return found[:present] + detects()(frames[present:])

    everyone = people if in_whole is None else in_whole
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(video_check, "_detect_people", detects(*everyone))
        patch.setattr(video_check, "_detect_person", detect_person)
        path = path or film_person(made, **others)
        return check_video(path, size=(256, 256), **{"crop": "none", **how})


def complaints(check, word, *, is_target=False):
    return [line for line in advice(check, is_target=is_target) if word in line]


def test_a_good_video_has_nothing_to_fix(check):
    checked = check()
    assert advice(checked, is_target=False) == [NOTHING_TO_FIX]
    assert checked.seconds == pytest.approx(1.0, abs=0.002)
    assert set(checked.people) == {1}
    assert checked.framing.crop == (0, 0, 256, 256)
    line = metadata_line(checked)
    for part in ("video.mkv", "00:01", "256x256", "25 frames", "FFV1", "without sound"):
        assert part in line
    assert checked.quality.body_height_px == pytest.approx(150)


MOVES = {"offsets": [(20 + 2 * index, 40) for index in range(25)]}
TWO = {"people": [(90.0, 128.0), (190.0, 128.0)]}


@pytest.mark.parametrize(
    ("filmed", "sentence", "of_target"),
    [
        (MOVES, "camera moves, by 19.", False),  # 2 of 256 px, 25 times a second, is 19.5 %
        (TWO, "of 2 people the one at 0.36 0.49", False),
        ({"waves": 0.1}, "who is followed does not move, as on a poster", False),
        ({"rate": 5}, "5 frames per second are few", False),
        ({"rate": 5}, "5 s show few poses", True),
        ({"rate": 240}, "240 frames per second: set decode.frame_rate", False),
    ],
)
def test_what_is_measured_is_advised_on(check, filmed, sentence, of_target):
    checked = check(**filmed)
    assert complaints(checked, sentence, is_target=True)
    assert bool(complaints(checked, sentence)) == (not of_target)


@pytest.mark.parametrize(("is_target", "option"), [(False, "--person"), (True, "--person-me")])
def test_of_several_people_it_is_told_who_is_chosen_and_how_to_choose_another(
    check, is_target, option
):
    """Shares of 256 px; the boxes have a margin, within the picture."""
    told = film_checked("me", check(**TWO), is_target=is_target)
    (sentence,) = [line for line in told.advice if line.startswith("of 2 people")]
    assert "the one at 0.36 0.49, shares of the width and height, is chosen" in sentence
    assert sentence.endswith(f"such as `{option} 0.75 0.49 0.0`")
    assert not [line for line in told.advice if "others are in view" in line]
    assert told.chosen == 0
    assert len(told.people) == 2
    alone = film_checked("me", check(), is_target=is_target)
    assert not [line for line in alone.advice if "people" in line]


def test_a_photo_of_a_crowd_is_told_with_who_is_chosen(tmp_path, monkeypatch):
    """By the joints' detector alone who is in the crop would be all."""
    photo = tmp_path / "crowd.png"
    Image.fromarray(np.full((256, 256, 3), 120, np.uint8)).save(photo)
    write_shipped(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(video_check, "_detect_people", detects(*TWO["people"]))

    shown = [(190.0, 128.0)]

    def in_crop(metadata, framing, *, size):
        places = [(float(framing.to_working(np.array(place))[0]), place[1]) for place in shown]
        (found,) = detects(*places)([np.zeros((*framing.size, 3), np.uint8)])
        return video_check._as_detections([found], framing, 1.0)

    monkeypatch.setattr(video_check, "_detect_in_picture", in_crop)
    looked = check_video(photo, size=(256, 256), person=(0.75, 0.5, 0.0))
    told = film_checked("me", looked, is_target=True)
    assert told.sentence.startswith("Usable: 2 people")
    assert (told.chosen, told.crowd_seconds, told.strip) == (1, 0.0, "")
    assert "such as `--person-me 0.36 0.49 0.0`" in told.advice[0]
    assert told.advice[1].startswith("2 people are in view: one performs")
    shown.clear()
    monkeypatch.setattr(video_check, "_detect_people", detects())
    empty = check_video(photo, size=(256, 256), person=(0.75, 0.5, 0.0))
    assert film_checked("me", empty, is_target=True).sentence == "Poor: nobody is found."


def test_the_poses_of_the_sampled_frames_are_kept_with_them(check):
    checked = check(people=[(100.0, 128.0)], offsets=[(20 + index, 40) for index in range(25)])
    assert isinstance(checked, Filmed)
    assert checked.keypoints.joint("left_hip")[0].tolist() == [[112.0, 128.0]] * 20
    assert checked.frame(19).shape == (256, 256, 3)
    # 19 px to the right at frame 19, after which there is one 0.2 s later
    np.testing.assert_allclose(checked.frame(19)[:30, :-19], checked.frame(0)[:30, 19:], atol=8)


@pytest.mark.parametrize(
    ("filmed", "said"),
    [
        ({"present": 4}, "expected a person, got one in 4 of 20 frames"),
        ({"present": 5}, None),
        ({"offsets": STILL[:13]}, "a clip of 13 frames leaves 1 to train on"),
        ({"offsets": STILL[:14]}, None),
    ],
)
def test_what_a_stage_would_refuse_is_refused_before(check, filmed, said):
    checked = check(**filmed)
    if said is None:
        check_stages({"me": checked}, is_target=True)
        return
    with pytest.raises(MotionTransferError, match=said):
        check_stages({"me": checked}, is_target=True)


def test_where_nobody_is_found_nothing_else_is_said_and_who_is_in_the_crop_alone_is_counted(check):
    """A small dancer in a very wide film. One shorter than a pair of frames has one sample."""
    (sentence,) = advice(check(people=(), rate=5), is_target=True)
    assert sentence.startswith("no person is detected in any of 20 frames")
    assert check(in_whole=()).people == (1,) * 20
    checked = check(offsets=STILL[:4])
    assert (checked.people, checked.quality.camera_speed) == ((1,), None)


def test_a_truncated_file_is_checked_up_to_its_end(tmp_path, check):
    with FrameStore(film_person(tmp_path / "whole.mkv")) as store:
        frames, times = list(store.frames()), range(0, 1000, 40)
    path = tmp_path / "cut.mkv"
    write_test_video(path, frames, pts_ms=times, rate=25, codec="ffv1", pix_fmt="bgr0")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    checked = check(path)
    assert 0 < len(checked.people) < 20
    with pytest.raises(MotionTransferError, match=r"the file ends .*: export it again"):
        check_stages({"me": checked}, is_target=False)


def test_a_part_beyond_the_end_is_refused_with_the_films_length(check):
    with pytest.raises(MotionTransferError, match=r"trim: expected a part of 1\.0 s, got \(5\.0"):
        check(trim=(5.0, 6.0))


def test_black_bars_that_a_crop_shows_are_told_with_one_that_leaves_them_out(tmp_path, check):
    """Sixteen rows above and eight below, and two more that encoding may have blurred."""
    with FrameStore(film_person(tmp_path / "whole.mkv")) as store:
        frames = np.stack([*store.frames()])
    frames[:, :16] = frames[:, -8:] = 0
    path = tmp_path / "bars.mkv"
    write_test_video(path, frames, rate=25, codec="ffv1", pix_fmt="bgr0")
    (told,) = complaints(check(path), "black bars")
    assert "[0, 18, 256, 246]" in told
    assert not complaints(check(path, crop="auto"), "black bars")
    assert not complaints(check(), "black bars")


def test_the_crop_is_around_the_person(check):
    checked = check(background=np.full((512, 512, 3), 120, np.uint8), crop="auto")
    x0, y0, x1, y1 = checked.framing.crop
    assert x0 < 96 < 160 < x1
    assert y1 - y0 < 256 or x1 - x0 < 256


def test_the_crop_is_around_the_person_at_a_place_in_the_part_that_is_looked_at(check):
    """Each box is 92 x 206 px with its margin: the crop is 228 px high and wide."""
    for x, crop in {0.25: (0, 12, 228, 240), 0.75: (28, 12, 256, 240)}.items():
        two = ((60.0, 128.0), (190.0, 128.0))
        checked = check(people=two, crop="auto", person=(x, 0.5, 0.6), trim=(0.4, 1.0))
        assert checked.framing.crop == crop


@pytest.mark.parametrize(
    ("filmed", "is_target", "judgment", "sentence"),
    [
        ({}, False, "good", "Good: one person, from head to feet."),
        ({}, True, "fair", "Usable: one person, from head to feet."),  # it is short
        ({"present": 9}, False, "poor", "Poor: one person, from head to feet."),
        ({"present": 10}, False, "fair", "Usable: one person, from head to feet."),
        ({"people": [(90.0, 60.0)]}, False, "poor", "Poor: one person, without the head."),
        ({"people": ()}, False, "poor", "Poor: nobody is found."),
        ({"waves": 0.4}, False, "good", "Good: one person, from head to feet."),  # talks
    ],
)
def test_a_judgment_comes_first(check, filmed, is_target, judgment, sentence):
    event = film_checked("me", check(**filmed), is_target=is_target)
    assert (event.judgment, event.sentence) == (judgment, sentence)


def test_a_cut_is_told_with_its_time_and_a_flash_and_a_fast_dancer_are_none(tmp_path, check):
    rooms = np.random.default_rng(0).integers(30, 200, (2, 32, 32, 3), np.uint8)
    shots = [rooms[int(index >= 20)].copy() for index in range(40)]
    shots[10] = np.full((32, 32, 3), 255, np.uint8)
    for index, frame in enumerate(shots):
        frame[8:24, (5 * index) % 24 : (5 * index) % 24 + 8] = 250
    checked = check(film(tmp_path / "v.mkv", shots, rate=10))
    (line,) = complaints(checked, "the film is cut at")
    assert "cut at 2.0 s:" in line


def test_a_fade_of_doubled_frames_is_one_cut(tmp_path, check):
    rooms = np.random.default_rng(0).integers(30, 200, (2, 32, 32, 3))
    shares = np.repeat([0.0, 1 / 3, 2 / 3, 1.0], [20, 2, 2, 16])
    shots = [((1 - share) * rooms[0] + share * rooms[1]).astype(np.uint8) for share in shares]
    told = complaints(check(film(tmp_path / "v.mkv", shots, rate=20)), "the film is cut at")
    assert [line.partition(" s:")[0] for line in told] == ["the film is cut at 1.1"]


@pytest.mark.parametrize(("still_from", "is_cut"), [(120, False), (120, True), (0, True)])
def test_a_jump_after_repeated_frames_is_no_cut_and_another_room_is_one(
    tmp_path, check, still_from, is_cut
):
    """Stripes move by 3 levels a frame, and are the same in six; by 18 is more than a cut's 15.

    In another case they are a title that stands for twelve seconds.
    """
    other = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    shots = []
    for index in range(240):
        phase = np.arange(32) / 32 + 0.0075 * (still_from if still_from <= index < 126 else index)
        row = 128 + 100 * np.sin(2 * np.pi * phase)
        shots.append(np.broadcast_to(row[:, None], (32, 32, 3)).astype(np.uint8))
        if is_cut and index >= 126:
            shots[-1] = other
            other = other + np.uint8(5)
    told = complaints(check(film(tmp_path / "v.mkv", shots, rate=10)), "the film is cut at")
    assert [line.partition(" s:")[0] for line in told] == ["the film is cut at 12.6"] * is_cut


@pytest.mark.parametrize(("sway", "said"), [(0, "still"), (5, "wanders, by 2.0 %")])
def test_a_camera_in_a_hand_is_not_called_still(check, sway, said):
    """It sways by five pixels of 256 to either side and back, within half a minute."""
    angles = np.linspace(0, 2 * np.pi, 320)
    offsets = [(50 + round(sway * np.sin(a)), 40 + round(sway * np.cos(a))) for a in angles]
    checked = check(offsets=offsets, rate=10)
    (line,) = (line for line in quality_lines(checked) if "camera" in line)
    assert f"camera       {said}" in line
    assert bool(complaints(checked, "camera in a hand")) == bool(sway)
