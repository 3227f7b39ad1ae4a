"""A detector on disk: weights, with what builds the network and turns its scores into words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from motiontransfer.forensics.calibration import Calibration
from motiontransfer.forensics.network import DetectorConfig, SynthesisDetector
from motiontransfer.training.trained import described
from motiontransfer.training.weights import load_weights, read_description, write_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedDetector:
    """A detector with what it must be fed and how it is understood."""

    network: SynthesisDetector
    config: DetectorConfig
    calibration: Calibration
    max_height: int
    """Height of the highest frames that it was trained on; higher ones are shrunk to it."""


def write_detector(
    path: Path, detector: TrainedDetector, *, trained_on: Mapping[str, object]
) -> None:
    """Write weights and description.

    Args:
        trained_on: what it knows, for people.
    """
    description = {
        "detector": asdict(detector.config),
        "calibration": asdict(detector.calibration),
        "max_height": detector.max_height,
        "trained_on": dict(trained_on),
    }
    write_weights(path, detector.network, description=description)


def read_detector(path: Path) -> TrainedDetector:
    """Build the detector that a weights file describes.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not a weights file.
        WeightsError: its tensors do not fit.
    """
    description = read_description(path)
    config = described(path, description, "detector", DetectorConfig)
    network = SynthesisDetector(config)
    load_weights(path, network)
    return TrainedDetector(
        network=network.eval().requires_grad_(False),
        config=config,
        calibration=described(path, description, "calibration", Calibration),
        max_height=described(path, description, "max_height", int),
    )
