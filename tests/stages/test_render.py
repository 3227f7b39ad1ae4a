import itertools
import json
import re
import shutil
from contextlib import contextmanager, nullcontext
from pathlib import Path

import av
import c2pa
import cv2
import numpy as np
import pytest
import torch
import yaml

from motiontransfer.core import layout
from motiontransfer.core.errors import MissingFileError, VideoError
from motiontransfer.core.recipe import read_recipe
from motiontransfer.core.storage import read_checked_json, sha256_of, write_checked_json
from motiontransfer.core.tensor_files import write_no_weights
from motiontransfer.models.faces import FaceTranslator
from motiontransfer.models.layers import initialize
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.target_clips import read_target_clips
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.pose.keypoints_file import read_keypoints, write_keypoints
from motiontransfer.pose.skeleton import COCO_17, HOLISTIC
from motiontransfer.provenance.verification import read_provenance
from motiontransfer.puppet.appearance_file import write_appearance
from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.puppet.fit.fitting import fit_target
from motiontransfer.rendering.compositing import puppet_frames, without_mask
from motiontransfer.retargeting.normalization import normalize_by_ankles
from motiontransfer.retargeting.statistics import read_statistics
from motiontransfer.video.frame_store import FrameStore, write_frames
from motiontransfer.video.reader import read_metadata
from stages import encode, normalize, preview
from stages import render as render_stage
from tests.films import film
from tests.people import SIZE, dance, known_to, puppet_of
from tests.project_files import SHIPPED
from tests.stages import project
from tests.stages.project import (
    HELD_OUT,
    NORMALIZATION,
    NUM_SOURCE_FRAMES,
    NUM_TARGET_FRAMES,
    TRANSFER,
    add_target,
    write_params,
)
from tests.training.small import translator_config, write_translator
from tests.video.conftest import click_starts, kill_decoder

VIDEOS = ("transfer.mp4", "comparison.mp4")
RESULTS = Path("results/ada_as_ben")
APPEARANCE = Path("artifacts/models/ada/appearance.safetensors")
FACE_CYCLE = Path("artifacts/poses/ada_as_ben/face_cycle.safetensors")
METRICS = Path("artifacts/counts/ada_as_ben/encode.json")
RENDERED = Path("artifacts/rendered/ada_as_ben")
POSES = Path("artifacts/poses/ada_as_ben/poses.parquet")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Outputs of the stages before this one; READ ONLY."""
    folder = tmp_path_factory.mktemp("inputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        project.add_everything_to_render()
    return folder


@contextmanager
def project_in(folder, inputs):
    """Work in a project with these inputs, whose keys are kept in it, too."""
    shutil.copytree(inputs, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_DATA_HOME", str(folder / "users_data"))
        yield folder


def configure(*, truth="none", **render):
    write_params(
        normalization=NORMALIZATION,
        render={**project.RENDER, **render},
        transfers={"ada_as_ben": {**TRANSFER, "truth": truth}},
        compute={"num_workers": 1},
    )
    shipped = yaml.safe_load(SHIPPED["params.yaml"])
    write_checked_json(layout.PARAMS_OF_RESULTS_FILE, {"render": {**shipped["render"], **render}})


def main():
    for stage in (normalize, render_stage, encode):
        stage.main("ada_as_ben")


def render(**changes):
    configure(**changes)
    main()


@pytest.fixture(autouse=True)
def _project(tmp_path, inputs):
    with project_in(tmp_path, inputs):
        configure()
        yield


@pytest.fixture(scope="module")
def rendered(tmp_path_factory, inputs):
    """A project that was rendered with the settings that are shipped."""
    with project_in(tmp_path_factory.mktemp("rendered"), inputs) as folder:
        render()
    return folder


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory, inputs):
    with project_in(tmp_path_factory.mktemp("unsigned"), inputs) as folder:
        render(provenance="none")
    return folder


def with_truth(num_frames):
    configure(truth="real.mkv")
    film(Path("data/truth/real.mkv"), dance(num_frames, seed=3))


def packets(path):
    """The coded pictures and sound of a video, without the manifest."""
    with av.open(str(path)) as container:
        found = (packet for packet in container.demux() if packet.size)
        return [(packet.stream.type, packet.pts, bytes(packet)) for packet in found]


def test_the_poses_are_the_sources_in_the_targets_place(rendered):
    source = read_keypoints(Path("artifacts/keypoints/ben/dance.parquet"))
    files = (Path(f"artifacts/statistics/{name}.json") for name in ("ben", "ada"))
    ben, ada = map(read_statistics, files)
    expected = normalize_by_ankles(source, source=ben, target=ada)
    assert np.array_equal(read_keypoints(rendered / POSES).points, expected.points)
    assert not np.array_equal(expected.points, source.points)


def test_poses_are_medians_over_frames_where_that_is_asked_for(rendered):
    """A joint that jumps in one frame does not, and what is missing stays missing."""
    normalize.main("ada_as_ben")
    before = read_keypoints(POSES)
    smoothed = {**NORMALIZATION, "smoothing": "median"}
    write_params(normalization=smoothed, transfers={"ada_as_ben": TRANSFER})
    normalize.main("ada_as_ben")
    found = read_keypoints(POSES)
    assert np.array_equal(found.score, before.score)
    knee = HOLISTIC.index("left_knee")
    expected = np.median(before.points[1:8, knee], axis=0)
    assert found.points[4, knee] == pytest.approx(expected, abs=1e-4)
    assert not np.array_equal(found.points, before.points)


@pytest.mark.parametrize("subject", ["ben", "ada"])
def test_joints_that_one_detector_lacks_are_named_and_the_face_stays(subject, caplog):
    frames, seed = (NUM_SOURCE_FRAMES, 7) if subject == "ben" else (project.NUM_TARGET_FRAMES, 0)
    body = known_to(COCO_17, dance(frames, seed=seed))
    project.write_statistics_of(subject, body)
    if subject == "ben":
        write_keypoints(Path("artifacts/keypoints/ben/dance.parquet"), body)
    with caplog.at_level("INFO"):
        normalize.main("ada_as_ben")
    (told,) = [text for text in caplog.messages if "left_mouth, right_mouth" in text]
    assert "other" in told
    poses = read_keypoints(POSES)
    assert face_boxes(poses)[1].all()
    assert not poses.joint("left_mouth")[1].any()


def test_a_result_carries_its_recipe_in_its_manifest_and_in_its_file(tmp_path):
    configure(crf=21, height=None)
    main()
    result = tmp_path / RESULTS / "transfer.mp4"
    recipe = read_recipe(read_metadata(result).comment)
    assert recipe is not None
    assert (recipe.own, recipe.left_out) == ({"render.crf": 21}, ())
    carried = read_provenance(result).assertion["recipe"]
    assert carried["params"] == {"render.crf": 21}
    comment = read_metadata(result).comment
    assert not [name for name in ("ada", "ben", str(tmp_path)) if name in comment]
    configure(crf=21, provenance="none")
    encode.main("ada_as_ben")
    assert read_metadata(result).comment == ""


def test_provenance_changes_nothing_but_the_manifest(rendered, unsigned):
    assert read_provenance(unsigned / RESULTS / "transfer.mp4") is None
    assert [(it / "users_data").exists() for it in (rendered, unsigned)] == [True, False]
    for name in VIDEOS:
        assert packets(rendered / RESULTS / name) == packets(unsigned / RESULTS / name)
    for path in (RESULTS / "contact_sheet.png", POSES, METRICS):
        assert (rendered / path).read_bytes() == (unsigned / path).read_bytes()


def networks_of(results):
    return read_provenance(results / "transfer.mp4").assertion["networks"]


def test_the_face_makes_a_difference_unless_it_is_turned_off(rendered):
    render(face="none")
    without = packets(RESULTS / "transfer.mp4")
    assert without != packets(rendered / RESULTS / "transfer.mp4")
    assert [network["role"] for network in networks_of(RESULTS)] == ["generator"]
    write_no_weights(Path("artifacts/models/ada/face_generator.safetensors"), "face_generator")
    render()
    assert packets(RESULTS / "transfer.mp4") == without


def test_faces_can_be_translated_where_that_was_trained_and_blended_either_way(rendered):
    render(face="cycle")
    assert packets(RESULTS / "transfer.mp4") == packets(rendered / RESULTS / "transfer.mp4")
    torch.manual_seed(0)
    write_translator(FACE_CYCLE, FaceTranslator(translator_config()).apply(initialize))
    results = [packets(rendered / RESULTS / "transfer.mp4")]  # residual, feather
    for face, blending in (("cycle", "feather"), ("cycle", "poisson")):
        render(face=face, face_blending=blending)
        results.append(packets(RESULTS / "transfer.mp4"))
    assert not any(one == other for one, other in itertools.combinations(results, 2))
    face = network("face", "cycle", FACE_CYCLE)
    assert networks_of(RESULTS)[1] == face


def network(role, architecture, file):
    weights = sha256_of(Path(file))
    return {"role": role, "architecture": architecture, "weights_sha256": weights}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("transfer.mp4", "trained"), ("comparison.mp4", "compositeWithTrained")],  # with real frames
)
def test_manifests_have_type_networks_and_source_but_no_names(rendered, name, kind):
    found = read_provenance(rendered / RESULTS / name)
    assert (found.integrity, found.source_type) == ("unaltered", f"{kind}AlgorithmicMedia")
    assert found.assertion["networks"] == [
        network("generator", "fast", "artifacts/models/ada/generator.safetensors"),
        network("face", "residual", "artifacts/models/ada/face_generator.safetensors"),
    ]
    assert found.assertion["source"] == {
        "frames_sha256": sha256_of(Path("artifacts/frames/ben/dance/frames.mkv")),
        "keypoints_sha256": sha256_of(Path("artifacts/keypoints/ben/dance.parquet")),
    }
    with c2pa.Reader(str(rendered / RESULTS / name)) as reader:
        manifest = reader.json()
    assert "motiontransfer" in manifest
    # Whole words only: hashes, identifiers and signatures may spell anything.
    words = set(re.findall(r"[0-9A-Za-z]+", manifest))
    assert not words & {"ada", "ben", "dance", "walk", "artifacts"}


def test_what_cannot_be_rendered_is_refused_before_videos_are_written(monkeypatch, unsigned):
    shutil.copytree(unsigned / "artifacts", "artifacts", dirs_exist_ok=True)
    METRICS.unlink()

    def refused(error, named):
        with pytest.raises(error, match=named):
            encode.main("ada_as_ben")
        assert not any(path.exists() for path in (RESULTS, METRICS))

    with monkeypatch.context() as patch:
        for name in ("CERTIFICATE", "PRIVATE_KEY"):
            patch.setenv(f"MOTIONTRANSFER_{name}", "none.pem")
        refused(MissingFileError, "none.pem")
    with_truth(NUM_SOURCE_FRAMES + 1)
    refused(VideoError, "real.mkv: expected 9 frames")
    with_truth(NUM_SOURCE_FRAMES)
    with monkeypatch.context() as patch:
        patch.setattr("motiontransfer.video.frame_store.to_srgb", kill_decoder)
        refused(VideoError, "data/truth/real.mkv: decoding it was killed")
    write_checked_json(RENDERED / "rendered.json", {"style": 1})
    refused(VideoError, "not a description of rendered")


def test_what_only_encodes_reads_the_frames_as_they_were_generated(unsigned):
    configure(crf=40, contact_sheet_columns=2, provenance="none")
    shutil.copytree(unsigned / "artifacts", "artifacts", dirs_exist_ok=True)
    shutil.rmtree("artifacts/models")
    encode.main("ada_as_ben")
    other = {name: (RESULTS / name).read_bytes() for name in (*VIDEOS, "contact_sheet.png")}
    configure(provenance="none")
    encode.main("ada_as_ben")
    for name, content in other.items():
        assert (RESULTS / name).read_bytes() == (unsigned / RESULTS / name).read_bytes() != content


def add_masks(unsigned):
    """The frames of another project, with a mask."""
    shutil.copytree(unsigned / "artifacts", "artifacts", dirs_exist_ok=True)
    puppet = puppet_of(dance(3), [0])
    write_appearance(APPEARANCE, puppet.appearance)
    with FrameStore(RENDERED / "frames.mkv") as store:
        frames, rate = [*store.frames()], store.frame_rate
    mask = np.zeros((*SIZE, 1), np.uint8)
    mask[30:60, 20:50] = 255
    masked = [np.concatenate([frame, mask], axis=2) for frame in frames]
    write_frames(RENDERED / "frames.mkv", masked, frame_rate=rate)
    return frames, mask[..., 0] > 0


def untrained():
    """Leave the target nothing but an appearance, which this is."""
    full = puppet_of(dance(3, size=(270, 480)), [0]).appearance
    shutil.rmtree("artifacts/models")
    write_appearance(APPEARANCE, full)
    return full


OTHERS = RESULTS / "backgrounds"


def test_over_green_the_person_is_the_results_which_stays_as_it_is(unsigned, caplog):
    frames, is_person = add_masks(unsigned)
    configure(background="green")
    assert "without the shadows" in encode.main("ada_as_ben")
    for name in VIDEOS:
        assert packets(RESULTS / name) == packets(unsigned / RESULTS / name)
    assert [path.name for path in OTHERS.iterdir()] == ["green.mp4"]
    assert read_provenance(OTHERS / "green.mp4").is_generated
    assert "audio" in {kind for kind, *_ in packets(OTHERS / "green.mp4")}
    with FrameStore(OTHERS / "green.mp4") as store:
        made = [*store.frames()]
    assert np.abs(made[3][:20].astype(int) - (0, 177, 64)).max() <= 3
    inner = cv2.erode(is_person.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    assert np.abs(made[3][inner].astype(int) - frames[3][inner]).mean() < 4
    configure()
    encode.main("ada_as_ben")
    assert [path.name for path in OTHERS.iterdir()] == ["none"]


def test_with_alpha_there_are_a_file_for_editors_and_one_for_browsers(unsigned, caplog):
    _, is_person = add_masks(unsigned)
    configure(background="alpha", visible_label="corner")
    encode.main("ada_as_ben")
    assert {path.name for path in OTHERS.iterdir()} == {"alpha.mov", "alpha.webm"}
    assert read_provenance(OTHERS / "alpha.mov").is_generated
    assert read_provenance(OTHERS / "alpha.webm") is None
    assert "alpha.webm is not signed" in caplog.text
    for name in ("alpha.mov", "alpha.webm"):
        assert {kind for kind, *_ in packets(OTHERS / name)} == {"video", "audio"}
    heard = [click_starts(path) for path in (OTHERS / "alpha.mov", OTHERS / "alpha.webm")]
    np.testing.assert_allclose(*heard, atol=0.003)
    with av.open(str(OTHERS / "alpha.mov")) as container:
        frames = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
    assert len(frames) == NUM_SOURCE_FRAMES
    assert np.abs(frames[2][..., 3].astype(int) - 255 * is_person)[:-20].max() <= 1
    assert frames[2][-10:, -10:, 3].min() > 100  # of the label


def test_a_target_who_is_not_trained_is_drawn_by_the_puppet_alone_at_full_size(monkeypatch):
    """The result is there before its comparison is begun, which shows its frames."""
    full = untrained()
    configure(face="cycle", background="green")
    normalize.main("ada_as_ben")
    assert "not trained" in render_stage.main("ada_as_ben")
    begun, panels = [], encode.comparison_writer

    def comparison_writer(*arguments, **named):
        begun.append(read_provenance(RESULTS / "transfer.mp4").is_generated)
        return panels(*arguments, **named)

    monkeypatch.setattr(encode, "comparison_writer", comparison_writer)
    encode.main("ada_as_ben")
    assert begun == [True]
    with FrameStore(RESULTS / "comparison.mp4") as store:
        assert len(store) == NUM_SOURCE_FRAMES
    assert read_provenance(RESULTS / "transfer.mp4").assertion["networks"] == []
    assert read_provenance(RESULTS / "transfer.mp4").source_type.startswith("composite")
    drawn = [*puppet_frames(Puppet(full, SIZE), read_keypoints(POSES), size=(270, 480))]
    with FrameStore(RESULTS / "transfer.mp4") as store, FrameStore(OTHERS / "green.mp4") as other:
        assert len(store) == NUM_SOURCE_FRAMES
        shown, expected = [*store.frames()], [frame[..., :3] for frame in drawn]
        assert np.abs(np.subtract(shown, expected, dtype=int)).mean() < 3
        green, cover = other[0], drawn[0][..., 3]
    assert green[cover == 0].mean(axis=0) == pytest.approx((0, 177, 64), abs=6)
    assert np.abs(green[cover == 255].astype(int) - drawn[0][cover == 255][:, :3]).mean() < 6


def test_the_preview_is_the_puppet_over_its_room_with_the_dancers_sound():
    """No network is read; it is labeled and signed as the result is."""
    shutil.rmtree("artifacts/models")
    add_target()
    with FullSizeFrames(read_target_clips("ada", HELD_OUT)) as frames:
        target, _ = fit_target(frames, num_references=NUM_TARGET_FRAMES)
    shutil.rmtree("artifacts/models")
    normalize.main("ada_as_ben")
    preview.main("ada_as_ben")
    path = RESULTS / "preview.mp4"
    assert read_provenance(path).is_generated
    assert {kind for kind, *_ in packets(path)} == {"video", "audio"}
    with FrameStore(path) as store:
        shown = list(store.frames())
    clip = Puppet(target, SIZE), read_keypoints(POSES)
    expected = [frame[..., :3] for frame in puppet_frames(*clip, size=shown[0].shape[:2])]
    assert len(shown) == NUM_SOURCE_FRAMES
    apart, of_room = (
        np.abs(np.subtract(shown, other, dtype=int)).mean()
        for other in (expected, target.background)
    )
    assert apart < 0.3 * of_room  # what an encoder leaves of so small a picture
    configure(visible_label="corner")
    preview.main("ada_as_ben")
    with FrameStore(path) as store:
        labeled = list(store.frames())
    assert np.abs(np.subtract(labeled, shown, dtype=int))[:, -20:, -80:].mean() > 10


def test_the_puppet_is_drawn_over_rooms_when_they_are_encoded(monkeypatch):
    """At the height of the target's video."""
    full = [2 * side for side in SIZE]
    puppet = puppet_of(dance(3, size=tuple(full)), [0])
    write_appearance(APPEARANCE, puppet.appearance)
    main()
    path = RENDERED / "rendered.json"
    write_checked_json(path, {**read_checked_json(path), "full_size": full, "is_drawn": True})
    shown = []
    monkeypatch.setattr(encode, "transfer_writer", lambda *_, **__: nullcontext(shown.append))
    configure(provenance="none")
    encode.main("ada_as_ben")
    with FrameStore(RENDERED / "frames.mkv") as store:
        assert store.size == SIZE
        small = list(store.frames())
    clip, poses = Puppet(puppet.appearance, SIZE), read_keypoints(POSES)
    expected = map(without_mask, puppet_frames(clip, poses, size=tuple(full), rooms=small))
    assert all(np.array_equal(one, other) for one, other in zip(shown, expected, strict=True))
    assert json.loads(METRICS.read_text())["height"] == full[0]
