"""Tiny parts of a live session, and a source of given poses."""

from fractions import Fraction
from functools import partial

import numpy as np
import torch
from torch import nn

from motiontransfer.core.tensor_files import write_no_weights
from motiontransfer.live.devices import Source
from motiontransfer.live.motion import SourceMotion
from motiontransfer.live.session import Session
from motiontransfer.models.faces import FaceGenerator
from motiontransfer.models.generators import build_generator
from motiontransfer.models.layers import initialize
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.rendering.frame import LiveGenerator
from motiontransfer.rendering.renderer import make_renderer
from motiontransfer.retargeting.statistics import fit_statistics, write_statistics
from tests.people import SIZE, dance, joined
from tests.training.small import face_config, generator_config, runtime, write_generator
from tests.training.trainings import main_of

fit = partial(fit_statistics, min_score=0.5, cluster_fraction=None, outlier_quantile=0.98)


def joints_of(keypoints):
    return np.concatenate([keypoints.points, keypoints.score[..., None]], axis=2)


def still(num_frames, **how):
    return joined(*[dance(1, **how)] * num_frames)


def statistics_of(keypoints):
    return fit([keypoints])


def motion(*, target=None, mode="body", centering="median", size=SIZE, sides="face_camera"):
    return SourceMotion(
        fit,
        min_score=0.5,
        mode=mode,
        centering=centering,
        unfilmed_sides=sides,
        target=statistics_of(target or dance(30, size=size, start_x=8)),
        skeleton=HOLISTIC,
        image_size=size,
    )


def background_image(size=SIZE):
    return torch.linspace(-1, 1, 3 * size[0] * size[1]).reshape(3, *size)


class Flat(FaceGenerator):
    """The same residual everywhere; remembers what it was shown."""

    def __init__(self, value):
        nn.Module.__init__(self)
        self.value, self.shown = value, []

    def forward(self, pose_crop, face_crop):
        self.shown.append((pose_crop.clone(), face_crop.clone()))
        assert torch.is_inference_mode_enabled()
        return torch.full_like(face_crop, self.value)


def renderer(network=None, face=None, **faces_options):
    """With random weights, which depend on the frame before."""
    if network is None:
        torch.manual_seed(0)
        network = build_generator(generator_config(), background_image=background_image())
        network.apply(initialize)
    faces = None if face is None else (face, face_config(**faces_options))
    return make_renderer(main_of(network.eval()), runtime(), faces)


def write_target(root, name):
    trained, models = renderer().main, root / "artifacts/models" / name
    write_generator(models / "generator.safetensors", trained.config, trained.network)
    write_no_weights(models / "face_generator.safetensors", "face_generator")
    write_statistics(root / f"artifacts/statistics/{name}.json", statistics_of(dance(30)))


def source_of(keypoints, *, rate=25, fails=None):
    """Poses in their own time; then it may fail."""

    def stream():
        for index, joints in enumerate(joints_of(keypoints)):
            people = joints[None][joints[None, :, 2].any(axis=1)]
            yield index / rate, partial(np.copy, people)
        if fails is not None:
            raise fails

    return Source(
        name="poses",
        stream=stream,
        frame_rate=Fraction(rate),
        size=keypoints.image_size,
        has_frames=False,
        skeleton=keypoints.skeleton,
    )


def session_of(source, **options):
    as_they_are = motion(mode="none", centering=None)
    return Session(source, as_they_are, LiveGenerator(renderer()), **{"detect": None, **options})
