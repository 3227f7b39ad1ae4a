"""Weights and what describes them survive the disk; anything else is refused."""

import json
from dataclasses import asdict

import pytest
import torch
from torch import nn

from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.models.faces import FaceGenerator, FaceTranslator
from motiontransfer.models.generators import build_generator
from motiontransfer.training.clips import HeldOut
from motiontransfer.training.weights import (
    load_weights,
    read_description,
    read_face_generator,
    read_face_translator,
    read_generator,
    write_no_weights,
    write_tensors,
    write_weights,
)
from tests.dancer import SIZE
from tests.training.small import CROP_SIZE, STYLE, face_config, generator_config, translator_config

HELD_OUT = HeldOut(held_out_fraction=0.25, gap_frames=2)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "models/net.safetensors"
    write_weights(path, nn.BatchNorm1d(3), description={"size": (4, 5), "note": None})
    return path


def test_parameters_and_buffers_come_back(file):
    saved, loaded = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    nn.init.normal_(saved.weight)
    saved.running_mean.fill_(7)
    write_weights(file, saved, description={})
    load_weights(file, loaded)
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert loaded.running_mean.tolist() == [7, 7, 7]


def test_the_same_weights_are_the_same_bytes(file):
    before = file.read_bytes()
    for _ in range(8):
        write_weights(file, nn.BatchNorm1d(3), description={"note": None, "size": (4, 5)})
        assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_another_format_version_is_refused(file):
    write_tensors(file, {"a": torch.zeros(1)}, description={"format_version": 2})
    with pytest.raises(WeightsError, match="expected weights format 1, got 2"):
        read_description(file)


def test_weights_of_another_shape_are_refused_in_one_line(file):
    with pytest.raises(
        WeightsError, match=r"net\.safetensors: does not fit .*size mismatch"
    ) as info:
        load_weights(file, nn.BatchNorm1d(4))
    assert "\n" not in str(info.value)
    with pytest.raises(WeightsError, match=r"Missing key.*running_mean"):
        load_weights(file, nn.Sequential(nn.BatchNorm1d(3)))


def test_the_description_is_readable_by_others(file):
    """A JSON header of safetensors: 8 bytes of length, then text."""
    raw = file.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    content = json.loads(header["__metadata__"]["motiontransfer"])
    assert content["description"] == read_description(file) == {"size": [4, 5], "note": None}


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


@pytest.mark.parametrize(
    ("network_class", "shape", "name", "read", "channels"),
    [
        (FaceGenerator, face_config(), "generator", read_face_generator, (STYLE.num_channels, 3)),
        (FaceTranslator, translator_config(), "translator", read_face_translator, (3,)),
    ],
)
def test_a_face_network_comes_back(tmp_path, network_class, shape, name, read, channels):
    network, path = network_class(shape), tmp_path / "f.safetensors"
    write_weights(path, network, description={f"face_{name}": asdict(shape)})
    trained, config = read(path)
    assert config == shape
    inputs = [torch.rand(1, count, CROP_SIZE, CROP_SIZE) for count in channels]
    assert torch.equal(trained(*inputs), network(*inputs))
    assert not trained(*inputs).requires_grad
    assert not trained.training


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (read_generator, "generator"),
        (read_face_generator, "face_generator"),
        (read_face_translator, "face_translator"),
    ],
)
def test_missing_and_other_weights_are_refused(tmp_path, read, what):
    path = tmp_path / "face_cycle.safetensors"
    with pytest.raises(MissingFileError, match=r"cycle\.safetensors: no such weights file; `dvc"):
        read(path)
    write_weights(path, nn.Linear(1, 1), description={"a": {}})
    text = rf"face_cycle\.safetensors: expected weights that describe a {what}, got \['a'\]"
    with pytest.raises(WeightsError, match=text):
        read(path)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"generator": {"architecture": "huge"}},
            r"its description of the generator was not written by",
        ),
        ({"generator": asdict(generator_config(num_filters=10**6))}, "does not fit"),
        (
            {"generator": {**asdict(generator_config()), "num_residual_blocks": 10**9}},
            r"num_residual_blocks Input should be less than or equal to 64",
        ),
        ({"held_out": "much"}, r"its description of the held_out was not written by"),
        ({"generator": asdict(generator_config(num_filters=5))}, "does not fit"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_in_one_line(tmp_path, changes, text):
    network = build_generator(generator_config(), background_image=torch.zeros(3, *SIZE))
    path = write_generator(tmp_path / "g.safetensors", generator_config(), network, **changes)
    with pytest.raises(WeightsError, match=text) as info:
        read_generator(path)
    assert "\n" not in str(info.value)


def test_networks_that_were_not_trained(tmp_path):
    path = tmp_path / "no.safetensors"
    write_no_weights(path, "face_generator")
    assert read_face_generator(path) is None
    write_no_weights(path, "face_translator")
    text = r"train_face_cycle\.steps to more than 0, or render\.face"
    with pytest.raises(WeightsError, match=text):
        read_face_translator(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_named(file, value):
    network = nn.BatchNorm1d(3)
    network.bias.data[1] = value
    write_weights(file, network, description={})
    with pytest.raises(WeightsError, match=r"net\.safetensors: bias: expected finite numbers"):
        load_weights(file, network)


@pytest.mark.parametrize("content", [{}, {"description": [1]}])
def test_weights_without_a_description_are_refused(file, content):
    write_tensors(file, {"a": torch.zeros(1)}, description={"format_version": 1, **content})
    with pytest.raises(WeightsError, match=r"net\.safetensors: expected a description of the netw"):
        read_description(file)
