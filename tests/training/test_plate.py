"""The plate is the room, without whoever walks through it."""

import numpy as np
import torch

from motiontransfer.media.frame_store import FrameWriter
from motiontransfer.media.tensors import tensor_to_frames
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.training.plate import median_plate
from tests.dancer import RATE, dance, picture, training_clip

STYLE = PoseMapStyle(encoding="limbs", line_width_px=3.0)
# As wide as the drawn dancer's body: nothing of it is far from a stick.
BODY_STYLE = PoseMapStyle(encoding="limbs", line_width_px=12.0)
ROOM = picture(dance(1, missing=[0]), 0)


def plate_of(clips, num_frames=100, style=STYLE):
    plate = median_plate(clips, style=style, num_frames=num_frames)
    assert plate.dtype == torch.float32
    assert plate.shape == (3, *ROOM.shape[:2])
    return tensor_to_frames(plate[None])[0].astype(int)


def test_a_walker_leaves_no_trace(tmp_path):
    clip = training_clip(tmp_path, dance(24, start_x=2))
    assert np.abs(plate_of([clip]) - ROOM).max() <= 4


def test_only_training_frames_are_looked_at(tmp_path):
    """The tail is filmed in another light, by a store whose tail was replaced."""
    bright = dance(24, start_x=2)
    clip = training_clip(tmp_path, bright, training_frames=range(20))
    everything = plate_of([clip])
    frames = [picture(bright, i) if i < 20 else np.full_like(ROOM, 255) for i in range(24)]
    with FrameWriter(clip.frames, size=clip.keypoints.image_size, frame_rate=RATE) as writer:
        for frame in frames:
            writer.write(frame)
    assert np.array_equal(plate_of([clip]), everything)


def test_few_frames_of_several_clips_are_enough(tmp_path):
    clips = [
        training_clip(tmp_path / str(i), dance(12, start_x=x)) for i, x in enumerate((-20, 60))
    ]
    assert np.abs(plate_of(clips, num_frames=4) - ROOM).max() <= 1
    assert np.abs(plate_of(clips, num_frames=1) - ROOM).max() <= 1


def test_who_mostly_stands_leaves_no_trace_either(tmp_path):
    """Fourteen frames in one place, ten in others: a plain median would show the person there."""
    keypoints = dance(24, start_x=10)
    keypoints.points[:14] = keypoints.points[0]
    plate = plate_of([training_clip(tmp_path, keypoints)], style=BODY_STYLE)
    assert np.abs(plate - ROOM).mean() < 1
    assert np.abs(plate - ROOM).max() < 40


def test_what_is_never_uncovered_is_filled_in_from_around_it(tmp_path):
    keypoints = dance(6, start_x=16)
    keypoints.points[:] = keypoints.points[0]
    plate = plate_of([training_clip(tmp_path, keypoints)], style=BODY_STYLE)
    assert np.abs(plate - ROOM).max() < 40
