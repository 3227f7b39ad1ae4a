"""No training step waits for its device.

The meta device stands for a GPU. It has no values, so that `.item()`, copies to the host, boolean
masks and `nonzero` raise by themselves; a dispatch mode refuses copies from pageable memory.
"""

import sys

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from motiontransfer.models.discriminators import MultiscaleDiscriminator
from motiontransfer.models.faces import FaceGenerator
from motiontransfer.models.generators import build_generator
from motiontransfer.pose.boxes import Viewport
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.training.distributed import Runtime
from motiontransfer.training.face_gan import (
    FaceDataset,
    FaceGanTask,
    FaceWindowDataset,
    FaceWindowTask,
    FullFrameLosses,
    face_runs,
)
from motiontransfer.training.gan import VGG19Features
from motiontransfer.training.pose_gan import PoseGanTask
from motiontransfer.training.run_log import MeanLosses
from motiontransfer.video.tensors import upload
from tests.people import SIZE
from tests.training.small import (
    DISCRIMINATOR,
    STYLE,
    discriminator,
    face_config,
    face_gan_config,
    gan_config,
    generator_config,
    windows_of,
)
from tests.training.trainings import main_of

META = torch.device("meta")


class NoPageableCopies(TorchDispatchMode):
    """Refuses to copy to the device from memory that is not pinned, or waiting for the copy."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        result = function(*args, **kwargs)
        on_device = any(t.device == META for t in [*tensors, result] if isinstance(t, torch.Tensor))
        if on_device and function.overloadpacket is torch.ops.aten.lift_fresh:
            raise RuntimeError("a constant of the host's is copied to the device")
        for tensor in tensors:
            if on_device and tensor.device != META and tensor.dim():
                is_asynchronous = kwargs.get("non_blocking") and tensor.is_pinned()
                assert is_asynchronous, f"{function} copies {tuple(tensor.shape)} and waits for it"
        return result


@pytest.fixture
def gpu(monkeypatch):
    """One process on the stand-in; what is pinned is only remembered."""
    pinned = []  # the tensors themselves: an id would be given to another one

    def pin(tensor):
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    is_pinned = lambda tensor: any(tensor is each for each in pinned)  # noqa: E731
    monkeypatch.setattr(torch.Tensor, "is_pinned", is_pinned)
    optimizer = sys.modules[torch.optim.Optimizer.__module__]
    monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: [META.type])
    return Runtime(device=META, precision="32-true")


def take_a_step(task, batch):
    """As the training does, with a batch that its readers have pinned."""
    pinned, losses = batch.pin_memory(), MeanLosses()
    with NoPageableCopies():
        for step in range(2):
            losses.add(task.step(pinned, step=step, learning_rate=1e-3))


@pytest.mark.parametrize(
    "copy",
    [
        lambda tensor: tensor.to(META, non_blocking=True),
        lambda tensor: tensor.pin_memory().to(META),
        lambda tensor: torch.zeros(3, device=META).copy_(tensor),
        lambda tensor: torch.zeros(3, device=META)[tensor.long()],
        lambda _: torch.tensor([1.0], device=META),
        lambda tensor: upload(tensor, META).sum().item(),
        lambda tensor: upload(tensor, META)[upload(tensor, META) > 0],
        lambda tensor: upload(tensor, META).cpu(),
    ],
)
def test_what_waits_is_refused(gpu, copy):
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)), NoPageableCopies():
        copy(torch.ones(3))
    with NoPageableCopies():
        assert upload(torch.ones(3), META).device == META


@pytest.mark.parametrize("encoding", ["limbs", "sticks", "heatmaps"])
@pytest.mark.parametrize("resolution", ["full", "half"])
def test_of_the_main_generator(gpu, clip, puppet, encoding, resolution):
    style = PoseMapStyle(encoding=encoding, line_width_px=3.0)
    viewport = Viewport(margin_px=1.0, multiple_of=4)
    config = generator_config(viewport=viewport, pose_channels=style.num_channels, texture="puppet")
    first_slice = VGG19Features()
    first_slice.features = first_slice.features[:2]  # the images are small
    task = PoseGanTask(
        gpu,
        (
            build_generator(config, background_image=torch.zeros(3, *SIZE)),
            MultiscaleDiscriminator(
                DISCRIMINATOR, condition_channels=2 * style.num_channels, image_channels=6
            ),
        ),
        style=style,
        skeleton=HOLISTIC,
        config=gan_config(limb_dropout=1.0, perceptual_weight=1.0),
        seed=3,
        perceptual=first_slice,
        resolution=resolution,
    )
    take_a_step(task, windows_of([clip], viewport=viewport, puppet=puppet).batch([0, 3]))


FACE_SHAPE = {"condition_channels": STYLE.num_channels, "image_channels": 3}


def test_of_the_face_generator(gpu, clip, tmp_path):
    task = FaceGanTask(
        gpu,
        (FaceGenerator(face_config()), MultiscaleDiscriminator(DISCRIMINATOR, **FACE_SHAPE)),
        style=STYLE,
        skeleton=HOLISTIC,
        config=face_gan_config(),
    )
    ((run,), _), path = face_runs([clip]), tmp_path / "generated.npy"
    np.save(path, np.zeros((len(run.with_face), 32, 32, 3), np.uint8))
    take_a_step(task, FaceDataset([clip], [run], [path], crop_size=32).batch([0, 2]))


def test_of_the_face_generator_on_windows(gpu, clip, puppet):
    config = generator_config(background="generated", texture="puppet")
    full_frame = FullFrameLosses(discriminator=discriminator(), config=face_gan_config())
    task = FaceWindowTask(
        gpu,
        (FaceGenerator(face_config()), MultiscaleDiscriminator(DISCRIMINATOR, **FACE_SHAPE)),
        main=main_of(build_generator(config, background_image=None).requires_grad_(False)),
        shape=face_config(previous_frame="corrected"),
        skeleton=HOLISTIC,
        config=face_gan_config(),
        full_frame=full_frame,
    )
    dataset = FaceWindowDataset([clip], conditioning_poses=1, puppet=puppet)
    take_a_step(task, dataset.batch([0, 2]))
