"""One detector for all tests that ask what a trained one says."""

import pytest

from motiontransfer.forensics.model import write_detector
from motiontransfer.forensics.training import train_detector
from tests.forensics.planted import CONFIG, SETTINGS, fabric, schedule, twins


@pytest.fixture(scope="session")
def detector(tmp_path_factory):
    """Trained on four drawn people, calibrated on a fifth."""
    folder = tmp_path_factory.mktemp("detector")
    trained, _ = train_detector(
        [each for seed in range(4) for each in twins(folder, f"person{seed}", seed=seed)],
        twins(folder, "another", seed=50),
        fabric(),
        config=CONFIG,
        settings=SETTINGS,
        schedule=schedule(num_steps=80),
        folder=folder / "run",
    )
    return trained


@pytest.fixture(scope="session")
def weights(detector, tmp_path_factory):
    """The same detector on disk."""
    path = tmp_path_factory.mktemp("weights") / "detector.safetensors"
    write_detector(path, detector, trained_on={"subjects": ["drawn"]})
    return path
