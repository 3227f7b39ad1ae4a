"""A dancer drawn in code: poses, the frames that show them, and their clips on disk."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from motiontransfer.keypoints import Keypoints, write_keypoints
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.puppet.appearance import fit_appearance
from motiontransfer.puppet.puppet import Puppet
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.target_clips import TargetClip
from motiontransfer.video.clip import Clip, write_description
from motiontransfer.video.frame_store import write_frames
from motiontransfer.video.geometry import Framing

SIZE = (48, 40)
RATE = Fraction(25)

# Pixels (x, y) from the middle of the hips, of someone 36 px high who looks at the camera.
_OFFSETS = {
    "nose": (0, -16),
    **{"left_eye": (2, -18), "right_eye": (-2, -18), "left_ear": (4, -17), "right_ear": (-4, -17)},
    **{"left_mouth": (1, -14), "right_mouth": (-1, -14)},
    **{"left_shoulder": (5, -10), "right_shoulder": (-5, -10)},
    **{
        "left_elbow": (8, -5),
        "right_elbow": (-8, -5),
        "left_wrist": (9, 1),
        "right_wrist": (-9, 1),
    },
    **{"left_hip": (3, 0), "right_hip": (-3, 0), "left_knee": (4, 9), "right_knee": (-4, 9)},
    **{"left_ankle": (4, 18), "right_ankle": (-4, 18)},
}


def dance(num_frames, *, size=SIZE, missing=(), start_x=None, seed=0):
    """Keypoints of someone who walks one pixel a frame to the right and waves the left arm.

    Args:
        missing: indices of frames in which nobody was found.
        seed: of a little jitter, so that no two frames are alike.
    """
    jitter = np.random.default_rng(seed).uniform(-0.4, 0.4, (num_frames, 2))
    x = np.arange(num_frames) + (size[1] / 3 if start_x is None else start_x)
    points = np.zeros((num_frames, len(HOLISTIC.joints), 2), np.float32)
    score = np.zeros(points.shape[:2], np.float32)
    for joint, (right, down) in _OFFSETS.items():
        index = HOLISTIC.index(joint)
        points[:, index] = np.stack([x + right, np.full(num_frames, size[0] / 2 + down)], 1)
        points[:, index] += jitter
        score[:, index] = 0.9
    points[:, HOLISTIC.index("left_wrist"), 1] -= 2 * np.arange(num_frames, dtype=np.float32)
    points[list(missing)], score[list(missing)] = 0, 0
    return Keypoints(
        points=points,
        score=score,
        skeleton=HOLISTIC,
        image_size=size,
        frame_rate=RATE,
        detector="drawn",
    )


def picture(keypoints, index):
    """What one frame shows: a shaded room, a red body, a bright face."""
    height, width = keypoints.image_size
    frame = np.empty((height, width, 3), np.uint8)
    frame[:] = (40 + 2 * np.arange(width)[None, :, None] + np.arange(height)[:, None, None]) % 256
    if not keypoints.score[index].any():
        return frame
    left, top = keypoints.joint("right_shoulder")[0][index]
    right, bottom = keypoints.joint("left_ankle")[0][index]
    y, x = np.mgrid[:height, :width]
    frame[(x >= left) & (x <= right) & (y >= top) & (y <= bottom)] = (200, 30, 40)
    for joint, colour, radius in (
        ("nose", (240, 200, 170), 5),
        ("left_wrist", (30, 220, 90), 3),
        ("left_eye", (20, 20, 30), 1.5),
        ("right_eye", (20, 20, 30), 1.5),
    ):
        centre_x, centre_y = keypoints.joint(joint)[0][index]
        frame[np.hypot(x - centre_x, y - centre_y) <= radius] = colour
    return frame


def puppet_of(keypoints, references):
    """The puppet that these frames show."""
    return Puppet(
        fit_appearance(
            keypoints.skeleton,
            [(keypoints.points, keypoints.score)],
            {(0, index): picture(keypoints, index) for index in references},
            background=picture(dance(1, size=keypoints.image_size, missing=[0]), 0),
            height_px=body_height_px(keypoints),
        )
    )


def film(path: Path, keypoints):
    """Write a frame store of what the keypoints show."""
    frames = (picture(keypoints, index) for index in range(keypoints.num_frames))
    write_frames(path, frames, frame_rate=keypoints.frame_rate)
    return path


def add_clip(artifacts: Path, subject, video, keypoints):
    """Put a clip where the pipeline keeps it: frames and keypoints of a subject's video."""
    film(artifacts / "frames" / subject / video / "frames.mkv", keypoints)
    write_keypoints(artifacts / "keypoints" / subject / f"{video}.parquet", keypoints)


def training_clip(folder: Path, keypoints, *, training_frames=None):
    """A clip as the training code takes it."""
    write_keypoints(folder / "clip.parquet", keypoints)
    return TargetClip(
        name="clip",
        frames=film(folder / "frames.mkv", keypoints),
        keypoints=keypoints,
        keypoints_file=folder / "clip.parquet",
        training=range(keypoints.num_frames) if training_frames is None else training_frames,
        held_out=range(0),
    )


def add_source(artifacts: Path, subject, video, keypoints, *, sound=True):
    """Put a clip where the pipeline keeps it, with what `decode` knows of it, and its sound."""
    add_clip(artifacts, subject, video, keypoints)
    folder, (height, width) = artifacts / "frames" / subject / video, keypoints.image_size
    if sound:
        _write_sound(folder / "sound.mka", seconds=keypoints.num_frames / keypoints.frame_rate)
    whole = (0, 0, width, height)
    size = keypoints.image_size
    clip = Clip(
        frames=folder / "frames.mkv",
        sound=folder / "sound.mka" if sound else None,
        sound_offset_seconds=0.0,
        framing=Framing(source_size=size, crop=whole, size=size, content=whole),
        frame_rate=keypoints.frame_rate,
        num_frames=keypoints.num_frames,
    )
    write_description(folder, clip, source={})


def _write_sound(path: Path, *, seconds):
    """A tone of 440 Hz."""
    rate = 48_000
    times = np.arange(round(seconds * rate)) / rate
    samples = (8000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)[None]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
