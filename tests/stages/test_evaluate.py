import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from motiontransfer.errors import MissingFileError
from motiontransfer.evaluation import comparison
from motiontransfer.evaluation.measurements import nested, read_measurements
from motiontransfer.keypoints import write_keypoints
from motiontransfer.target_clips import HeldOut
from stages import evaluate
from tests.evaluation.conftest import PERFECT
from tests.films import film
from tests.people import blocks, figure

_PARAMS = """\
evaluate: {face: residual, precision: 32-true, box_margin: 0.1}
compute: {backend: local, address: null, num_workers: 1}
"""


# Without a head's height there is no PCK.
_WALK = figure([(20 + 2 * i, 30) for i in range(10)], absent=("face_chin",))


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A target with one clip of ten frames, and networks that reproduce it exactly."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(_PARAMS)
    write_keypoints(Path("artifacts/keypoints/ada/walk.parquet"), _WALK)
    film(Path("artifacts/frames/ada/walk/frames.mkv"), _WALK, draw=blocks)
    asked = {}

    def load_renderer(models, runtime, *, face):
        asked.update(models=models, face=face)
        held_out = HeldOut(held_out_fraction=0.3, gap_frames=1)
        main = SimpleNamespace(held_out=held_out, config=SimpleNamespace(size=_WALK.image_size))
        return SimpleNamespace(main=main)

    def result_size(renderer, *, height):
        """Renderer whose results are three times as high as the working image."""
        return (3 * _WALK.image_size[0], 1) if height is None else (height, 3)

    def render_poses(renderer, keypoints, *, size):
        assert size == (2 * _WALK.image_size[0], 3)
        return (blocks(keypoints, index) for index in range(keypoints.num_frames))

    held_out = _WALK.part(range(7, 10))
    monkeypatch.setattr(evaluate, "load_renderer", load_renderer)
    monkeypatch.setattr(evaluate, "result_size", result_size)
    monkeypatch.setattr(evaluate, "render_poses", render_poses)
    monkeypatch.setattr(comparison, "detect_person", lambda video, **_: held_out)
    return asked


def test_the_held_out_frames_are_evaluated_and_outputs_written(project):
    evaluate.main("ada")
    assert project == {"models": Path("artifacts/models/ada"), "face": "residual"}
    metrics = json.loads(Path("artifacts/metrics/evaluate/ada.json").read_text())
    assert metrics["frames"] == 3
    assert metrics["ours"]["person"] == PERFECT
    assert "pck_10_percent" not in metrics["ours"]
    folder = Path("artifacts/evaluation/ada")
    assert pd.read_csv(folder / "per_frame.csv")["video_frame_index"].tolist() == [7, 8, 9]
    written = {path.name for path in folder.iterdir()}
    assert written == {"per_frame.csv", "curves.png", "comparison.png"}
    assert nested(read_measurements(Path("artifacts/measurements/evaluate/ada.parquet"))) == metrics


def test_a_missing_weights_file_is_named(project):
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("{face", "{lpips_weights: no.pth, face"))
    with pytest.raises(MissingFileError, match=r"no such file, asked for by evaluate\.lpips_w"):
        evaluate.main("ada")
