import json
from pathlib import Path

import pytest

from motiontransfer.core.errors import StatisticsError
from motiontransfer.pose.keypoints_file import write_keypoints
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.retargeting.statistics import read_statistics
from stages import fit_appearance, fit_normalization
from tests.films import add_clip
from tests.people import dance, stick_person
from tests.stages.project import ARTIFACTS, HELD_OUT, TRAIN_GAN, write_params

FOLDER = ARTIFACTS / "keypoints/ada"


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shares = {"min_score": 0.5, "cluster_fraction": 0.7, "outlier_quantile": 1.0}
    shares["cluster_epsilon_px"] = None
    write_params(
        compute={"num_workers": 1},
        fit_appearance={"references": 4},
        fit_normalization=shares,
        train_gan=TRAIN_GAN,
    )


def test_references_of_all_clips_but_of_no_held_out_frame_give_the_same_bytes_each_time():
    add_clip(ARTIFACTS, "ada", "b", dance(12))
    add_clip(ARTIFACTS, "ada", "a", dance(8, seed=3))
    assert fit_appearance.main("ada").startswith("artifacts/models/ada/appearance.png shows ")
    appearance = read_appearance(Path("artifacts/models/ada/appearance.safetensors"))
    last = [round(frames * (1 - HELD_OUT.held_out_fraction)) - 2 for frames in (8, 12)]
    assert len(appearance.frames) == 4
    assert all(frame <= last[clip] for clip, frame in appearance.frames.tolist())
    seen = sum(patch is not None for patches in appearance.patches for patch in patches)
    metrics = json.loads(Path("artifacts/counts/ada/fit_appearance.json").read_text())
    assert 0 <= metrics.pop("background_never_seen") < 0.5
    # The drawn body is whole from shoulders to ankles: one part more, a skirt.
    assert metrics == {"references": 4, "parts": 16, "parts_not_cut": 64 - seen}
    assert 0 < seen < 64
    outs = [Path(f"artifacts/models/ada/appearance.{suffix}") for suffix in ("safetensors", "png")]
    made = [out.read_bytes() for out in outs]
    assert made[1].startswith(b"\x89PNG")
    fit_appearance.main("ada")
    assert [out.read_bytes() for out in outs] == made


def test_all_clips_of_the_subject_are_fitted_together_to_the_same_bytes_each_time():
    write_keypoints(FOLDER / "b.parquet", stick_person([70, 80, 100], [33, 35, 45]))
    other = stick_person([40, 60, 70], [50, 30, 30], missing=[(2, "left_ankle")])
    write_keypoints(FOLDER / "a.parquet", other)
    (FOLDER / ".half.tmp.parquet").write_bytes(b"left by a killed run")
    fit_normalization.main("ada")
    statistics = read_statistics(Path("artifacts/statistics/ada.json"))
    assert statistics.closest_ankle_y_px == pytest.approx(100)
    assert statistics.farthest_ankle_y_px == pytest.approx(60)
    assert (statistics.frames_used, statistics.frames_left_out) == (5, 1)
    assert statistics.height_at_closest_px == pytest.approx(45)
    plot = Path("artifacts/standing/ada.png").read_bytes()
    assert plot.startswith(b"\x89PNG")
    fit_normalization.main("ada")
    assert Path("artifacts/standing/ada.png").read_bytes() == plot


def test_a_clip_without_feet_is_named():
    write_keypoints(FOLDER / "a.parquet", stick_person([80.0], 40, missing=[(0, "left_ankle")]))
    with pytest.raises(StatisticsError, match="artifacts/keypoints/ada"):
        fit_normalization.main("ada")
    assert not (ARTIFACTS / "statistics").exists()
