"""The stage fit_appearance: a target's clips, a picture and metrics."""

import json
from pathlib import Path

import pytest

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.training.weights import read_appearance
from stages.fit_appearance import main
from tests.films import add_clip
from tests.people import dance
from tests.stages.project import ARTIFACTS, HELD_OUT, TRAIN_GAN, write_params

OUTS = ("safetensors", "png")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(fit_appearance={"references": 4}, train_gan=TRAIN_GAN)


def test_references_of_all_clips_but_of_no_held_out_frame_are_written():
    add_clip(ARTIFACTS, "ada", "b", dance(12))
    add_clip(ARTIFACTS, "ada", "a", dance(8, seed=3))
    said = main("ada")
    assert said == "artifacts/appearance/ada.png shows from which side each body part was seen"
    appearance = read_appearance(Path("artifacts/appearance/ada.safetensors"))
    last = [round(frames * (1 - HELD_OUT.held_out_fraction)) - 2 for frames in (8, 12)]
    assert appearance.frames.tolist() == [[0, 0], [0, last[0]], [1, 0], [1, last[1]]]
    seen = sum(patch is not None for patches in appearance.patches for patch in patches)
    metrics = json.loads(Path("artifacts/metrics/fit_appearance/ada.json").read_text())
    assert 0 <= metrics.pop("background_never_seen") < 0.5
    assert metrics == {"references": 4, "parts": 15, "parts_not_cut": 60 - seen}
    assert 0 < seen < 60
    assert Path("artifacts/appearance/ada.png").read_bytes().startswith(b"\x89PNG")


def test_the_outs_are_the_same_bytes_each_time():
    add_clip(ARTIFACTS, "ada", "walk", dance(12))
    made = []
    for _ in range(2):
        main("ada")
        made.append([Path(f"artifacts/appearance/ada.{it}").read_bytes() for it in OUTS])
    assert made[0] == made[1]


def test_a_wrong_setting_and_a_target_without_clips_are_named():
    with pytest.raises(MissingFileError, match=r"artifacts/keypoints/eve: expected keypoints of "):
        main("eve")
    write_params(fit_appearance={"references": 0}, train_gan=TRAIN_GAN)
    with pytest.raises(ParamsError, match=r"fit_appearance\.references: .*greater than or equal"):
        main("ada")
    assert not Path("artifacts/appearance").exists()
