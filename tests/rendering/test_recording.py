"""The viewer gets the frames, the joints by name, the tracks by number and the measures."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.errors import MissingLibraryError
from motiontransfer.rendering.inspection import Inspection
from motiontransfer.rendering.recording import show_recording, viewer_opens, write_recording
from motiontransfer.skeleton import BODY_LIMBS, HOLISTIC
from tests.dancer import dance, film
from tests.rendering.two_dancers import together


@pytest.fixture
def inspection(tmp_path):
    keypoints = dance(4, missing=[2])
    return Inspection(
        video="waltz",
        frames=film(tmp_path / "frames.mkv", keypoints),
        keypoints=keypoints,
        everyone=together(keypoints),
    )


class Stream:
    """Takes what a recording would: (frame index, entity) -> what was logged."""

    def __init__(self, *_):
        self.logged, self.opened = {}, []
        self.frame = None

    def save(self, path, *, default_blueprint):
        path.write_bytes(b"")
        self.opened.append("file")

    def spawn(self, *, default_blueprint):
        self.opened.append("viewer")

    def set_time(self, timeline, *, sequence=None, duration=None):
        self.frame = self.frame if sequence is None else sequence

    def log(self, entity, what, *, static=False):
        self.logged[self.frame, entity] = what

    def flush(self):
        self.opened.append("flushed")

    def disconnect(self):
        self.opened.append("closed")


@pytest.fixture
def stream(monkeypatch):
    rerun = pytest.importorskip("rerun")
    stream = Stream()
    monkeypatch.setattr(rerun, "RecordingStream", lambda name: stream)
    return stream


def values(batch):
    return batch.as_arrow_array().to_pylist()


def test_a_recording_holds_every_entity(inspection, tmp_path):
    pytest.importorskip("rerun")
    path = tmp_path / "out" / "waltz.rrd"
    write_recording(path, inspection)
    content = path.read_bytes()
    assert content.startswith(b"RRF")
    for entity in ("frame", "everyone", "followed/joints", "followed/limbs"):
        assert b"/video/" + entity.encode() in content
    assert b"/measures/pixels/ankle_line" in content
    assert list(path.parent.iterdir()) == [path]


def test_joints_stand_on_their_pixels_under_their_names(inspection, stream):
    filled = np.zeros((4, len(HOLISTIC.joints)), bool)
    filled[1, HOLISTIC.index("nose")] = True
    keypoints = replace(inspection.keypoints, filled=filled)
    show_recording(replace(inspection, keypoints=keypoints))
    joints = stream.logged[1, "video/followed/joints"]
    found = keypoints.score[1] > 0
    assert np.allclose(values(joints.positions), keypoints.points[1][found] + 0.5)
    labels = values(joints.labels)
    assert labels[0] == "nose (filled in)"
    assert labels[1:] == [
        name for name, there in zip(HOLISTIC.joints[1:], found[1:], strict=True) if there
    ]
    assert values(stream.logged[2, "video/followed/joints"].positions) == []


def test_only_limbs_with_both_joints_are_sent(inspection, stream):
    show_recording(inspection)
    strips = values(stream.logged[0, "video/followed/limbs"].strips)
    hip, knee = (inspection.keypoints.joint(name)[0][0] + 0.5 for name in ("left_hip", "left_knee"))
    assert any(np.allclose(strip, [hip, knee]) for strip in strips)
    there = dict(zip(HOLISTIC.joints, inspection.keypoints.score[0] > 0, strict=True))
    assert len(strips) == sum(there[start] and there[end] for start, end in BODY_LIMBS)
    assert values(stream.logged[2, "video/followed/limbs"].strips) == []


def test_everyone_has_a_box_with_a_number_while_seen(inspection, stream):
    show_recording(inspection)
    assert values(stream.logged[0, "video/everyone"].labels) == ["0", "3"]
    assert values(stream.logged[3, "video/everyone"].labels) == ["0"]
    boxes = stream.logged[0, "video/everyone"]
    assert len(values(boxes.half_sizes)) == len(set(values(boxes.colors))) == 2
    assert not values(stream.logged[2, "video/everyone"].half_sizes), "nobody was found"


def test_measures_and_frames_are_on_the_time_line(inspection, stream):
    show_recording(inspection)
    for index, expected in enumerate((True, True, False, True)):
        (line,) = values(stream.logged[index, "measures/pixels/ankle_line"].scalars)
        assert np.isfinite(line) == expected
        assert (index, "video/frame") in stream.logged
    assert stream.opened == ["viewer", "flushed", "closed"]


def test_without_rerun_one_line_says_what_to_do(inspection, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(MissingLibraryError, match=r"uv sync --extra rerun.* \.mp4 or a \.png"):
        write_recording(tmp_path / "waltz.rrd", inspection)
    monkeypatch.setenv("DISPLAY", ":0")
    assert not viewer_opens()
    assert not (tmp_path / "waltz.rrd").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is a screen")
def test_the_viewer_is_opened_only_on_a_screen(monkeypatch):
    pytest.importorskip("rerun")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not viewer_opens()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert viewer_opens()
