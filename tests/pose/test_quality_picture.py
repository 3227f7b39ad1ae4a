"""The picture shows coverage, speed, scores, real frames and the verdict."""

from fractions import Fraction

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from motiontransfer.pose.cleaning import Repairs
from motiontransfer.pose.quality import FILLED, MISSING
from motiontransfer.pose.quality_picture import plot_quality, worst_frames
from motiontransfer.video.frame_store import FrameStore, FrameWriter
from tests.pose.judging import NUM_FRAMES, quality
from tests.pose.whole_person import lost, standing


@pytest.fixture
def store(tmp_path):
    """A clip whose frame i is of the grey i."""
    path = tmp_path / "frames.mkv"
    with FrameWriter(path, size=(64, 64), frame_rate=Fraction(25)) as writer:
        for index in range(NUM_FRAMES):
            writer.write(np.full((64, 64, 3), index, np.uint8))
    with FrameStore(path) as store:
        yield store


@pytest.fixture
def drawn(monkeypatch):
    figures = []
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, path, **_: figures.append(figure) or path.touch()
    )
    return figures


def texts(figure):
    return [text.get_text() for part in figure.subfigs for text in part.texts]


def test_it_shows_what_it_says(tmp_path, store, drawn):
    keypoints = lost(standing(NUM_FRAMES), "left_hand", [40])
    clip = quality([("left hand", MISSING, [40]), ("right hand", FILLED, [40, 70])])
    sentences = ["hands are blurred", "nothing else"]
    plot_quality(tmp_path / "q.png", store, keypoints, clip, sentences=sentences, title="dance")
    coverage, legend, speed, scores, *pictures = drawn[0].axes
    words = "\n".join(texts(drawn[0]))
    assert "dance: 100 frames, drawn" in words
    assert "hands are blurred" in words
    assert "nothing else" in words
    np.testing.assert_array_equal(coverage.images[0].get_array(), clip.state)
    labels = [label.get_text() for label in coverage.get_yticklabels()]
    assert labels[0] == "head  100%"
    assert labels[4] == "left hand  99%"
    assert [text.get_text() for text in legend.get_legend().get_texts()][2] == "missing"
    np.testing.assert_array_equal(speed.lines[0].get_ydata(), clip.speed)
    assert [bar.get_height() for bar in scores.patches] == [0] * 9 + [1]
    shown = [picture for picture in pictures if picture.images]
    titles = [picture.get_title().split("\n") for picture in shown]
    at = [title[0] for title in titles].index("1.6 s, frame 40")
    assert titles[at][1:] == ["missing: left hand", "filled in: right hand"]
    assert (shown[at].images[0].get_array() == 40).all()
    assert shown[at].lines  # the pose is drawn on it


def test_speeding_removed_and_exchanged_joints_are_marked(tmp_path, store, drawn):
    nowhere, none = np.zeros(NUM_FRAMES, np.bool_), np.zeros(NUM_FRAMES, np.int64)
    repairs = Repairs(
        sides=np.arange(NUM_FRAMES) == 30,
        hands=nowhere,
        removed=np.where(np.arange(NUM_FRAMES) == 20, 2, 0),
        filled=none,
    )
    fast = np.where(np.arange(NUM_FRAMES) == 10, 9.0, 1.0)
    clip = quality(repairs=repairs, speed=fast)
    plot_quality(
        tmp_path / "q.png", store, standing(NUM_FRAMES), clip, sentences=["x"], title="dance"
    )
    speed = drawn[0].axes[2]
    marks = {line.get_label(): line.get_xdata().tolist() for line in speed.lines[1:]}
    assert marks == {
        "faster than a person can": [0.4],
        "a joint that jumped was removed": [0.8],
        "left and right were exchanged": [1.2],
    }


def test_the_worst_frames_are_apart_and_in_order():
    clip = quality(
        [("face", MISSING, [60, 61, 62]), ("feet", MISSING, [61]), ("head", FILLED, [5])],
        speed=np.where(np.arange(NUM_FRAMES) == 90, 9.0, 1.0),
    )
    worst = worst_frames(clip, count=3)
    assert worst == [5, 61, 90]
    always = quality([("face", MISSING, np.arange(NUM_FRAMES))])
    assert worst_frames(always, count=2) == [0, 25]  # half the clip, whatever lies there
    assert len(worst_frames(clip, count=50)) < 10
    assert np.diff(worst_frames(clip, count=50)).min() >= 12  # half a second


def test_a_gap_of_one_frame_shows_in_a_clip_with_more_frames_than_pixels(
    tmp_path, store, drawn, monkeypatch
):
    monkeypatch.setattr("motiontransfer.pose.quality_picture._MAX_COLUMNS", 30)
    clip = quality([("feet", MISSING, [51])])
    plot_quality(
        tmp_path / "q.png", store, standing(NUM_FRAMES), clip, sentences=["x"], title="dance"
    )
    columns = drawn[0].axes[0].images[0].get_array()
    assert columns.shape[1] == 30
    assert (columns == MISSING).sum() == 1


def test_the_same_clip_is_the_same_png(tmp_path, store):
    clip = quality([("face", MISSING, [3])], with_others=np.arange(NUM_FRAMES) < 50)
    for name in ("a.png", "b.png"):
        plot_quality(
            tmp_path / name,
            store,
            standing(NUM_FRAMES),
            clip,
            sentences=["a long sentence " * 20],
            title="x",
        )
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 1000
