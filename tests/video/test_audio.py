import av
import numpy as np
import pytest

from motiontransfer.video.writer import store_sound
from tests.video.conftest import click_starts, grey_frame, packets_of, write_test_sound


@pytest.mark.parametrize(
    ("name", "codec", "stored"),
    [
        ("sound.m4a", "aac", "aac"),
        ("sound.aac", "aac", "aac"),
        ("sound.ts", "aac", "aac"),
        ("sound.mkv", "libmp3lame", "mp3float"),
        ("sound.wav", "pcm_s16le", None),
        ("sound.ogg", "libopus", None),
        ("sound.flac", "flac", None),
    ],
)
def test_mp4_takes_what_is_stored_and_the_offset_restores_its_time(tmp_path, name, codec, stored):
    source = write_test_sound(tmp_path / name, codec=codec)
    sound, offset = store_sound(source, tmp_path / "sound.mka", origin_seconds=0.4)
    with av.open(str(sound)) as container:
        assert container.streams.audio[0].codec_context.name == (stored or "aac")
    if stored is not None:  # unchanged, but for ADTS's headers
        packets = zip(packets_of(source), packets_of(sound), strict=True)
        assert all(original.endswith(copy) for original, copy in packets)
    # The first click may be blurred where the copy decodes the codec's run-up too.
    np.testing.assert_allclose(
        click_starts(sound)[1:] + offset, click_starts(source)[1:] - 0.4, atol=0.003
    )


def test_a_broken_packet_is_a_pause(tmp_path):
    source = write_test_sound(tmp_path / "v.flac", codec="flac", seconds=1.6)
    content = bytearray(source.read_bytes())
    middle = content.index(b"\xff\xf8", len(content) // 2)  # a frame's header
    content[middle : middle + 200] = bytes(200)
    source.write_bytes(content)
    sound, offset = store_sound(source, tmp_path / "sound.mka", origin_seconds=0.0)
    np.testing.assert_allclose(click_starts(sound)[-1] + offset, 1.5, atol=0.003)


@pytest.mark.parametrize("num_packets", [0, 1])  # Vorbis gives samples from the second packet on
def test_a_track_without_a_sample_gives_no_file(tmp_path, num_packets):
    source = tmp_path / "v.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("ffv1", rate=10)
        video.height, video.width, video.pix_fmt = 32, 48, "bgr0"
        sound = container.add_stream("vorbis", rate=48_000, options={"strict": "-2"})
        frame = av.AudioFrame.from_ndarray(np.ones((2, 48_000), np.float32), format="fltp")
        frame.sample_rate = 48_000
        container.mux(video.encode(av.VideoFrame.from_ndarray(grey_frame(0), format="rgb24")))
        container.mux(video.encode(None))
        container.mux(sound.encode(frame)[:num_packets])
    assert store_sound(source, tmp_path / "sound.mka", origin_seconds=0.0) is None
    assert list(tmp_path.iterdir()) == [source]
