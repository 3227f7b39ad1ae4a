"""Whole trainings at the smallest size, for processes that are started, stopped and compared."""

import os
import signal
import threading
import time

import torch
from torch import nn

from motiontransfer.models.generators import FrameGenerator, Generated
from motiontransfer.training.distributed import launched_runtime
from motiontransfer.training.face_gan import train_face_gan
from motiontransfer.training.pose_gan import train_pose_gan
from motiontransfer.training.weights import TrainedGenerator, write_weights
from tests.training.small import (
    HELD_OUT,
    STYLE,
    face_gan_config,
    face_networks,
    gan_config,
    generator_config,
    networks,
    paths,
    schedule,
    target_of,
)


class Drawing(FrameGenerator):
    """Stands for a main generator: shows the pose, and a shade of the frame before."""

    def __init__(self):
        super().__init__(nn.Conv2d(1, 1, 1))

    def forward(self, pose_map, previous_frame, background=None, texture=None):
        frame = torch.tanh(pose_map.sum(1, keepdim=True) - 0.5 + 0.3 * previous_frame)
        return Generated(frame, frame)


def train_main(clips, folder, changes, *, shapes=None, global_only_fraction=0.0):
    """Train a main generator to its outs."""
    plan = schedule(**changes)
    with _launched(plan) as runtime:
        train_pose_gan(
            target_of(clips),
            runtime,
            networks=shapes or networks(),
            config=gan_config(global_only_fraction=global_only_fraction),
            schedule=plan,
            paths=paths(folder),
        )


def train_coarse_to_fine(clips, folder, changes):
    """Train a local enhancer coarse-to-fine to its outs."""
    shapes = networks(architecture="local", background="generated")
    train_main(clips, folder, changes, shapes=shapes, global_only_fraction=1 / 3)


def train_until(step, seconds, train, clips, folder, changes):
    """Train, and be killed some seconds after a step has been logged.

    By a thread of the process itself: another process could come too late on a busy machine.
    """

    def kill():
        while _logged(folder) < step:
            time.sleep(0.002)
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    train(clips, folder, changes)


def _logged(folder):
    """How many steps a run has logged since it began, in both trainings if it has two."""
    curve = "live/plots/metrics/generator/l1.tsv"
    curves = [*folder.glob(f"checkpoints/*/global/{curve}"), *folder.glob(f"checkpoints/*/{curve}")]
    return sum(curve.read_text().count("\n") - 1 for curve in curves)


def train_face(clips, folder, changes):
    """Train a face generator to its outs, on the rollout of a stand-in for the main one."""
    plan = schedule(**changes)
    config = generator_config()
    main = TrainedGenerator(network=Drawing(), config=config, style=STYLE, held_out=HELD_OUT)
    with _launched(plan) as runtime:
        train_face_gan(
            clips,
            runtime,
            main,
            networks=face_networks(),
            config=face_gan_config(),
            schedule=plan,
            paths=paths(folder),
        )


def write_main_weights(folder):
    """Write what stands for the main generator's weights: which run this is depends on them."""
    write_weights(folder / "models/generator.safetensors", nn.Module(), description={})


def _launched(plan):
    return launched_runtime(precision="32-true", devices="auto", batch_size=plan.batch_size)
