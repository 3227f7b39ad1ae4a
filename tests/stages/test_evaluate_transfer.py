import json
from pathlib import Path

import pandas as pd
import pytest
from torch import nn

from motiontransfer.errors import MissingFileError, ParamsError, VideoError
from motiontransfer.evaluation import comparison
from motiontransfer.evaluation.measurements import nested, read_measurements
from motiontransfer.keypoints import write_keypoints
from motiontransfer.training.weights import write_weights
from motiontransfer.video.writer import write_video
from stages import evaluate_transfer
from tests.films import film
from tests.people import blocks, figure
from tests.video.conftest import kill_decoder

_PARAMS = """\
transfers:
  with_truth: {source: dance, source_subject: ben, target: ada, truth: real.mp4}
  without: {source: dance, source_subject: ben, target: ada, truth: none}
evaluate_transfer: {box_margin: 0.1}
compute: {backend: local, address: null, num_workers: 1}
"""
TABLE = Path("artifacts/measurements/evaluate_transfer/with_truth.parquet")
_SIZE = (64, 63)  # odd: the finished video is one pixel wider
# Without a head's height there is no PCK.
_POSES = figure([(20 + 2 * i, 30) for i in range(6)], size=_SIZE, absent=("face_chin",))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A finished transfer of six frames whose result is nearly the truth."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(_PARAMS)
    walk = figure([(16 + 2 * i, 30) for i in range(10)], size=_SIZE)
    write_keypoints(Path("artifacts/keypoints/ada/walk.parquet"), walk)
    film(Path("artifacts/frames/ada/walk/frames.mkv"), walk, draw=blocks)
    film(Path("artifacts/frames/ben/dance/frames.mkv"), _POSES, draw=blocks)
    write_weights(
        Path("artifacts/models/ada/generator.safetensors"),
        nn.Linear(1, 1),
        description={"held_out": {"held_out_fraction": 0.5, "gap_frames": 1}},
    )
    frames, rate = [blocks(_POSES, index) for index in range(6)], _POSES.frame_rate
    write_video(Path("data/truth/real.mp4"), frames, frame_rate=rate, crf=1)
    for name in ("with_truth", "without"):
        write_keypoints(Path(f"artifacts/poses/{name}.parquet"), _POSES)
        write_video(Path(f"results/{name}/transfer.mp4"), frames, frame_rate=rate, crf=18)
    monkeypatch.setattr(comparison, "detect_person", lambda video, **_: _POSES)


def test_a_ground_truth_that_kills_its_decoder_is_refused(project, monkeypatch):
    monkeypatch.setattr("motiontransfer.video.frame_store.to_srgb", kill_decoder)
    with pytest.raises(VideoError, match=r"^data/truth/real\.mp4: decoding it was killed"):
        evaluate_transfer.main("with_truth")


def _metrics(name):
    return json.loads(Path(f"results/{name}/metrics.json").read_text())


def test_a_transfer_with_ground_truth(project):
    evaluate_transfer.main("with_truth")
    metrics = _metrics("with_truth")
    assert metrics["frames"] == 6
    ours, nearest = metrics["truth"]["ours"], metrics["truth"]["nearest_neighbours"]
    assert ours["person"]["ssim"] > 0.95 > nearest["person"]["ssim"]
    assert "pck_10_percent" not in metrics["detection"]["ours"]
    folder = Path("artifacts/evaluation_transfer/with_truth")
    assert len(pd.read_csv(folder / "per_frame.csv")) == 6
    written = {path.name for path in folder.iterdir()}
    assert written == {"per_frame.csv", "curves.png", "worst_frames.png"}
    assert nested(read_measurements(TABLE)) == metrics
    curve = pd.read_csv("artifacts/curves/with_truth/truth_ssim_person.csv")
    assert list(curve) == ["frame_index", "ours", "nearest_neighbours"]


def test_without_ground_truth_and_without_held_out_frames_in_the_baseline(project):
    """The source walks to where the target is only in the tail that is held out."""
    evaluate_transfer.main("without")
    assert set(_metrics("without")) == {"frames", "detection", "temporal", "identity"}
    table = pd.read_csv("artifacts/evaluation_transfer/without/per_frame.csv")
    # training frames are 0 to 3, with the figure at 16 to 22; the poses go from 20 to 30
    assert table["detection_nearest_neighbours_pose_distance_px_all"].tolist() == [0, 0, 2, 4, 6, 8]


def test_missing_inputs_are_named(project):
    with pytest.raises(ParamsError, match=r"transfers\.unknown: missing"):
        evaluate_transfer.main("unknown")
    Path("data/truth/real.mp4").unlink()
    with pytest.raises(MissingFileError, match=r"data/truth/real\.mp4"):
        evaluate_transfer.main("with_truth")
    Path("results/without/transfer.mp4").unlink()
    with pytest.raises(MissingFileError, match=r"results/without/transfer\.mp4"):
        evaluate_transfer.main("without")
