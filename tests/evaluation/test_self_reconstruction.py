from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from motiontransfer.errors import TrainingError
from motiontransfer.evaluation import comparison, plots
from motiontransfer.evaluation.measurements import nested
from motiontransfer.evaluation.network_metrics import NO_NETWORKS
from motiontransfer.evaluation.protocols import evaluate_reconstruction
from tests.evaluation.conftest import LOCAL, read_clips
from tests.films import add_clip
from tests.people import blocks, figure


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reconstruction")
    add_clip(
        folder / "artifacts",
        "ada",
        "walk",
        figure([(20 + 3 * i, 30) for i in range(8)]),
        draw=blocks,
    )
    add_clip(
        folder / "artifacts",
        "ada",
        "bow",
        figure([(30, 30 + 2 * i) for i in range(4)]),
        draw=blocks,
    )
    return folder


@pytest.fixture(scope="module")
def evaluated(folder):
    """Of a generator that is four levels too bright; the pose is always found again."""
    asked = []

    def render(keypoints):
        asked.append(keypoints)
        for index in range(keypoints.num_frames):
            yield blocks(keypoints, index) + np.uint8(4)

    def detect_person(video, **_):
        assert video.exists()
        return asked[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "detect_person", detect_person)
        patch.setattr(plots, "plot_curves", lambda *_, **__: None)  # slow
        found = evaluate_reconstruction(
            read_clips(folder),
            render,
            box_margin=0.1,
            compute=LOCAL,
            folder=folder / "out",
            scratch=folder / "scratch",
            networks=replace(NO_NETWORKS, features=lambda image: image.mean(axis=(0, 1))),
        )
    return found, asked


@pytest.fixture(scope="module")
def metrics(evaluated):
    return nested(evaluated[0])


def test_only_held_out_poses_are_rendered_clip_by_clip(evaluated, metrics, folder):
    bow, walk = read_clips(folder)
    of_bow, of_walk = evaluated[1]
    np.testing.assert_array_equal(of_bow.points, bow.keypoints.points[3:])
    np.testing.assert_array_equal(of_walk.points, walk.keypoints.points[6:])
    assert metrics["frames"] == 1 + 2


def test_ours_and_the_baseline_have_image_and_pose_metrics(evaluated, metrics):
    ours, nearest = metrics["ours"], metrics["nearest_neighbours"]
    assert ours["frame"]["l1"] == pytest.approx(4)
    assert ours["person"]["ssim"] > 0.9 > nearest["person"]["ssim"]
    assert ours["pose_distance_px"]["all"] == 0 < nearest["pose_distance_px"]["all"]
    assert metrics["skipped_frames"]["face"] == {"not_detected": 0, "smaller_than_11_pixels": 0}
    assert metrics["skipped_frames"]["hands"]["not_detected"] == 3  # there is no right hand
    skipped = {one.key.metric: one.note for one in evaluated[0].summary if one.note}
    assert skipped["lpips"] == "no weights were given"


def test_real_frames_have_temporal_metrics_and_identity_too(metrics):
    assert metrics["background_flicker"]["ours"] == metrics["background_flicker"]["real"]
    assert metrics["temporal"]["frame_change_to_real"]["ours"] == pytest.approx(1)
    for region in ("warping_error", "warping_error_person"):
        errors = metrics["temporal"][region]
        assert errors["ours"] == pytest.approx(errors["real"], rel=0.02)
    distance = metrics["identity"]["distance_to_training"]
    assert distance["nearest_neighbours"] == 0 < distance["real"]
    assert set(distance) == {"ours", "nearest_neighbours", "real"}


def test_the_real_frame_before_is_a_baseline(metrics):
    """In the last frames of the walk the figure is 3 pixels behind, in the bow 2 too high."""
    late = metrics["previous_real_frame"]
    assert late["pose_distance_px"]["body"] == pytest.approx((2 + 3 + 3) / 3, abs=1e-3)
    assert late["person"]["ssim"] < metrics["ours"]["person"]["ssim"]
    for of_system in (*metrics["temporal"].values(), metrics["background_flicker"]):
        assert "previous_real_frame" not in of_system


def test_fid_is_against_the_held_out_frames(metrics):
    fid = metrics["realism"]["fid"]["frame"]
    assert set(fid) == {"ours", "nearest_neighbours", "previous_real_frame"}
    # Every held-out frame is four levels too bright, and otherwise itself.
    assert fid["ours"] == pytest.approx(3 * 4**2, rel=1e-3)


def test_table_and_image_are_written_and_frames_not_compared_across_clips(evaluated, folder):
    table = pd.read_csv(folder / "out" / "per_frame.csv")
    assert table["video"].tolist() == ["bow", "walk", "walk"]
    assert table["video_frame_index"].tolist() == [3, 6, 7]
    assert table["frame_index"].tolist() == [0, 1, 2]
    assert table["ours_frame_l1"].tolist() == pytest.approx([4, 4, 4])
    for column in ("temporal_warping_error_ours", "temporal_frame_change_to_real_ours"):
        assert table[column].isna().tolist() == [True, True, False]
    assert table.columns.is_unique
    with Image.open(folder / "out/comparison.png") as image:
        assert image.width > 3 * 64


def test_without_held_out_frames_the_error_names_the_param(folder, tmp_path):
    clips = read_clips(folder, held_out_fraction=0.0)
    rest = {"box_margin": 0.1, "compute": LOCAL, "folder": tmp_path, "scratch": tmp_path}
    with pytest.raises(TrainingError, match=r"bow, walk.*raise train_gan\.held_out_fraction"):
        evaluate_reconstruction(clips, iter, **rest)
