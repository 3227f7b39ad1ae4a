"""The picture shows everyone with their number, and when they were seen."""

from fractions import Fraction

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from motiontransfer.errors import KeypointsError
from motiontransfer.pose.plots import (
    frames_worth_a_look,
    longest_first,
    plot_tracks,
)
from motiontransfer.video.frame_store import FrameWriter
from tests.pose.people_in_view import detections_of

ONE, OTHER = (20, 60, 40), (44, 60, 40)


@pytest.fixture
def video(tmp_path):
    with FrameWriter(tmp_path / "frames.mkv", size=(64, 64), frame_rate=Fraction(25)) as writer:
        for index in range(12):
            writer.write(np.full((64, 64, 3), 20 * index, np.uint8))
    return tmp_path / "frames.mkv"


@pytest.fixture
def drawn(monkeypatch):
    figures = []
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, path, **_: figures.append(figure) or path.touch()
    )
    return figures


def two_people():
    return detections_of(
        {0: (range(12), ONE), 1: ([*range(3, 5), *range(8, 10)], OTHER)},
        num_frames=12,
        image_size=(64, 64),
    )


def test_each_track_has_its_box_with_its_number_in_its_colour(tmp_path, video, drawn):
    plot_tracks(tmp_path / "people.png", video, two_people())
    tiles = [axes for axes in drawn[0].axes if axes.images]
    (tile,) = (axes for axes in tiles if axes.get_title(loc="left") == "frame 8, 0.32 s")
    assert tile.images[0].get_array()[0, 0].tolist() == [160, 160, 160]
    labels = {text.get_text().strip(): text for text in tile.texts}
    assert set(labels) == {"0", "1"}
    box, other_box = (patch for patch in tile.patches if isinstance(patch, Rectangle))
    assert box.get_bbox().extents == pytest.approx([12.8, 18.8, 27.2, 61.2], abs=0.01)
    assert other_box.get_bbox().extents == pytest.approx([36.8, 18.8, 51.2, 61.2], abs=0.01)
    colours = [to_hex(patch.get_edgecolor()) for patch in (box, other_box)]
    assert colours == [to_hex(labels[n].get_bbox_patch().get_facecolor()) for n in "01"]
    assert colours == [to_hex(lines.get_color()[0]) for lines in tile.collections]
    assert len(set(colours)) == 2


def test_the_bars_show_when_each_track_was_seen(tmp_path, video, drawn):
    plot_tracks(tmp_path / "people.png", video, two_people(), chosen=(1,))
    bars = drawn[0].axes[-1]
    assert [label.get_text() for label in bars.get_yticklabels()] == [
        "0   100%",
        "subject  1   33%",
    ]
    spans = [
        [tuple(path.vertices[:, 0][[0, 2]].round(3)) for path in collection.get_paths()]
        for collection in bars.collections[:2]
    ]
    assert [sorted(sorted(span) for span in of_track) for of_track in spans] == [
        [[0, 0.48]],
        [[0.12, 0.2], [0.32, 0.4]],
    ]
    assert "2 tracks in 12 frames; subject: 1" in drawn[0].subfigs[0]._suptitle.get_text()


def test_of_many_tracks_the_longest_are_shown_and_the_rest_is_counted(tmp_path, video, drawn):
    many = detections_of(
        {track: (range(12 - track % 3), ONE) for track in range(15)},
        num_frames=12,
        image_size=(64, 64),
    )
    assert longest_first(many) == [*range(0, 15, 3), *range(1, 15, 3), *range(2, 15, 3)]
    plot_tracks(tmp_path / "people.png", video, many)
    assert len(drawn[0].axes[-1].get_yticklabels()) == 12
    assert [text.get_text() for text in drawn[0].subfigs[1].texts] == ["and 3 shorter tracks"]


def test_a_clip_without_people_is_shown_all_the_same(tmp_path, video):
    nobody = detections_of({}, num_frames=12, image_size=(64, 64))
    plot_tracks(tmp_path / "one.png", video, nobody)
    plot_tracks(tmp_path / "two.png", video, nobody)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_another_video_is_refused(tmp_path, video):
    for changed in ({"num_frames": 13}, {"image_size": (64, 66)}):
        detections = detections_of({}, **{"num_frames": 12, "image_size": (64, 64), **changed})
        with pytest.raises(KeypointsError, match=r"expected 1[23] frames of \(64, 6[46]\) px"):
            plot_tracks(tmp_path / "people.png", video, detections)
    assert not (tmp_path / "people.png").exists()


def test_new_tracks_are_shown_where_most_people_are_with_them():
    detections = detections_of(
        {
            0: (range(200), ONE),
            1: (range(60, 70), OTHER),
            2: (range(66, 70), OTHER),
            3: (range(150, 200), OTHER),
        },
        num_frames=200,
    )
    shown = frames_worth_a_look(detections, count=8)
    assert {24, 69, 174} <= set(shown)
    assert shown == sorted(set(shown))
    assert len(shown) == 8
    apart = np.diff(shown)
    assert apart.min() >= 200 // 16


def test_who_is_never_among_most_people_is_shown_too():
    detections = detections_of(
        {0: (range(150), ONE), 1: (range(150), OTHER), 2: (range(160, 170), ONE)}, num_frames=200
    )
    assert 169 in frames_worth_a_look(detections, count=8)


def test_where_nobody_is_frames_are_far_from_each_other():
    shown = frames_worth_a_look(detections_of({}, num_frames=100), count=4)
    assert len(shown) == 4
    assert np.diff(shown).min() > 20
    assert frames_worth_a_look(detections_of({}, num_frames=3), count=8) == [0, 1, 2]
