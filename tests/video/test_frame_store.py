import multiprocessing
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.core.errors import DamagedFileError, VideoError
from motiontransfer.video.frame_store import FrameStore, write_frames
from tests.video.conftest import noise, write_test_video

SIZE = (18, 22)
small_noise = partial(noise, size=SIZE)
RATES = [Fraction(30000, 1001), Fraction(1537, 100), Fraction(120)]


def write(path, frames, rate=Fraction(25)):
    write_frames(path, frames, frame_rate=rate)
    return path


@pytest.mark.parametrize("rate", RATES)
def test_frames_come_back_exactly_in_any_order_at_any_rate(tmp_path, rate):
    frames = small_noise(37)
    with FrameStore(write(tmp_path / "frames.mkv", frames, rate)) as store:
        assert (len(store), store.size, store.frame_rate) == (37, SIZE, rate)
        for index in (5, 36, 0, 17, 16, 2):
            np.testing.assert_array_equal(store[index], frames[index])
        np.testing.assert_array_equal(store[-1], frames[36])
        for index in (37, -38):
            with pytest.raises(IndexError, match=rf"frame {index} of 37"):
                store[index]


@pytest.mark.parametrize("options", [{"pix_fmt": "yuv420p"}, {"pix_fmt": "yuv444p"}])
def test_a_reduced_frame_is_the_means_of_areas_and_others_may_be_read_between(tmp_path, options):
    path = tmp_path / "video.mp4"
    shades = np.arange(0, 240, 15, np.uint8).repeat(4)
    frames = [np.dstack([np.roll(np.tile(shades, (48, 1)), 4 * n, axis=1)] * 3) for n in range(3)]
    write_test_video(path, frames, **options)
    with FrameStore(path) as store:
        for index in (2, 0, 1):
            reduced = store.reduced(index, (12, 16))
            expected = store[index].reshape(12, 4, 16, 4, 3).mean(axis=(1, 3))
            assert reduced.shape == (12, 16, 3)
            assert np.abs(reduced - expected).max() < 1.5
            smaller = expected.reshape(6, 2, 8, 2, 3).mean(axis=(1, 3))
            assert np.abs(store.reduced(index, (6, 8)) - smaller).max() < 1.5
        in_order = [store.reduced(index, (12, 16)) for index in range(3)]
        np.testing.assert_array_equal([*store.frames(size=(12, 16))], in_order)
        np.testing.assert_array_equal([*store.frames(size=store.size)], [*store.frames()])


def test_the_same_frames_are_the_same_bytes_and_an_error_leaves_what_was_there(tmp_path):
    path = write(tmp_path / "frames.mkv", small_noise(2))
    before = path.read_bytes()
    assert write(tmp_path / "again.mkv", small_noise(2)).read_bytes() == before
    (tmp_path / "again.mkv").unlink()

    def failing():
        yield from small_noise(3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(path, failing())
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_frame_of_another_size_and_no_frame_at_all_are_refused(tmp_path):
    path = tmp_path / "frames.mkv"
    with pytest.raises(VideoError, match=r"frame 1: expected .*, 18, 22\), got .*, 22, 18\)"):
        write(path, [small_noise(1)[0], noise(1, size=(22, 18))[0]])
    with pytest.raises(VideoError, match="no frames to write"):
        write(path, [])
    assert list(tmp_path.iterdir()) == []


def test_truncated_or_broken_frames_are_refused_and_the_others_read(tmp_path, capfd):
    frames = noise(6, size=(120, 160))
    path = write(tmp_path / "frames.mkv", frames)
    content = path.read_bytes()
    with FrameStore(path) as store:
        path.write_bytes(content[: len(content) // 2])  # under the reader's feet
        for index in range(2):
            np.testing.assert_array_equal(store[index], frames[index])
        for read in (lambda: store[5], lambda: list(store.chosen(range(1, 6))), store.frames):
            with pytest.raises((DamagedFileError, VideoError), match=r"frames\.mkv: "):
                list(read())
    with pytest.raises(DamagedFileError, match=r"frames\.mkv: damaged: "):
        FrameStore(path)
    assert capfd.readouterr().err == ""


def _read_in_child(store, index, queue):
    queue.put(store[index])


def test_a_forked_process_reads_on_its_own(tmp_path):
    frames = noise(8, size=(120, 160))  # more than any buffer holds
    with FrameStore(write(tmp_path / "frames.mkv", frames)) as store:
        np.testing.assert_array_equal(store[2], frames[2])
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=_read_in_child, args=(store, 6, queue))
        child.start()
        np.testing.assert_array_equal(queue.get(timeout=30), frames[6])
        child.join()
        np.testing.assert_array_equal(store[3], frames[3])


NUM_FRAMES = 12
FRAMES = noise(NUM_FRAMES, size=(32, 48))


# In H.264 frames are not in their order, and only every fifth stands for itself, as in FFV1 that
# others wrote.
SPARSE_FFV1 = {"g": "5", "level": "3", "coder": "range_tab", "context": "1"}
WRITERS = {
    "store.mkv": lambda path: write(path, FRAMES),
    "h264.mp4": lambda path: write_test_video(path, FRAMES, options={"g": "5", "bf": "2"}),
    "ffv1.mkv": lambda path: write_test_video(
        path, FRAMES, codec="ffv1", pix_fmt="bgr0", options=SPARSE_FFV1
    ),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for name, write_to in WRITERS.items():
        write_to(folder / name)
    return folder


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=6, deadline=None)
@given(
    start=st.integers(0, NUM_FRAMES - 1), stop=st.integers(1, NUM_FRAMES), step=st.integers(1, 5)
)
def test_frames_come_back_exactly(videos, name, start, stop, step):
    indices = range(min(start, stop - 1), stop, step)
    with FrameStore(videos / name) as store:
        expected = [store[index] for index in indices]
        np.testing.assert_array_equal(np.stack(list(store.chosen(indices))), np.stack(expected))


def test_masks_come_back_exactly_and_frames_are_as_without(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (5, *SIZE, 4), np.uint8)
    with FrameStore(write(tmp_path / "frames.mkv", frames)) as store:
        assert store.has_masks
        np.testing.assert_array_equal([*store.masked_frames()], frames)
        np.testing.assert_array_equal([*store.frames()], frames[..., :3])
    with FrameStore(write(tmp_path / "plain.mkv", frames[..., :3])) as store:
        assert not store.has_masks
