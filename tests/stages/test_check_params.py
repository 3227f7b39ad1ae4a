import copy
import json
from pathlib import Path

import pytest
from PIL import Image

from motiontransfer.core.errors import ParamsError
from motiontransfer.core.params import FILM_SECTIONS
from stages.check_params import main
from tests.faults.params import PARAMS
from tests.project_files import write_sections

_PARAMS = PARAMS | {
    "videos": {
        "walk": {"path": "data/videos/walk.mp4", "subject": "ada"},
        "dance": {"path": "data/videos/dance.mp4", "subject": "ben", "crop": [0, 0, 64, 64]},
    },
    "transfers": {"ada_as_ben": PARAMS["transfers"]["t"]},
    "guides": {"dance": {"source": "dance", "source_subject": "ben", "target": "ben"}},
}
DANCE, TRANSFER, GUIDE = ("videos", "dance"), ("transfers", "ada_as_ben"), ("guides", "dance")


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Run the stage on params with changes: (key, ..., value)."""
    monkeypatch.chdir(tmp_path)
    for path in ("data/videos/walk.mp4", "data/videos/dance.mp4", "data/truth/none"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()

    def run(*changes):
        params = copy.deepcopy(_PARAMS)
        for *keys, last, value in changes:
            section = params
            for key in keys:
                section = section[key]
            section[last] = value
        write_sections(params)
        main()

    return run


OUT = Path("artifacts/params_checked.json")


def test_names_that_fit_give_a_constant_file(check):
    check()
    before = OUT.read_bytes()
    assert json.loads(before) == {"names_fit_together": True}
    Path("data/videos/new.mp4").touch()
    check(("videos", "new", {"path": "data/videos/new.mp4", "subject": "ben"}))
    assert OUT.read_bytes() == before


def test_each_stage_of_a_video_has_a_file_of_what_it_reads(check):
    def entries():
        files = Path("artifacts/videos").glob("*/*.json")
        return {f"{file.parent.name} {file.stem}": json.loads(file.read_text()) for file in files}

    def changed():
        after = entries()
        return sorted(name for name in before if after[name] != before[name])

    check()
    before = entries()
    read = before["walk clean_keypoints"]["videos"]["walk"]
    assert read == {"subject": "ada", "person": "largest"}
    for key, value, stages in (
        ("person", "longest", ["clean_keypoints"]),
        ("detector", "mediapipe_tasks", ["detect_keypoints"]),
        ("crop", "auto", ["decode"]),
        ("rotate", 90, ["decode"]),
        ("rotate", 0, []),  # the default: as if it were not there
        ("trim", [1.0, 2.5], ["decode"]),
        ("trim", None, []),
        ("person", {"x": 0.4, "y": 0.5, "seconds": 1.0}, ["clean_keypoints"]),
        ("path", "data/videos/walk.mp4", ["decode", "detect_keypoints"]),
        ("crop", [0, 0, 64, 64], []),
        ("person", "largest", []),  # the default
    ):
        check((*DANCE, key, value))
        assert changed() == [f"dance {stage}" for stage in stages], key
    check(("decode", "size", [48, 64]))
    assert changed() == ["dance decode", "walk decode"]
    auto, place = (*DANCE, "crop", "auto"), (*DANCE, "person", {"x": 0.4, "y": 0.5, "seconds": 1.0})
    check(auto)
    before = entries()
    check(auto, place)  # whom the crop follows
    assert changed() == ["dance clean_keypoints", "dance decode"]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ((*DANCE, "subject", "eve"), None),
        ((*DANCE, "path", "absent.mp4"), None),
        ((*DANCE, "detector", "none"), None),
        ((*DANCE, "trim", [2, 1]), None),
        ((*DANCE, "trim", [0, float("inf")]), None),
        ((*DANCE, "person", {"x": 2, "y": 0, "seconds": 0}), None),
        (("render", "face", "cycle"), None),
        (("render", "face", "none"), None),  # no effect on a drawn target
        (("clean_keypoints", "repair", "gaps"), "normalization.mode"),  # which needs the skeleton
        (("render", "height", 16), None),  # less than the working image
        (("normalization", "centering", None), None),
        (("normalization", "smoothing_frames", 4), None),
        (("fit_normalization", "cluster_epsilon_px", 1.0), None),
        (("train_face_gan", "perceptual_file", "x"), None),
        (("subjects", ["ada", "ben", "eve"]), None),
        ((*TRANSFER, "target", "ben"), None),
        ((*TRANSFER, "source_subject", "ada"), None),
        ((*TRANSFER, "truth", "real.mp4"), None),
        ((*GUIDE, "source", "jump"), None),
        ((*GUIDE, "source_subject", "ada"), None),
        ((*GUIDE, "target", "eve"), None),
        (("scenes", "x", {"subject": "ben", "film": "x"}), None),
        (("scenes", "dance", {"subject": "ben", "film": "other.mp4"}), "scenes.dance.film"),
        (("in_film", "x", _PARAMS["guides"]["dance"]), None),
        (("face_cycles", "x", _PARAMS["guides"]["dance"]), None),
    ],
)
def test_each_fault_is_named_by_its_key(check, change, key):
    """By the changed one, unless another is told; single fields: see tests/faults."""
    with pytest.raises(ParamsError) as info:
        check(("fit_normalization", "cluster_fraction", 0.7), change)
    file = "films.yaml" if change[0] in FILM_SECTIONS else "params.yaml"
    assert str(info.value).startswith(f"{file}: {key or '.'.join(change[:-1])}")
    assert not OUT.exists()


@pytest.mark.parametrize(
    ("change", "idle"),
    [
        (("train_gan", "texture", "puppet"), ("train_gan", "num_filters", 12)),
        (("train_gan", "texture", "puppet"), ("train_gan", "upsampling", "transposed")),
        (("train_gan", "window_frames", 1), ("train_gan", "frame_discriminator", True)),
        (("train_gan", "pose_encoding", "heatmaps"), ("train_gan", "line_width_px", 1.0)),
        (("train_gan", "pose_encoding", "sticks"), ("train_gan", "heatmap_sigma_px", 3.0)),
        (("train_gan", "l1_weight", 0.0), ("train_gan", "foreground_l1_weight", 3.0)),
        (("train_gan", "foreground_l1_weight", 1.0), ("train_gan", "foreground_radius_px", 1)),
        (("train_gan", "perceptual_weight", 0.0), ("train_gan", "perceptual_file", "x")),
        (("train_gan", "texture", "none"), ("train_gan", "global_only_fraction", 0.5)),
        (("render", "face", "none"), ("render", "face_blending", "poisson")),
        (("normalization", "mode", "affine"), ("normalization", "centering", "image")),
        (("normalization", "smoothing", "none"), ("normalization", "smoothing_frames", 9)),
        (("clean_keypoints", "smoothing", "none"), ("clean_keypoints", "smoothing_seconds", 1.0)),
    ],
)
def test_only_shipped_values_may_be_without_effect(check, change, idle):
    is_of_learned = change[0] == "render" or change[1].endswith("_weight")
    learned = [("train_gan", "texture", "none")] if is_of_learned else []
    check(*learned, change)
    with pytest.raises(ParamsError, match=rf"{idle[0]}\.{idle[1]}: has no effect where .*, got"):
        check(*learned, change, idle)


def test_all_faults_are_listed_at_once(check):
    with pytest.raises(ParamsError) as info:
        check(
            ("detect_keypoints", "max_people", 0),  # concerns both videos, listed once
            (*DANCE, "path", "absent.mp4"),
            ("targets", ["eve"]),
            (*TRANSFER, "source", "jump"),
        )
    keys = [line.split(": ")[1] for line in str(info.value).splitlines()]
    assert keys == [
        *("videos.dance.path", "targets", "trained"),
        *("transfers.ada_as_ben.source", "transfers.ada_as_ben.target"),
        "detect_keypoints.max_people",
    ]


def test_files_that_dvc_pulls_or_another_pipeline_makes_may_be_missing(check):
    of_demo = (*DANCE, "path", "demo/clips/dance.mp4"), (*TRANSFER, "truth", "demo.mp4")
    for path in ("data/videos/dance.mp4", "data/videos/walk.mp4"):
        Path(path).unlink()
    Path("dvc.yaml").touch()  # this pipeline makes no videos
    missing = r"(?s)videos\.walk\.path: no such file.*truth: no such file: data/truth/demo\.mp4"
    with pytest.raises(ParamsError, match=missing):
        check(*of_demo)
    Path("demo").mkdir()
    Path("demo/dvc.yaml").write_text("stages: {film: {outs: [data/truth/demo.mp4]}}")
    for pulled in (Path("data/videos/walk.mp4.dvc"), Path("data/videos.dvc")):
        pulled.touch()
        check(*of_demo)
        pulled.unlink()


def test_the_params_of_results_are_written_for_reports(check):
    check(("train_gan", "steps", 7))
    written = json.loads(Path("artifacts/params_of_results.json").read_text())
    assert written["train_gan"]["steps"] == 7
    assert not {"report", "train_forensics", "compute", "videos"} & set(written)
    check(("train_gan", "steps", 7), ("report", "max_megabytes", 3.0))
    assert json.loads(Path("artifacts/params_of_results.json").read_text()) == written


BACKGROUND = ("render", "background")


def test_a_background_is_a_file_in_its_folder_and_needs_a_mask(check):
    for name in ("green", "sea.jpg"):
        with pytest.raises(ParamsError, match=rf"background: no such file: .*/{name}; copy"):
            check((*BACKGROUND, name))
        Path("data/backgrounds").mkdir(exist_ok=True)
        Path("data/backgrounds", name).touch()
        if name != "green":
            with pytest.raises(ParamsError, match=r"background: .*sea\.jpg: the file is empty"):
                check((*BACKGROUND, name))
            Image.new("RGB", (8, 8)).save(Path("data/backgrounds", name))
        check((*BACKGROUND, name))
    generated = [("train_gan", key, value) for key, value in GENERATED.items()]
    check((*BACKGROUND, "film"), *generated)
    with pytest.raises(ParamsError, match=r"sea\.jpg needs the person's mask"):
        check((*BACKGROUND, "sea.jpg"), *generated)
    with pytest.raises(ParamsError, match=r"render\.background: .*\.\./truth/none"):
        check((*BACKGROUND, "../truth/none"))


GENERATED = {"background": "generated", "viewport": "frame", "texture": "none"}


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("Dance", "'dance' and 'Dance' differ in case only, and are one file on macOS and Win"),
        ("aux", "videos: 'aux' is a device on Windows, and no file; choose another name"),
    ],
)
def test_names_are_files_on_every_system(check, entry, text):
    with pytest.raises(ParamsError, match=text):
        check(("videos", entry, {"path": "data/videos/dance.mp4", "subject": "ben"}))
