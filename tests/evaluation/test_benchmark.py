import pytest

from motiontransfer.evaluation.benchmark import Footage, benchmark, nearest_footage
from motiontransfer.evaluation.frame_references import read_frames
from motiontransfer.training.split import HeldOut
from motiontransfer.training.target_clips import read_target_clips


@pytest.fixture
def footage(poses, film, tmp_path):
    def make(name, centres, **options):
        keypoints = poses(centres, **options)
        path = film(tmp_path / f"{name}.mkv", keypoints)
        return Footage(frames=[(path, i) for i in range(len(centres))], keypoints=keypoints)

    return make


def test_the_nearer_method_has_the_better_figures(footage):
    real = footage("real", [(30, 30), (32, 32), (34, 30)])
    summary, per_frame = benchmark(
        real,
        {
            "same": footage("same", [(30, 30), (32, 32), (34, 30)]),
            "near": footage("near", [(31, 30), (33, 32), (35, 30)]),
            "far": footage("far", [(40, 36), (22, 36), (44, 36)]),
        },
        box_margin=0.1,
    )
    same, near, far = (summary[name] for name in ("same", "near", "far"))
    assert same["person"] == {"l1": 0, "psnr": 100, "ssim": 1}
    for region in ("frame", "person", "face"):
        assert same[region]["ssim"] > near[region]["ssim"] > far[region]["ssim"]
        assert same[region]["l1"] < near[region]["l1"] < far[region]["l1"]
    assert near["frame"]["l1"] < near["person"]["l1"]
    assert near["pose_distance_px"] == {"body": 1, "hands": 1, "face": 1, "all": 1}
    none = {"not_detected": 0, "smaller_than_11_pixels": 0}
    assert summary["skipped_frames"] == {"person": none, "face": none}
    assert len(per_frame) == 3
    assert per_frame["near_pose_distance_px"].tolist() == [1, 1, 1]
    assert per_frame["same_frame_l1"].tolist() == [0, 0, 0]
    assert per_frame["far_person_ssim"].mean() == pytest.approx(far["person"]["ssim"], abs=1e-4)


def test_missed_detections_stand_beside_the_metrics_of_each_frame(footage):
    face = ("face_chin", "face_forehead", "left_face_temple", "right_face_temple")
    _, per_frame = benchmark(
        footage("real", [(30, 30)] * 2),
        {"ours": footage("ours", [(30, 30)] * 2, absent=face)},
        box_margin=0.1,
    )
    assert per_frame["ours_missed_face"].tolist() == [1, 1]


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
