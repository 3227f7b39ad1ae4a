"""What a project filmed, rendered again second by second; and who is trained on and tested on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from motiontransfer.errors import MissingFileError, TrainingError
from motiontransfer.forensics.corruptions import Stretch
from motiontransfer.forensics.data import (
    Footage,
    Share,
    TargetFootage,
    divide,
    input_files,
    project_footage,
)
from motiontransfer.keypoints import read_keypoints, write_keypoints
from motiontransfer.params import Transfer
from motiontransfer.rendering.renderer import load_renderer, render_poses
from motiontransfer.training.clips import HeldOut
from motiontransfer.video.frame_store import FrameStore
from tests.dancer import add_clip, dance
from tests.forensics.planted import fabric, twins
from tests.stages.project import ARTIFACTS, add_everything_to_render

TRANSFERS = {
    "ada_as_ben": Transfer(source="dance", source_subject="ben", target="ada", truth="none")
}
SHARE = Share(held_out=HeldOut(held_out_fraction=0.3, gap_frames=2), max_frames=1000)


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    """Ada's clip of three seconds and Ben's of two, at 25 frames a second."""
    monkeypatch.chdir(tmp_path)
    add_everything_to_render()
    add_clip(ARTIFACTS, "ada", "walk", dance(75))
    add_clip(ARTIFACTS, "ben", "dance", dance(50, seed=7))
    poses = replace(dance(50, seed=7), detector="normalised")
    write_keypoints(ARTIFACTS / "poses/ada_as_ben.parquet", poses)


def footage(share=SHARE):
    return project_footage(
        Path(),
        fabric(),
        targets=["ada"],
        transfers=TRANSFERS,
        face="none",
        share=share,
        folder=Path("scratch"),
    )


def test_twins_show_the_same_moments_of_parts_that_do_not_meet():
    (ada,) = footage().targets
    assert ada.subject == "ada"
    # 75 frames: the first 51 (a gap of 2 before the last 22 is nobody's)
    assert [each.real.frames for each in ada.earlier] == [range(26), range(25, 51)]
    assert [each.real.frames for each in ada.later] == [range(53, 75)]
    for each in (*ada.earlier, *ada.later):
        assert each.real.path == Path("artifacts/frames/ada/walk/frames.mkv")
        assert len(each.real.frames) == len(each.fake.frames) == len(each.fake.read())


def test_a_second_is_rendered_as_the_whole_clip_would_be_but_for_its_start():
    (ada,) = footage().targets
    renderer = load_renderer(Path("artifacts/models/ada"), fabric(), face="none")
    poses = read_keypoints(Path("artifacts/keypoints/ada/walk.parquet"))
    lead_in = slice(53 - 2, 75)
    part = replace(poses, points=poses.points[lead_in], score=poses.score[lead_in])
    expected = list(render_poses(renderer, part))[2:]
    np.testing.assert_array_equal(ada.later[0].fake.read(), np.stack(expected))


def test_transfers_are_rendered_and_their_sources_are_bystanders():
    made = footage()
    (ada,) = made.targets
    assert [each.frames for each in ada.transfers] == [range(26), range(26, 51)]
    assert {(each.subject, each.clip) for each in ada.transfers} == {("ada", "ada_as_ben")}
    assert {(each.subject, each.clip) for each in made.bystanders} == {("ben", "dance")}
    with FrameStore(Path("artifacts/frames/ben/dance/frames.mkv")) as store:
        np.testing.assert_array_equal(made.bystanders[0].read()[3], store[3])


def test_only_some_seconds_are_rendered_of_long_clips():
    few = Share(held_out=SHARE.held_out, max_frames=40)
    (ada,) = footage(share=few).targets
    assert [len(part) for part in (ada.earlier, ada.later, ada.transfers)] == [1, 1, 1]


def test_what_was_rendered_is_kept():
    footage()
    before = {path.name: path.stat().st_mtime_ns for path in Path("scratch").iterdir()}
    assert before.keys() == {"ada_walk.mkv", "ada_as_ben.mkv"}
    footage()
    assert {path.name: path.stat().st_mtime_ns for path in Path("scratch").iterdir()} == before


def test_every_file_that_decides_is_named():
    named = input_files(Path(), targets=["ada"], transfers=TRANSFERS)
    assert {str(path).removeprefix("artifacts/") for path in named} == {
        *("frames/ada/walk/frames.mkv", "frames/ben/dance/frames.mkv"),
        *("keypoints/ada/walk.parquet", "poses/ada_as_ben.parquet"),
        *("models/ada/generator.safetensors", "models/ada/face_generator.safetensors"),
    } | {"keypoints/ada/walk.parquet"}


def test_missing_weights_are_named():
    Path("artifacts/models/ada/generator.safetensors").unlink()
    with pytest.raises(MissingFileError, match=r"generator\.safetensors: no such"):
        footage()


def target(folder, subject, *, seed, earlier=2, later=2):
    seconds = twins(folder, subject, seed=seed, seconds=earlier + later)
    transfer = Stretch(subject=subject, clip="transfer", path=seconds[0].fake.path, frames=range(4))
    return TargetFootage(
        subject=subject,
        earlier=seconds[:earlier],
        later=seconds[earlier:],
        transfers=[transfer],
    )


def subjects(twins_or_stretches):
    return {getattr(each, "real", each).subject for each in twins_or_stretches}


def bystander(folder):
    return twins(folder, "cleo", seed=9, seconds=1)[0].real


def test_of_several_targets_the_last_is_only_tested_on(tmp_path):
    targets = [target(tmp_path, name, seed=seed) for seed, name in enumerate(("ada", "ben", "dan"))]
    division = divide(Footage(targets=targets, bystanders=[bystander(tmp_path)]))
    assert division.held_out_subject == "dan"
    assert subjects(division.training) == subjects(division.calibration) == {"ada", "ben"}
    assert subjects(division.test.fake) == {"dan"}
    assert subjects(division.test.real) == {"dan", "cleo"}
    assert len(division.test.fake) == 4 + 1
    assert not set(map(repr, division.training)) & set(map(repr, division.calibration))


def test_the_only_target_is_tested_on_what_came_later(tmp_path):
    ada = target(tmp_path, "ada", seed=1, earlier=2, later=3)
    division = divide(Footage(targets=[ada], bystanders=[bystander(tmp_path)]))
    assert division.held_out_subject is None
    assert division.training == ada.earlier
    assert division.calibration == ada.later[:2]
    assert [each.frames for each in division.test.real[:1]] == [ada.later[2].real.frames]
    assert division.test.fake == [ada.later[2].fake, *ada.transfers]
    assert subjects(division.test.real) == {"ada", "cleo"}


@pytest.mark.parametrize("parts", [{"earlier": 0}, {"later": 0}])
def test_too_little_is_told(tmp_path, parts):
    ada = target(tmp_path, "ada", seed=1, **parts)
    with pytest.raises(TrainingError, match=r"of ada; use longer clips"):
        divide(Footage(targets=[ada], bystanders=[]))
