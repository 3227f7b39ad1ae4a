"""`motiontransfer verify`: exit status, table and JSON for signed, altered and unsigned videos."""

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from motiontransfer.errors import VideoError, WeightsError
from motiontransfer.forensics.evaluation import Prediction
from tests.command import run_command
from tests.provenance.signing import (
    authority_and_signer,
    signed_video,
    unsigned_video,
    use_certificate,
    with_byte_changed,
)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def verify(monkeypatch, capsys):
    """Run the command; return its status and output."""

    def run(*arguments):
        status = run_command(monkeypatch, "verify", *arguments)
        output = capsys.readouterr()
        return status, output.out + output.err

    return run


@pytest.fixture
def signed():
    return signed_video(Path("v.mp4"))


def with_detector(monkeypatch, predict, weights="artifacts/forensics/detector.safetensors"):
    """Put a detector where the command expects it."""
    monkeypatch.setattr("motiontransfer.forensics.evaluation.predict_video", predict)
    Path(weights).parent.mkdir(parents=True, exist_ok=True)
    Path(weights).touch()


def test_a_signed_video_has_status_0_and_an_altered_one_3(signed, verify):
    status, output = verify(signed)
    assert status == 0
    assert "content   unaltered since it was signed\n" in output
    assert "detector  no opinion: there is none here" in output
    status, output = verify(with_byte_changed(signed, signed.stat().st_size - 20))
    assert status == 3
    assert "content   ALTERED since it was signed" in output


def test_a_video_that_kills_its_reader_is_one_line(signed, monkeypatch, verify):
    monkeypatch.setattr("motiontransfer.provenance.verification._report_text", kill)
    status, output = verify(signed)
    assert status == 1
    assert "v.mp4: decoding it was killed" in output


def kill(*_):
    if multiprocessing.parent_process() is not None:  # not pytest itself
        os.kill(os.getpid(), signal.SIGKILL)


def test_with_trust_only_the_named_authorities_count(signed, tmp_path, monkeypatch, verify):
    key = Ed25519PrivateKey.generate()
    authority, chain = authority_and_signer(key)
    Path("ca.pem").write_bytes(authority)
    assert verify(signed, "--trust", "ca.pem")[0] == 3
    use_certificate(monkeypatch, tmp_path, key, chain)
    assert verify(signed_video(Path("studio.mp4")), "--trust", "ca.pem")[0] == 0


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((0.9, 0.99), "synthesized"), ((0.01, 0.2), "real"), ((0.4, 0.8), "undecided")],
)
def test_the_detectors_opinion_has_an_interval_and_changes_no_status(
    interval, verdict, monkeypatch, verify
):
    def predict(path, weights):
        assert (path, weights) == (Path("u.mp4"), Path("mine.safetensors"))
        scores = [(0.0, 0.5), (1.0, 1.0)]
        return Prediction(synthesized=0.75, interval=interval, per_second=scores, frames=31)

    with_detector(monkeypatch, predict, "mine.safetensors")
    video = unsigned_video(Path("u.mp4"))
    status, output = verify(video, "--detector", "mine.safetensors")
    assert status == 4
    assert "origin    unknown: there is no C2PA manifest in it\n" in output
    low, high = interval
    assert f"detector  {verdict}: probability 0.75 that it was synthesized" in output
    assert f"95 % interval over its seconds {low:.2f} to {high:.2f}, 31 frames" in output
    bars = {line.split()[0]: line.count("█") for line in output.splitlines() if " s  " in line}
    assert bars == {"0.0": 10, "1.0": 20}


@pytest.mark.parametrize("kind", [VideoError, WeightsError])
def test_a_detector_that_fails_does_not_hide_the_manifest(kind, signed, monkeypatch, verify):
    def predict(path, weights):
        raise kind("v.mp4: nothing moves in it")

    with_detector(monkeypatch, predict)
    status, output = verify(signed)
    assert status == 0
    assert "unaltered since it was signed" in output
    assert "detector  no opinion: v.mp4: nothing moves in it\n" in output
    content = json.loads(verify(signed, "--json")[1])
    assert content["detector"] is None
    assert content["no_opinion"] == "v.mp4: nothing moves in it"


def test_json_has_provenance_and_prediction(signed, monkeypatch, verify):
    prediction = {"synthesized": 0.9, "interval": [0.8, 1.0], "per_second": [[0.0, 0.9]]}
    seconds = {"interval": (0.8, 1.0), "per_second": [(0.0, 0.9)], "frames": 8}
    with_detector(monkeypatch, lambda path, weights: Prediction(**{**prediction, **seconds}))
    status, output = verify(signed, "--json")
    content = json.loads(output)
    assert (status, content["video"], content["no_opinion"]) == (0, "v.mp4", None)
    assert content["provenance"]["integrity"] == "unaltered"
    assert content["provenance"]["signer"]["trust"] == "own"
    assert content["detector"] == {**prediction, "frames": 8}
