"""Video check: metadata, people, camera motion, crop and advice."""

from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.errors import VideoError
from motiontransfer.pose.quality import NOTHING_TO_FIX
from motiontransfer.project import video_check
from motiontransfer.project.video_check import advice, check_video, metadata_line
from tests.project.filmed import background_image, detects, film, views, with_person

MIDDLE = (128.0, 128.0)
STILL = [(50, 40)] * 25


@pytest.fixture
def checked(monkeypatch):
    """Check a video in which people are detected at these positions."""

    def check(path, *, people=(MIDDLE,), crop="none"):
        monkeypatch.setattr(video_check, "_detect_people", detects(*people))
        monkeypatch.setattr(video_check, "_detect_person", detects(*people[:1]))
        return check_video(path, size=(256, 256), crop=crop)

    return check


def filmed(tmp_path, offsets=STILL, *, background=None, change=with_person, rate=25, centre=MIDDLE):
    background = background_image() if background is None else background
    frames = [change(view, centre=centre) for view in views(background, offsets)]
    return film(tmp_path / "video.mkv", frames, rate=Fraction(rate))


def complaints(check, word, *, is_target=False):
    return [line for line in advice(check, is_target=is_target) if word in line]


def test_a_good_video_has_nothing_to_fix(tmp_path, checked):
    check = checked(filmed(tmp_path))
    assert advice(check, is_target=False) == [NOTHING_TO_FIX]
    assert check.seconds == pytest.approx(1.0, abs=0.002)
    assert set(check.people) == {1}
    assert metadata_line(check) == (
        "video.mkv: 00:01, 256x256 px, 25 frames a second, FFV1, without sound"
    )
    assert check.quality.body_height_px == pytest.approx(150)


def test_camera_motion_is_measured(tmp_path, checked):
    panned = [(20 + 2 * index, 40) for index in range(25)]  # 2 px a frame: 20 % a second
    check = checked(filmed(tmp_path, panned))
    assert check.quality.camera_speed == pytest.approx(2 / 256 * 25, rel=0.1)
    assert complaints(check, "camera moves")
    assert not complaints(checked(filmed(tmp_path)), "camera moves")


def test_feet_beyond_the_edge_are_advised(tmp_path, checked):
    low = (128.0, 210.0)
    check = checked(filmed(tmp_path, centre=low), people=[low])
    assert check.quality.outside["feet"].all()
    assert not check.quality.outside["head"].any()
    (line,) = complaints(check, "feet are beyond the frame's edge in 100 % of frames")
    assert "film from farther away" in line
    assert not complaints(checked(filmed(tmp_path)), "beyond the frame's edge")


def test_other_people_are_counted(tmp_path, checked):
    check = checked(filmed(tmp_path), people=[(90.0, 128.0), (190.0, 128.0)])
    assert set(check.people) == {2}
    assert complaints(check, "others are in view in 100 % of frames")


def test_no_person_is_one_sentence(tmp_path, checked):
    check = checked(filmed(tmp_path, change=lambda view, centre: view), people=[], crop="auto")
    (line,) = advice(check, is_target=False)
    assert line.startswith("no person is detected in any of 20 frames")


def test_sampled_frames_are_spread_evenly(tmp_path, monkeypatch):
    """Twenty from the first to the last that has another 0.2 s later; grey tells the index."""
    frames = [np.full((32, 32, 3), 2 * index, np.uint8) for index in range(101)]
    seen = []

    def find(frames):
        seen.extend(int(frame[0, 0, 0]) // 2 for frame in frames)
        return detects()(frames)

    path = film(tmp_path / "video.mkv", frames)
    monkeypatch.setattr(video_check, "_detect_people", find)
    monkeypatch.setattr(video_check, "_detect_person", detects())
    check = check_video(path, size=(256, 256), crop="none")
    assert seen == [round(95 * index / 19) for index in range(20)]
    assert len(check.people) == 20


@pytest.mark.parametrize("num_frames", [1, 4])
def test_a_video_shorter_than_a_pair_has_one_sample(num_frames, tmp_path, checked):
    check = checked(filmed(tmp_path, STILL[:num_frames]))
    assert check.people == (1,)
    assert check.quality.camera_speed is None


def test_a_low_frame_rate_and_a_short_target_are_advised(tmp_path, checked):
    check = checked(filmed(tmp_path, rate=5))
    assert complaints(check, "5 frames per second are few")
    assert complaints(check, "5 s show few poses", is_target=True)
    assert not complaints(check, "show few poses", is_target=False)


def test_a_truncated_file_is_checked_up_to_its_end(tmp_path, checked):
    path = filmed(tmp_path, background=background_image())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    check = checked(path)
    assert 0 < len(check.people) < 20
    (line,) = complaints(check, "the file ends")
    assert "copy or export it again" in line


def test_the_crop_is_around_the_person(tmp_path, checked):
    check = checked(filmed(tmp_path, background=np.full((512, 512, 3), 120, np.uint8)), crop="auto")
    x0, y0, x1, y1 = check.framing.crop
    assert x0 < 96
    assert x1 > 160
    assert y1 - y0 < 256 or x1 - x0 < 256
    assert checked(filmed(tmp_path), crop="none").framing.crop == (0, 0, 256, 256)


def test_other_files_are_refused(tmp_path, checked):
    path = tmp_path / "notes.mp4"
    path.write_text("no video at all")
    with pytest.raises(VideoError, match=r"notes\.mp4: cannot be opened"):
        checked(path)
