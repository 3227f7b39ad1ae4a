"""Each preset runs to its end on the tiny graph, with small networks and no other change."""

import json
import shutil

import pytest
import torch
import yaml
from safetensors.torch import save_file

from motiontransfer.project.params_editing import apply_preset
from motiontransfer.training.weights import read_description, read_face_generator
from motiontransfer.video.frame_store import FrameStore
from tests.tiny_project import ROOT, SIZE, SOURCE_FRAMES, edit_yaml, repro, shrink_pipeline

PRESETS = ROOT / "presets"
NAMES = sorted(path.stem for path in PRESETS.glob("*.yaml") if path.stem != "demo")
SMALL = {"steps": 4, "num_filters": 4, "num_downsamplings": 2, "num_residual_blocks": 1}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_preset_runs_to_its_end(tiny_run, tmp_path, name):
    root = shutil.copytree(tiny_run, tmp_path / "project")
    shutil.copy(ROOT / "params.yaml", root)
    apply_preset(name, params_file=root / "params.yaml", folder=PRESETS)
    chosen = yaml.safe_load((root / "params.yaml").read_text())
    torch.manual_seed(0)  # VGG19's first slice is enough, and its weights are a download
    weights = {"features.0.weight": torch.randn(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}
    save_file(weights, root / "vgg19.safetensors")

    def shrink(params):
        off = {key for key in ("train_face_gan", "train_face_cycle") if not params[key]["steps"]}
        shrink_pipeline(params)
        params["train_gan"]["max_channels"] = 16
        params["train_face_cycle"].update(SMALL, crop_size=32, discriminator_filters=4)
        for section in off:
            params[section]["steps"] = 0
        for section in ("train_gan", "train_face_gan"):
            params[section]["perceptual_file"] = (
                "vgg19.safetensors" if params[section]["perceptual_weight"] else None
            )

    edit_yaml(root / "params.yaml", shrink)
    assert {"train_gan@ada", "render@ada_as_ben", "report@ada_as_ben"} <= repro(root)
    with FrameStore(root / "results/ada_as_ben/transfer.mp4") as store:
        assert (len(store), store.size) == (SOURCE_FRAMES, (SIZE, SIZE))
    models = root / "artifacts/models/ada"
    style = read_description(models / "generator.safetensors")["pose_map"]
    assert style["encoding"] == chosen["train_gan"]["pose_encoding"]
    has_face = read_face_generator(models / "face_generator.safetensors") is not None
    assert has_face == (chosen["train_face_gan"]["steps"] > 0)
    rendered = json.loads((root / "artifacts/rendered/ada_as_ben/rendered.json").read_text())
    faces = {"residual"} if has_face else {"cycle"} & {chosen["render"]["face"]}
    networks = rendered["assertion"]["networks"]
    assert {it["architecture"] for it in networks if it["role"] == "face"} == faces
