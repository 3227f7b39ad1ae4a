import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from motiontransfer.errors import MissingFileError
from motiontransfer.evaluation import comparison
from motiontransfer.evaluation.frames import selected
from motiontransfer.evaluation.measurements import nested, read_measurements
from motiontransfer.keypoints import write_keypoints
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.training.clips import HeldOut
from motiontransfer.video.frame_store import FrameWriter
from stages import evaluate
from tests.evaluation.conftest import keypoints_of

_PARAMS = """\
evaluate: {face: residual, precision: 32-true, box_margin: 0.1}
compute: {backend: local, address: null, num_workers: 1}
"""


def _walk(num_frames):
    joints = {"nose": (20, 10), "left_hip": (24, 30), "left_ankle": (24, 44)}
    frames = range(num_frames)
    return keypoints_of(
        [{name: (x + 2 * i, y) for name, (x, y) in joints.items()} for i in frames], (48, 64)
    )


def _frame(index):
    frame = np.full((48, 64, 3), 90, np.uint8)
    frame[10:45, 20 + 2 * index : 26 + 2 * index] = 200
    return frame


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A target with one clip of ten frames, and networks that reproduce it exactly."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(_PARAMS)
    walk = _walk(10)
    write_keypoints(Path("artifacts/keypoints/ada/walk.parquet"), walk)
    frames = Path("artifacts/frames/ada/walk/frames.mkv")
    with FrameWriter(frames, size=(48, 64), frame_rate=Fraction(25)) as writer:
        for index in range(10):
            writer.write(_frame(index))
    asked = {}

    def load_renderer(models, fabric, *, face):
        asked.update(models=models, face=face)
        held_out = HeldOut(held_out_fraction=0.3, gap_frames=1)
        return SimpleNamespace(main=SimpleNamespace(held_out=held_out))

    def render_poses(renderer, keypoints):
        for x in keypoints.points[:, HOLISTIC.index("nose"), 0]:
            yield _frame((int(x) - 20) // 2)

    monkeypatch.setattr(evaluate, "load_renderer", load_renderer)
    monkeypatch.setattr(evaluate, "render_poses", render_poses)
    monkeypatch.setattr(
        comparison, "detect_person", lambda video, **_: selected(walk, range(7, 10))
    )
    return asked


def test_the_held_out_frames_are_evaluated_and_outputs_written(project):
    evaluate.main("ada")
    assert project == {"models": Path("artifacts/models/ada"), "face": "residual"}
    metrics = json.loads(Path("artifacts/metrics/evaluate/ada.json").read_text())
    assert metrics["frames"] == 3
    assert metrics["ours"]["person"] == {"l1": 0, "psnr": 100, "ssim": 1, "shift_tolerant_ssim": 1}
    assert metrics["nearest_neighbours"]["person"]["ssim"] < 1
    assert metrics["skipped_frames"]["face"]["not_detected"] == 3
    folder = Path("artifacts/evaluation/ada")
    assert pd.read_csv(folder / "per_frame.csv")["video_frame_index"].tolist() == [7, 8, 9]
    assert {path.name for path in folder.iterdir()} == {
        "per_frame.csv",
        "curves.png",
        "comparison.png",
    }
    assert nested(read_measurements(Path("artifacts/measurements/evaluate/ada.parquet"))) == metrics


def test_a_missing_weights_file_is_named(project):
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("{face", "{lpips_weights: no.pth, face"))
    with pytest.raises(MissingFileError, match=r"no such file, asked for by evaluate\.lpips_w"):
        evaluate.main("ada")
