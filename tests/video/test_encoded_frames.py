"""Frames that travel as bytes are the same frames, whatever file they come from."""

import pickle
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.errors import VideoError
from motiontransfer.video.frame_store import FrameStore, FrameWriter, _copied, encode_frames
from motiontransfer.video.writer import write_video

NUM_FRAMES, SIZE = 12, (32, 48)


def noise(seed=0):
    shape = (NUM_FRAMES, *SIZE, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_store(path, rate):
    with FrameWriter(path, size=SIZE, frame_rate=rate) as writer:
        for frame in noise():
            writer.write(frame)


def write_h264(path, rate):
    write_video(path, iter(noise()), frame_rate=rate, sound=None, crf=20)


def write_ffv1_between_key_frames(path, rate):
    """As others may write it: only every fifth picture stands for itself."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "bgr0"
        stream.codec_context.gop_size = 5
        stream.codec_context.options = {"level": "3", "coder": "range_tab", "context": "1"}
        for index, frame in enumerate(noise()):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="bgr0")
            picture.pts, picture.time_base = index, 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


WRITERS = {
    "store.mkv": write_store,
    "h264.mp4": write_h264,
    "ffv1.mkv": write_ffv1_between_key_frames,
}


@pytest.fixture(scope="module", params=[Fraction(25), Fraction(30000, 1001)], ids=str)
def videos(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for name, write in WRITERS.items():
        write(folder / name, request.param)
    return folder


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=12, deadline=None)
@given(
    start=st.integers(0, NUM_FRAMES - 1),
    stop=st.integers(1, NUM_FRAMES),
    step=st.integers(1, 5),
)
def test_frames_come_back_exactly(videos, name, start, stop, step):
    indices = range(min(start, stop - 1), stop, step)
    encoded = encode_frames(videos / name, indices)
    assert (encoded.indices, encoded.size) == (indices, SIZE)
    with FrameStore(videos / name) as store:
        expected = [store[index] for index in indices]
    np.testing.assert_array_equal(np.stack(list(encoded.decoded())), np.stack(expected))


def test_frames_travel_without_their_file(videos, tmp_path):
    path = tmp_path / "frames.mkv"
    path.write_bytes((videos / "store.mkv").read_bytes())
    encoded = pickle.dumps(encode_frames(path, range(3, 6)))
    path.unlink()
    np.testing.assert_array_equal(np.stack(list(pickle.loads(encoded).decoded())), noise()[3:6])


def test_a_stores_packets_are_copied_as_they_are(videos):
    with av.open(str(videos / "store.mkv")) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    encoded = encode_frames(videos / "store.mkv", range(3, 9, 2))
    assert encoded.packets == tuple(packets[3:9:2])


def test_frames_that_are_gone_are_told(tmp_path):
    path = tmp_path / "frames.mkv"
    write_store(path, Fraction(25))
    content = path.read_bytes()
    with FrameStore(path) as store:
        path.write_bytes(content[: len(content) // 2])  # under the reader's feet
        with pytest.raises(VideoError, match=r"frames\.mkv: frame [4-7]: it is missing; make this"):
            _copied(store, range(2, 11))


def test_a_damaged_frame_is_told_by_its_number(videos):
    encoded = encode_frames(videos / "store.mkv", range(4, 10, 2))
    packets = (encoded.packets[0], encoded.packets[1][:200], encoded.packets[2])
    frames = replace(encoded, packets=packets).decoded()
    np.testing.assert_array_equal(next(frames), noise()[4])
    with pytest.raises(
        VideoError, match=r"store\.mkv: frame 6: it is damaged; make this file again"
    ):
        next(frames)
