"""Weights and what describes them survive the disk; anything else is refused."""

import json

import pytest
import torch
from torch import nn

from motiontransfer.errors import DamagedFileError, MissingFileError, WeightsError
from motiontransfer.training.weights import (
    load_weights,
    read_description,
    write_tensors,
    write_weights,
)


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


def test_the_description_comes_back(file):
    assert read_description(file) == {"size": [4, 5], "note": None}


def test_the_same_weights_are_the_same_bytes(file):
    before = file.read_bytes()
    for _ in range(8):
        write_weights(file, nn.BatchNorm1d(3), description={"note": None, "size": (4, 5)})
        assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_network_without_weights_can_be_written(tmp_path):
    write_weights(tmp_path / "none.safetensors", nn.Module(), description={"what": "nothing"})
    assert read_description(tmp_path / "none.safetensors") == {"what": "nothing"}


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"absent\.safetensors: no such weights file; `dvc"):
        read_description(tmp_path / "absent.safetensors")


def test_a_file_of_another_kind_is_refused(file):
    file.write_bytes(b"PK\x03\x04 a pickled network")
    with pytest.raises(
        DamagedFileError, match=r"net\.safetensors: damaged: not a safetensors file: "
    ):
        read_description(file)


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
    assert content["description"]["size"] == [4, 5]
