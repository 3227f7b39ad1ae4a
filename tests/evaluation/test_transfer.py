import numpy as np
import pandas as pd
import pytest
from PIL import Image

from motiontransfer.errors import VideoError
from motiontransfer.evaluation import comparison, plots
from motiontransfer.evaluation.measurements import nested
from motiontransfer.evaluation.network_metrics import Networks
from motiontransfer.evaluation.protocols import TransferVideos, evaluate_transfer
from tests.evaluation.conftest import LOCAL, read_clips
from tests.films import add_clip, film
from tests.people import blocks, figure

_INTENDED = [(24, 30), (28, 32), (32, 30), (36, 32), (40, 30), (44, 32)]
_MOVED = [(x + 1, y) for x, y in _INTENDED]


class _Evaluated:
    """Evaluation of a video of figures at these centres; the detector knows where they are."""

    def __init__(self, folder, result, truth=None, *, size=(64, 64), absent=(), **options):
        self.sheets = []
        add_clip(
            folder / "artifacts",
            "ada",
            "walk",
            figure([(20 + 3 * i, 34) for i in range(12)]),
            draw=blocks,
        )
        poses = {
            "source": figure(_INTENDED),
            "result": figure(result, absent=absent),
            **({"truth": figure(truth, size=size)} if truth else {}),
        }
        files = {
            name: film(folder / f"{name}.mkv", of_video, draw=blocks)
            for name, of_video in poses.items()
        }
        known = {files[name]: of_video for name, of_video in poses.items()}
        contact_sheet = plots.contact_sheet

        def recorded(rows, captions):
            self.sheets.append(([*rows], captions))
            return contact_sheet(rows, captions)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(comparison, "detect_person", lambda video, **_: known[video])
            patch.setattr(plots, "plot_curves", lambda *_, **__: None)  # slow
            patch.setattr(plots, "contact_sheet", recorded)
            found = evaluate_transfer(
                TransferVideos(**{"truth": None, **files}),
                figure(_INTENDED),
                read_clips(folder),
                box_margin=0.1,
                compute=LOCAL,
                folder=folder / "out",
                **options,
            )
        self.metrics = nested(found)
        self.notes = {one.key.metric: one.note for one in found.summary if one.note}
        self.table = pd.read_csv(folder / "out" / "per_frame.csv")
        with Image.open(folder / "out" / "worst_frames.png") as image:
            self.sheet_height = image.height


@pytest.fixture(scope="module")
def with_truth(tmp_path_factory):
    """The intended motion; the ground truth is one pixel to the right."""
    networks = Networks(
        distances={"lpips": lambda first, second: 0.5},
        features=lambda image: image.mean(axis=(0, 1)),
        skipped={"dists": "why"},
    )
    return _Evaluated(tmp_path_factory.mktemp("truth"), _INTENDED, _MOVED, networks=networks)


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    """A result that stands still, without a hand or a ground truth."""
    absent = ("left_hand_wrist", "left_hand_index_tip")
    return _Evaluated(tmp_path_factory.mktemp("none"), [_INTENDED[0]] * 6, absent=absent)


def test_both_systems_are_compared_with_the_intended_pose_and_the_ground_truth(with_truth):
    metrics = with_truth.metrics
    assert metrics["frames"] == 6
    assert metrics["detection"]["ours"]["pose_distance_px"]["all"] == 0
    ours, nearest = metrics["truth"]["ours"], metrics["truth"]["nearest_neighbours"]
    assert ours["person"]["ssim"] > nearest["person"]["ssim"]
    assert ours["pose_distance_px"]["all"] == 1 < nearest["pose_distance_px"]["all"]
    assert (with_truth.table["detection_ours_pose_distance_px_all"] == 0).all()
    assert (with_truth.table["truth_ours_pose_distance_px_all"] == 1).all()


def test_without_ground_truth_pose_and_temporal_metrics_remain(frozen):
    assert set(frozen.metrics) == {"frames", "detection", "temporal", "identity"}
    ours = frozen.metrics["detection"]["ours"]
    assert ours["missed_detections"] == {"body": 0, "hands": 1, "face": 0}
    assert ours["body_found"] == 1
    table = frozen.table
    assert table["pts_seconds"].tolist() == pytest.approx([index / 25 for index in range(6)])
    assert (table["detection_ours_missed_detections_hands"] == 1).all()
    assert table.columns.is_unique
    assert not any("ssim" in name for name in table.columns)


def test_temporal_metrics_and_distance_to_training(with_truth, frozen):
    temporal = with_truth.metrics["temporal"]
    distance = with_truth.metrics["identity"]["distance_to_training"]
    assert distance["nearest_neighbours"] == 0 < min(distance["ours"], distance["truth"])
    assert temporal["frame_change_to_source"] == 1
    assert temporal["frame_change_to_truth"]["ours"] == pytest.approx(1, abs=0.1)
    assert temporal["background_flicker"]["ours"] == temporal["background_flicker"]["truth"] == 0
    assert frozen.metrics["temporal"]["frame_change_to_source"] == 0


def test_the_warping_error_is_along_the_flow_of_the_ground_truth_or_its_own(with_truth, frozen):
    systems = {"ours", "nearest_neighbours"}
    assert set(with_truth.metrics["temporal"]["warping_error"]) == {*systems, "truth"}
    own = frozen.metrics["temporal"]
    assert "warping_error" not in own
    assert set(own["warping_error_own_flow"]) == systems
    assert own["warping_error_own_flow"]["ours"] == 0
    assert "no real frames" in frozen.notes["warping_error"]
    assert frozen.notes["truth"].startswith("this transfer has no")


def test_networks_measure_and_skipped_ones_have_a_reason(with_truth):
    assert with_truth.metrics["truth"]["ours"]["face"]["lpips"] == 0.5
    assert with_truth.notes["dists"] == "why"
    assert (with_truth.table["truth_nearest_neighbours_person_lpips"] == 0.5).all()


def test_fid_and_kid_are_against_the_training_frames(with_truth):
    found = with_truth.metrics["realism"]
    videos = {"ours", "nearest_neighbours", "truth"}
    assert set(found["fid"]["person"]) == set(found["kid"]["frame"]) == videos
    assert found["skipped_frames"] == dict.fromkeys(found["fid"]["frame"], 0)
    # The baseline's frames are training frames.
    assert found["fid"]["person"]["nearest_neighbours"] < found["fid"]["person"]["ours"]


def test_the_worst_frames_are_shown_with_their_errors(with_truth, frozen):
    ((rows, captions),) = with_truth.sheets
    assert rows == ["source", "pose", "result", "truth"]
    assert all(" SSIM 0." in caption for caption in captions)
    ((rows, captions),) = frozen.sheets
    assert rows == ["source", "pose", "result"]
    assert captions[0] == f"frame 5, {np.hypot(20, 2):.1f} px"
    assert with_truth.sheet_height - frozen.sheet_height == 64 + 4  # one more row


@pytest.mark.parametrize(
    ("videos", "text"),
    [
        ({"result": _INTENDED[:5]}, r"result\.mkv: expected 6 frames, .* got 5; render"),
        ({"truth": _INTENDED[:5]}, r"truth\.mkv: expected 6 frames, .* got 5; film"),
        ({"size": (80, 64)}, r"truth\.mkv: expected the shape .*, 64 x 64 .*, got 80 x 64"),
    ],
)
def test_videos_of_another_length_or_size_are_refused(tmp_path, videos, text):
    with pytest.raises(VideoError, match=text):
        _Evaluated(tmp_path, **{"result": _INTENDED, "truth": _INTENDED, **videos})
