import numpy as np
import pytest

from motiontransfer.evaluation import identity as module
from motiontransfer.evaluation.frame_references import read_frames
from motiontransfer.evaluation.identity import IdentityJudge, look_of, training_looks
from motiontransfer.evaluation.regions import Regions, person_regions
from motiontransfer.training.clips import HeldOut, read_target_clips


@pytest.fixture
def clips(subject, poses, tmp_path):
    subject("walk", poses([(20 + 3 * i, 30) for i in range(8)]))
    return read_target_clips(
        tmp_path / "frames", tmp_path / "keypoints", HeldOut(held_out_fraction=0.25, gap_frames=1)
    )


def _persons(*boxes):
    found = np.array([box is not None for box in boxes])
    return Regions(boxes=np.array([box or (0, 0, 0, 0) for box in boxes], np.int64), found=found)


def _flat(level):
    return np.full((64, 64, 3), level, np.uint8)


def test_a_training_frame_is_at_distance_zero_wherever_the_box_is(clips):
    clip = clips[0]
    looks = training_looks(clips, margin=0.1)
    assert looks.shape == (len(clip.training), 64, 32, 3)
    persons = person_regions(clip.keypoints, margin=0.1)
    judge = IdentityJudge(looks, {"copy": persons})
    for frame in read_frames([(clip.frames, index) for index in clip.training], (64, 64)):
        judge.see({"copy": frame})
    assert judge.scores()["copy"].per_frame().tolist() == [0] * len(clip.training)


def test_the_distance_is_that_to_the_nearest_in_levels():
    looks = np.stack([np.full((64, 32, 3), level, np.uint8) for level in (40, 100, 200)])
    box = (10, 10, 42, 42)
    judge = IdentityJudge(looks, {"ours": _persons(box, box, box)})
    for level in (93, 45, 255):
        judge.see({"ours": _flat(level)})
    assert judge.scores()["ours"].per_frame().tolist() == [7, 5, 55]


def test_only_the_person_is_looked_at():
    frame = _flat(0)
    frame[10:42, 20:40] = 77
    assert (look_of(frame, _persons((20, 10, 40, 42)), 0) == 77).all()


def test_frames_without_a_person_do_not_count_nor_do_clips_without_looks():
    looks = np.full((1, 64, 32, 3), 50, np.uint8)
    judge = IdentityJudge(looks, {"ours": _persons(None, (0, 0, 20, 20))})
    judge.see({"ours": _flat(50)})
    judge.see({"ours": _flat(53)})
    assert judge.scores()["ours"].mean() == 3
    judge = IdentityJudge(looks[:0], {"ours": _persons((0, 0, 20, 20))})
    judge.see({"ours": _flat(53)})
    assert judge.scores()["ours"].mean() is None


def test_long_clips_are_thinned_out_evenly(clips, monkeypatch):
    whole = training_looks(clips, margin=0.1)
    monkeypatch.setattr(module, "_MOST_LOOKS", 3)
    np.testing.assert_array_equal(training_looks(clips, margin=0.1), whole[[0, 2, 4]])
