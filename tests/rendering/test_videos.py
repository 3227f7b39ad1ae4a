import threading

import av
import numpy as np
import pytest
from PIL import Image

from motiontransfer.core.errors import DamagedFileError, MissingFileError, VideoError
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.rendering import videos
from motiontransfer.rendering.compositing import with_label
from motiontransfer.video.clip import read_clip
from motiontransfer.video.frame_store import FrameStore
from tests.films import add_source, film
from tests.people import RATE, SIZE, dance, picture

HEIGHT, WIDTH = SIZE
NUM_FRAMES = 10
STRIP = 18  # of labels above the panels of a comparison
GAP = 4


@pytest.fixture
def source(tmp_path):
    add_source(tmp_path, "ben", "dance", dance(NUM_FRAMES))
    return read_clip(tmp_path / "frames/ben/dance")


@pytest.fixture
def panels(tmp_path, source):
    return videos.Panels(
        source=source.frames,
        poses=dance(NUM_FRAMES, seed=1),
        truth=film(tmp_path / "truth.mkv", dance(NUM_FRAMES, seed=2)),
        style=PoseMapStyle(encoding="limbs", line_width_px=3.0),
    )


def properties(path):
    """(frames, rate, size, seconds of sound) of a video."""
    with FrameStore(path) as store:
        video = sum(1 for _ in store.frames()), store.frame_rate, store.size
    with av.open(str(path)) as container:
        sound = container.decode(audio=0) if container.streams.audio else []
        return *video, sum(frame.samples / frame.sample_rate for frame in sound)


@pytest.fixture
def generated(panels):
    """Frames as they are generated, one after the other."""
    return (picture(panels.poses, index) for index in range(NUM_FRAMES))


def write(folder, frames, panels, source, *, num_columns=3, **options):
    sheet = {"contact_sheet_file": folder / "sheet.png", "num_columns": num_columns}
    videos.check_truth(panels)
    with (
        videos.comparison_writer(folder, panels, source, crf=4, **sheet) as compare,
        videos.transfer_writer(folder, source, crf=4, **options) as show,
    ):
        for frame in frames:
            show(frame)
            compare(frame)


@pytest.mark.parametrize("label", ["none", "corner"])
def test_the_result_has_the_sources_rate_and_sound_and_a_label(
    tmp_path, generated, panels, source, label
):
    write(tmp_path / "results", generated, panels, source, visible_label=label)
    path = tmp_path / "results/transfer.mp4"
    num_frames, rate, size, seconds = properties(path)
    assert (num_frames, rate, size) == (NUM_FRAMES, RATE, SIZE)
    assert seconds == pytest.approx(NUM_FRAMES / RATE, abs=0.03)
    with FrameStore(path) as made:
        for index, shown in enumerate(made.frames()):
            frame = picture(panels.poses, index)
            expected = with_label(frame) if label == "corner" else frame
            assert np.abs(shown.astype(int) - expected).mean() < 6


def test_a_silent_source_gives_a_silent_result(tmp_path, generated, panels):
    add_source(tmp_path, "ben", "silent", dance(NUM_FRAMES), sound=False)
    write(tmp_path, generated, panels, read_clip(tmp_path / "frames/ben/silent"))
    assert properties(tmp_path / "transfer.mp4") == (NUM_FRAMES, RATE, SIZE, 0)


def test_a_comparison_shows_source_pose_result_and_truth(tmp_path, generated, panels, source):
    write(tmp_path, generated, panels, source)
    path = tmp_path / "comparison.mp4"
    num_frames, rate, size, seconds = properties(path)
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


def test_an_unusable_ground_truth_is_refused_before_a_frame_is_generated(tmp_path, panels, source):
    def generated():
        raise AssertionError
        yield

    film(panels.truth, dance(NUM_FRAMES - 1))
    text = r"truth\.mkv: expected 10 frames, got 9; the ground truth"
    with pytest.raises(VideoError, match=text):
        write(tmp_path / "results", generated(), panels, source)
    panels.truth.unlink()
    with pytest.raises(MissingFileError, match=r"truth\.mkv"):
        write(tmp_path / "results", generated(), panels, source)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, VideoError])
def test_where_generating_fails_nothing_is_left(tmp_path, panels, source, error):
    def generated():
        yield picture(panels.poses, 0)
        raise error

    before = threading.active_count()
    with pytest.raises(error):
        write(tmp_path / "results", generated(), panels, source)
    assert not list((tmp_path / "results").iterdir())
    assert threading.active_count() == before


def test_a_fault_in_a_thread_comes_out_as_itself_and_nothing_is_left(tmp_path, panels, source):
    content = bytearray(source.frames.read_bytes())
    content[len(content) // 2] ^= 1
    source.frames.write_bytes(content)
    frames = (picture(panels.poses, index % NUM_FRAMES) for index in range(NUM_FRAMES))
    with pytest.raises(DamagedFileError, match=r"frames\.mkv: damaged: the checksum"):
        write(tmp_path / "results", frames, panels, source)
    assert not list((tmp_path / "results").iterdir())


@pytest.mark.parametrize("moments", [(0, 4, 9), (4,)])
def test_a_sheet_has_a_column_a_moment_and_a_row_a_panel(
    tmp_path, generated, panels, source, moments
):
    write(tmp_path, generated, panels, source, num_columns=len(moments))
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    pictures = [
        [picture(dance(NUM_FRAMES, seed=seed), index) for index in moments]
        for seed in (0, 1, 2)  # source, result and truth
    ]
    places = np.array([[_place_of(sheet, shown) for shown in row] for row in pictures])
    tops, lefts = places[..., 0], places[..., 1]
    assert (np.ptp(tops, axis=1) == 0).all()
    assert (np.ptp(lefts, axis=0) == 0).all()
    assert np.diff(lefts[0]).tolist() == [WIDTH + GAP] * (len(moments) - 1)
    # source, then the pose, then result and truth
    assert np.diff(tops[:, 0]).tolist() == [2 * (HEIGHT + GAP), HEIGHT + GAP]


def _place_of(sheet, frame):
    """(top, left) of the only place where the sheet shows the frame."""
    windows = np.lib.stride_tricks.sliding_window_view(sheet[..., 0], SIZE)
    (place,) = np.argwhere((windows == frame[..., 0]).all((2, 3))).tolist()
    return place


def plain(colour, height, width):
    return np.full((height, width, 3), colour, np.uint8)


RED, GREEN = (200, 10, 10), (10, 200, 10)


def columns_of(image, colour):
    """Columns in which the whole lower half has the colour."""
    lower = image[image.shape[0] // 2 :]
    return np.flatnonzero((lower == colour).all(axis=(0, 2)))


def test_panels_are_at_most_540_pixels_high():
    assert videos.panel_size((1920, 1080)) == (540, 304)
    assert videos.panel_size((256, 145)) == (256, 145)


def test_panels_of_other_sizes_become_as_high_as_the_highest():
    image = videos.side_by_side({"small": plain(RED, 32, 20), "large": plain(GREEN, 64, 64)})
    small, large = (columns_of(image, colour) for colour in (RED, GREEN))
    assert (len(small), len(large)) == (40, 64)
    assert small.max() < large.min()
