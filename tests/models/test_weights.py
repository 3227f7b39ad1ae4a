import math
import shutil
from dataclasses import asdict, replace
from functools import cache, partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from motiontransfer.core.checksums import array_checksum, checked_text
from motiontransfer.core.errors import MissingFileError, WeightsError
from motiontransfer.core.storage import sha256_of
from motiontransfer.core.tensor_files import ARRAYS_KEY, read_description
from motiontransfer.models.choices import HAS_IMAGE
from motiontransfer.models.faces import FaceGenerator, FaceTranslator
from motiontransfer.models.generators import build_generator
from motiontransfer.models.weights import (
    read_face_generator,
    read_face_translator,
    read_generator,
    read_network,
    write_weights,
)
from motiontransfer.plate.target_clips import HeldOut
from motiontransfer.puppet.appearance import pack_appearance
from motiontransfer.puppet.appearance_file import read_appearance, write_appearance
from tests.people import SIZE, dance, lost, puppet_of
from tests.training import small
from tests.training.small import CROP_SIZE, STYLE, face_config, generator_config, translator_config

HELD_OUT = HeldOut(held_out_fraction=0.25, gap_frames=2)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "models/net.safetensors"
    write_weights(path, nn.BatchNorm1d(3), description={"size": 3, "note": None})
    return path


def test_the_same_weights_are_the_same_bytes(file):
    before = file.read_bytes()
    for _ in range(8):
        write_weights(file, nn.BatchNorm1d(3), description={"note": None, "size": 3})
        assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("build", "bias", "named"),
    [
        (lambda _: nn.BatchNorm1d(4), 0, "weight"),
        (lambda _: nn.Sequential(nn.BatchNorm1d(3)), 0, "running_mean"),
        (nn.BatchNorm1d, math.nan, "bias"),
        (nn.BatchNorm1d, math.inf, "bias"),
    ],
)
def test_weights_of_another_shape_or_no_numbers_are_refused_in_one_line(file, build, bias, named):
    network = nn.BatchNorm1d(3)
    network.bias.data[1] = bias
    write_weights(file, network, description={"size": 3})
    with pytest.raises(WeightsError, match=rf"^.*net\.safetensors: .*{named}.*$") as info:
        read_network(file, "size", int, build)
    assert "\n" not in str(info.value)


write_generator = partial(small.write_generator, split=HELD_OUT)


@pytest.mark.parametrize("background", HAS_IMAGE)
@pytest.mark.parametrize("architecture", ["fast", "global"])
def test_a_generator_comes_back_with_what_it_must_be_fed(tmp_path, background, architecture):
    config = generator_config(background=background, architecture=architecture)
    plate = torch.rand(3, *SIZE) if HAS_IMAGE[background] else None
    network = build_generator(config, background_image=plate)
    trained = read_generator(write_generator(tmp_path / "g.safetensors", config, network))
    assert (trained.config, trained.style, trained.held_out) == (config, STYLE, HELD_OUT)
    inputs = torch.rand(1, STYLE.num_channels, *SIZE), torch.rand(1, 3, *SIZE)
    made = trained.network(*inputs)
    assert torch.equal(made.frame, network(*inputs).frame)
    assert not made.frame.requires_grad
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


def write_raw(path, tensors, content):
    arrays = {name: tensor.float().numpy() for name, tensor in tensors.items()}
    checksums = {name: array_checksum(array) for name, array in arrays.items()}
    save_file(tensors, path, metadata={ARRAYS_KEY: checked_text(content, arrays=checksums)})


def raw(content):
    return lambda path: write_raw(path, {"a": torch.zeros(1)}, content)


def described(**changes):
    """A generator that is described as another."""
    network = build_generator(generator_config(), background_image=torch.zeros(3, *SIZE))
    return lambda path: write_generator(path, generator_config(), network, **changes)


@cache
def packed():
    return pack_appearance(puppet_of(dance(3), range(3)).appearance)


def forged(tensors=None, **changes):
    """An appearance with other tensors, None for those left out, or another description."""

    def write(path):
        arrays, settings = packed()
        kept = {name: torch.from_numpy(array) for name, array in arrays.items()} | (tensors or {})
        content = {"format_version": 1, "description": {"appearance": asdict(settings) | changes}}
        written = {name: tensor for name, tensor in kept.items() if tensor is not None}
        write_raw(path, written, content)

    return write


def of_face(**changes):
    """A face generator that is described as another."""
    described = {"face_generator": asdict(face_config()) | changes}
    return partial(write_weights, network=nn.Linear(1, 1), description=described)


IMPOSSIBLE_FACES = [("num_filters", 0), ("num_residual_blocks", 10**9), ("crop_size", 10**6)]
OTHER = partial(write_weights, network=nn.Linear(1, 1), description={"a": {}})
READERS = {
    **{"generator": read_generator, "face_generator": read_face_generator},
    **{"face_translator": read_face_translator, "appearance": read_appearance},
}
TALL = {**asdict(generator_config()), "num_residual_blocks": 10**9}


@pytest.mark.parametrize(
    ("write", "read", "named"),
    [
        (raw({"format_version": 2}), read_description, "format 1, got 2"),
        (raw({"format_version": 1}), read_description, "got None"),
        (raw({"format_version": 1, "description": [1]}), read_description, r"got \[1\]"),
        *((OTHER, read, rf"{what}, got \['a'\]") for what, read in READERS.items()),
        (described(generator={"architecture": "huge"}), read_generator, "generator"),
        (described(generator=TALL), read_generator, "num_residual_blocks"),
        (described(held_out="much"), read_generator, "held_out"),
        *(
            (described(generator=asdict(generator_config(num_filters=it))), read_generator, "fit")
            for it in (5, 10**6)
        ),
        (described(generator=asdict(generator_config(size=(10**6,) * 2))), read_generator, "fit"),
        *((of_face(**{key: it}), read_face_generator, key) for key, it in IMPOSSIBLE_FACES),
        *(
            (forged(*tensors, **changes), read_appearance, "its .*not written by mot")
            for tensors, changes in (
                ([{"points": torch.zeros(3, 132, 2, dtype=torch.bfloat16)}], {}),
                ([{"points": torch.zeros(3, 132, 2)}], {}),
                ([{"patch_boxes": None}], {}),
                ([], {"height_px": "tall"}),
                ([], {"groups": None}),
            )
        ),
    ],
)
def test_other_weights_are_refused_in_one_line(tmp_path, write, read, named):
    path = tmp_path / "net.safetensors"
    with pytest.raises(MissingFileError, match=r"net\.safetensors: "):
        read(path)
    write(path)
    with pytest.raises(WeightsError, match=rf"net\.safetensors: .*{named}") as info:
        read(path)
    assert "\n" not in str(info.value)


@pytest.fixture(scope="module")
def puppet():
    """Of three references; its legs were never found."""
    keypoints = dance(3)
    for joint in ("left_knee", "left_ankle", "right_knee", "right_ankle"):
        keypoints = lost(keypoints, joint, range(3))
    return puppet_of(keypoints, range(3))


def drawn(puppet):
    clip = puppet.follow(dance(2, seed=4))
    return np.stack([clip.draw(index, box=(0, 0, *SIZE[::-1])) for index in range(2)])


@pytest.fixture(scope="module")
def with_puppet(tmp_path_factory, puppet):
    """A project with a generator and the appearance that it was trained with; READ ONLY."""
    folder = tmp_path_factory.mktemp("artifacts")
    appearance, path = folder / "ada/appearance.safetensors", folder / "ada/g.safetensors"
    write_appearance(appearance, puppet.appearance)
    config = generator_config(texture="puppet")
    network = build_generator(config, background_image=torch.rand(3, *SIZE))
    write_generator(path, config, network, appearance_sha256=sha256_of(appearance))
    return SimpleNamespace(path=path, appearance=appearance, network=network)


def test_a_generator_comes_back_with_its_puppet(with_puppet, puppet):
    trained = read_generator(with_puppet.path)
    assert np.array_equal(drawn(trained.network.puppet), drawn(puppet))
    for name, tensor in with_puppet.network.state_dict().items():
        assert torch.equal(trained.network.state_dict()[name], tensor)


def test_another_appearance_than_the_one_trained_with_is_refused(with_puppet, puppet, tmp_path):
    path, other = tmp_path / "g.safetensors", tmp_path / "appearance.safetensors"
    shutil.copy(with_puppet.path, path)
    with pytest.raises(MissingFileError, match=r"appearance\.safetensors"):
        read_generator(path)
    write_appearance(other, replace(puppet.appearance, height_px=50.0))
    trained_with, got = (sha256_of(file)[:12] for file in (with_puppet.appearance, other))
    text = rf"appearance\.safetensors: .*g\.safetensors.* {trained_with}, got {got}"
    with pytest.raises(WeightsError, match=text):
        read_generator(path)


def test_a_generator_whose_appearance_is_not_named_is_refused(with_puppet, tmp_path):
    config = generator_config(texture="puppet")
    path = write_generator(tmp_path / "g.safetensors", config, with_puppet.network)
    shutil.copy(with_puppet.appearance, tmp_path)
    with pytest.raises(WeightsError, match="expected a description of the appearance_sha256, got"):
        read_generator(path)
