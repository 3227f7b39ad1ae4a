import base64
import hashlib
import re
from collections import Counter

import numpy as np
import pytest

from motiontransfer.report import page
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.writer import write_video
from tests.report.conftest import RATE, coded_frames

EMPTY = {
    **{"title": "A & B", "transfer": "a", "panels": (), "master": "x"},
    **{"has_sound": False, "notes": ("</script><b>bold",), "params": (), "metrics": {}},
    **{"verdicts": Counter(), "charts": ()},
    **{"data": {"note": "</script><script>alert(1)</script>"}},
    "revisions": (
        {"name": "<i>old", "commit": "abc", "message": "<i>one"},
        {"name": "new", "commit": "", "message": ""},
    ),
}


@pytest.fixture
def html(tmp_path):
    page.write_page(tmp_path / "page.html", "comparison.html", EMPTY)
    return (tmp_path / "page.html").read_text()


def test_the_policy_admits_the_pages_own_style_and_script_and_nothing_else(html):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html).group(1)
    policy = policy.replace("&#39;", "'")
    assert policy.startswith("default-src 'none'")
    for element in ("style", "script"):
        (text,) = re.findall(rf"<{element}(?: type=\"module\")?>(.*?)</{element}>", html, re.S)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy


def test_names_and_data_are_escaped_and_there_are_no_external_addresses(html):
    for markup in ("<b>bold", "<i>", "<script>alert"):
        assert markup not in html
    assert "A &amp; B" in html
    assert not re.search(r"""(src|href)=["']?(https?:)?//|url\(|@import""", html)


def test_nested_values_have_dotted_keys_as_in_params_yaml():
    tree = {"a": {"b": [1, 2], "c": None}, "d": True, "e": "word", "f": {}}
    leaves = {"a.b": "[1, 2]", "a.c": "null", "d": "true", "e": "word", "f": "{}"}
    assert page.leaf_texts(tree) == leaves


def _noise(count, size=(96, 128)):
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (*size, 3), np.uint8) for _ in range(count)]


def _source(name, frames, finished=None):
    texts = dict.fromkeys(("name", "label", "description"), name)
    return page.PanelSource(**texts, frames=lambda: iter(frames), finished=finished)


def _make(sources, max_bytes, num_frames):
    return page.make_panels(sources, frame_rate=RATE, num_frames=num_frames, max_bytes=max_bytes)


def test_a_copy_shows_the_same_frames_and_has_the_same_bytes_each_time(tmp_path):
    frames = list(coded_frames(6))
    (panel,), quality = _make([_source("a", frames)], 10_000_000, 6)
    assert quality == page.QUALITY_LEVELS[0]
    assert panel.is_copy
    assert _make([_source("a", frames)], 10_000_000, 6)[0][0].video == panel.video
    (tmp_path / "video.mp4").write_bytes(panel.video)
    with FrameStore(tmp_path / "video.mp4") as store:
        assert np.abs(np.subtract([*store.frames()], frames, dtype=int)).mean() < 6


@pytest.mark.parametrize(
    ("crf", "max_bytes", "is_copy"),
    [(18, 10_000_000, False), (18, 1000, True), (0, 10_000_000, True)],
)
def test_a_small_video_that_plays_is_shown_as_it_is(tmp_path, crf, max_bytes, is_copy):
    frames, finished = list(coded_frames(6)), tmp_path / "finished.mp4"
    write_video(finished, frames, frame_rate=RATE, crf=crf)
    assert page.plays_everywhere(finished) is (crf > 0)  # browsers do not play lossless video
    (panel,), _ = _make([_source("a", frames, finished)], max_bytes, 6)
    assert panel.is_copy is is_copy
    assert (panel.video == finished.read_bytes()) is not is_copy


def test_above_the_limit_videos_are_smaller():
    best, small = page.QUALITY_LEVELS
    frames = _noise(10)
    (panel,), quality = _make([_source("a", frames)], 100_000_000, 10)
    assert (quality, panel.size) == (best, (96, 128))
    limit = len(panel.video)
    assert _make([_source("a", frames)], limit, 10)[1] == best
    (panel,), quality = _make([_source("a", frames)], limit - 1, 10)
    assert (quality, panel.size) == (small, (48, 64))
    assert len(panel.video) < limit
    assert _make([_source("a", frames)], 10, 10)[1] == small
    (large,), _ = _make([_source("a", _noise(2, (1024, 600)))], 100_000_000, 2)
    assert large.size == (512, 300)


def test_sound_survives_a_copy(finished, tmp_path):
    folder, run = finished
    (panel,), _ = _make([_source("a", list(coded_frames()), folder / run.result)], 1000, 50)
    (tmp_path / "copy.mp4").write_bytes(panel.video)
    assert panel.is_copy
    assert page.has_sound(tmp_path / "copy.mp4")
