import pytest

from motiontransfer.forensics.model import write_detector
from tests.forensics.planted import clip_pairs, train


@pytest.fixture(scope="session")
def detector(tmp_path_factory):
    """Trained on four drawn people, calibrated on a fifth."""
    folder = tmp_path_factory.mktemp("detector")
    training = [pair for seed in range(4) for pair in clip_pairs(folder, f"p{seed}", seed=seed)]
    calibration = clip_pairs(folder, "another", seed=50)
    return train(training, calibration, folder / "run", steps=35)[0]


@pytest.fixture(scope="session")
def weights(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "detector.safetensors"
    write_detector(path, detector, trained_on={"subjects": ["drawn"]})
    return path
