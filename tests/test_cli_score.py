"""The command prints each figure for each video, or says in one line why it cannot."""

import json
import os
import signal

import pytest

from motiontransfer.evaluation import protocols as module
from motiontransfer.evaluation.measurements import Measurements, MetricKey
from tests.command import run_command


@pytest.fixture
def scored(monkeypatch):
    """Videos are not looked at: each has the SSIM that is asked for, by its name."""

    def score(videos, truth, *, compute, networks):
        ssim = {
            MetricKey("ssim", "person", name, "truth"): (0.5 + 0.1 * len(name), (0.1, 0.9))
            for name in videos
        }
        flicker = {
            MetricKey("background_flicker", "", name, "temporal"): (value, None)
            for name, value in {**dict.fromkeys(videos, 2.0), "truth": 1.0}.items()
        }
        return Measurements.from_values({**ssim, **flicker})

    monkeypatch.setattr(module, "score_videos", score)


def test_videos_stand_beside_each_other_with_intervals(scored, monkeypatch, capsys):
    assert run_command(monkeypatch, "score", "a.mp4", "bc.mp4", "--truth", "t.mp4") == 0
    header, ssim, flicker = capsys.readouterr().out.splitlines()
    assert header.split() == ["a", "bc", "truth"]
    assert ssim.split("  ")[0] == "person ssim"
    assert ssim.index("0.6 (0.1 to 0.9)") < ssim.index("0.7 (0.1 to 0.9)")
    assert flicker.split() == ["background", "flicker", "2", "2", "1"]


def test_programs_get_numbers(scored, monkeypatch, capsys):
    assert run_command(monkeypatch, "score", "a.mp4", "--truth", "t.mp4", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["metrics"]["truth"]["a"]["person"]["ssim"] == 0.6
    assert told["intervals"]["truth"]["a"]["person"]["ssim"] == [0.1, 0.9]


def test_a_video_that_ends_its_decoder_is_one_line(monkeypatch, capsys):
    def killed(videos, truth, *, compute, networks):
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(module, "score_videos", killed)
    assert run_command(monkeypatch, "score", "a.mp4", "b.mp4", "--truth", "t.mp4") == 1
    assert capsys.readouterr().err.startswith("ERROR: a.mp4 or b.mp4: decoding it was killed")


@pytest.mark.parametrize("other", ["one/a.mkv", "truth.mp4"])
def test_videos_of_equal_names_are_refused(scored, monkeypatch, capsys, other):
    assert run_command(monkeypatch, "score", "a.mp4", other, "--truth", "t.mp4") == 1
    assert "expected videos of different names" in capsys.readouterr().err


def test_networks_are_asked_for_by_options(scored, monkeypatch, capsys):
    options = ("--truth", "t.mp4", "--inception-weights", "no.pth")
    assert run_command(monkeypatch, "score", "a.mp4", *options) == 1
    told = capsys.readouterr().err
    assert told.startswith("ERROR: no.pth: no such file, asked for by --inception-weights; ")
    assert told.rstrip().endswith("or set --inception-weights to none")
