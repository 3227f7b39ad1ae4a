"""The plate is the room, without whoever walks through it."""

import numpy as np
import torch

from motiontransfer.media.frame_store import FrameWriter
from motiontransfer.media.tensors import tensor_to_frames
from motiontransfer.training.plate import median_plate
from tests.dancer import RATE, dance, picture, training_clip
from tests.training.small import STYLE

ROOM = picture(dance(1, missing=[0]), 0)


def plate_of(clips, num_frames=100):
    plate = median_plate(clips, style=STYLE, num_frames=num_frames)
    assert plate.dtype == torch.float32
    assert plate.shape == (3, *ROOM.shape[:2])
    return tensor_to_frames(plate[None])[0].astype(int)


def test_a_walker_leaves_no_trace(tmp_path):
    clip = training_clip(tmp_path, dance(24, start_x=2))
    assert np.abs(plate_of([clip]) - ROOM).max() <= 1


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
