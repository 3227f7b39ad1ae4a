import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from motiontransfer.report.page import (
    LADDER,
    PanelSource,
    has_sound,
    jpeg,
    make_panels,
    plays_everywhere,
)
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.writer import write_video
from tests.report.conftest import RATE, coded_frames


def _noise(count, size=(96, 128)):
    random = np.random.default_rng(0)
    return [random.integers(0, 255, (*size, 3), np.uint8) for _ in range(count)]


def _source(name, frames, verbatim=None):
    return PanelSource(
        name=name, label=name, description=name, frames=lambda: iter(frames), verbatim=verbatim
    )


def _make(sources, max_bytes, num_frames):
    return make_panels(sources, frame_rate=RATE, num_frames=num_frames, max_bytes=max_bytes)


def _decoded(video: bytes, folder: Path):
    path = folder / "video.mp4"
    path.write_bytes(video)
    with FrameStore(path) as store:
        return [store[index] for index in range(len(store))]


def test_a_copy_shows_the_same_frames(tmp_path):
    frames = list(coded_frames(6))
    (panel,), quality = _make([_source("a", frames)], 10_000_000, 6)
    assert quality == LADDER[0]
    assert panel.is_copy
    for shown, frame in zip(_decoded(panel.video, tmp_path), frames, strict=True):
        assert np.abs(shown.astype(int) - frame).mean() < 6


@pytest.mark.parametrize(
    ("crf", "max_bytes", "is_copy"),
    [(18, 10_000_000, False), (18, 1000, True), (0, 10_000_000, True)],
)
def test_a_finished_video_is_shown_as_it_is_if_it_is_small_and_plays(
    tmp_path, crf, max_bytes, is_copy
):
    frames, finished = list(coded_frames(6)), tmp_path / "finished.mp4"
    write_video(finished, frames, frame_rate=RATE, crf=crf)
    assert plays_everywhere(finished) is (crf > 0)  # browsers do not play lossless video
    (panel,), _ = _make([_source("a", frames, finished)], max_bytes, 6)
    assert panel.is_copy is is_copy
    assert (panel.video == finished.read_bytes()) is not is_copy


def test_a_smaller_budget_gives_smaller_videos_down_to_the_last_rung():
    frames = _noise(10)
    (best,), _ = _make([_source("a", frames)], 100_000_000, 10)
    budget = len(best.video) // 4
    (panel,), quality = _make([_source("a", frames)], budget, 10)
    assert len(panel.video) < budget
    assert quality.crf > LADDER[0].crf
    (panel,), quality = _make([_source("a", frames)], 10, 10)
    assert (quality, panel.size) == (LADDER[-1], (48, 64))
    (large,), _ = _make([_source("a", _noise(2, (1024, 600)))], 100_000_000, 2)
    assert large.size == (512, 300)


def test_sound_survives_a_copy(finished, tmp_path):
    folder, run = finished
    (panel,), _ = _make([_source("a", list(coded_frames()), folder / run.result)], 1000, 50)
    (tmp_path / "copy.mp4").write_bytes(panel.video)
    assert panel.is_copy
    assert has_sound(tmp_path / "copy.mp4")


def test_the_same_frames_give_the_same_bytes():
    sources = [_source("a", list(coded_frames(6)))]
    assert _make(sources, 10_000_000, 6) == _make(sources, 10_000_000, 6)


@pytest.mark.parametrize(("size", "expected"), [((100, 400), (64, 256)), ((20, 30), (20, 30))])
def test_images_are_only_downscaled(size, expected):
    original = Image.fromarray(np.zeros((*size, 3), np.uint8))
    with Image.open(io.BytesIO(jpeg(original, largest_px=256))) as image:
        assert (image.height, image.width) == expected
        assert image.format == "JPEG"
