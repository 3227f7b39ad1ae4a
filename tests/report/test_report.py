import hashlib
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from motiontransfer.body.motion import BodyMotion, write_motion
from motiontransfer.core import layout
from motiontransfer.core.errors import MotionTransferError, VideoError
from motiontransfer.core.params import Transfer
from motiontransfer.core.storage import write_json
from motiontransfer.evaluation.measurements import Measurements, MetricKey, write_measurements
from motiontransfer.pose.keypoints_file import write_keypoints
from motiontransfer.report.report import write_transfer_report
from motiontransfer.retargeting.in_view import PathFit
from motiontransfer.video.writer import write_video
from tests.people import dance
from tests.report.conftest import NUM_FRAMES, RATE, SIZE, TRAINED, TURNED, coded_frames

PAGE = Path("report.html")


def _written(run, **options):
    write_transfer_report(PAGE, run, **{"max_bytes": 10_000_000, **options})
    return PAGE.read_text()


def _text(html):
    """What a reader sees, without tags, on one line."""
    body = html[html.index("<body") : html.index('<script type="text/plain"')]
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", body).split()))


def test_the_page_has_videos_metrics_params_and_files(report, finished, monkeypatch):
    monkeypatch.chdir(finished[0])
    html = report.read_text()
    text = _text(html)
    assert "<title>ada performs ben&#39;s motion</title>" in html
    assert '<html lang="en">' in html
    assert "50 frames, 2.0 seconds" in text
    assert "The result is synthesized" in text
    assert re.search(r"Likeness ↑ , higher is better 0\.6923 \(best\) 0\.650 . 0\.730 0\.5", text)
    assert "ground truth, face, not detected: 3 frames LPIPS: no weights face identity" in text
    assert "frame 20 likeness 0.40" in text
    assert re.search(r"render 2 crf 16 face residual", text)
    assert re.search(r"frames of dance artifacts/frames/ben/dance/frames\.mkv", text)
    assert re.search(r"git log -S [0-9a-f]{32} -- dvc\.lock", text)
    assert "the result is the original file" in text
    # The page is cached: it has no date and no path of this machine.
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", text)
    assert str(finished[0]) not in text
    for name in ("source", "body", "pose", "result", "truth", "nearest_neighbours"):
        assert f'id="video-{name}"' in html
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.S).group(1))
    assert (data["frames"], data["rate"]) == (NUM_FRAMES, 25)
    assert data["charts"][0]["curves"][0]["values"][20] == pytest.approx(0.4)
    md5 = hashlib.md5(finished[1].result.read_bytes()).hexdigest()
    assert f"{finished[1].result} {finished[1].result.stat().st_size / 1000:.1f} kB {md5}" in text


def test_without_ground_truth_or_a_body_the_baseline_and_held_out_frames_are_shown(transfer_run):
    held_out = Measurements.from_values({MetricKey("l1", "person", "ours"): (7.0, (6.5, 7.5))})
    write_measurements(Path("artifacts/counts/ada/evaluate.parquet"), held_out)
    write_motion(layout.motion_file("ben", "dance"), BodyMotion.unfitted(NUM_FRAMES))
    names = Transfer(source="dance", source_subject="ben", target="ada", truth="none")
    html = _written(replace(transfer_run, names=names))
    text = _text(html)
    assert 'id="video-truth"' not in html
    assert 'data-panel="nearest_neighbours" hidden' not in html
    assert "Bottom: the source" in text
    assert 'id="video-body"' not in html
    assert "On frames of ada that were held out of training Compared with the real frames" in text
    assert re.search(r"L1 of 255 ↓ , lower is better 7 6\.50 . 7\.50", text)


@pytest.mark.slow
def test_a_small_page_has_smaller_videos_with_a_note(transfer_run):
    assert "at 50% of their size" in _text(_written(transfer_run, max_bytes=15_000))


def test_videos_of_another_run_are_refused_and_nothing_is_written(transfer_run):
    write_video(transfer_run.result, coded_frames(9), frame_rate=RATE)
    with pytest.raises(VideoError, match=r"transfer\.mp4"):
        _written(transfer_run)
    assert not PAGE.exists()


def test_what_was_cut_short_and_what_is_out_of_view_are_named(report, transfer_run):
    write_json(TRAINED, {"steps": 20, "planned_steps": 500})
    fit = PathFit(shorter=0.26, lower=0.0, out_of_view=0.04)
    write_json(TURNED, fit.counts(100))
    page, before = _written(transfer_run), report.read_text()
    for named in (
        "train_gan was cut short by max_minutes: 20 of 500 steps",
        "the path is 26 % shorter from side to side and 0 % up and down",
        "still out of it in 4 frames",
    ):
        assert named in page
    assert "cut short" not in before
    assert "To stay in the picture" not in before


def test_metrics_that_are_no_json_object_are_refused_in_one_line(transfer_run):
    TRAINED.write_bytes(b"[" * 100_000)
    with pytest.raises(MotionTransferError, match=r"ada/train_gan\.json") as error:
        _written(transfer_run)
    assert "\n" not in str(error.value)


def test_what_the_films_show_of_the_dance_is_told_and_what_they_lack_is_shown(report, transfer_run):
    """The arm rises 2 px a frame, of which the film has the first 12."""
    html = report.read_text()
    assert "Good: the film shows what the dance needs." in _text(html)
    told = r"your films cover 87 % of the dance \(arms 62 %, .*\).*strike 8 poses of it"
    assert re.search(told, _text(html))
    strip = html[html.index('id="head-film"') : html.index('id="head-metrics"')]
    frames = [int(index) for index in re.findall(r'data-frame="(\d+)"', strip)]
    assert len(frames) == len({*frames}) == 8
    assert min(frames) >= 12
    assert re.findall('alt="([^"]*) at frame', strip)[:2] == ["the dancer", "nearest"]
    filmed = dance(12, size=SIZE)
    write_keypoints(Path("artifacts/keypoints/ben/dance.parquet"), filmed)
    html = _written(transfer_run)
    assert "your films cover 100 % of the dance" in _text(html)
    assert "Filmed, too" not in _text(html)
