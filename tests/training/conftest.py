"""Clips that many tests train on; READ ONLY."""

from dataclasses import replace
from fractions import Fraction

import pytest

from tests.films import training_clip
from tests.people import dance, puppet_of
from tests.training.small import faceless


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """Eight frames of a dancer, two a second."""
    keypoints = replace(dance(8), frame_rate=Fraction(2))
    return training_clip(tmp_path_factory.mktemp("clip"), keypoints)


@pytest.fixture(scope="session")
def puppet(clip):
    """What the clip's frames show."""
    return puppet_of(clip.keypoints, range(8))


@pytest.fixture(scope="session")
def face_clips(tmp_path_factory):
    """Six frames, of which four are trained on and the second shows no face; three frames."""
    root = tmp_path_factory.mktemp("face_clips")
    return [
        training_clip(root / "a", faceless(dance(6), [1]), training_frames=range(4)),
        training_clip(root / "b", dance(3, seed=5)),
    ]


@pytest.fixture(scope="session")
def people(tmp_path_factory):
    """Clips of the source, and of the target, whose last two frames are held out."""
    root = tmp_path_factory.mktemp("people")
    source = training_clip(root / "source", dance(5, seed=5, start_x=12))
    return [source], [training_clip(root / "target", dance(9), training_frames=range(7))]
