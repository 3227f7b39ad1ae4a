"""A transfer's videos have the source's frames, rate and sound, and show what they say."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image
from torch import nn

from motiontransfer.errors import MissingFileError, VideoError
from motiontransfer.media.clip import read_clip
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.rendering import transfer
from motiontransfer.rendering.rollout import Renderer
from motiontransfer.rendering.transfer import (
    Panels,
    check_truth,
    generate,
    write_comparison,
    write_contact_sheet,
    write_transfer,
)
from motiontransfer.rendering.visible_label import with_label
from motiontransfer.training.split import HeldOut
from motiontransfer.training.trained import TrainedGenerator
from tests.dancer import RATE, SIZE, add_source, dance, film, picture
from tests.training.small import STYLE, fabric, generator_config

HEIGHT, WIDTH = SIZE
NUM_FRAMES = 10
STRIP = 18  # of labels above the panels of a comparison
GAP = 4


@pytest.fixture
def source(tmp_path):
    """A decoded clip with sound."""
    add_source(tmp_path, "ben", "dance", dance(NUM_FRAMES))
    return read_clip(tmp_path / "frames/ben/dance")


@pytest.fixture
def panels(tmp_path, source):
    return Panels(
        source=source.frames,
        poses=dance(NUM_FRAMES, seed=1),
        generated=film(tmp_path / "generated.mkv", dance(NUM_FRAMES, seed=1)),
        truth=film(tmp_path / "truth.mkv", dance(NUM_FRAMES, seed=2)),
        line_width_px=3.0,
    )


def facts(path):
    """(frames, rate, size, seconds of sound) of a video."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        sound = container.streams.audio
        num_frames = sum(1 for _ in container.decode(video))
        size = (video.codec_context.height, video.codec_context.width)
        rate = Fraction(video.average_rate)
    seconds = 0.0
    if sound:
        with av.open(str(path)) as container:
            frames = list(container.decode(container.streams.audio[0]))
            seconds = sum(frame.samples / frame.sample_rate for frame in frames)
    return num_frames, rate, size, seconds


def test_one_frame_is_generated_for_every_pose(tmp_path, monkeypatch):
    poses = dance(NUM_FRAMES)
    shown = []

    def render_poses(renderer, keypoints):
        shown.append((renderer, keypoints))
        return (picture(keypoints, index) for index in range(keypoints.num_frames))

    monkeypatch.setattr(transfer, "render_poses", render_poses)
    main = TrainedGenerator(
        network=nn.Identity(),
        config=generator_config(),
        style=STYLE,
        held_out=HeldOut(held_out_fraction=0.1, gap_frames=1),
    )
    renderer = Renderer(fabric=fabric(), main=main, face=None)
    generate(renderer, poses, tmp_path / "made.mkv")
    assert shown == [(renderer, poses)]
    with FrameStore(tmp_path / "made.mkv") as store:
        assert (len(store), store.frame_rate, store.size) == (NUM_FRAMES, RATE, SIZE)
        assert np.array_equal(store[7], picture(poses, 7))


def test_the_result_has_the_sources_frames_rate_and_sound(tmp_path, panels, source):
    path = tmp_path / "results/transfer.mp4"
    write_transfer(path, panels.generated, source, crf=10)
    num_frames, rate, size, seconds = facts(path)
    assert (num_frames, rate, size) == (NUM_FRAMES, RATE, SIZE)
    assert seconds == pytest.approx(NUM_FRAMES / RATE, abs=0.03)
    with FrameStore(path) as result, FrameStore(panels.generated) as generated:
        assert np.abs(result[6].astype(int) - generated[6]).mean() < 8


def test_a_label_is_drawn_into_the_result_only(tmp_path, panels, source):
    write_transfer(tmp_path / "plain.mp4", panels.generated, source, crf=4)
    write_transfer(
        tmp_path / "labelled.mp4", panels.generated, source, crf=4, visible_label="corner"
    )
    assert facts(tmp_path / "labelled.mp4") == facts(tmp_path / "plain.mp4")
    with FrameStore(tmp_path / "plain.mp4") as plain, FrameStore(tmp_path / "labelled.mp4") as made:
        assert len(made) == NUM_FRAMES
        for index in range(NUM_FRAMES):
            changed = np.abs(made[index].astype(int) - with_label(plain[index]))
            assert changed.mean() < 4
    with FrameStore(panels.generated) as generated:
        assert np.array_equal(generated[6], picture(panels.poses, 6))


def test_a_silent_source_gives_a_silent_result(tmp_path, panels):
    add_source(tmp_path, "ben", "silent", dance(NUM_FRAMES), sound=False)
    source = read_clip(tmp_path / "frames/ben/silent")
    write_transfer(tmp_path / "t.mp4", panels.generated, source, crf=18)
    assert facts(tmp_path / "t.mp4") == (NUM_FRAMES, RATE, SIZE, 0)


def test_a_comparison_shows_source_pose_result_and_truth(tmp_path, panels, source):
    path = tmp_path / "comparison.mp4"
    write_comparison(path, panels, source, crf=4)
    num_frames, rate, size, seconds = facts(path)
    assert (num_frames, rate) == (NUM_FRAMES, RATE)
    assert size == (HEIGHT + STRIP, 4 * WIDTH + 3 * GAP)
    assert seconds > 0.3
    with FrameStore(path) as store:
        shown = store[7][STRIP:].astype(int)
    parts = [shown[:, i * (WIDTH + GAP) : i * (WIDTH + GAP) + WIDTH] for i in range(4)]
    expected = [picture(dance(NUM_FRAMES, seed=seed), 7) for seed in (0, 1, 2)]
    for part, frame in zip([parts[0], parts[2], parts[3]], expected, strict=True):
        assert np.abs(part - frame).mean() < 10
    assert 0 < parts[1].mean() < 60  # sticks on black
    assert parts[1].max() > 150


def test_without_a_truth_there_are_three_panels(tmp_path, panels, source):
    panels = Panels(
        source=panels.source,
        poses=panels.poses,
        generated=panels.generated,
        truth=None,
        line_width_px=3.0,
    )
    check_truth(panels)
    write_comparison(tmp_path / "c.mp4", panels, source, crf=18)
    assert facts(tmp_path / "c.mp4")[2] == (HEIGHT + STRIP, 3 * WIDTH + 2 * GAP)


def test_a_truth_of_another_length_is_refused_and_nothing_is_written(tmp_path, panels, source):
    film(panels.truth, dance(NUM_FRAMES - 1))
    text = r"truth\.mkv: expected 10 frames, as the decoded source has, got 9; a truth clip"
    with pytest.raises(VideoError, match=text):
        check_truth(panels)
    with pytest.raises(VideoError, match=text):
        write_comparison(tmp_path / "c.mp4", panels, source, crf=18)
    with pytest.raises(VideoError, match=text):
        write_contact_sheet(tmp_path / "c.png", panels, num_columns=3)
    assert not list(tmp_path.glob("*c.*"))
    panels.truth.unlink()
    with pytest.raises(MissingFileError, match=r"truth\.mkv"):
        check_truth(panels)


def test_a_contact_sheet_has_a_column_a_moment_and_a_row_a_panel(tmp_path, panels):
    path = tmp_path / "results/sheet.png"
    write_contact_sheet(path, panels, num_columns=3)
    with Image.open(path) as image:
        sheet = np.asarray(image).astype(int)
    sources = [picture(dance(NUM_FRAMES), index) for index in (0, 4, 9)]
    results = [picture(dance(NUM_FRAMES, seed=1), index) for index in (0, 4, 9)]
    truths = [picture(dance(NUM_FRAMES, seed=2), index) for index in (0, 4, 9)]
    places = [[_place_of(sheet, frame) for frame in row] for row in (sources, results, truths)]
    tops, lefts = np.array(places)[..., 0], np.array(places)[..., 1]
    assert (np.ptp(tops, axis=1) == 0).all()
    assert (np.ptp(lefts, axis=0) == 0).all()
    assert np.diff(lefts[0]).tolist() == [WIDTH + GAP] * 2
    # source, then the pose, then result and truth
    assert np.diff(tops[:, 0]).tolist() == [2 * (HEIGHT + GAP), HEIGHT + GAP]


def _place_of(sheet, frame):
    """(top, left) of the only place where the sheet shows the frame."""
    windows = np.lib.stride_tricks.sliding_window_view(sheet[..., 0], SIZE)
    candidates = np.argwhere((windows[:, :, ::7, ::5] == frame[::7, ::5, 0]).all((2, 3)))
    places = [
        (top, left)
        for top, left in candidates.tolist()
        if np.array_equal(sheet[top : top + HEIGHT, left : left + WIDTH], frame)
    ]
    assert len(places) == 1
    return places[0]
