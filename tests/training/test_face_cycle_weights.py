"""A translator's weights come back, or say that there are none."""

import pytest
import torch

from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.models.faces import FaceTranslator
from motiontransfer.training.weights import (
    read_face_translator,
    write_face_translator,
    write_no_face_translator,
    write_weights,
)
from tests.training.small_cycle import CROP_SIZE, translator_config


def test_a_translator_comes_back(tmp_path):
    torch.manual_seed(0)
    translator = FaceTranslator(translator_config())
    write_face_translator(tmp_path, translator, translator_config())
    read, config = read_face_translator(tmp_path)
    assert config == translator_config()
    faces = torch.zeros(1, 3, CROP_SIZE, CROP_SIZE)
    assert torch.equal(read(faces), translator(faces))
    assert not any(parameter.requires_grad for parameter in read.parameters())


def test_where_none_was_trained_the_reader_says_what_to_do(tmp_path):
    write_no_face_translator(tmp_path)
    with pytest.raises(
        WeightsError, match=r"train_face_cycle\.steps to more than 0, or render\.face"
    ):
        read_face_translator(tmp_path)


def test_a_missing_file_and_other_weights_are_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"face_cycle\.safetensors: no such"):
        read_face_translator(tmp_path)
    write_weights(tmp_path / "face_cycle.safetensors", torch.nn.Linear(1, 1), description={"a": 1})
    with pytest.raises(WeightsError, match=r"describe a face_translator, got \['a'\]"):
        read_face_translator(tmp_path)
