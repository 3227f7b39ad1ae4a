"""Networks and configurations of the smallest sizes, and a training whose every step is known."""

import os
import signal
from dataclasses import asdict, dataclass, replace
from functools import partial
from zlib import crc32

import numpy as np
import torch
from torch import nn

from motiontransfer.models.discriminators import (
    DiscriminatorConfig,
    DiscriminatorOutput,
    MultiscaleDiscriminator,
)
from motiontransfer.models.faces import FaceGeneratorConfig, FaceTranslatorConfig
from motiontransfer.models.generators import (
    FrameGenerator,
    Generated,
    GeneratorConfig,
    ImageNetwork,
)
from motiontransfer.models.runtime import Runtime
from motiontransfer.models.weights import write_weights
from motiontransfer.plate.background import median_background
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.target_clips import HeldOut
from motiontransfer.pose.boxes import Viewport
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.pose.torch_drawing import PoseDrawer
from motiontransfer.puppet.appearance_file import read_appearance, write_appearance
from motiontransfer.puppet.fit.fitting import choose_references, target_appearance
from motiontransfer.training.data import TensorBatch
from motiontransfer.training.face_gan import FaceNetworks
from motiontransfer.training.gan import PosedGan
from motiontransfer.training.params import FaceCycleConfig, FaceGanConfig, PoseGanConfig, Schedule
from motiontransfer.training.paths import RunPaths
from motiontransfer.training.pose_gan import PoseGanNetworks, Target
from motiontransfer.training.trainer import AdamTask, Run, fit
from motiontransfer.training.windows import WindowDataset
from tests.people import SIZE

STYLE = PoseMapStyle(encoding="limbs", line_width_px=3.0)
VIEWPORT = Viewport(margin_px=1.0, multiple_of=4)
CROP_SIZE = 32
HELD_OUT = HeldOut(held_out_fraction=0.0, gap_frames=0)
DISCRIMINATOR = DiscriminatorConfig(num_filters=4, num_layers=1, num_scales=1)
TWO_SCALES = replace(DISCRIMINATOR, num_scales=2)


def runtime():
    return Runtime(device=torch.device("cpu"), precision="32-true")


generator_config = partial(
    GeneratorConfig,
    **{"architecture": "fast", "background": "plate", "pose_channels": STYLE.num_channels},
    **{"num_filters": 4, "num_downsamplings": 1, "num_residual_blocks": 1},
    **{"max_channels": 8, "size": SIZE},
)


def networks(**changes):
    generator = generator_config(**changes)
    return PoseGanNetworks(generator=generator, discriminator=TWO_SCALES, style=STYLE)


def discriminator(*, window_frames=2, style=STYLE):
    channels = {"condition_channels": window_frames * style.num_channels}
    return MultiscaleDiscriminator(TWO_SCALES, image_channels=window_frames * 3, **channels)


class MeanDiscriminator(nn.Module):
    """The logit of an image, the last input, is its mean plus a parameter; remembers inputs."""

    def __init__(self):
        super().__init__()
        self.number = nn.Parameter(torch.tensor(0.5))
        self.shown = []

    def forward(self, *inputs):
        self.shown.append([each.detach() for each in inputs])
        features = inputs[-1].mean((1, 2, 3), keepdim=True)
        return [DiscriminatorOutput(logits=features + self.number, features=(features,))]


class Malicious:
    """Prints when it is unpickled."""

    def __reduce__(self):
        return print, ("boo",)


class Slices(nn.Module):
    """Stands for the perceptual network: `count` slices, each the image times its number."""

    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, images):
        return [images * number for number in range(1, self.count + 1)]


class Convolution(ImageNetwork):
    """Stands for the network of a generator."""

    def __init__(self, in_channels=1, out_channels=1, size=1):
        super().__init__(in_channels, 1)
        self.layer = nn.Conv2d(in_channels, out_channels, size, padding=size // 2)

    def of_padded(self, padded):
        return self.layer(padded)


class Uniform(ImageNetwork):
    """Stands for the network of a generator: the same values everywhere."""

    def __init__(self, *values):
        super().__init__(1, 1)
        self.values = nn.Parameter(torch.tensor(values)[None, :, None, None])

    def of_padded(self, padded):
        return self.values.expand(len(padded), -1, *padded.shape[2:])


class StandIn(FrameGenerator):
    """Stands for a trained generator: a function of pose map and previous frame."""

    def __init__(self, function, **options):
        super().__init__(Convolution(), **options)
        self.function = function

    def forward(self, pose_map, previous_frame, background=None):
        return Generated(self.function(pose_map, previous_frame))


def brighter():
    """Each frame a tenth brighter than the one before."""
    return StandIn(lambda pose_map, previous_frame: previous_frame + 0.1)


face_config = partial(
    FaceGeneratorConfig,
    **{"pose_channels": STYLE.num_channels, "crop_size": CROP_SIZE, "num_filters": 4},
    **{"num_downsamplings": 1, "num_residual_blocks": 1},
)


def face_networks():
    return FaceNetworks(generator=face_config(), discriminator=DISCRIMINATOR)


translator_config = partial(
    FaceTranslatorConfig,
    **{"crop_size": CROP_SIZE, "num_filters": 4, "num_downsamplings": 1},
    **{"num_residual_blocks": 1, "upsampling": "resize"},
)


def write_generator(path, config, network, *, style=STYLE, split=HELD_OUT, **changes):
    """Write weights as the training of a main generator does; return their path."""
    described = {"generator": config, "pose_map": style, "held_out": split}
    description = {name: asdict(it) for name, it in described.items()} | changes
    write_weights(path, network, description=description)
    return path


def write_translator(path, translator):
    write_weights(path, translator, description={"face_translator": asdict(translator_config())})


_LOSSES = {
    **{"ema_decay": 0.9, "objective": "least_squares", "adversarial_weight": 1.0},
    **{"l1_weight": 20.0, "perceptual_weight": 0.0},
}


gan_config = partial(
    PoseGanConfig,
    **{**_LOSSES, "feature_matching_weight": 10.0, "window_frames": 2, "adam_steps": 1},
    **{"global_only_fraction": 0.0, "foreground_l1_weight": 5.0, "foreground_radius_px": 4},
)


def posed_gan(networks, config, *, on=None, style=STYLE, perceptual=None):
    return PosedGan(
        runtime=on or runtime(),
        networks=networks,
        style=style,
        skeleton=HOLISTIC,
        config=config,
        perceptual=perceptual,
    )


face_gan_config = partial(FaceGanConfig, **_LOSSES, feature_matching_weight=5.0)
cycle_config = partial(
    FaceCycleConfig, ema_decay=0.9, cycle_weight=10.0, identity_weight=5.0, pool_size=4
)


windows_of = partial(WindowDataset, window_frames=2)


def poses_of(batch, time, *, size=SIZE):
    """Pose maps of one time of a batch of windows."""
    drawer = PoseDrawer(skeleton=HOLISTIC, style=STYLE)
    return drawer.draw(batch.points[:, time], batch.score[:, time], size=size)


schedule = partial(
    Schedule,
    **{"seed": 3, "steps": 5, "max_minutes": None, "batch_size": 2},
    **{"learning_rate": 1e-3, "lr_decay_start": 0.5},
    **{"log_every_steps": 2, "sample_every_steps": 4, "checkpoint_every_steps": 2},
)


def run_of(folder, on=None, **changes):
    return Run(runtime=on or runtime(), schedule=schedule(**changes), paths=paths(folder))


def target_of(clips, *, held_out=HELD_OUT, num_references=6):
    """A target of these clips; its appearance lies beside the first one's frames, fitted once."""
    names = "".join(str(clip.frames) for clip in clips)
    number = crc32(f"{names}{num_references}".encode())
    file = clips[0].frames.with_name(f"appearance_{number}.safetensors")
    if not file.exists():
        with FullSizeFrames(clips) as frames:
            references = choose_references(frames, count=num_references)
            appearance = target_appearance(frames, median_background(frames), references)
        write_appearance(file, appearance)
    return Target(
        clips=clips, held_out=held_out, appearance=read_appearance(file), appearance_file=file
    )


def paths(folder):
    return RunPaths(
        checkpoints=folder / "checkpoints",
        models=folder / "models",
        logs=folder / "logs",
        # beside the folder, whose bytes are compared: a kill is counted
        counts=folder.with_name(f"{folder.name}_counts.json"),
        times=folder.with_name(f"{folder.name}_times.json"),
    )


def faceless(keypoints, frames):
    """Hide one eye in these frames."""
    eye = keypoints.skeleton.index("left_eye")
    keypoints.score[frames, eye], keypoints.points[frames, eye] = 0, 0
    return keypoints


def stop_at_step(monkeypatch, task, number):
    """Make the step of this number, of all that are taken from now on, fail; list the steps."""
    whole_step, taken = task.step, []

    def step(self, batch, *, step, learning_rate):
        taken.append(step)
        if len(taken) == number + 1:
            raise RuntimeError("the machine went down")
        return whole_step(self, batch, step=step, learning_rate=learning_rate)

    monkeypatch.setattr(task, "step", step)
    return taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers(TensorBatch):
    numbers: torch.Tensor


class NumbersDataset:
    """The numbers 0 to 6."""

    def __len__(self):
        return 7

    def batch(self, indices):
        return Numbers(numbers=torch.tensor(list(indices)))


class CountingTask(AdamTask):
    """Each step: value = 0.9 * value + sum of the batch + learning rate."""

    description = "count"

    def __init__(self, *, fail_at=None, nan_at=None, stop_at=None, stop_by="SIGKILL"):
        self.value = torch.tensor(0.0, dtype=torch.float64)
        self.fail_at, self.nan_at, self.stop_at, self.stop_by = fail_at, nan_at, stop_at, stop_by
        self.seen = []

    def step(self, batch, *, step, learning_rate):
        batch = batch.numbers.tolist()
        if step == self.fail_at:
            raise RuntimeError("the machine went down")
        if step == self.stop_at:
            os.kill(os.getpid(), signal.Signals[self.stop_by])
        self.seen.append((step, tuple(batch), learning_rate))
        self.value = 0.9 * self.value + sum(batch) + learning_rate
        l1 = torch.tensor(torch.nan) if step == self.nan_at else self.value.float()
        return {"generator/l1": l1, "generator/other": torch.tensor(float(step))}

    def state(self):
        return {"value": self.value}

    def load_state(self, state):
        self.value = state["value"]

    def sample(self, dataset):
        """An image whose level is the number of steps that the task has taken."""
        return np.full((4, 4, 3), len(self.seen), np.uint8)


COUNTING = {
    **{"seed": 1, "steps": 11, "learning_rate": 0.5},
    **{"log_every_steps": 3, "sample_every_steps": 5, "checkpoint_every_steps": 4},
}


def count(task, folder, *, on=None, **changes):
    run = run_of(folder / "outs", on, **{**COUNTING, **changes})
    task.runtime = run.runtime
    return fit(task, NumbersDataset(), run, folder)
