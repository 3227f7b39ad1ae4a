import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from motiontransfer.core.errors import MissingFileError, VideoError
from motiontransfer.core.params import load_section
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import write_detections, write_keypoints
from motiontransfer.rendering.inspect import (
    Inspection,
    advise_on_poses,
    draw_overlay,
    expected_path,
    load_inspection,
    write_overlay,
)
from motiontransfer.retargeting.params import FitNormalizationParams, NormalizationParams
from motiontransfer.video.frame_store import FrameStore
from tests.clone import SHIPPED
from tests.films import add_clip, film
from tests.people import (
    RATE,
    SIZE,
    dance,
    everyone,
    from_behind,
    joined,
    moved,
    person,
    rotated,
    standing,
)

NUM_FRAMES = 6
SCALE = 10  # 48 px high is shown 480 px high


@pytest.fixture
def inspection(tmp_path):
    keypoints = dance(NUM_FRAMES, missing=[4])
    frames = film(tmp_path / "frames.mkv", keypoints)
    return Inspection(video="waltz", frames=frames, keypoints=keypoints, detections=None)


def two_people(keypoints):
    """The subject as track 0; track 3 is 12 px to the left, in the first two frames."""
    is_there = (keypoints.score > 0) & (np.arange(keypoints.num_frames) < 2)[:, None]
    points = np.where(is_there[..., None], keypoints.points - np.float32((12, 0)), np.float32(0))
    both = everyone(keypoints, replace(keypoints, points=points, score=keypoints.score * is_there))
    return replace(both, person=3 * both.person)


@dataclass
class Drawn:
    """A film whose frames are even: of this level and its index more."""

    keypoints: Keypoints
    level: int

    def frame(self, index):
        return np.full((*self.keypoints.image_size, 3), self.level + index, np.uint8)


def test_the_dances_frame_and_the_targets_nearest_are_beside_each_other(tmp_path):
    dance = Drawn(joined(standing(2), from_behind(standing(1))), 100)
    target = [Drawn(moved(standing(2), "left_wrist", {0: (30, 0), 1: (30, 0)}), 30)]
    target.append(Drawn(standing(1), 60))
    picture = tmp_path / "made/poses.png"
    told = advise_on_poses(dance, target, name="me", picture=picture)
    assert (told.name, told.judgment) == ("me", "good")
    assert told.sentence == "Good: the film shows what the dance needs."
    (covered,) = told.facts
    assert covered.startswith("your films cover 78 % of the dance (head 67 %, ")
    assert told.advice == ("better: strike one pose of it while you film, and it is 100 %",)
    assert str(told).endswith(f"  - {told.advice[0]}\n  - look at {picture}")
    row = np.asarray(Image.open(picture))[-40]
    widths = [(row == level).all(axis=1).sum() for level in (102, 60)]
    # 80 px of joints and 15 % of their height of 152 px on either side
    assert widths[0] == widths[1] == pytest.approx(125, abs=8)


def test_who_gave_a_photo_is_asked_for_photos(tmp_path):
    dance = Drawn(joined(standing(2), from_behind(standing(25))), 100)
    how = {"name": "me", "picture": tmp_path / "poses.png"}
    told = advise_on_poses(dance, [Drawn(standing(1), 30)], **how)
    assert told.facts[0].startswith("as you stand in the photo you cover ")
    assert told.judgment == "fair"  # hands hang in both, and a back has a front's trunk
    stretched = "Legs, head and arms will be stretched from the photo."
    assert (
        told.sentence == f"Mostly in the photo: trunk and hands. {stretched} Not in it: the back."
    )
    back, added = told.advice
    assert back.endswith("no photo of you shows: you will face the camera; show it in another")
    assert re.match(r"better: give a photo of you in one pose of it, too, and it is \d+ %", added)
    both = [Drawn(standing(1), 30), Drawn(from_behind(standing(1)), 60)]
    assert not advise_on_poses(dance, both, **how).advice


def test_a_film_that_lacks_legs_or_back_of_the_dance_is_not_called_good(tmp_path):
    """Whatever it covers beside; only of what it shows something can be stretched."""
    front, turned = standing(2), joined(standing(2), from_behind(standing(25)))
    from_knees_up = moved(standing(2), "left_ankle", {0: (0, 900), 1: (0, 900)})
    from_knees_up = moved(from_knees_up, "right_ankle", {0: (0, 900), 1: (0, 900)})
    cases = {"the legs": (front, from_knees_up), "the back": (turned, front)}
    cases["the legs and back"] = (turned, from_knees_up)
    for lacking, (danced, filmed) in cases.items():
        films = Drawn(danced, 100), [Drawn(filmed, 30)]
        told = advise_on_poses(*films, name="me", picture=tmp_path / "poses.png")
        assert told.judgment == "fair"
        assert told.sentence.endswith(f" Not in it: {lacking}.")
        assert ("legs" in lacking) == ("the dance's legs will not be seen" in str(told))
        assert ("back" in lacking) == ("the dancer turns the back" in str(told))
        if "legs" in lacking:
            assert "legs" not in told.sentence.lower().replace(lacking, "")


def test_of_a_handstand_a_film_of_somebody_who_stands_shows_little(tmp_path):
    film, picture = Drawn(standing(2), 30), tmp_path / "poses.png"
    dance = Drawn(rotated(standing(2), 180), 100)
    told = advise_on_poses(dance, [film], name="me", picture=picture)
    assert told.judgment == "poor"
    stretched = "Legs, trunk, head, arms and hands will be stretched from the film."
    assert told.sentence == f"Little of the dance is in the film. {stretched}"


def test_without_a_missing_pose_there_is_no_picture(tmp_path):
    film = Drawn(standing(3), 0)
    told = advise_on_poses(film, [film], name="me", picture=tmp_path / "poses.png")
    assert told.facts[0].startswith("your films cover 100 % of the dance")
    assert (told.judgment, told.advice, told.picture) == ("good", (), "")
    assert not [*tmp_path.iterdir()]


def test_a_path_that_will_be_shortened_is_told_before():
    """Hands reach 32 px, and the path 190, in a picture that shows 128 px to each side."""
    path = [(500 + 190 * np.sin(2 * np.pi * index / 40), 128) for index in range(41)]
    walk = Drawn(replace(person(path), image_size=(256, 1000)), 0)
    target = [Drawn(standing(20), 0)]
    params = {"path": SHIPPED / "params.yaml"}
    normalization = load_section(NormalizationParams, "normalization", **params)
    fit = load_section(FitNormalizationParams, "fit_normalization", **params)
    said = expected_path(walk, target, normalization, fit)
    assert re.fullmatch(r"the path from side to side will be (4[89]|5\d) % shorter", said)
    as_danced = normalization.model_copy(update={"path": "as_danced"})
    assert expected_path(walk, target, as_danced, fit) == ""
    nobody = Drawn(walk.keypoints.without(np.array([[True]])), 0)
    for quiet in (target[0], nobody):
        assert expected_path(quiet, target, normalization, fit) == ""


def shown(inspection, index=0):
    """One frame's overlay over black."""
    return draw_overlay(np.zeros((*SIZE, 3), np.uint8), inspection, index)


def place(points):
    """(row, column) in the overlay of a point in the frame."""
    x, y = np.round((points + 0.5) * SCALE - 0.5).astype(int)
    return y, x


def test_small_frames_are_enlarged_and_show_through_where_nobody_was_found(inspection):
    grey = np.full((*SIZE, 3), 90, np.uint8)
    overlay = draw_overlay(grey, inspection, 4)
    assert overlay.shape == (480, 400, 3)
    assert (overlay == 90).all()
    assert not np.shares_memory(overlay, grey)


def test_detections_are_dim_and_in_a_numbered_box(inspection):
    both = replace(inspection, detections=two_people(inspection.keypoints))
    overlay, later = shown(both), shown(both, 2)
    hip, knee = (inspection.keypoints.joint(f"left_{name}")[0][0] for name in ("hip", "knee"))
    assert 90 < overlay[place((hip + knee) / 2 - (12, 0))].max() < 140
    before = shown(inspection), shown(inspection, 2)
    changed = [(it != was).any(2).sum() for it, was in zip((overlay, later), before, strict=True)]
    assert changed[1] < changed[0], "track 3 has left"
    for track, color, is_later in ((0, (255, 75, 75), True), (3, (255, 212, 59), False)):
        assert (overlay == color).all(2).any(), f"box of track {track}"
        assert (later == color).all(2).any() == is_later


def test_the_video_shows_every_frame_with_its_overlay(inspection, tmp_path):
    path = tmp_path / "out" / "waltz.mp4"
    write_overlay(path, inspection)
    with FrameStore(path) as video:
        assert len(video) == NUM_FRAMES
        assert video.frame_rate == RATE
        frames = [frame.astype(int) for frame in video.frames()]
    for index, frame in enumerate(frames):
        expected = draw_overlay(inspection.frame(index), inspection, index)
        assert np.abs(frame[-480:, :400] - expected).mean() < 3


@pytest.fixture
def artifacts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    add_clip(tmp_path / "artifacts", "ben", "waltz", dance(5))
    return tmp_path / "artifacts"


def test_detections_are_read_where_they_were_kept(artifacts):
    alone = load_inspection("waltz", "ben")
    assert alone.frames == Path("artifacts/frames/ben/waltz/frames.mkv")
    assert np.array_equal(alone.keypoints.points, dance(5).points)
    assert alone.detections is None
    write_detections(artifacts / "detections/ben/waltz.parquet", two_people(dance(5)))
    assert load_inspection("waltz", "ben").detections.people == (0, 3)


@pytest.mark.parametrize(
    ("absent", "command"),
    [
        ("frames/ben/waltz", "dvc repro decode@waltz"),
        ("keypoints/ben", "dvc repro clean_keypoints@waltz"),
    ],
)
def test_missing_artifacts_are_named_with_the_command_that_makes_them(artifacts, absent, command):
    shutil.rmtree(artifacts / absent)
    with pytest.raises(MissingFileError, match=f"{absent}.*: not made yet; run `{command}`$"):
        load_inspection("waltz", "ben")


def test_keypoints_of_another_clip_are_refused(artifacts):
    write_keypoints(artifacts / "keypoints/ben/waltz.parquet", dance(4))
    text = r"expected 4 frames, got 5; .*; run `dvc repro clean_keypoints@waltz`"
    with pytest.raises(VideoError, match=text):
        load_inspection("waltz", "ben")
