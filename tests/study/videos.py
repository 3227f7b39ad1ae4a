"""Two short videos of the same motion in different colors, and a study of them."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from motiontransfer.report.study import Comparison, write_study
from motiontransfer.video.writer import write_video

RED, BLUE = (200, 40, 30), (30, 60, 200)


def video(path, color, *, num_frames=20, rate=20, size=(48, 64)):
    """A bright bar crosses a plain ground, so that every frame differs."""
    frames = np.empty((num_frames, *size, 3), np.uint8)
    frames[:] = color
    for index in range(num_frames):
        left = index * (size[1] - 4) // num_frames
        frames[index, :, left : left + 4] = 250
    write_video(path, frames, frame_rate=Fraction(rate), crf=8)
    return path


def study(folder: Path, *, seed=5, clips_each=2, num_checks=1, page="study.html"):
    """A page that compares red (ours) with blue; returns its key."""
    for name, color in (("red.mp4", RED), ("blue.mp4", BLUE)):
        if not (folder / name).exists():
            video(folder / name, color)
    return write_study(
        folder / page,
        [Comparison(a=str(folder / "red.mp4"), b=str(folder / "blue.mp4"))],
        question="Which video is <warmer> & redder?",
        seconds=0.5,
        clips_each=clips_each,
        num_checks=num_checks,
        seed=seed,
    )
