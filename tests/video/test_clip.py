import json
from fractions import Fraction

import numpy as np
import pyarrow.parquet as pq
import pytest

from motiontransfer.errors import MissingFileError, VideoError
from motiontransfer.video.clip import (
    Clip,
    read_clip,
    write_description,
    write_index,
)
from motiontransfer.video.geometry import fit_framing


def make_clip(folder, *, with_sound=True):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "frames.mkv").write_bytes(b"frames")
    if with_sound:
        (folder / "sound.mka").write_bytes(b"sound")
    clip = Clip(
        frames=folder / "frames.mkv",
        sound=folder / "sound.mka" if with_sound else None,
        sound_offset_seconds=0.043991 if with_sound else 0.0,
        framing=fit_framing((100, 200), (10, 0, 190, 100), size=(64, 48)),
        frame_rate=Fraction(30000, 1001),
        size=(64, 48),
        num_frames=17,
    )
    write_description(folder, clip, source={"codec": "h264"})
    return clip


@pytest.mark.parametrize("with_sound", [True, False])
def test_a_clip_comes_back_as_it_was(tmp_path, with_sound):
    clip = make_clip(tmp_path / "clip", with_sound=with_sound)
    assert read_clip(tmp_path / "clip") == clip


def test_description_is_plain_json_with_the_inverse_map(tmp_path):
    clip = make_clip(tmp_path)
    content = json.loads((tmp_path / "clip.json").read_text())
    assert (content["frame_rate"], content["num_frames"]) == ("30000/1001", 17)
    assert (content["size"], content["source"]) == ([64, 48], {"codec": "h264"})
    point = np.array([100.0, 50.0])
    working = point * content["framing"]["scale"] + content["framing"]["offset"]
    np.testing.assert_allclose(working, clip.framing.to_working(point))


@pytest.mark.parametrize("name", ["clip.json", "frames.mkv", "sound.mka"])
def test_a_missing_file_is_named_with_what_to_do(tmp_path, name):
    make_clip(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(MissingFileError, match=rf"{name}: missing; run the stage decode"):
        read_clip(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere: missing; run the stage decode"):
        read_clip(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a description of a clip"),
        ("[]", "not a description of a clip"),
        ("{}", "not a description of a clip"),
        ('{"format": "other", "version": 1}', "expected motiontransfer clip version 1, got other"),
        ('{"format": "motiontransfer clip", "version": 2}', "got motiontransfer clip version 2"),
    ],
)
def test_a_foreign_description_is_refused(tmp_path, content, message):
    make_clip(tmp_path)
    (tmp_path / "clip.json").write_text(content)
    with pytest.raises(VideoError, match=rf"clip\.json: .*{message}"):
        read_clip(tmp_path)


def test_index_has_a_row_a_frame(tmp_path):
    path = tmp_path / "index.parquet"
    write_index(
        path,
        frame_rate=Fraction(10),
        source_starts_seconds=np.array([1.0, 1.0, 1.21]),
        source_frame_index=np.array([0, 0, 2]),
    )
    table = pq.read_table(path)
    assert table.schema.names == [
        *("frame_index", "pts_seconds", "source_pts_seconds", "source_frame_index"),
    ]
    assert table.to_pydict() == {
        "frame_index": [0, 1, 2],
        "pts_seconds": [0.0, 0.1, 0.2],
        "source_pts_seconds": [1.0, 1.0, 1.21],
        "source_frame_index": [0, 0, 2],
    }
