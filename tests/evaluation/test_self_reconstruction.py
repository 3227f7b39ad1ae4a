from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from motiontransfer.errors import TrainingError
from motiontransfer.evaluation import comparison, plots
from motiontransfer.evaluation.measurements import nested
from motiontransfer.evaluation.network_metrics import NO_NETWORKS
from motiontransfer.evaluation.self_reconstruction import evaluate_reconstruction
from tests.evaluation.conftest import LOCAL


@pytest.fixture
def clips(subject, poses, read_clips):
    subject("walk", poses([(20 + 3 * i, 30) for i in range(8)]))
    subject("bow", poses([(30, 30 + 2 * i) for i in range(4)]))
    return read_clips


@pytest.fixture
def run(clips, draw, monkeypatch, tmp_path):
    """Evaluate a generator that is a few levels too bright; the pose is always found again."""
    asked = []

    def render(keypoints):
        asked.append(keypoints)
        for index in range(keypoints.num_frames):
            yield draw(keypoints, index) + np.uint8(4)

    def detect_person(video, **_):
        assert video.exists()
        return asked[-1]

    monkeypatch.setattr(comparison, "detect_person", detect_person)
    monkeypatch.setattr(plots, "plot_curves", lambda path, *_, **__: path.touch())  # slow

    def run(held_out_fraction=0.25, **options):
        found = evaluate_reconstruction(
            clips(held_out_fraction),
            render,
            box_margin=0.1,
            compute=LOCAL,
            folder=tmp_path / "out",
            scratch=tmp_path / "scratch",
            **options,
        )
        return found, asked

    return run


def test_only_held_out_poses_are_rendered_clip_by_clip(run, clips):
    found, asked = run()
    assert nested(found)["frames"] == 1 + 2
    bow, walk = clips(0.25)
    assert [keypoints.num_frames for keypoints in asked] == [1, 2]
    assert (asked[0].points == bow.keypoints.points[3:]).all()
    assert (asked[1].points == walk.keypoints.points[6:]).all()


def test_ours_and_the_baselines_stand_in_one_table(run):
    metrics = nested(run()[0])
    ours, nearest = metrics["ours"], metrics["nearest_neighbours"]
    assert ours["frame"]["l1"] == pytest.approx(4)
    assert ours["person"]["ssim"] > 0.9 > nearest["person"]["ssim"]
    assert ours["pose_distance_px"]["all"] == 0
    assert nearest["pose_distance_px"]["all"] > 0
    assert ours["pck_10_percent"] == {"body": 1, "hands": 1, "face": 1}
    assert ours["missed_joints_per_frame"]["all"] == 0
    assert ours["missed_detections"] == {"body": 0, "hands": 0, "face": 0}
    assert metrics["skipped_frames"]["face"] == {"not_detected": 0, "smaller_than_11_pixels": 0}
    assert metrics["skipped_frames"]["hands"]["not_detected"] == 3  # there is no right hand


def test_real_frames_have_temporal_metrics_and_identity_too(run):
    metrics = nested(run()[0])
    assert metrics["background_flicker"]["ours"] == metrics["background_flicker"]["real"]
    assert metrics["temporal"]["frame_change_to_real"]["ours"] == pytest.approx(1)
    for region in ("warping_error", "warping_error_person"):
        errors = metrics["temporal"][region]
        assert errors["ours"] == pytest.approx(errors["real"], rel=0.02)
    distance = metrics["identity"]["distance_to_training"]
    assert distance["nearest_neighbours"] == 0 < distance["real"]


def test_the_real_frame_before_is_a_baseline(run, clips):
    """In the last frames of the walk the figure is 3 pixels behind, in the bow 2 too high."""
    metrics = nested(run()[0])
    late = metrics["previous_real_frame"]
    assert late["pose_distance_px"]["body"] == pytest.approx((2 + 3 + 3) / 3, abs=1e-3)
    assert late["person"]["ssim"] < metrics["ours"]["person"]["ssim"]
    assert "previous_real_frame" not in metrics["temporal"]["warping_error"]


def test_frames_are_not_compared_across_clips(run, tmp_path):
    run()
    table = pd.read_csv(tmp_path / "out" / "per_frame.csv")
    for column in ("temporal_warping_error_ours", "temporal_frame_change_to_real_ours"):
        assert table[column].isna().tolist() == [True, True, False]


def test_skipped_metrics_have_a_reason(run):
    skipped = {one.key.metric: one.note for one in run()[0].summary if one.note}
    assert skipped["lpips"] == skipped["fid"] == skipped["kid"] == "no weights were given"
    assert "face-recognition" in skipped["face_identity"]


def test_fid_is_against_the_held_out_frames_where_there_is_a_network(run):
    networks = replace(NO_NETWORKS, features=lambda image: image.mean(axis=(0, 1)))
    fid = nested(run(networks=networks)[0])["realism"]["fid"]["frame"]
    assert set(fid) == {"ours", "nearest_neighbours", "previous_real_frame"}
    # Every held-out frame is four levels too bright, and otherwise itself.
    assert fid["ours"] == pytest.approx(3 * 4**2, rel=1e-3)


def test_table_and_images_are_written(run, tmp_path):
    run()
    table = pd.read_csv(tmp_path / "out" / "per_frame.csv")
    assert table["video"].tolist() == ["bow", "walk", "walk"]
    assert table["video_frame_index"].tolist() == [3, 6, 7]
    assert table["frame_index"].tolist() == [0, 1, 2]
    assert table["ours_frame_l1"].tolist() == pytest.approx([4, 4, 4])
    assert table.columns.is_unique
    with Image.open(tmp_path / "out/comparison.png") as image:
        assert image.width > 3 * 64
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "comparison.png",
        "curves.png",
        "per_frame.csv",
    ]


def test_without_held_out_frames_the_error_names_the_param(run):
    with pytest.raises(TrainingError, match=r"bow, walk.*raise train_gan\.held_out_fraction"):
        run(held_out_fraction=0.0)
