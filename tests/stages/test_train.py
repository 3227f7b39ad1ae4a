import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from motiontransfer.core.errors import ParamsError
from motiontransfer.models import weights as on_disk
from motiontransfer.plate.target_clips import HeldOut
from motiontransfer.pose.keypoints_file import read_keypoints, write_keypoints
from stages import train_face_cycle, train_face_gan, train_gan
from tests.clone import ROOT
from tests.digests import digests
from tests.films import add_clip
from tests.people import SIZE, dance
from tests.stages import project
from tests.training.small import faceless

MODELS = Path("artifacts/models/ada")
FACE_CYCLE = Path("artifacts/poses/ada_as_ben/face_cycle.safetensors")
LOGS = {
    train_gan: Path("artifacts/training/ada/generator"),
    train_face_gan: Path("artifacts/training/ada/face_generator"),
    train_face_cycle: Path("artifacts/training/ada_as_ben/face_cycle"),
}
LEARNED = project.PAINTER | {"texture": "none", "max_channels": 8}
COARSE_TO_FINE = LEARNED | {
    **{"architecture": "local", "global_only_fraction": 0.5, "discriminator_scales": 2}
}
WITHOUT_PREVIOUS = LEARNED | {"previous_frame": "none", "window_frames": 1, "viewport": "frame"}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """Frames, keypoints and appearance of the target, frames and keypoints of the source."""
    with contextlib.chdir(tmp_path_factory.mktemp("filmed")):
        project.add_target()
        add_clip(project.ARTIFACTS, "ben", "dance", dance(project.NUM_SOURCE_FRAMES, seed=7))
        return Path.cwd()


@pytest.fixture
def clips(filmed):
    shutil.copytree(filmed, ".", dirs_exist_ok=True)


def run(stage, gan=None, face=None, cycle=None):
    """Run a stage with changes to the sections; return what it counted."""
    project.write_params(
        train_gan={**project.TRAIN_GAN, **(gan or {})},
        train_face_gan={**project.TRAIN_FACE_GAN, **(face or {})},
        train_face_cycle={**project.TRAIN_FACE_CYCLE, **(cycle or {})},
        transfers={"ada_as_ben": project.TRANSFER},
        trained=["ada"],
    )
    name = "ada_as_ben" if stage is train_face_cycle else "ada"
    stage.main(name)
    kind = stage.__name__.rpartition(".")[2]
    checkpoints = Path("checkpoints") / kind / name
    assert not checkpoints.exists() or not list(checkpoints.iterdir())
    return json.loads(Path(f"artifacts/counts/{name}/{kind}.json").read_text())


def test_a_generator_and_its_face_generator_are_where_the_pipeline_looks(clips):
    metrics = run(train_gan)
    # 12 frames: 3 held out, 1 in the gap, 8 to train on make 7 windows of 2
    assert (metrics["steps"], metrics["windows"], metrics["windows_without_body"]) == (2, 7, 0)
    trained = on_disk.read_generator(MODELS / "generator.safetensors")
    assert trained.config.size == SIZE
    assert trained.config.background == "plate"
    # A trunk of 10 px has a margin of 1.8, and the network a stride of 4.
    assert trained.config.viewport.margin_px == pytest.approx(1.8)
    assert trained.config.viewport.multiple_of == 4
    assert trained.style.line_width_px == 3
    assert trained.held_out == HeldOut(held_out_fraction=0.25, gap_frames=1)
    assert (MODELS / "discriminator.safetensors").exists()
    assert (LOGS[train_gan] / "images/step_000002.png").exists()
    main_weights = (MODELS / "generator.safetensors").read_bytes()

    metrics = run(train_face_gan)
    # the main generator's split holds: 8 of 12 frames
    assert (metrics["steps"], metrics["faces"], metrics["frames_without_face"]) == (2, 8, 0)
    _, config = on_disk.read_face_generator(MODELS / "face_generator.safetensors")
    assert (config.crop_size, config.num_filters) == (32, 4)
    assert (MODELS / "generator.safetensors").read_bytes() == main_weights
    assert (LOGS[train_face_gan] / "images/step_000002.png").exists()
    assert (LOGS[train_face_gan] / "metrics/discriminator/adversarial.tsv").exists()


def test_a_face_cycle_is_where_the_pipeline_looks(clips):
    metrics = run(train_face_cycle)
    # all of the source; of the target what the main generator is trained on: 8 of 12 frames
    assert metrics["steps"] == 2
    assert (metrics["source_faces"], metrics["target_faces"]) == (project.NUM_SOURCE_FRAMES, 8)
    _, config = on_disk.read_face_translator(FACE_CYCLE)
    assert (config.crop_size, config.num_filters, config.upsampling) == (32, 4, "resize")
    logs = LOGS[train_face_cycle]
    assert (logs / "images/step_000002.png").exists()
    assert (logs / "metrics/discriminator/adversarial_target.tsv").exists()


@pytest.mark.parametrize("stage", [train_gan, train_face_cycle])
def test_the_same_run_has_the_same_outputs_wherever_it_is_made_but_for_its_times(clips, stage):
    of_runs = []
    for _ in range(2):
        run(stage)
        of_runs.append(digests(Path("artifacts")))
    times = [path for path in of_runs[0] if path.startswith("times/")]
    assert len(times) == 1
    assert of_runs[0].keys() == of_runs[1].keys()
    differs = [path for path, digest in of_runs[0].items() if of_runs[1][path] != digest]
    assert not {*differs} - {*times}
    told = json.loads(Path("artifacts", *times).read_text())
    assert told.keys() == {"minutes", "own_minutes", "steps_per_second", "loader_share"}


@pytest.mark.parametrize("has_face", [True, False])
def test_no_steps_and_no_face_mean_no_weights_and_need_no_networks(clips, has_face):
    if not has_face:
        (file,) = (project.ARTIFACTS / "keypoints/ada").glob("*.parquet")
        write_keypoints(file, faceless(read_keypoints(file), slice(None)))
    assert run(train_face_gan, face={"steps": 0} if has_face else {}) == {"steps": 0}
    assert on_disk.read_face_generator(MODELS / "face_generator.safetensors") is None
    assert LOGS[train_face_gan].is_dir()


@pytest.mark.parametrize(
    ("stage", "sections", "key"),
    [
        (train_gan, ({**COARSE_TO_FINE, "steps": 1},), "steps"),
        (train_gan, ({**COARSE_TO_FINE, "discriminator_scales": 1},), "discriminator_scales"),
        (train_face_gan, (WITHOUT_PREVIOUS, {"previous_frame": "corrected"}), "previous_frame"),
        (train_face_gan, (WITHOUT_PREVIOUS, {"full_frame_weight": 1.0}), "full_frame_weight"),
        (train_face_gan, ({}, {"full_frame_weight": 1.0}), "full_frame_weight"),
        (train_face_gan, ({}, {"previous_frame": "corrected"}), "previous_frame"),
        (train_face_gan, ({}, {"perceptual_file": "vgg.pth"}), "perceptual_file"),
        (train_face_gan, ({}, {"perceptual_file": "vgg.pth", "steps": 0}), "perceptual_file"),
        (train_face_gan, ({}, {"crop_size": 36}), "crop_size"),
        (train_face_cycle, ({}, {}, {"crop_size": 36}), "crop_size"),
    ],
)
def test_values_that_do_not_go_together_are_named(stage, sections, key):
    """Those of `train_gan` alone: see test_check_params.py."""
    with pytest.raises(ParamsError) as info:
        run(stage, *sections)
    section = stage.__name__.rpartition(".")[2]
    assert str(info.value).startswith(f"params.yaml: {section}.{key}: ")


def start():
    return subprocess.Popen(
        [sys.executable, "-m", "stages", "train_gan", "ada"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_that_the_stage_starts_stop_and_go_on_together(warm):
    of_two = {"steps": 24, "batch_size": 2, "devices": 2}
    project.write_params(train_gan=project.TRAIN_GAN | of_two)
    project.add_target()
    stopped = start()
    while stopped.poll() is None and not list(Path("checkpoints").rglob("step_*")):
        time.sleep(0.02)
    stopped.send_signal(signal.SIGTERM)
    news = stopped.communicate(timeout=120)[1]
    assert stopped.returncode == 130  # as for Ctrl-C
    assert news.count("the same command resumes there") == 1
    assert not Path("artifacts/models/ada/generator.safetensors").exists()
    resumed = start()
    news = resumed.communicate(timeout=120)[1]
    assert resumed.returncode == 0, news
    assert news.count("runs on the CPU, threads: 1, 32-true, 2 processes\n") == 1
    assert news.count("resuming at step") == 1
    assert news.count("24 steps in ") == 1
    assert on_disk.read_generator(Path("artifacts/models/ada/generator.safetensors"))
    assert Path("artifacts/counts/ada/train_gan.json").exists()
    assert not list(Path("checkpoints/train_gan/ada").iterdir())
