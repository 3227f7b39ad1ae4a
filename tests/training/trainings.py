"""Whole trainings at the smallest size; processes that are started, stopped and compared."""

import os
import socket

import torch
from torch import nn

from motiontransfer.models.weights import TrainedGenerator, write_weights
from motiontransfer.training.distributed import joined_runtime
from motiontransfer.training.face_cycle import train_face_cycle
from motiontransfer.training.face_gan import train_face_gan
from motiontransfer.training.pose_gan import train_pose_gan
from tests.forks import FORKS
from tests.training.small import (
    DISCRIMINATOR,
    HELD_OUT,
    STYLE,
    StandIn,
    cycle_config,
    face_gan_config,
    face_networks,
    gan_config,
    generator_config,
    networks,
    paths,
    run_of,
    schedule,
    target_of,
    translator_config,
)


def drawing():
    """Shows the pose, and a shade of the frame before."""
    return StandIn(
        lambda pose_map, previous_frame: torch.tanh(
            pose_map.sum(1, keepdim=True) - 0.5 + 0.3 * previous_frame
        )
    )


def main_of(network):
    """What a face generator corrects."""
    config = generator_config()
    return TrainedGenerator(network=network, config=config, style=STYLE, held_out=HELD_OUT)


def train_pose(clips, folder, *, on=None, held_out=HELD_OUT, shapes=None, config=None, **changes):
    """Train a main generator to its outs; return the metrics."""
    return train_pose_gan(
        target_of(clips, held_out=held_out),
        run_of(folder, on, **changes),
        networks=shapes or networks(),
        config=config or gan_config(),
    )


def train_face(clips, folder, *, on=None, network=None, config=None, **changes):
    """Train a face generator on the rollout of a stand-in for the main one."""
    # The weights of the main generator are an input: they decide which run this is.
    write_weights(paths(folder).models / "generator.safetensors", nn.Module(), description={})
    return train_face_gan(
        clips,
        run_of(folder, on, **changes),
        main_of(network or drawing()),
        networks=face_networks(),
        config=config or face_gan_config(),
    )


def train_cycle(people, folder, *, on=None, networks=None, config=None, **changes):
    """Train the translators of two people's faces."""
    default = {"translator": translator_config(), "discriminator": DISCRIMINATOR}
    return train_face_cycle(
        *people,
        run_of(folder, on, **changes),
        **{**default, **(networks or {})},
        config=config or cycle_config(),
    )


def train_launched(train, clips, folder, changes):
    """Train as a stage does, in as many processes as there are together."""
    size = schedule(**changes).batch_size
    with joined_runtime(precision="32-true", batch_size=size) as on:
        train(clips, folder, on=on, **changes)


def start(function, *arguments, environment=()):
    """Start a process that calls an importable function, forked from one that has all loaded."""
    process = FORKS.Process(target=_call, args=(function, arguments, dict(environment)))
    process.start()
    return process


def run_together(num_processes, function, *arguments):
    """Call a function in several processes, as torchrun does; return their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        **{"TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
        "WORLD_SIZE": str(num_processes),
    }
    ranks = [{**shared, "RANK": str(it), "LOCAL_RANK": str(it)} for it in range(num_processes)]
    processes = [start(function, *arguments, environment=rank) for rank in ranks]
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def _call(function, arguments, environment):
    os.environ.update(environment)
    torch.set_num_threads(1)
    function(*arguments)
