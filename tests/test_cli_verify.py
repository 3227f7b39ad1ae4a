"""The command tells signed, altered and unsigned videos apart, in words and in its status."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from motiontransfer.errors import VideoError, WeightsError
from motiontransfer.forensics.model import (
    Calibration,
    DetectorConfig,
    FramePairDetector,
    TrainedDetector,
    write_detector,
)
from tests.command import run_command
from tests.provenance.signing import (
    authority_and_signer,
    signed_video,
    unsigned_video,
    use_certificate,
    with_byte_changed,
)


@dataclass(frozen=True)
class Prediction:
    """Stands in for the detector's."""

    synthesised: float
    interval: tuple[float, float]
    per_second: list[tuple[float, float]]
    frames: int


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def signed():
    return signed_video(Path("v.mp4"))


def verify(monkeypatch, capsys, *arguments):
    """(status, what was printed)."""
    status = run_command(monkeypatch, "verify", *arguments)
    told = capsys.readouterr()
    return status, told.out + told.err


def with_detector(monkeypatch, prediction, weights="artifacts/forensics/detector.safetensors"):
    """Put a detector where the command looks for it; return what it is asked."""
    asked = []
    module = ModuleType("motiontransfer.forensics.predict")
    module.predict_video = lambda path, weights: asked.append((path, weights)) or prediction
    monkeypatch.setitem(sys.modules, module.__name__, module)
    Path(weights).parent.mkdir(parents=True, exist_ok=True)
    Path(weights).touch()
    return asked


def test_a_signed_video_is_told_with_its_signer_and_hashes(signed, monkeypatch, capsys):
    status, told = verify(monkeypatch, capsys, signed)
    assert status == 0
    assert "content   unaltered since it was signed\n" in told
    assert "AI-generated (trainedAlgorithmicMedia)" in told
    assert "written by motiontransfer 0.1.0" in told
    assert "by this machine's self-signed certificate: nobody else vouches" in told
    for word, letter in (("weights", "a"), ("frames", "b"), ("keypoints", "c")):
        assert f"{word} SHA-256 {letter * 64}\n" in told
    assert "detector  no opinion: there is none here" in told


def test_another_machines_certificate_is_told_as_one_that_nobody_vouches_for(
    signed, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    status, told = verify(monkeypatch, capsys, signed)
    assert status == 0
    assert "by some machine's self-signed certificate: nobody vouches for it" in told


def test_with_trust_only_the_named_authorities_count(signed, tmp_path, monkeypatch, capsys):
    key = Ed25519PrivateKey.generate()
    authority, chain = authority_and_signer(key)
    stranger, _ = authority_and_signer(key)
    Path("ca.pem").write_bytes(authority)
    Path("stranger.pem").write_bytes(stranger)
    own = verify(monkeypatch, capsys, signed, "--trust", "ca.pem")
    assert own[0] == 3
    use_certificate(monkeypatch, tmp_path, key, chain)
    video = signed_video(Path("studio.mp4"))
    assert verify(monkeypatch, capsys, video)[0] == 0
    status, told = verify(monkeypatch, capsys, video, "--trust", "stranger.pem")
    assert status == 3
    assert "unaltered since it was signed" in told
    assert "by Example Studio, it says; no authority that you trust vouches for it" in told
    status, told = verify(monkeypatch, capsys, video, "--trust", "ca.pem")
    assert status == 0
    assert "by Example Studio; an authority that you trust issued the certificate" in told


def test_a_changed_byte_is_told_plainly(signed, monkeypatch, capsys):
    changed = with_byte_changed(signed, signed.stat().st_size - 20)
    status, told = verify(monkeypatch, capsys, changed)
    assert status == 3
    assert "content   ALTERED since it was signed" in told
    assert "pictures, sound or index are not those that were signed" in told
    assert "unaltered" not in told


def test_an_unsigned_video_is_told_as_such_and_accused_of_nothing(monkeypatch, capsys):
    status, told = verify(monkeypatch, capsys, unsigned_video(Path("u.mp4")))
    assert status == 4
    assert "origin    unknown: there is no C2PA manifest in it\n" in told
    assert "proves nothing" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.mp4"], "ERROR: none.mp4: no such file"),
        (["v.mp4", "--trust", "none.pem"], "ERROR: none.pem: no such file; expected certificates"),
        (["v.mp4", "--detector", "none"], "ERROR: none: no such weights file; expected a forens"),
    ],
)
def test_faults_are_told_in_one_line(arguments, message, signed, monkeypatch, capsys):
    status, told = verify(monkeypatch, capsys, *arguments)
    assert status == 1
    assert told.startswith(message)
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((0.9, 0.99), "synthesised"), ((0.01, 0.2), "real"), ((0.4, 0.8), "undecided")],
)
def test_a_detectors_opinion_is_told_with_how_sure_it_is(
    interval, verdict, signed, monkeypatch, capsys
):
    prediction = Prediction(
        synthesised=0.75, interval=interval, per_second=[(0.0, 0.5), (1.0, 1.0)], frames=31
    )
    asked = with_detector(monkeypatch, prediction)
    status, told = verify(monkeypatch, capsys, signed)
    assert status == 0
    assert asked == [(Path("v.mp4"), Path("artifacts/forensics/detector.safetensors"))]
    low, high = interval
    assert f"detector  {verdict}: probability 0.75 that it was synthesised" in told
    assert f"95 % interval over its seconds {low:.2f} to {high:.2f}, 31 frames" in told
    bars = {line.split()[0]: line.count("█") for line in told.splitlines() if " s  " in line}
    assert bars == {"0.0": 10, "1.0": 20}


def test_a_detector_can_be_named_and_changes_no_status(signed, monkeypatch, capsys):
    prediction = Prediction(synthesised=0.9, interval=(0.8, 1.0), per_second=[], frames=8)
    asked = with_detector(monkeypatch, prediction, "mine.safetensors")
    assert "detector  no opinion: there is none here" in verify(monkeypatch, capsys, signed)[1]
    assert not asked
    unsigned = unsigned_video(Path("u.mp4"))
    status, told = verify(monkeypatch, capsys, unsigned, "--detector", "mine.safetensors")
    assert status == 4
    assert "synthesised: probability 0.90" in told
    assert asked == [(Path("u.mp4"), Path("mine.safetensors"))]


@pytest.mark.parametrize("kind", [VideoError, WeightsError])
def test_a_detector_that_cannot_say_does_not_hide_what_the_manifest_says(
    kind, signed, monkeypatch, capsys
):
    with_detector(monkeypatch, None)

    def predict_video(path, weights):
        raise kind("v.mp4: nothing moves in it")

    monkeypatch.setattr(
        sys.modules["motiontransfer.forensics.predict"], "predict_video", predict_video
    )
    status, told = verify(monkeypatch, capsys, signed)
    assert status == 0
    assert "unaltered since it was signed" in told
    assert "detector  no opinion: v.mp4: nothing moves in it\n" in told
    content = json.loads(verify(monkeypatch, capsys, signed, "--json")[1])
    assert content["detector"] is None
    assert content["no_opinion"] == "v.mp4: nothing moves in it"


def test_the_real_detector_is_asked(signed, monkeypatch, capsys):
    """Untrained: what it says is nothing, but how it is asked and told is all there."""
    torch.manual_seed(0)
    config = DetectorConfig(input_frames=2, num_filters=4, num_downsamplings=2)
    detector = TrainedDetector(
        network=FramePairDetector(config),
        config=config,
        calibration=Calibration(slope=0.0, offset=0.0),
        max_height=48,
    )
    write_detector(Path("d.safetensors"), detector, trained_on={})
    status, told = verify(monkeypatch, capsys, signed, "--detector", "d.safetensors")
    assert status == 0
    assert "detector  undecided: probability 0.50 that it was synthesised" in told
    assert "interval over its seconds 0.00 to 1.00, 8 frames" in told  # of one second only
    assert "     0.0 s  0.50  ██████████\n" in told


def test_programs_get_json(signed, monkeypatch, capsys):
    prediction = Prediction(synthesised=0.9, interval=(0.8, 1.0), per_second=[(0.0, 0.9)], frames=8)
    with_detector(monkeypatch, prediction)
    status, told = verify(monkeypatch, capsys, signed, "--json")
    content = json.loads(told)
    assert status == 0
    assert content["video"] == "v.mp4"
    assert content["provenance"]["integrity"] == "unaltered"
    assert content["provenance"]["signer"]["standing"] == "own"
    assert content["no_opinion"] is None
    assert content["detector"] == {
        "synthesised": 0.9,
        "interval": [0.8, 1.0],
        "per_second": [[0.0, 0.9]],
        "frames": 8,
    }
    assert verify(monkeypatch, capsys, unsigned_video(Path("u.mp4")), "--json")[0] == 4
