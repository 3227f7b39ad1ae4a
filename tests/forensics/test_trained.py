"""A detector on disk is the detector."""

import pytest
import torch

from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.forensics.evaluation import score_frames
from motiontransfer.forensics.model import read_detector, write_detector
from motiontransfer.training.weights import read_description
from tests.forensics.planted import walk


def test_what_is_read_judges_as_what_was_written(detector, weights):
    read = read_detector(weights)
    assert (read.config, read.calibration) == (detector.config, detector.calibration)
    assert read.max_height == detector.max_height == 64
    frames = walk(9, seed=7)
    one, other = (score_frames(each.network, frames, max_height=64) for each in (detector, read))
    assert one.tolist() == other.tolist()
    assert read_description(weights)["trained_on"] == {"subjects": ["drawn"]}


def test_the_same_detector_gives_the_same_bytes(detector, weights, tmp_path):
    write_detector(tmp_path / "again.safetensors", detector, trained_on={"subjects": ["drawn"]})
    assert (tmp_path / "again.safetensors").read_bytes() == weights.read_bytes()


def test_no_detector_is_told(tmp_path):
    with pytest.raises(MissingFileError, match=r"detector\.safetensors: no such weights file"):
        read_detector(tmp_path / "detector.safetensors")


def test_other_weights_are_told(tmp_path):
    from motiontransfer.training.weights import write_weights

    path = tmp_path / "detector.safetensors"
    write_weights(path, torch.nn.Linear(2, 2), description={"generator": {}})
    with pytest.raises(WeightsError, match=r"expected weights that describe a detector, got"):
        read_detector(path)
