"""Each preset runs to its end on the tiny graph, in this process, with small networks."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from safetensors.torch import save_file

from motiontransfer.core.tensor_files import read_description
from motiontransfer.evaluation import protocols
from motiontransfer.evaluation.frames import PosedFrames
from motiontransfer.models.weights import read_face_generator
from motiontransfer.pose import detection, keypoint_rcnn
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.project.presets import apply_preset
from motiontransfer.training.gan import VGG19Features
from motiontransfer.video.frame_store import FrameStore
from tests.clone import ROOT, SHIPPED
from tests.people import FindsInTurn
from tests.project_files import edit_sections
from tests.tiny_project import SIZE, SOURCE_FRAMES, edit_yaml, run_here, shrink_pipeline

PRESETS = ROOT / "presets"
NAMES = sorted(path.stem for path in PRESETS.glob("*.yaml"))
ON_GPU = {"paper", "retold", "standard"}
SMALL = {"steps": 2, "num_filters": 4, "num_downsamplings": 2, "num_residual_blocks": 1}
VIDEOS = {"demo_target": "target", "demo_dance": "source"}
OF_CLEANED = ("segment_person ada", "fit_appearance ada")
OF_PRESET = (
    *("fit_normalization ada", "fit_normalization ben", "train_gan ada", "train_face_gan ada"),
    *("normalize ada_as_ben", "render ada_as_ben", "encode ada_as_ben"),
)
EVALUATION = (
    *("preview ada_as_ben", "evaluate ada", "evaluate_transfer ada_as_ben", "report ada_as_ben"),
)
EVALUATED = {"retold"}
"""That of another skeleton: what is evaluated are videos, of whichever network."""


def found_again(video, *, size, **_):
    """The poses that were drawn, as in each of the videos that are compared."""
    with FrameStore(video) as store:
        frames = [(video, index) for index in range(len(store))]
    poses = read_keypoints(Path("artifacts/poses/ada_as_ben/poses.parquet"))
    found = replace(poses.part(range(len(frames))), image_size=size)
    return PosedFrames(frames=frames, keypoints=found)


@pytest.fixture
def in_this_process(monkeypatch, tmp_path):
    """Without MediaPipe's look at results, which the tiny run has."""
    monkeypatch.setattr(detection, "run_parallel", lambda apply, items, **_: map(apply, items))
    monkeypatch.setattr(protocols, "detected_frames", found_again)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "certificate"))


@pytest.fixture(scope="module")
def cleaned(tiny_run, tmp_path_factory):
    """Projects by detector and smoothing, with what they share done."""
    folder = tmp_path_factory.mktemp("cleaned")
    return {("mediapipe_holistic", "savitzky_golay"): tiny_run}, folder


def write_params(name):
    """The preset in params.yaml, but small; return what it chose."""
    shutil.copy(SHIPPED / "params.yaml", ".")
    apply_preset(name, folder=PRESETS)
    chosen = yaml.safe_load(Path("params.yaml").read_text())

    def shrink(params):
        off = {key for key in ("train_face_gan",) if not params[key]["steps"]}
        shrink_pipeline(params)
        for section in ("train_gan", "train_face_gan"):
            params[section]["steps"] = 2
        params["train_gan"]["max_channels"] = 16
        params["train_face_cycle"].update(SMALL, crop_size=32, discriminator_filters=4)
        for section in off:
            params[section]["steps"] = 0
        for section in ("train_gan", "train_face_gan"):
            params[section]["perceptual_file"] = (
                "vgg19.safetensors" if params[section]["perceptual_weight"] else None
            )
        if name == "retold":
            chosen["detect_keypoints"]["detector"] = "keypointrcnn"
            params["detect_keypoints"] = {
                **{"detector": "keypointrcnn", "max_people": 1, "min_detection_confidence": 0.5},
                **{"min_visibility": 0.3, "segment_frames": 100},
            }

    edit_yaml(Path("params.yaml"), shrink)
    return chosen


def clean(detector, monkeypatch):
    """Poses of both videos, and what is made from them alone."""
    for video, clip in VIDEOS.items():
        if detector == "keypointrcnn":
            truth = read_keypoints(Path(f"demo/clips/{clip}_joints.parquet"))
            monkeypatch.setattr(
                keypoint_rcnn, "load_network", lambda *_, truth=truth, **__: FindsInTurn(truth)
            )
            run_here(f"detect_keypoints {video}")
        run_here(f"clean_keypoints {video}")
    run_here(*OF_CLEANED)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("in_this_process")
def test_a_preset_runs_to_its_end(tiny_run, cleaned, tmp_path, monkeypatch, request, name):
    """Those that are meant for a GPU on a pretended one."""
    projects, folder = cleaned
    monkeypatch.chdir(shutil.copytree(tiny_run, tmp_path / "project"))
    chosen = write_params(name)
    cycles = {}
    if chosen["render"]["face"] == "cycle":
        cycles["ada_as_ben"] = {"source": "demo_dance", "source_subject": "ben", "target": "ada"}
    edit_sections(Path(), lambda sections: sections.update(face_cycles=cycles))
    kind = chosen["detect_keypoints"]["detector"], chosen["clean_keypoints"]["smoothing"]
    if kind not in projects:
        projects[kind] = Path(shutil.copytree(tiny_run, folder / "_".join(kind)))
        for file in ("params.yaml", "films.yaml"):
            shutil.copy(file, projects[kind])
        with monkeypatch.context() as there:
            there.chdir(projects[kind])
            run_here("check_params")
            clean(kind[0], there)
    shutil.copytree(projects[kind] / "artifacts", "artifacts", dirs_exist_ok=True)
    if chosen["train_gan"]["perceptual_weight"]:
        save_file(VGG19Features().state_dict(), "vgg19.safetensors")  # the real ones: a download
    if name in ON_GPU:
        request.getfixturevalue("gpu")
    run_here("check_params", *(f"train_face_cycle {name}" for name in cycles), *OF_PRESET)
    if name in EVALUATED:
        run_here(*EVALUATION)

    with FrameStore(Path("results/ada_as_ben/transfer.mp4")) as store:
        assert (len(store), store.size) == (SOURCE_FRAMES, (SIZE, SIZE))
    poses = read_keypoints(Path("artifacts/poses/ada_as_ben/poses.parquet"))
    assert poses.detector.startswith(kind[0])
    assert face_boxes(poses)[1].all()
    models = Path("artifacts/models/ada")
    style = read_description(models / "generator.safetensors")["pose_map"]
    assert style["encoding"] == chosen["train_gan"]["pose_encoding"]
    face = read_face_generator(models / "face_generator.safetensors")
    assert (face is not None) == (chosen["train_face_gan"]["steps"] > 0)
    if face is not None:
        assert face[1].previous_frame == chosen["train_face_gan"]["previous_frame"]
    if name in EVALUATED:
        metrics = json.loads(Path("results/ada_as_ben/metrics.json").read_text())
        assert metrics["truth_person"] > 0
        assert Path("results/ada_as_ben/report.html").is_file()
