from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from matplotlib.figure import Figure

from motiontransfer.core.errors import KeypointsError
from motiontransfer.filming import quality_plot
from motiontransfer.filming.quality import FILLED, MISSING
from motiontransfer.pose import plots
from motiontransfer.pose.cleaning import Repairs
from motiontransfer.pose.overlays import draw_detections, track_color
from motiontransfer.video.frame_store import FrameStore
from tests.filming.flawless import NUM_FRAMES, quality
from tests.films import film
from tests.people import detections_of, lost, standing

ONE, OTHER = (20, 60, 40), (44, 60, 40)


def gray_frames(path, num_frames):
    """Frame i is of the gray 2 i."""
    return film(path, (np.full((64, 64, 3), 2 * index, np.uint8) for index in range(num_frames)))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return gray_frames(tmp_path_factory.mktemp("video") / "frames.mkv", 12)


@pytest.fixture
def drawn(monkeypatch):
    figures = []
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, path, **_: figures.append(figure) or path.touch()
    )
    return figures


in_twelve_frames = partial(detections_of, num_frames=12, image_size=(64, 64))
TWO_PEOPLE = in_twelve_frames({0: (range(12), ONE), 1: ([*range(3, 5), *range(8, 10)], OTHER)})


def test_each_track_has_its_box_with_its_number_in_its_color(tmp_path, video, drawn):
    plots.plot_tracks(tmp_path / "people.png", video, TWO_PEOPLE)
    tiles = (axes for axes in drawn[0].axes if axes.images)
    (tile,) = (axes for axes in tiles if axes.get_title(loc="left") == "frame 8, 0.32 s")
    image = np.asarray(tile.images[0].get_array())
    assert image.shape == (512, 512, 3)  # enlarged
    assert image[0, 0].tolist() == [16, 16, 16]
    _, boxes = draw_detections(image, TWO_PEOPLE, 8)
    for track, expected in ((0, [12, 18, 28, 62]), (1, [36, 18, 52, 62])):
        x0, y0, x1, y1 = boxes[track]
        assert np.array(boxes[track]) / 8 == pytest.approx(expected, abs=1.2)
        number = image[y0 : y0 + 20, x0 : x0 + 20].reshape(-1, 3)
        assert (number == track_color(track)).all(axis=1).mean() > 0.3
        assert (image[y1 - 2 : y1, x0:x1] == track_color(track)).all()


def test_a_clip_without_people_is_plotted_and_another_video_refused(tmp_path, video, drawn):
    path = tmp_path / "nobody.png"
    plots.plot_tracks(path, video, in_twelve_frames({}))
    title = drawn[0].subfigs[0]._suptitle.get_text()
    assert title.startswith("no person detected in 12 frames")
    path.unlink()
    for changed in ({"num_frames": 13}, {"image_size": (64, 66)}):
        with pytest.raises(KeypointsError, match=r"expected 1[23] frames of \(64, 6[46]\) px"):
            plots.plot_tracks(path, video, in_twelve_frames({}, **changed))
    assert not path.exists()


@pytest.mark.parametrize(("num_tracks", "told"), [(12, []), (14, ["and 2 shorter tracks"])])
def test_of_many_tracks_the_longest_are_shown(tmp_path, video, drawn, num_tracks, told):
    tracks = {number: ([number % 12], ONE) for number in range(num_tracks)}
    plots.plot_tracks(tmp_path / "people.png", video, in_twelve_frames(tracks))
    assert [text.get_text() for text in drawn[0].subfigs[1].texts] == told


def test_new_tracks_are_shown_where_most_people_are_with_them():
    frames = (range(200), range(60, 70), range(66, 70), range(150, 200))
    tracks = {number: (seen, ONE) for number, seen in enumerate(frames)}
    shown = plots.representative_frames(detections_of(tracks, num_frames=200), count=8)
    assert {24, 69, 174} <= set(shown)
    assert len(shown) == 8
    assert np.diff(shown).min() >= 200 // 16


def test_the_quality_plot_shows_its_measures(tmp_path, drawn):
    hands = [("left hand", MISSING, [40]), ("right hand", FILLED, [40, 70])]
    repairs = replace(Repairs.none(NUM_FRAMES), residual=np.linspace(0, 0.02, NUM_FRAMES))
    clip = quality(hands, repairs=repairs)
    keypoints = lost(standing(NUM_FRAMES), "left_hand", [40])
    how = {"sentences": ["hands are blurred"], "title": "dance"}
    with FrameStore(gray_frames(tmp_path / "frames.mkv", NUM_FRAMES)) as store:
        quality_plot.plot_quality(tmp_path / "q.png", store, keypoints, clip, **how)
    coverage, _, fit, scores, *tiles = drawn[0].axes
    words = "\n".join(text.get_text() for part in drawn[0].subfigs for text in part.texts)
    assert all(told in words for told in ("dance: 100 frames, drawn", "hands are blurred"))
    np.testing.assert_array_equal(coverage.images[0].get_array(), clip.state)
    assert coverage.get_yticklabels()[4].get_text() == "left hand  99%"
    np.testing.assert_allclose(fit.lines[0].get_ydata(), np.linspace(0, 2, NUM_FRAMES))
    assert [bar.get_height() for bar in scores.patches] == [0] * 9 + [1]
    (tile,) = (tile for tile in tiles if tile.get_title().startswith("1.6 s, frame 40"))
    assert tile.get_title().split("\n")[1:] == ["missing: left hand", "filled in: right hand"]
    assert set(np.unique(tile.images[0].get_array())) > {80}  # the pose is drawn on the frame


def test_the_worst_frames_are_apart_and_in_order():
    misfits = replace(Repairs.none(NUM_FRAMES), misfits=np.arange(NUM_FRAMES) == 90)
    faults = [("face", MISSING, [60, 61, 62]), ("feet", MISSING, [61]), ("head", FILLED, [5])]
    clip = quality(faults, repairs=misfits)
    worst = quality_plot.faultiest_frames(clip, count=3)
    assert worst == [5, 61, 90]
    always = quality([("face", MISSING, np.arange(NUM_FRAMES))])
    assert quality_plot.faultiest_frames(always, count=2) == [0, 25]  # half the clip apart
    assert len(quality_plot.faultiest_frames(clip, count=50)) < 10
    assert np.diff(quality_plot.faultiest_frames(clip, count=50)).min() >= 12  # half a second
