"""Which networks are opened: those that are asked for, and no others."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from motiontransfer.evaluation import networks
from motiontransfer.evaluation.networks import NetworkParams, open_networks


def _distance(first, second):
    return 0.0


def _features(picture):
    return np.zeros(2, np.float32)


@pytest.fixture
def opened(monkeypatch):
    """What would be opened, instead of opening it."""
    asked = {}

    def open_distance(name, file, *, option):
        asked[name] = (file, option)
        return _distance

    def open_inception(file, *, option):
        asked["inception"] = (file, option)
        return _features

    monkeypatch.setattr(networks, "open_distance", open_distance)
    monkeypatch.setattr(networks, "open_inception", open_inception)
    return asked


def test_nothing_is_opened_unless_asked_for_and_each_has_its_reason(opened):
    found = open_networks(NetworkParams(), option="evaluate.{}_weights")
    assert not opened
    assert not found.distances
    assert found.features is None
    inception = "no weights of Inception were asked for: evaluate.inception_weights is none"
    assert found.skipped == {
        "lpips": "no weights of AlexNet were asked for: evaluate.lpips_weights is none",
        "dists": "no weights of VGG16 were asked for: evaluate.dists_weights is none",
        "fid": inception,
        "kid": inception,
    }


def test_published_weights_and_files_are_opened_and_no_longer_skipped(opened):
    asked = NetworkParams(dists_weights="published", inception_weights=Path("own.pth"))
    found = open_networks(asked, option="--{}-weights")
    assert opened == {
        "dists": (None, "--dists-weights"),
        "inception": (Path("own.pth"), "--inception-weights"),
    }
    assert found.distances == {"dists": _distance}
    assert found.features is _features
    assert set(found.skipped) == {"lpips"}


def test_a_file_may_be_called_as_it_likes(opened):
    """Only the two words are not files."""
    asked = NetworkParams.model_validate({"lpips_weights": "publishd", "dists_weights": "none"})
    open_networks(asked, option="{}")
    assert opened == {"lpips": (Path("publishd"), "lpips")}
    with pytest.raises(ValidationError):
        NetworkParams.model_validate({"fid_weights": "none"})
