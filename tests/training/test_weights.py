"""Weights and what describes them survive the disk; anything else is refused."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.models.faces import FaceGenerator, FaceTranslator
from motiontransfer.models.generators import build_generator
from motiontransfer.puppet.appearance import pack_appearance
from motiontransfer.puppet.warping import Puppet
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.target_clips import HeldOut
from motiontransfer.training.weights import (
    read_appearance,
    read_description,
    read_face_generator,
    read_face_translator,
    read_generator,
    read_network,
    write_appearance,
    write_no_weights,
    write_tensors,
    write_weights,
)
from tests.people import SIZE, dance, puppet_of
from tests.training.small import CROP_SIZE, STYLE, face_config, generator_config, translator_config

HELD_OUT = HeldOut(held_out_fraction=0.25, gap_frames=2)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "models/net.safetensors"
    write_weights(path, nn.BatchNorm1d(3), description={"size": 3, "note": None})
    return path


def test_parameters_and_buffers_come_back(file):
    saved = nn.BatchNorm1d(3)
    nn.init.normal_(saved.weight)
    saved.running_mean.fill_(7)
    write_weights(file, saved, description={"size": 3})
    loaded, _ = read_network(file, "size", int, nn.BatchNorm1d)
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert loaded.running_mean.tolist() == [7, 7, 7]


def test_the_same_weights_are_the_same_bytes(file):
    before = file.read_bytes()
    for _ in range(8):
        write_weights(file, nn.BatchNorm1d(3), description={"note": None, "size": 3})
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
        read_network(file, "size", int, lambda _: nn.BatchNorm1d(4))
    assert "\n" not in str(info.value)
    with pytest.raises(WeightsError, match=r"Missing key.*running_mean"):
        read_network(file, "size", int, lambda _: nn.Sequential(nn.BatchNorm1d(3)))


def test_the_description_is_readable_by_others(file):
    """A JSON header of safetensors: 8 bytes of length, then text."""
    raw = file.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    content = json.loads(header["__metadata__"]["motiontransfer"])
    assert content["description"] == read_description(file) == {"size": 3, "note": None}


def write_generator(path, config, network, *, appearance=None, **changes):
    description = {
        **{"generator": asdict(config), "pose_map": asdict(STYLE), "held_out": asdict(HELD_OUT)}
    }
    write_weights(path, network, description={**description, **changes}, appearance=appearance)
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
    assert all(map(torch.equal, made, network(*inputs)))
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
    text = rf"face_cycle\.safetensors: expected a description of the {what}, got \['a'\]"
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
    write_weights(file, network, description={"size": 3})
    with pytest.raises(WeightsError, match=r"net\.safetensors: bias: expected finite numbers"):
        read_network(file, "size", int, nn.BatchNorm1d)


@pytest.mark.parametrize("content", [{}, {"description": [1]}])
def test_weights_without_a_description_are_refused(file, content):
    write_tensors(file, {"a": torch.zeros(1)}, description={"format_version": 1, **content})
    with pytest.raises(WeightsError, match=r"net\.safetensors: expected a description of the netw"):
        read_description(file)


@pytest.fixture(scope="module")
def puppet():
    """Of three references; its legs were never found."""
    keypoints = dance(3)
    for side in ("left", "right"):
        for joint in ("knee", "ankle"):
            where = HOLISTIC.index(f"{side}_{joint}")
            keypoints.points[:, where], keypoints.score[:, where] = 0, 0
    return puppet_of(keypoints, range(3))


def drawn(puppet):
    """It dances."""
    keypoints = dance(6, seed=4)
    clip = puppet.follow(keypoints.points, keypoints.score, skeleton=keypoints.skeleton)
    return np.stack([clip.draw(index, box=(0, 0, *SIZE[::-1])) for index in range(6)])


def test_an_appearance_comes_back(tmp_path, puppet):
    path = tmp_path / "appearance/ada.safetensors"
    write_appearance(path, puppet.appearance)
    read = read_appearance(path)
    assert np.isnan(read.full_lengths).any()
    assert np.array_equal(read.background, puppet.appearance.background)
    assert np.array_equal(read.frames, puppet.appearance.frames)
    before = drawn(puppet)
    assert before.any()
    assert np.array_equal(drawn(Puppet(read)), before)


def test_a_generator_comes_back_with_its_puppet(tmp_path, puppet):
    config = generator_config(texture="puppet")
    network = build_generator(config, background_image=torch.rand(3, *SIZE), puppet=puppet)
    path = write_generator(
        tmp_path / "g.safetensors", config, network, appearance=puppet.appearance
    )
    trained = read_generator(path)
    assert np.array_equal(drawn(trained.network.puppet), drawn(puppet))
    for name, tensor in network.state_dict().items():
        assert torch.equal(trained.network.state_dict()[name], tensor)


def test_a_generator_whose_puppet_is_lost_is_refused(tmp_path, puppet):
    config = generator_config(texture="puppet")
    network = build_generator(config, background_image=torch.rand(3, *SIZE), puppet=puppet)
    path = write_generator(tmp_path / "g.safetensors", config, network)
    with pytest.raises(WeightsError, match="expected a description of the appearance, got"):
        read_generator(path)


def changed(name, value, *where):
    """Another value at a place of an array."""

    def change(arrays, described):
        arrays[name] = arrays[name].clone()
        arrays[name][where] = value

    return change


def of_type(name, dtype):
    return lambda arrays, described: arrays.update({name: arrays[name].to(dtype)})


def cut(name, *where):
    return lambda arrays, described: arrays.update({name: arrays[name][where].contiguous()})


def without(name):
    return lambda arrays, described: arrays.pop(name)


def flat(name):
    return lambda arrays, described: arrays.update({name: arrays[name].reshape(-1)})


def described_as(**values):
    return lambda arrays, described: described.update(values)


def without_joint(joint):
    """Named otherwise, with the same number of joints."""

    def change(arrays, described):
        described["groups"] = [
            [group, ["other" if it == joint else it for it in joints]]
            for group, joints in described["groups"]
        ]

    return change


ARRAYS = (
    *("points", "score", "frames", "full_lengths"),
    *("patch_boxes", "patch_pixels", "background"),
)
FORGED = {
    **{f"no {name}": without(name) for name in ARRAYS},
    **{f"{name} of bfloat16": of_type(name, torch.bfloat16) for name in ARRAYS},
    **{f"{name} of float16": of_type(name, torch.float16) for name in ARRAYS},
    **{f"{name} less a row": cut(name, slice(1, None)) for name in ARRAYS if name != "background"},
    **{
        f"{name} is a number": cut(name, *[0] * ndim)
        for name, ndim in zip(ARRAYS, (3, 2, 2, 1, 3, 1, 3), strict=True)
    },
    **{f"{name} is flat": flat(name) for name in (*ARRAYS[:3], "patch_boxes", "background")},
    "a grey background": cut("background", ..., slice(0, 1)),
    "a background that holds no patch": cut("background", slice(0, 9)),
    "a negative corner": changed("patch_boxes", -1, 0, 7, 0),
    "a negative height": changed("patch_boxes", -1, 0, 7, 2),
    "both sides negative": changed("patch_boxes", -5, 0, 7, slice(2, 4)),
    "a corner beyond the image": changed("patch_boxes", SIZE[1], 0, 7, 0),
    "a large corner": changed("patch_boxes", 2**31 - 1, 0, 7, slice(0, 2)),
    "a wide patch": changed("patch_boxes", 2**31 - 1, 0, 7, slice(2, 4)),
    "a patch of other height": changed("patch_boxes", 1, 0, 7, 2),
    "NaN points": changed("points", math.nan, 1, 4, 0),
    "infinite points": changed("points", math.inf, 1, 4, 0),
    "NaN score": changed("score", math.nan, 1, 4),
    "a reference without a body": changed("score", 0.0, 1),
    "a length of 0": changed("full_lengths", 0.0, 1),
    "a negative length": changed("full_lengths", -1.0, 1),
    "an infinite length": changed("full_lengths", math.inf, 1),
    "no lengths": changed("full_lengths", math.nan),
    "no references": lambda arrays, _: arrays.update(
        {name: arrays[name][:0] for name in ("points", "score", "frames", "patch_boxes")}
        | {"patch_pixels": arrays["patch_pixels"][:0]}
    ),
    "no height": described_as(height_px=0.0),
    "NaN height": described_as(height_px=math.nan),
    "infinite height": described_as(height_px=math.inf),
    "a tall one": described_as(height_px="tall"),
    "no joints": described_as(groups=[]),
    "no groups": described_as(groups=None),
    "joints named twice": described_as(groups=[["body", ["nose"] * 132]]),
    "no nose": without_joint("nose"),
    "no ear": without_joint("left_ear"),
    "no chin": without_joint("face_chin"),
    "no finger": without_joint("left_hand_index_tip"),
    "no hip": without_joint("right_hip"),
    "a hand of other joints": lambda _, described: described["groups"][1].__setitem__(
        1, [f"x{index}" for index in range(21)]
    ),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_appearance_is_refused_in_one_line(tmp_path, puppet, forged):
    path = tmp_path / "ada.safetensors"
    arrays, packed = pack_appearance(puppet.appearance)
    arrays = {name: torch.from_numpy(array) for name, array in arrays.items()}
    described = json.loads(json.dumps(asdict(packed)))
    FORGED[forged](arrays, described)
    tensors = {f"appearance.{name}": tensor for name, tensor in arrays.items()}
    content = {"format_version": 1, "description": {"appearance": described}}
    write_tensors(path, tensors, description=content)
    with pytest.raises(WeightsError, match=r"ada\.safetensors: its .*not written by mot") as info:
        read_appearance(path)
    assert "\n" not in str(info.value)


def test_weights_without_an_appearance_and_a_missing_file_are_refused(file):
    with pytest.raises(WeightsError, match="expected a description of the appearance, got"):
        read_appearance(file)
    with pytest.raises(MissingFileError, match=r"none\.safetensors: no such weights file"):
        read_appearance(file.parent / "none.safetensors")
