import numpy as np
import pytest

from motiontransfer.evaluation.benchmark import (
    Judge,
    Yardsticks,
    frame_table,
    judges_of,
    method_columns,
    nearest_footage,
    quantity_columns,
    watch,
)
from motiontransfer.evaluation.frame_references import read_frames
from motiontransfer.evaluation.regions import person_regions
from motiontransfer.evaluation.series import means, series_of
from motiontransfer.training.clips import HeldOut, read_target_clips

_YARDSTICKS = Yardsticks(box_margin=0.1, distances={}, looks=np.zeros((1, 64, 32, 3), np.uint8))


@pytest.fixture
def judge(footage):
    def judge(videos, *, real="real", late=None):
        made = {name: footage(name, centres) for name, centres in videos.items()}
        any_video = next(iter(made.values())).keypoints
        judges = judges_of(
            made,
            real=real,
            late=late,
            background=person_regions(any_video, margin=0.1),
            yardsticks=_YARDSTICKS,
        )
        frames = {name: one.frames for name, one in made.items()}
        return watch(frames, judges, size=(64, 64))

    return judge


_REAL = [(30, 30), (32, 32), (34, 30)]


def test_the_nearer_method_has_the_better_figures(judge):
    found = judge(
        {
            "real": _REAL,
            "same": _REAL,
            "near": [(x + 1, y) for x, y in _REAL],
            "far": [(40, 36), (22, 36), (44, 36)],
        }
    )
    pictures = means(found["pictures"])
    same, near, far = (pictures[name] for name in ("same", "near", "far"))
    assert same["person"] == {"l1": 0, "psnr": 100, "ssim": 1, "ssim_aligned": 1}
    for region in ("frame", "person", "face", "hands"):
        assert same[region]["ssim"] > near[region]["ssim"] > far[region]["ssim"]
        assert same[region]["l1"] < near[region]["l1"] < far[region]["l1"]
    assert near["frame"]["l1"] < near["person"]["l1"]
    warping = means(found["warping"])["person"]
    assert warping["same"] == warping["real"] <= warping["near"] < warping["far"]
    assert means(found["change"])["same"] == 1
    assert list(found["flicker"]) == list(found["identity"]) == ["real", "same", "near", "far"]


def test_a_late_video_is_judged_by_its_pictures_only(judge):
    found = judge({"real": _REAL, "ours": _REAL, "late": [_REAL[0], *_REAL[:2]]}, late="late")
    assert list(found["pictures"]) == ["ours", "late"]
    assert list(found["change"]) == ["ours"]
    assert list(found["warping"]["frame"]) == ["real", "ours"]
    assert list(found["identity"]) == list(found["flicker"]) == ["real", "ours"]


def test_without_real_frames_nothing_is_compared_with_them(judge):
    found = judge({"ours": _REAL, "other": _REAL}, real=None)
    assert set(found) == {"flicker", "identity", "warping"}
    assert list(found["warping"]["frame"]) == ["ours", "other"]


def test_videos_of_different_lengths_are_an_error(judge):
    with pytest.raises(ValueError, match=r"shorter|longer"):
        judge({"real": _REAL, "ours": _REAL[:2]})


def test_only_one_frame_of_each_video_is_read_at_a_time(footage, monkeypatch):
    videos = {"a": footage("a", _REAL), "b": footage("b", _REAL)}
    order = []

    class Watcher:
        def see(self, frames):
            order.append(tuple(frames))

        def scores(self):
            return {"seen": series_of(np.ones(len(order)))}

    watcher = Watcher()
    assert isinstance(watcher, Judge)
    frames = {name: one.frames for name, one in videos.items()}
    found = watch(frames, {"watcher": watcher}, size=(64, 64))
    assert order == [("a", "b")] * 3
    assert found["watcher"]["seen"].mean() == 1


def test_columns_are_named_by_method_region_and_metric():
    one = series_of([1.0, np.nan])
    half = type(one)(total=np.array([1.0, 0.0]), weight=np.array([2.0, 2.0]))
    columns = method_columns(
        {
            "ours": {
                "person": {"l1": one},
                "pose_distance_px": {"body": one, "all": one},
                "missed_detections": {"hands": half},
            }
        }
    ) | quantity_columns({"warping_error": {"ours": one, "truth": one}})
    table = frame_table(columns)
    assert list(table.columns) == [
        "ours_person_l1",
        "ours_pose_distance_px_body",
        "ours_pose_distance_px",
        "ours_missed_hands",
        "ours_warping_error",
        "truth_warping_error",
    ]
    assert table["ours_missed_hands"].tolist() == [1, 0]  # one of two hands
    assert table["ours_person_l1"].isna().tolist() == [False, True]


def test_a_part_of_the_footage_has_its_own_poses(footage):
    whole = footage("whole", _REAL)
    part = whole.part(range(1, 3))
    assert part.frames == whole.frames[1:]
    assert (part.keypoints.points == whole.keypoints.points[1:]).all()


def test_the_baseline_shows_training_frames_with_the_nearest_pose(subject, poses, draw, tmp_path):
    walk = poses([(20 + 3 * i, 30) for i in range(8)])
    subject("walk", walk)
    clips = read_target_clips(
        tmp_path / "frames", tmp_path / "keypoints", HeldOut(held_out_fraction=0.25, gap_frames=1)
    )
    wanted = poses([(26.4, 30), (20, 31), (41, 30)])  # the last one is nearest to held-out frame 7
    nearest = nearest_footage(wanted, clips)
    assert nearest.frames == [(clips[0].frames, index) for index in (2, 0, 4)]
    assert (nearest.keypoints.points == walk.points[[2, 0, 4]]).all()
    first = next(read_frames(nearest.frames, (64, 64)))
    assert (first == draw(walk, 2)).all()
