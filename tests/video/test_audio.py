import av
import numpy as np
import pytest

from motiontransfer.video.audio import copy_sound
from tests.video.conftest import click_starts, grey_frame, write_test_sound, write_test_video


def packets_of(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("sound.m4a", "aac"),
        ("sound.mkv", "libmp3lame"),
        ("sound.wav", "pcm_s16le"),
        ("sound.ogg", "libopus"),
        ("sound.flac", "flac"),
        ("sound.webm", "libopus"),
    ],
)
def test_packets_are_untouched_and_the_offset_restores_their_time(tmp_path, name, codec):
    source = write_test_sound(tmp_path / name, codec=codec)
    copy = tmp_path / "copy.mka"
    offset = copy_sound(source, copy, origin_seconds=0.4)
    assert packets_of(copy) == packets_of(source)
    # The first click may be blurred where the copy decodes the codec's run-up too.
    np.testing.assert_allclose(
        click_starts(copy)[1:] + offset, click_starts(source)[1:] - 0.4, atol=0.003
    )


def test_sound_that_starts_late_is_kept_in_time(tmp_path):
    frames = [grey_frame(index) for index in range(5)]
    source = write_test_video(
        tmp_path / "video.mkv", frames, sound_seconds=1.0, sound_start_seconds=0.7
    )
    copy = tmp_path / "copy.mka"
    offset = copy_sound(source, copy, origin_seconds=0.0)
    np.testing.assert_allclose(click_starts(copy)[1] + offset, 1.2, atol=0.003)


def test_a_track_without_packets_gives_no_file(tmp_path):
    source = tmp_path / "video.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("ffv1", rate=10)
        video.height, video.width, video.pix_fmt = 32, 48, "bgr0"
        container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        frame = av.VideoFrame.from_ndarray(grey_frame(0), format="rgb24")
        container.mux(video.encode(frame))
        container.mux(video.encode(None))
    assert copy_sound(source, tmp_path / "copy.mka", origin_seconds=0.0) is None
    assert not (tmp_path / "copy.mka").exists()
