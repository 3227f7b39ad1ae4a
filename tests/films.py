"""Clips on disk, drawn in code: frame stores, and all that the pipeline keeps beside them."""

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from motiontransfer.core.layout import masks_beside
from motiontransfer.plate.masks import PersonMasks, write_masks
from motiontransfer.plate.target_clips import TargetClip
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import write_keypoints
from motiontransfer.video.clip import Clip, write_description
from motiontransfer.video.frame_store import write_frames
from motiontransfer.video.geometry import Framing
from motiontransfer.video.writer import Sound, video_writer
from tests.people import PERSON_SIZE, dance, difference_mask, picture
from tests.video.conftest import write_test_sound

MIDDLE = (128.0, 128.0)
STILL = [(50, 40)] * 25


def film(path: Path, shown, *, rate=25, draw=picture):
    """Write a frame store of frames, or of those that `draw` makes of keypoints and an index."""
    frames = shown
    if isinstance(shown, Keypoints):
        frames, rate = (draw(shown, index) for index in range(shown.num_frames)), shown.frame_rate
    write_frames(path, frames, frame_rate=Fraction(rate))
    return path


def mask_film(keypoints_file: Path, keypoints, *, draw=picture):
    """Write masks of all frames in which somebody is drawn, where frames differ from the room."""
    room = draw(dance(1, size=keypoints.image_size, missing=[0]), 0)
    shown = np.flatnonzero(keypoints.score.any(axis=1)).astype(np.int32)
    masks = [difference_mask(draw(keypoints, index), room) for index in shown]
    found = PersonMasks(
        frame_index=shown,
        masks=np.array(masks, np.uint8).reshape(-1, *keypoints.image_size),
        is_drawn=np.zeros(len(shown), bool),
    )
    write_masks(masks_beside(keypoints_file), found)


def add_clip(artifacts: Path, subject, video, keypoints, *, draw=picture):
    """Put a clip where the pipeline keeps it: frames, keypoints and masks of a subject's video."""
    film(artifacts / "frames" / subject / video / "frames.mkv", keypoints, draw=draw)
    path = artifacts / "keypoints" / subject / f"{video}.parquet"
    write_keypoints(path, keypoints)
    mask_film(path, keypoints, draw=draw)


def clip_in(folder: Path, framing, num_frames, *, rate=25, sound=False, offset=0.0):
    """A clip whose files are in a folder."""
    return Clip(
        frames=folder / "frames.mkv",
        sound=Sound(folder / "sound.mka", offset) if sound else None,
        framing=framing,
        frame_rate=Fraction(rate),
        num_frames=num_frames,
    )


def add_source(artifacts: Path, subject, video, keypoints, *, sound=True):
    """Put a clip where the pipeline keeps it, with what `decode` knows of it, and its sound."""
    add_clip(artifacts, subject, video, keypoints)
    folder, (height, width) = artifacts / "frames" / subject / video, keypoints.image_size
    if sound:
        seconds = float(keypoints.num_frames / keypoints.frame_rate)
        write_test_sound(folder / "sound.mka", seconds=seconds)
    whole, size = (0, 0, width, height), keypoints.image_size
    framing = Framing(source_size=size, crop=whole, size=size, content=whole)
    rate, count = keypoints.frame_rate, keypoints.num_frames
    write_description(folder, clip_in(folder, framing, count, rate=rate, sound=sound), source={})


def training_clip(folder: Path, keypoints, *, training_frames=None, draw=picture):
    keypoints_file = folder / "keypoints/ada/clip.parquet"
    write_keypoints(keypoints_file, keypoints)
    mask_film(keypoints_file, keypoints, draw=draw)
    return TargetClip(
        name="clip",
        frames=film(folder / "frames.mkv", keypoints, draw=draw),
        keypoints=keypoints,
        keypoints_file=keypoints_file,
        training=range(keypoints.num_frames) if training_frames is None else training_frames,
        held_out=range(0),
    )


def background_image():
    """An image with many corners: boxes of random colors, larger than a frame."""
    random = np.random.default_rng(0)
    image = np.full((512, 512, 3), 120, np.uint8)
    for _ in range(250):
        x, y = random.integers(0, 512, 2).tolist()
        width, height = random.integers(8, 40, 2).tolist()
        color = random.integers(30, 220, 3).tolist()
        cv2.rectangle(image, (x, y), (x + width, y + height), color, -1)
    return image


def film_person(path: Path, offsets=STILL, *, background=None, centre=MIDDLE, rate=25):
    """Write a video of a checked box from head to feet; the camera is at the offsets (x, y)."""
    background = background_image() if background is None else background
    (height, width), (left, top) = PERSON_SIZE, (round(at) for at in centre)
    frames = []
    for x, y in offsets:
        frame = background[100 + y : 100 + y + height, 100 + x : 100 + x + width].copy()
        box = frame[top - 80 : top + 78, left - 30 : left + 30]
        rows, columns = np.indices(box.shape[:2]) // 2
        box[:] = (120 + 20 * ((rows + columns) % 2))[..., None]
        frames.append(frame)
    return film(path, frames, rate=rate)


def carrying(path: Path, *, side=16, num_frames=2, **params) -> Path:
    """A gray square film that carries the recipe of a result with these params."""
    comment = json.dumps({"motiontransfer": "0.2.0", "params": params})
    with video_writer(path, frame_rate=Fraction(25), comment=comment) as write:
        for _ in range(num_frames):
            write(np.full((side, side, 3), 90, np.uint8))
    return path
