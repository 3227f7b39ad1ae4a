import json
import multiprocessing
import os
import re
import signal
from dataclasses import asdict
from pathlib import Path

import pytest

from motiontransfer.core.errors import VideoError, WeightsError
from motiontransfer.evaluation import protocols
from motiontransfer.evaluation.measurements import Measurements, MetricKey
from motiontransfer.forensics.model import Prediction
from tests.command import run_command
from tests.provenance import signing


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def command(monkeypatch, capsys):
    """Run a command; return its status and all that it printed."""

    def run(*arguments):
        status = run_command(monkeypatch, *arguments)
        told = capsys.readouterr()
        return status or 0, told.out + told.err

    return run


@pytest.fixture
def refused(command):
    """Run a command that ends with a fault; return it, one line."""

    def run(*arguments):
        status, told = command(*arguments)
        assert (status, told.count("\n")) == (1, 1)
        assert told.startswith("ERROR: ")
        return told

    return run


def kill(*_, **__):
    assert multiprocessing.parent_process() is not None, "pytest itself"
    os.kill(os.getpid(), signal.SIGKILL)


# score


@pytest.fixture
def scored(monkeypatch):
    """Videos are not looked at: each has the SSIM that is asked for, by its name."""

    def score(videos, truth, *, compute, lpips):
        found = {}
        for name in videos:
            ssim = (0.5 + 0.1 * len(name), (0.1, 0.9))
            found[MetricKey("ssim", "person", name, "truth")] = ssim
        for name, flicker in {**dict.fromkeys(videos, 2.0), "truth": 1.0}.items():
            found[MetricKey("background_flicker", "", name, "temporal")] = (flicker, None)
        return Measurements.from_values(found)

    monkeypatch.setattr(protocols, "score_videos", score)


def test_scores_stand_beside_each_other_with_intervals(scored, command):
    status, told = command("score", "a.mp4", "bc.mp4", "--truth", "t.mp4")
    assert status == 0
    header, ssim, flicker = told.splitlines()
    assert header.split() == ["a", "bc", "truth"]
    assert ssim.split("  ")[0] == "person ssim"
    assert ssim.index("0.6 (0.1 to 0.9)") < ssim.index("0.7 (0.1 to 0.9)")
    assert flicker.split() == ["background", "flicker", "2", "2", "1"]
    told = json.loads(command("score", "a.mp4", "--truth", "t.mp4", "--json")[1])
    assert told["metrics"]["truth"]["a"]["person"]["ssim"] == 0.6
    assert told["intervals"]["truth"]["a"]["person"]["ssim"] == [0.1, 0.9]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("one/a.mkv",), "got a, a"),  # another video of the same name
        (("truth.mp4",), "got a, truth"),
        (("--lpips-weights", "no.pth"), "no.pth: .*--lpips-weights"),
    ],
)
def test_videos_of_equal_names_and_missing_weights_are_refused(scored, refused, arguments, named):
    told = refused("score", "a.mp4", *arguments, "--truth", "t.mp4")
    assert re.search(named, told)


def test_a_scored_video_that_ends_its_decoder_is_one_line(monkeypatch, refused):
    monkeypatch.setattr(protocols, "score_videos", kill)
    told = refused("score", "a.mp4", "b.mp4", "--truth", "t.mp4")
    assert told.startswith("ERROR: a.mp4 or b.mp4: ")


# verify


@pytest.fixture
def signed():
    return signing.signed_video(Path("v.mp4"))


def with_detector(monkeypatch, predict, weights="artifacts/forensics/detector.safetensors"):
    """Put a detector where the command expects it."""
    monkeypatch.setattr("motiontransfer.forensics.model.predict_video", predict)
    Path(weights).parent.mkdir(parents=True, exist_ok=True)
    Path(weights).touch()


def test_a_signed_video_has_status_0_and_an_altered_one_3(signed, command):
    status, told = command("verify", signed)
    assert status == 0
    assert "content   unaltered since it was signed\n" in told
    assert "detector  no opinion: " in told
    status, told = command("verify", signing.with_byte_changed(signed, signed.stat().st_size - 20))
    assert status == 3
    assert "content   NOT VALID" in told


def test_a_verified_video_that_ends_its_reader_is_one_line(signed, monkeypatch, refused):
    monkeypatch.setattr("motiontransfer.provenance.verification._report_text", kill)
    assert refused("verify", signed).startswith("ERROR: v.mp4: ")


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((0.9, 0.99), "synthesized"), ((0.01, 0.2), "real"), ((0.4, 0.8), "undecided")],
)
def test_the_detectors_opinion_changes_no_status(interval, verdict, monkeypatch, command):
    def predict(path, weights):
        assert (path, weights) == (Path("u.mp4"), Path("mine.safetensors"))
        scores = [(0.0, 0.5), (1.0, 1.0)]
        return Prediction(synthesized=0.75, interval=interval, per_second=scores, frames=31)

    with_detector(monkeypatch, predict, "mine.safetensors")
    video = signing.unsigned_video(Path("u.mp4"))
    status, told = command("verify", video, "--detector", "mine.safetensors")
    assert status == 4
    assert "origin    unknown: " in told
    low, high = interval
    assert f"detector  {verdict}: probability 0.75 that it was synthesized" in told
    assert f"95 % interval over its seconds {low:.2f} to {high:.2f}, 31 frames" in told
    bars = {line.split()[0]: line.count("█") for line in told.splitlines() if " s  " in line}
    assert bars == {"0.0": 10, "1.0": 20}


@pytest.mark.parametrize("kind", [VideoError, WeightsError])
def test_a_detector_that_fails_does_not_hide_the_manifest(kind, signed, monkeypatch, command):
    def predict(path, weights):
        raise kind("v.mp4: nothing moves in it")

    with_detector(monkeypatch, predict)
    status, told = command("verify", signed)
    assert status == 0
    assert "unaltered since it was signed" in told
    assert "detector  no opinion: v.mp4: nothing moves in it\n" in told
    content = json.loads(command("verify", signed, "--json")[1])
    assert content["detector"] is None
    assert content["no_opinion"] == "v.mp4: nothing moves in it"


def test_json_has_provenance_and_prediction(signed, monkeypatch, command):
    found = Prediction(synthesized=0.9, interval=(0.8, 1.0), per_second=[(0.0, 0.9)], frames=8)
    with_detector(monkeypatch, lambda path, weights: found)
    status, told = command("verify", signed, "--json")
    content = json.loads(told)
    assert (status, content["video"], content["no_opinion"]) == (0, "v.mp4", None)
    assert content["provenance"]["integrity"] == "unaltered"
    assert content["detector"] == json.loads(json.dumps(asdict(found)))
