"""A video is looked at once, and what is wrong with it is said in words that one can act on."""

from fractions import Fraction

import cv2
import pytest

from motiontransfer.errors import VideoError
from motiontransfer.pose.quality_verdict import NOTHING_TO_MEND
from motiontransfer.workspace.video_check import check_video
from motiontransfer.workspace.video_verdict import video_verdict
from tests.workspace.filmed import dressed, eyes, film, plain_wall, room, views

MIDDLE = (128.0, 128.0)
STILL = [(50, 40)] * 25


def look(path, *centres, crop="none"):
    """Check a video in which people are found at these places."""
    centres = centres or (MIDDLE,)
    return check_video(
        path,
        size=(256, 256),
        crop=crop,
        find_everyone=eyes(*centres),
        find_person=eyes(*centres[:1]),
    )


def filmed(tmp_path, offsets=STILL, *, background=None, change=dressed, rate=25, centre=MIDDLE):
    background = room() if background is None else background
    frames = [change(view, centre=centre) for view in views(background, offsets)]
    return film(tmp_path / "video.mkv", frames, rate=Fraction(rate))


def complaints(check, word, *, is_target=False):
    return [line for line in video_verdict(check, is_target=is_target) if word in line]


def test_a_good_video_has_nothing_to_mend(tmp_path):
    check = look(filmed(tmp_path))
    assert video_verdict(check, is_target=False) == [NOTHING_TO_MEND]
    assert check.num_frames == 25
    assert check.seconds == pytest.approx(1.0, abs=0.002)
    assert set(check.people) == {1}
    assert not check.variable_rate
    assert check.damage is None
    assert check.quality.body_height_px == pytest.approx(150)


def test_a_moving_camera_is_told_from_a_still_one(tmp_path):
    panned = [(20 + 2 * index, 40) for index in range(25)]  # 2 px a frame: 20 % a second
    check = look(filmed(tmp_path, panned))
    assert check.quality.camera_speed == pytest.approx(2 / 256 * 25, rel=0.1)
    assert complaints(check, "camera moves")
    assert not complaints(look(filmed(tmp_path)), "camera moves")


def test_cut_off_feet_are_noticed_and_what_to_do_is_said(tmp_path):
    low = (128.0, 210.0)
    check = look(filmed(tmp_path, centre=low), low)
    assert check.quality.outside["feet"].all()
    assert not check.quality.outside["head"].any()
    (line,) = complaints(check, "feet are beyond the frame's edge in 100 % of frames")
    assert "film from farther away" in line
    assert not complaints(look(filmed(tmp_path)), "beyond the frame's edge")


def test_others_in_view_are_counted(tmp_path):
    check = look(filmed(tmp_path), (90.0, 128.0), (190.0, 128.0))
    assert set(check.people) == {2}
    assert complaints(check, "others are in view in 100 % of frames")


def test_nobody_is_one_sentence(tmp_path):
    path = filmed(tmp_path, change=lambda view, centre: view)
    check = check_video(
        path, size=(256, 256), crop="auto", find_everyone=eyes(), find_person=eyes()
    )
    lines = video_verdict(check, is_target=False)
    assert len(lines) == 1
    assert lines[0].startswith("nobody is found in any of the")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda view, centre: dressed(view, grey=20), "the person is dark, 30 of 255"),
        (lambda view, centre: cv2.add(dressed(view), (255, 255, 255, 0)), "is pure white"),
        (
            lambda view, centre: cv2.GaussianBlur(dressed(view), (0, 0), 3),
            "the picture is blurred",
        ),
    ],
)
def test_light_and_sharpness_are_judged_on_the_person(change, word, tmp_path):
    assert complaints(look(filmed(tmp_path, change=change)), word)
    assert not complaints(look(filmed(tmp_path)), word)


def test_few_frames_a_second_and_a_short_target_are_told(tmp_path):
    check = look(filmed(tmp_path, rate=5))
    assert complaints(check, "5 frames a second are few")
    assert complaints(check, "5 s show few poses", is_target=True)
    assert not complaints(check, "show few poses", is_target=False)


def test_a_cut_off_file_is_looked_at_as_far_as_it_goes(tmp_path):
    path = filmed(tmp_path, background=room())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    check = look(path)
    assert check.damage is not None
    assert 0 < check.num_frames < 25
    (line,) = complaints(check, "the file is damaged")
    assert f"keep the {check.num_frames} frames before" in line


def test_the_crop_is_taken_around_the_person(tmp_path):
    check = look(filmed(tmp_path, background=plain_wall()), crop="auto")
    x0, y0, x1, y1 = check.framing.crop
    assert x0 < 96
    assert x1 > 160
    assert y1 - y0 < 256 or x1 - x0 < 256
    assert look(filmed(tmp_path), crop="none").framing.crop == (0, 0, 256, 256)
    assert look(filmed(tmp_path), crop=(10, 20, 200, 220)).framing.crop == (10, 20, 200, 220)


def test_what_is_no_video_is_refused(tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("no video at all")
    with pytest.raises(VideoError, match=r"notes\.mp4: cannot be opened"):
        look(path)
