import json
import re
import subprocess
import sys
from contextlib import chdir
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from motiontransfer.core import errors
from motiontransfer.core.errors import MissingFileError, MissingLibraryError
from motiontransfer.core.storage import sha256_of
from motiontransfer.core.tensor_files import write_no_weights
from motiontransfer.export import run
from motiontransfer.export.bundle import export_target
from motiontransfer.export.onnx_networks import (
    FORMAT_VERSION,
    MODEL_FILE,
    has_networks,
    open_appearance,
    open_network,
    open_target,
)
from motiontransfer.export.run import DETECTOR_FOLDER
from motiontransfer.models.faces import FaceGenerator
from motiontransfer.models.generators import build_generator
from motiontransfer.models.layers import initialize
from motiontransfer.models.weights import read_generator, write_weights
from motiontransfer.pose import openvino_holistic
from motiontransfer.pose.boxes import Viewport
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.keypoints_file import write_keypoints
from motiontransfer.pose.openvino_holistic import MODELS, openvino_core
from motiontransfer.puppet.appearance_file import write_appearance
from motiontransfer.rendering.compositing import with_label
from motiontransfer.rendering.frame import full_size, live_generator, render_poses, result_size
from motiontransfer.rendering.renderer import load_renderer
from motiontransfer.retargeting.normalization import normalize_poses
from motiontransfer.retargeting.statistics import fit_statistics, read_statistics, write_statistics
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.writer import write_video
from tests.clone import ROOT
from tests.people import dance, puppet_of
from tests.project_files import edit_sections, write_shipped
from tests.training.small import STYLE, face_config, generator_config, runtime, write_generator

pytest.importorskip("onnxscript", reason="needs `uv sync --extra export`")
pytest.importorskip("onnxruntime", reason="needs `uv sync --extra export`")

SIZE = (72, 64)
FULL_SIZE = (108, 96)  # of the texture
POSES = dance(6, size=SIZE, missing=[2])
DEPTH = np.where(np.arange(POSES.score.shape[1]) % 2, np.float32(-0.2), np.float32(0.2))
POSES = replace(POSES, depth=np.tile(DEPTH, (6, 1)))  # of the left; arms go by it
VIEWPORT = Viewport(margin_px=2.0, multiple_of=8)
STICKS = PoseMapStyle(encoding="sticks", line_width_px=3.0)

# What targets are like that differ in what their networks are fed.
TARGETS = {
    "puppet": {"viewport": VIEWPORT, "texture": "puppet"},
    "painted": {
        **{"viewport": VIEWPORT, "num_downsamplings": 2, "face": {"previous_frame": "corrected"}}
    },
    "paper": {
        **{"architecture": "local", "background": "generated", "upsampling": "transposed"},
        **{"style": STICKS, "pose_channels": 3, "conditioning_poses": 2, "face": {}},
    },
    "pose_alone": {"previous_frame": "none", "conditioning_poses": 2},
}


def write_target(folder, *, style=STYLE, face=None, **changes):
    """Random weights of a target, where the pipeline keeps them."""
    torch.manual_seed(0)
    config, models = generator_config(size=SIZE, **changes), folder / "artifacts/models/ada"
    plate = torch.rand(3, *SIZE) * 2 - 1 if config.has_background_image else None
    network = build_generator(config, background_image=plate).apply(initialize)
    for parameter in network.parameters():  # more than pixels' rounding
        parameter.mul_(3)
    known = {}
    if config.texture == "puppet":
        puppet = puppet_of(dance(4, size=FULL_SIZE), [0, 3])
        assert puppet.appearance.has_skirt
        write_appearance(models / "appearance.safetensors", puppet.appearance)
        known["appearance_sha256"] = sha256_of(models / "appearance.safetensors")
    write_generator(models / "generator.safetensors", config, network, style=style, **known)
    faces = models / "face_generator.safetensors"
    if face is None:
        write_no_weights(faces, "face_generator")
    else:
        config = face_config(pose_channels=style.num_channels, **face)
        described = {"face_generator": asdict(config)}
        write_weights(faces, FaceGenerator(config).apply(initialize), description=described)
    write_shipped(folder)
    statistics = statistics_of(dance(12, size=SIZE))
    write_statistics(folder / "artifacts/statistics/ada.json", statistics)
    write_keypoints(folder / "artifacts/poses/ada_as_ben/poses.parquet", POSES)


def statistics_of(poses):
    return fit_statistics([poses], min_score=0.3, cluster_fraction=None, outlier_quantile=0.98)


LEARNED = ["pose_alone", *(pytest.param(it, marks=pytest.mark.slow) for it in ("painted", "paper"))]
EXPORTED = [*LEARNED, pytest.param("puppet", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=EXPORTED)
def exported(request, tmp_path_factory) -> Path:
    """A project with a target, exported to `ada`; READ ONLY."""
    folder = tmp_path_factory.mktemp(request.param)
    with torch.no_grad(), chdir(folder):
        write_target(folder, **TARGETS[request.param])
        export_target("ada", Path("ada"))
    return folder


def one_by_one(renderer):
    live = live_generator(renderer)
    so_far = [POSES.part(range(number + 1)) for number in range(POSES.num_frames)]
    return live.background, [live.generate(poses)() for poses in so_far]


def assert_nearly_equal(frames, expected):
    frames, expected = np.stack(frames), np.stack(expected)
    assert np.abs(frames - expected.astype(int)).max() <= 1
    assert (frames != expected).mean() < 0.01


def test_frames_are_those_of_pytorch(exported):
    """Of a clip at the size of the target's video, and of poses that arrive one by one."""
    trained = load_renderer(exported / "artifacts/models/ada", runtime(), face="residual")
    renderers = [trained, open_target(exported / "ada", num_threads=1)]
    size = FULL_SIZE if renderers[0].networks.puppet else SIZE
    assert [result_size(renderer, height=None) for renderer in renderers] == [size] * 2
    expected, frames = ([*render_poses(renderer, POSES, size=size)] for renderer in renderers)
    assert frames[0].shape == (*size, 3)
    assert np.std(expected) > 10
    assert_nearly_equal(frames, expected)
    (background, expected), (shown, frames) = map(one_by_one, renderers)
    assert background.any() == renderers[0].main.config.has_background_image
    assert_nearly_equal([shown, *frames], [background, *expected])


@pytest.mark.parametrize("exported", LEARNED, indirect=True)
@pytest.mark.parametrize("multiples", [(2, 3), (5, 2)])
def test_the_network_takes_any_size_that_its_metadata_allows(exported, multiples):
    onnx = pytest.importorskip("onnx")
    path = exported / "ada" / "generator.onnx"
    metadata = {it.key: it.value for it in onnx.load(path).metadata_props}
    described = json.loads(metadata["motiontransfer"])
    network = read_generator(exported / "artifacts/models/ada/generator.safetensors").network
    lengths = [described["multiple_of"] * multiple for multiple in multiples]
    axes = dict(zip(("height", "width"), lengths, strict=True))
    random, inputs = np.random.default_rng(0), {}
    for one in described["inputs"]:
        shape = [axes.get(length, length) for length in one["shape"]]
        inputs[one["name"]] = random.uniform(*one["range"], shape).astype(np.float32)
    output = open_network(path, num_threads=1)(inputs)
    given = {name: torch.from_numpy(image) for name, image in inputs.items()}
    given.setdefault("previous_frame", torch.zeros(1, 3, *output.shape[2:]))
    expected = network(**given).frame.numpy()
    assert list(output.shape) == [1, 3, *axes.values()]
    assert np.abs(output - expected).max() < 1e-4
    assert {it["name"] for it in described["inputs"]} <= {"pose_map", *given}
    assert torch.__version__.startswith(described["versions"]["torch"])


WITHOUT = """
import importlib.abc, runpy, sys

REFUSED = ("torch", "scipy", "pydantic", "mediapipe", "PIL", "pandas", "lazy_loader")
if not any(word.endswith(".parquet") for word in sys.argv):
    REFUSED += ("pyarrow",)

class Refused(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refused())
sys.path.insert(0, sys.argv[1])
sys.argv = ["run.py", *sys.argv[2:]]
runpy.run_path(sys.path[0] + "/run.py", run_name="__main__")
"""


def run_without_pytorch(exported, *arguments, cwd, engine="onnxruntime"):
    command = [sys.executable, "-c", WITHOUT, str(exported / "ada"), *arguments]
    command += ["--threads=1", f"--engine={engine}"]
    subprocess.run(command, check=True, cwd=cwd)


def pictures(folder):
    return np.stack([cv2.imread(str(it))[..., ::-1] for it in sorted(folder.glob("*.png"))])


def played(exported, poses):
    renderer = open_target(exported / "ada", num_threads=1)
    return [*render_poses(renderer, poses, size=full_size(renderer))]


PAGE = (ROOT / "docs/export.md").read_text()
((PLAYED, OUTPUT),) = re.findall(r"^\$ python ada/run\.py play (\S+) (\S+)$", PAGE, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("exported", ["painted", "paper", "puppet"], indirect=True)
def test_the_program_runs_without_pytorch_and_this_package(exported, tmp_path):
    """As the page says, by the poses of the bundle."""
    (tmp_path / "ada").symlink_to(exported / "ada")
    run_without_pytorch(exported, "play", PLAYED, "frames", cwd=tmp_path)
    assert np.array_equal(pictures(tmp_path / "frames"), played(exported, POSES))


@pytest.mark.slow
@pytest.mark.parametrize("exported", ["paper"], indirect=True)
def test_the_program_writes_a_video_or_says_that_it_cannot_write(exported, tmp_path):
    (tmp_path / "ada").symlink_to(exported / "ada")
    run_without_pytorch(exported, "play", PLAYED, OUTPUT, cwd=tmp_path)
    assert (tmp_path / OUTPUT).stat().st_size > 500
    (tmp_path / "full/000003.png").mkdir(parents=True)  # a file that cannot be written
    with pytest.raises(subprocess.CalledProcessError):
        run_without_pytorch(exported, "play", PLAYED, "full", cwd=tmp_path)


@pytest.mark.parametrize(
    ("poses", "told"),
    [
        ("none.json", "No such file or directory: 'none.json'"),
        ("bad.json", "bad.json: expected poses as in `--help`, got KeyError"),
        ("of.parquet", ": pip install pyarrow"),
    ],
)
def test_poses_that_cannot_be_played_are_one_line(tmp_path, monkeypatch, capsys, poses, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["run.py", "play", poses, "out.mp4"])
    write_statistics(tmp_path / run.STATISTICS_FILE, statistics_of(dance(12, size=SIZE)))
    (tmp_path / "bad.json").write_text("{}")
    write_keypoints(tmp_path / "of.parquet", POSES)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SystemExit, match="1"):
        run.main()
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("exported", ["paper"], indirect=True)
def test_the_program_normalizes_the_poses_of_another_person(exported, tmp_path):
    """From Parquet, which needs pyarrow."""
    source = dance(12, size=(90, 50))
    write_keypoints(tmp_path / "source.parquet", source)
    play = ("play", "source.parquet", "body", "--normalization=body")
    run_without_pytorch(exported, *play, cwd=tmp_path)
    of = {"source": statistics_of(source)}
    of["target"] = read_statistics(exported / "artifacts/statistics/ada.json")
    poses = normalize_poses(source, mode="body", centering="median", **of)
    write_keypoints(tmp_path / "poses.parquet", poses)
    run_without_pytorch(exported, "play", "poses.parquet", "none", cwd=tmp_path)
    assert len([*(tmp_path / "body").iterdir()]) == 12
    expected = played(exported, poses)
    for made in ("body", "none"):
        assert np.array_equal(pictures(tmp_path / made), expected)


@pytest.mark.slow
@pytest.mark.parametrize("exported", ["puppet"], indirect=True)
def test_the_program_lets_the_target_perform_live(exported, tmp_path):
    """Someone who is seen for a second, then nobody: the background with its label."""
    pytest.importorskip("openvino", reason="needs `uv sync --extra openvino`")
    height, width = (7 * length for length in SIZE)
    someone = np.ascontiguousarray(skimage.data.astronaut()[:height, :width])
    frames = [*[someone] * 25, *[np.full_like(someone, 128)] * 25]
    write_video(tmp_path / "source.mp4", frames, frame_rate=Fraction(25))
    how = ("--video=source.mp4", "--output=out.mp4", "--headless", "--normalization=none")
    run_without_pytorch(exported, "live", *how, cwd=tmp_path, engine="openvino_bf16")
    background = with_label(open_target(exported / "ada").networks.background())
    write_video(tmp_path / "background.mp4", [background] * 25, frame_rate=Fraction(25))
    recorded, empty = (read_video(tmp_path / name) for name in ("out.mp4", "background.mp4"))
    away = np.abs(recorded - empty[-1]).mean(axis=(1, 2, 3))
    assert len(away) in (49, 50)
    assert away[-1] < 5
    assert away.max() > 20


def read_video(path):
    with FrameStore(path) as store:
        return np.stack(list(store.frames())).astype(int)


def test_the_detectors_models_come_with_their_licence(exported):
    folder = exported / "ada" / DETECTOR_FOLDER
    assert {str(it.relative_to(folder)) for it in folder.rglob("*.tflite")} == set(MODELS)
    assert "Apache License" in (folder / "LICENSE").read_text()


def test_a_folder_that_holds_no_exported_target_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"model\.json: no such file; `.* export`"):
        open_target(tmp_path)
    (tmp_path / MODEL_FILE).write_text('{"format_version": 1}')
    with pytest.raises(errors.WeightsError, match=f"expected format {FORMAT_VERSION}, got 1"):
        open_target(tmp_path)


@pytest.mark.parametrize(
    ("target", "folder", "fault"),
    [("eve", "eve", r"statistics/eve\.json"), ("ada", "photos", "--output")],
)
def test_what_is_not_a_target_is_left_as_it_is(tmp_path, monkeypatch, target, folder, fault):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Path("photos/photo.jpg").touch()
    Path("films.yaml").write_text("films: {trained: [ada, eve]}")
    before = {*tmp_path.rglob("*")}
    with pytest.raises(errors.MotionTransferError, match=fault):
        export_target(target, Path(folder))
    assert {*tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["play", "poses", "./poses"], "poses is there, and stays"),
        (["play", "poses", "run.py"], "expected a name that ends in .mp4"),
        (["live", "--video", "v.mp4", "--output", "link.mp4"], "v.mp4 is there, and stays"),
        (["live", "--video", "v.mp4", "--output", "folder"], "expected a name that ends in .mp4"),
        (["live", "--camera", "-1"], "camera -1: expected a number from 0 to 99"),
        (["live", "--threads", "-1"], "--threads: expected 0 to 1000, got -1"),
        (["live", "--threads", "nan"], "invalid int value"),
    ],
)
def test_the_program_refuses_to_write_over_what_it_reads_and_odd_numbers(
    arguments, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["run.py", *arguments])
    monkeypatch.setattr(run, "read_statistics", lambda _: statistics_of(dance(2, size=SIZE)))
    for name in ("poses", "v.mp4", "run.py"):
        Path(name).write_text(name)
    Path("link.mp4").symlink_to("v.mp4")
    with pytest.raises(SystemExit):
        run.main()
    assert said in capsys.readouterr().err
    assert [Path(name).read_text() for name in ("poses", "v.mp4")] == ["poses", "v.mp4"]


def test_who_is_not_trained_is_exported_as_a_puppet_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("motiontransfer.export.bundle._LIBRARIES", ("no_such_library",))
    write_shipped(tmp_path)
    edit_sections(tmp_path, lambda sections: sections.update(trained=[]))
    write_statistics(Path("artifacts/statistics/ada.json"), statistics_of(dance(12, size=SIZE)))
    appearance = puppet_of(dance(4, size=FULL_SIZE), [0, 3]).appearance
    write_appearance(Path("artifacts/models/ada/appearance.safetensors"), appearance)
    own, made = Path("ada/mine.json"), [Path("ada/arrays.npz")]
    assert export_target("ada", Path("ada")) == made
    own.write_text("{}")
    with pytest.raises(errors.MotionTransferError, match=r"ada: has mine\.json, which"):
        export_target("ada", Path("ada"))
    assert own.read_text() == "{}"
    own.unlink()
    assert export_target("ada", Path("ada")) == made
    assert not has_networks(Path("ada"))
    exported = open_appearance(Path("ada"))
    for name in ("background", "points"):
        np.testing.assert_array_equal(getattr(exported, name), getattr(appearance, name))


def test_missing_libraries_are_named_with_what_installs_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_shipped(tmp_path)
    monkeypatch.setattr("motiontransfer.export.bundle.find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError, match=r"onnxscript: .* `uv sync --extra export`"):
        export_target("ada", tmp_path / "ada")
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(openvino_holistic, "openvino_core", openvino_core.__wrapped__)
    with pytest.raises(MissingLibraryError, match="pip install openvino"):
        open_network(tmp_path / "generator.onnx", engine="openvino")
