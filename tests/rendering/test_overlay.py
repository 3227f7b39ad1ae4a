"""Whoever looks at the overlay sees where the joints are, who was found, and what was filled in."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from motiontransfer.media.frame_store import FrameStore
from motiontransfer.rendering.inspection import Inspection
from motiontransfer.rendering.overlay import draw_overlay, write_overlay, write_overlay_sheet
from motiontransfer.skeleton import HOLISTIC
from tests.dancer import RATE, SIZE, dance, film
from tests.rendering.two_dancers import together

NUM_FRAMES = 6
SCALE = 10  # 48 px high is shown 480 px high


@pytest.fixture
def inspection(tmp_path):
    keypoints = dance(NUM_FRAMES, missing=[4])
    return Inspection(
        video="waltz",
        frames=film(tmp_path / "frames.mkv", keypoints),
        keypoints=keypoints,
        everyone=None,
    )


def shown(inspection, index=0):
    """One frame's overlay over black."""
    return draw_overlay(np.zeros((*SIZE, 3), np.uint8), inspection, index)


def place(points):
    """(row, column) in the overlay of a point in the frame."""
    x, y = np.round((points + 0.5) * SCALE - 0.5).astype(int)
    return y, x


def middle(inspection, *joints, index=0):
    found = [inspection.keypoints.joint(joint)[0][index] for joint in joints]
    return np.mean(found, axis=0)


def test_small_frames_are_enlarged_and_show_through_where_there_is_no_stick(inspection):
    grey = np.full((*SIZE, 3), 90, np.uint8)
    picture = draw_overlay(grey, inspection, 4)
    assert picture.shape == (480, 400, 3)
    assert (picture == 90).all(), "nobody was found in frame 4"
    assert not np.shares_memory(picture, grey)


def test_limbs_lie_between_their_joints(inspection):
    picture = shown(inspection)
    thigh = picture[place(middle(inspection, "left_hip", "left_knee"))]
    assert thigh.max() == 255
    assert not picture[place(middle(inspection, "left_knee", "right_knee"))].any()


def test_everyone_detected_is_dim_and_in_a_numbered_box(inspection):
    alone = shown(inspection)
    both = replace(inspection, everyone=together(inspection.keypoints))
    picture = shown(both)
    hip, knee = (
        inspection.keypoints.joint(f"left_{name}")[0][0] - (12, 0) for name in ("hip", "knee")
    )
    dim = picture[place((hip + knee) / 2)]
    assert 90 < dim.max() < 140
    changed = (picture != alone).any(2)
    later = shown(both, 2)
    assert (later != shown(inspection, 2)).any(2).sum() < changed.sum(), "track 3 has left"
    outline = [tuple(colour) for colour in picture.reshape(-1, 3)]
    assert (255, 75, 75) in outline, "box of track 0"
    assert (255, 212, 59) in outline, "box of track 3"
    assert (255, 212, 59) not in [tuple(colour) for colour in later.reshape(-1, 3)]


def test_joints_that_were_filled_in_have_a_ring(inspection):
    filled = np.zeros((NUM_FRAMES, len(HOLISTIC.joints)), bool)
    filled[0, HOLISTIC.index("left_wrist")] = True
    ringed = replace(inspection, keypoints=replace(inspection.keypoints, filled=filled))
    changed = (shown(ringed) != shown(inspection)).any(2)
    rows, columns = changed.nonzero()
    y, x = place(middle(inspection, "left_wrist"))
    assert abs(rows - y).max() <= 5
    assert abs(columns - x).max() <= 5
    assert changed.sum() > 20
    assert (shown(ringed, 1) == shown(inspection, 1)).all()


def test_the_video_shows_every_frame_beside_a_cursor_that_moves_on(inspection, tmp_path):
    path = tmp_path / "out" / "waltz.mp4"
    write_overlay(path, inspection)
    with FrameStore(path) as video:
        assert len(video) == NUM_FRAMES
        assert video.frame_rate == RATE
        frames = [frame.astype(int) for frame in video.frames()]
    red = [(frame[:, 400:, 0] - frame[:, 400:, 1] > 80).sum(0) for frame in frames]
    cursors = [int(columns.argmax()) for columns in red]
    assert all(columns.max() > 300 for columns in red)
    steps = np.diff(cursors)
    assert steps.min() > 10
    assert steps.max() - steps.min() <= 2


def test_the_sheet_shows_frames_without_and_with_keypoints(inspection, tmp_path):
    path = tmp_path / "sheet.png"
    write_overlay_sheet(path, inspection)
    sheet = np.asarray(Image.open(path))
    assert sheet.ndim == 3
    assert sheet.shape[0] > 480
    write_overlay_sheet(tmp_path / "again.png", inspection)
    assert path.read_bytes() == (tmp_path / "again.png").read_bytes()
    without = replace(inspection, everyone=together(inspection.keypoints))
    write_overlay_sheet(tmp_path / "everyone.png", without)
    changed = (np.asarray(Image.open(tmp_path / "everyone.png")) != sheet).any(2)
    assert changed.any()
    assert not changed[-480:].any(), "curves are of the person who is followed"
