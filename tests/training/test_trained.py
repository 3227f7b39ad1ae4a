"""A weights file alone is enough to build its network."""

from dataclasses import asdict

import pytest
import torch
from torch import nn

from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.models.faces import FaceGenerator
from motiontransfer.models.generators import build_generator
from motiontransfer.training.clips import HeldOut
from motiontransfer.training.face_gan import write_no_face_generator
from motiontransfer.training.weights import read_face_generator, read_generator, write_weights
from tests.dancer import SIZE
from tests.training.small import STYLE, face_config, generator_config

HELD_OUT = HeldOut(held_out_fraction=0.25, gap_frames=2)


def write_generator(path, config, network, **changes):
    description = {
        **{"generator": asdict(config), "pose_map": asdict(STYLE), "held_out": asdict(HELD_OUT)}
    }
    write_weights(path, network, description={**description, **changes})
    return path


@pytest.mark.parametrize("background", ["plate", "generated"])
@pytest.mark.parametrize("architecture", ["fast", "global"])
def test_a_generator_comes_back_with_what_it_must_be_fed(tmp_path, background, architecture):
    config = generator_config(background=background, architecture=architecture)
    plate = torch.rand(3, *SIZE) if background == "plate" else None
    network = build_generator(config, background_image=plate)
    trained = read_generator(write_generator(tmp_path / "g.safetensors", config, network))
    assert (trained.config, trained.style, trained.held_out) == (config, STYLE, HELD_OUT)
    inputs = torch.rand(1, STYLE.num_channels, *SIZE), torch.rand(1, 3, *SIZE)
    made = trained.network(*inputs)
    assert torch.equal(made, network(*inputs))
    assert not made.requires_grad
    assert not trained.network.training


def test_a_face_generator_comes_back(tmp_path):
    network = FaceGenerator(face_config())
    path = tmp_path / "f.safetensors"
    write_weights(path, network, description={"face_generator": asdict(face_config())})
    trained, config = read_face_generator(path)
    assert config == face_config()
    inputs = torch.rand(1, STYLE.num_channels, 32, 32), torch.rand(1, 3, 32, 32)
    assert torch.equal(trained(*inputs), network(*inputs))
    assert not trained(*inputs).requires_grad
    assert not trained.training


def test_no_face_generator_is_none(tmp_path):
    write_no_face_generator(tmp_path)
    assert read_face_generator(tmp_path / "face_generator.safetensors") is None


@pytest.mark.parametrize("read", [read_generator, read_face_generator])
def test_weights_of_something_else_are_refused(tmp_path, read):
    path = tmp_path / "w.safetensors"
    with pytest.raises(MissingFileError, match=r"w\.safetensors"):
        read(path)
    write_weights(path, nn.Linear(1, 1), description={"discriminator": {}})
    with pytest.raises(
        WeightsError, match=r"w\.safetensors: expected weights that describe a .*gen"
    ):
        read(path)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"generator": {"architecture": "huge"}}, r"its description of the generator is not ours"),
        ({"held_out": "much"}, r"its description of the held_out is not ours"),
        ({"generator": asdict(generator_config(num_filters=5))}, "does not fit"),
    ],
)
def test_a_description_that_does_not_fit_is_told_in_one_line(tmp_path, changes, text):
    network = build_generator(generator_config(), background_image=torch.zeros(3, *SIZE))
    path = write_generator(tmp_path / "g.safetensors", generator_config(), network, **changes)
    with pytest.raises(WeightsError, match=text) as info:
        read_generator(path)
    assert "\n" not in str(info.value)
