"""Real/fake pairs drawn in code that differ in one thing only: what moves in a fake is blurred."""

from fractions import Fraction
from functools import partial

import cv2
import numpy as np

from motiontransfer.forensics.data import RealFakeDataset, Second, SecondPair, sampled_seconds
from motiontransfer.forensics.model import FramePairConfig
from motiontransfer.forensics.training import train_detector
from motiontransfer.training.trainer import Run
from tests.films import film
from tests.training.small import paths, runtime, schedule

SIZE = (64, 48)
RATE = Fraction(8)
CONFIG = FramePairConfig(num_filters=8, num_downsamplings=2)


def walk(num_frames, *, seed, size=SIZE):
    """A patterned ellipse that moves to and fro; colors and pattern by seed."""
    draws, (height, width) = np.random.default_rng(seed), size
    noise = draws.integers(0, 256, (height, width, 3)).astype(np.float32)
    background = cv2.GaussianBlur(noise, (0, 0), 3)
    shirt = draws.uniform(60, 200, 3) + 50 * draws.choice([-1, 1], (height, width, 1))
    rows, columns = np.mgrid[:height, :width]
    frames = []
    for index in range(num_frames):
        x = width * (0.5 + 0.25 * np.sin(index / 4 + seed))
        body = np.hypot((columns - x) / (width / 5), (rows - height / 2) / (height / 3)) < 1
        frames.append(np.where(body[..., None], np.roll(shirt, round(x), axis=1), background))
    return np.stack(frames).clip(0, 255).astype(np.uint8)


def rendered(frames):
    """The same, but blurred where something moves."""
    moving = (frames.max(0).astype(int) - frames.min(0) > 8).any(-1)[..., None]
    blurred = [cv2.GaussianBlur(frame, (0, 0), 1.2) for frame in frames]
    return np.where(moving, blurred, frames)


def clip_pairs(folder, subject, *, seed, seconds=3):
    frames = walk(seconds * int(RATE) + 1, seed=seed)
    real = film(folder / f"{subject}_real.mkv", frames, rate=RATE)
    fake = film(folder / f"{subject}_fake.mkv", rendered(frames), rate=RATE)
    second = partial(Second, subject=subject, video="walk")
    seconds = sampled_seconds(range(len(frames)), frame_rate=RATE, max_frames=1000)
    both = ((second(path=real, frames=it), second(path=fake, frames=it)) for it in seconds)
    return [SecondPair(real=real, fake=fake) for real, fake in both]


def train(training, calibration, folder, *, to=None, on=None, ema_decay=0.9, **changes):
    """(the detector, its throughput)."""
    numbers = {"steps": 4, "batch_size": 4, "learning_rate": 3e-3, "sample_every_steps": 100}
    plan = schedule(**{**numbers, **changes})
    dataset = RealFakeDataset(training, crop_size=32, seed=plan.seed)
    run = Run(runtime=on or runtime(), schedule=plan, paths=to or paths(folder))
    how = {"config": CONFIG, "ema_decay": ema_decay}
    return train_detector(dataset, calibration, run, **how, folder=folder)
