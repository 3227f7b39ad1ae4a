from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from motiontransfer.errors import MissingFileError, VideoError
from motiontransfer.evaluation import comparison, plots
from motiontransfer.evaluation.measurements import nested
from motiontransfer.evaluation.network_metrics import NO_NETWORKS, Networks
from motiontransfer.evaluation.transfer import TransferVideos, evaluate_transfer
from tests.evaluation.conftest import LOCAL

_INTENDED = [(24, 30), (28, 32), (32, 30), (36, 32), (40, 30), (44, 32)]


@pytest.fixture
def clips(subject, poses, read_clips):
    subject("walk", poses([(20 + 3 * i, 34) for i in range(12)]))
    return read_clips()


@pytest.fixture
def find(clips, poses, film, monkeypatch, tmp_path):
    """Evaluate videos of figures at the given centres; the detector knows where they are."""
    known = {}
    monkeypatch.setattr(comparison, "detect_person", lambda video, **_: known[video])
    monkeypatch.setattr(plots, "plot_curves", lambda path, *_, **__: path.touch())  # slow

    def find(result, truth=None, *, truth_file=None, absent=(), **options):
        videos = {}
        for name, centres in (("result", result), ("truth", truth), ("source", _INTENDED)):
            videos[name] = centres and film(tmp_path / f"{name}.mkv", poses(centres))
        known[videos["result"]] = poses(result, absent=absent)
        if truth:
            known[videos["truth"]] = poses(truth)
        videos["truth"] = truth_file or videos["truth"]
        return evaluate_transfer(
            TransferVideos(**videos),
            poses(_INTENDED),
            clips,
            box_margin=0.1,
            compute=LOCAL,
            folder=tmp_path / "out",
            **options,
        )

    return find


@pytest.fixture
def run(find):
    """The same, of which only the metrics are wanted."""
    return lambda *args, **options: nested(find(*args, **options))


def _moved(dx, dy):
    return [(x + dx, y + dy) for x, y in _INTENDED]


def test_both_systems_are_compared_with_the_ground_truth(run):
    metrics = run(_moved(1, 0), truth=_moved(0, 0))
    ours, nearest = metrics["truth"]["ours"], metrics["truth"]["nearest_neighbours"]
    assert ours["person"]["ssim"] > nearest["person"]["ssim"]
    assert ours["pose_distance_px"]["all"] == 1
    assert nearest["pose_distance_px"]["all"] > 1
    assert metrics["frames"] == 6


def test_pose_distance_is_to_the_intended_pose_and_to_the_ground_truth(run, tmp_path):
    metrics = run(_moved(0, 0), truth=_moved(3, 4))
    assert metrics["detection"]["ours"]["pose_distance_px"]["all"] == 0
    assert metrics["truth"]["ours"]["pose_distance_px"]["all"] == 5
    table = pd.read_csv(tmp_path / "out" / "per_frame.csv")
    assert (table["detection_ours_pose_distance_px_all"] == 0).all()
    assert (table["truth_ours_pose_distance_px_all"] == 5).all()


def test_without_ground_truth_pose_and_temporal_metrics_remain(run, tmp_path):
    metrics = run(_moved(3, 4), absent=("left_hand_wrist", "left_hand_index_tip"))
    assert set(metrics) == {"frames", "detection", "temporal", "identity"}
    ours = metrics["detection"]["ours"]
    assert ours["missed_detections"] == {"body": 0, "hands": 1, "face": 0}
    assert ours["pose_distance_px"]["body"] == 5
    assert ours["body_found"] == 1
    table = pd.read_csv(tmp_path / "out" / "per_frame.csv")
    assert len(table) == 6
    assert table["pts_seconds"].tolist() == pytest.approx([index / 25 for index in range(6)])
    assert (table["detection_ours_missed_detections_hands"] == 1).all()
    assert table.columns.is_unique
    assert not any("ssim" in name for name in table.columns)


def test_frame_change_and_distance_to_training(run):
    metrics = run(_moved(0, 0), truth=_moved(0, 0))
    temporal, distance = metrics["temporal"], metrics["identity"]["distance_to_training"]
    assert distance["nearest_neighbours"] == 0 < distance["ours"] == distance["truth"]
    assert temporal["frame_change_to_source"] == 1
    assert temporal["frame_change_to_truth"]["ours"] == 1
    assert temporal["background_flicker"]["ours"] == temporal["background_flicker"]["truth"] == 0
    frozen = run([_INTENDED[0]] * 6, truth=_moved(0, 0))["temporal"]
    assert frozen["frame_change_to_source"] == frozen["frame_change_to_truth"]["ours"] == 0


def test_the_warping_error_is_along_the_flow_of_the_ground_truth_or_its_own(find, run):
    along_truth = run(_moved(0, 0), truth=_moved(0, 0))["temporal"]
    assert along_truth["warping_error"]["ours"] == along_truth["warping_error"]["truth"]
    found = find(_moved(0, 0))
    own, skipped = nested(found)["temporal"], _notes(found)
    assert "warping_error" not in own
    assert set(own["warping_error_own_flow"]) == {"ours", "nearest_neighbours"}
    assert own["warping_error_own_flow"]["ours"] == along_truth["warping_error"]["ours"]
    assert "no real frames" in skipped["warping_error"]
    assert skipped["truth"].startswith("this transfer has no")


def _notes(found):
    return {one.key.metric: one.note for one in found.summary if one.note}


def test_networks_measure_and_skipped_ones_have_a_reason(find, tmp_path):
    distances = {"lpips": lambda first, second: 0.5}
    networks = Networks(distances=distances, features=None, skipped={"dists": "why"})
    found = find(_moved(1, 0), truth=_moved(0, 0), networks=networks)
    assert nested(found)["truth"]["ours"]["face"]["lpips"] == 0.5
    assert _notes(found)["dists"] == "why"
    table = pd.read_csv(tmp_path / "out" / "per_frame.csv")
    assert (table["truth_nearest_neighbours_person_lpips"] == 0.5).all()


def test_fid_and_kid_are_against_the_training_frames(run):
    networks = replace(NO_NETWORKS, features=lambda image: image.mean(axis=(0, 1)))
    found = run(_moved(9, 0), truth=_moved(0, 0), networks=networks)["realism"]
    videos = {"ours", "nearest_neighbours", "truth"}
    assert set(found["fid"]["person"]) == set(found["kid"]["frame"]) == videos
    assert found["skipped_frames"] == dict.fromkeys(found["fid"]["frame"], 0)
    # The baseline's frames are training frames.
    assert found["fid"]["person"]["nearest_neighbours"] < found["fid"]["person"]["ours"]


def test_tables_and_images_are_written_with_and_without_ground_truth(run, tmp_path):
    heights = []
    for truth in (None, _moved(2, 0)):
        run(_moved(1, 0), truth=truth)
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "curves.png",
            "per_frame.csv",
            "worst_frames.png",
        ]
        with Image.open(tmp_path / "out" / "worst_frames.png") as image:
            heights.append(image.height)
    assert heights[1] - heights[0] == 64 + 4  # one more row


def test_the_worst_frame_is_the_one_with_the_largest_error(run, monkeypatch):
    shown = {}

    def contact_sheet(rows, captions):
        shown.update(rows=rows, captions=captions)
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(plots, "contact_sheet", contact_sheet)
    result = _moved(0, 0)
    result[3] = (20, 40)
    run(result, truth=_moved(0, 0))
    assert shown["captions"][0].startswith("frame 3, SSIM 0.")
    assert list(shown["rows"]) == ["source", "pose", "result", "truth"]
    run(result)
    assert shown["captions"][0] == f"frame 3, {np.hypot(16, 8):.1f} px"


@pytest.mark.parametrize("name", ["result", "truth"])
def test_another_number_of_frames_is_refused(run, name):
    centres = {"result": _moved(0, 0), "truth": _moved(0, 0)}
    centres[name] = centres[name][:5]
    with pytest.raises(VideoError, match=rf"{name}\.mkv: expected 6 frames, .* got 5; "):
        run(**centres)


def test_a_missing_ground_truth_or_one_of_another_size_is_refused(run, poses, film, tmp_path):
    large = film(tmp_path / "large.mkv", poses(_INTENDED, size=(80, 64)))
    for file, error, text in (
        (tmp_path / "none.mkv", MissingFileError, r"none\.mkv: no such file"),
        (large, VideoError, r"large\.mkv: expected the working size 64 x 64 .*, got 80 x 64"),
    ):
        with pytest.raises(error, match=text):
            run(_moved(0, 0), truth_file=file)
