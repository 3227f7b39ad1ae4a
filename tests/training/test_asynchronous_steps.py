import pytest
import torch

from motiontransfer.models.discriminators import MultiscaleDiscriminator
from motiontransfer.models.faces import FaceGenerator
from motiontransfer.models.generators import build_generator
from motiontransfer.pose.boxes import Viewport
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.training import windows
from motiontransfer.training.distributed import make_runtime
from motiontransfer.training.face_gan import FaceWindowDataset, FaceWindowTask, FullFrameLosses
from motiontransfer.training.gan import VGG19Features
from motiontransfer.training.pose_gan import PoseGanTask
from motiontransfer.training.run_log import MeanLosses
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


@pytest.fixture
def on(gpu):
    return make_runtime(precision="32-true")


def take_steps(gpu, task, batch):
    """As the training does, with a batch that its readers have pinned."""
    pinned, losses, before = batch.pin_memory(), MeanLosses(), gpu.waits.copy()
    for step in range(2):
        losses.add(task.step(pinned, step=step, learning_rate=1e-3))
    assert gpu.waits == before
    assert gpu.kernels["_fused_adam_"] == 4


@pytest.mark.parametrize(
    ("encoding", "resolution"),
    [("limbs", "full"), ("sticks", "full"), ("heatmaps", "full"), ("limbs", "half")],
)
def test_of_the_main_generator(gpu, on, clip, puppet, encoding, resolution):
    style = PoseMapStyle(encoding=encoding, line_width_px=3.0)
    viewport = Viewport(margin_px=1.0, multiple_of=4)
    config = generator_config(viewport=viewport, pose_channels=style.num_channels, texture="puppet")
    first_slice = VGG19Features()
    first_slice.features = first_slice.features[:2]  # the images are small
    task = PoseGanTask(
        on,
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
    take_steps(gpu, task, windows_of([clip], viewport=viewport, puppet=puppet).batch([0, 3]))


FACE_SHAPE = {"condition_channels": STYLE.num_channels, "image_channels": 3}


@pytest.fixture
def faces(on, clip, puppet):
    """The task of the face generator on windows, and a batch."""
    config = generator_config(background="generated", texture="puppet")
    full_frame = FullFrameLosses(discriminator=discriminator(), config=face_gan_config())
    task = FaceWindowTask(
        on,
        (FaceGenerator(face_config()), MultiscaleDiscriminator(DISCRIMINATOR, **FACE_SHAPE)),
        main=main_of(build_generator(config, background_image=None).requires_grad_(False)),
        shape=face_config(previous_frame="corrected"),
        skeleton=HOLISTIC,
        config=face_gan_config(),
        full_frame=full_frame,
    )
    dataset = FaceWindowDataset([clip], conditioning_poses=1, puppet=puppet)
    return task, dataset.batch([0, 2])


def test_of_the_face_generator_on_windows(gpu, faces):
    take_steps(gpu, *faces)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ((windows, "upload", lambda tensor, device: tensor), RuntimeError),  # stays on the CPU
        ((torch.Tensor, "pin_memory", lambda tensor: tensor), AssertionError),  # a copy waits
    ],
)
def test_planted_faults_are_found(gpu, faces, monkeypatch, fault, error):
    monkeypatch.setattr(*fault)
    with pytest.raises(error):
        take_steps(gpu, *faces)
