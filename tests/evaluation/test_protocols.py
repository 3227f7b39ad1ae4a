import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from motiontransfer.core.errors import TrainingError, VideoError
from motiontransfer.evaluation import protocols
from motiontransfer.evaluation.frames import FrameSet, PosedFrames
from motiontransfer.evaluation.image_metrics import frame_metrics
from motiontransfer.evaluation.measurements import MetricKey
from motiontransfer.evaluation.metrics import nested, path_of
from motiontransfer.evaluation.protocols import detected_frames
from motiontransfer.evaluation.streaming import FrameMetric, image_metric, measure
from motiontransfer.evaluation.training_gain import training_gain
from motiontransfer.pose.detectors import default_detector
from tests.evaluation.conftest import HAND, LOCAL, clips_of, flat, textured
from tests.films import film
from tests.people import blocks, figure


def test_frames_that_no_metric_looks_at_are_not_read(posed):
    """Of seven every third is looked at, the first, fourth and last, which stands for itself."""
    video = posed("a", [(30, 30)] * 7)
    for index in (1, 2, 4, 5):
        video.frames[index] = (Path("missing.mkv"), index)

    def index_of(frame_set):
        return {MetricKey("index", "", "a"): (float(frame_set.index), 1.0)}

    found = measure({"a": video}, [FrameMetric(index_of, every=3)])
    assert found[MetricKey("index", "", "a")].total.tolist() == [0, 0, 0, 3, 3, 3, 6]


@pytest.mark.parametrize(
    ("num_frames", "rate", "every"), [(160, 25, 4), (60, 25, 1), (90, 25, 2), (200, 60, 5)]
)
def test_images_of_a_long_clip_are_compared_six_times_a_second(num_frames, rate, every):
    """Each stands for those up to the next; of a short clip there are forty at least."""
    keypoints = replace(figure([(30, 30)] * num_frames), frame_rate=Fraction(rate))
    video = PosedFrames(frames=[(Path(), 0)] * num_frames, keypoints=keypoints)
    metric = image_metric({"real": video, "fake": video}, real="real", lpips=None, regions={})
    for index in range(num_frames):
        fake = flat(index % 250, (11, 11))
        metric.scored(FrameSet(index, {"real": np.zeros_like(fake), "fake": fake}, None))()
    levels = metric.compute()[MetricKey("l1", "frame", "fake")].per_frame()
    assert levels.tolist() == [index // every * every % 250 for index in range(num_frames)]


@pytest.mark.parametrize(
    ("size", "looked_at", "working_size"),
    [((256, 192), (128, 96), (64, 48)), ((128, 96), None, (64, 48)), ((64, 64), None, (63, 64))],
)
def test_detected_poses_are_in_the_working_image(
    size, looked_at, working_size, monkeypatch, tmp_path
):
    """It looks at frames of twice that size, as it does in `detect_keypoints`."""
    found = figure([(30, 30)] * 2, size=looked_at or size)
    detect = Mock(return_value=found)
    monkeypatch.setattr(protocols, "detect_person", detect)
    video = film(tmp_path / "result.mkv", [np.zeros((*size, 3), np.uint8)] * 2)
    posed = detected_frames(video, size=working_size, compute=LOCAL)
    how = {"detector": default_detector(), "compute": LOCAL, "size": looked_at}
    detect.assert_called_once_with(video, **how)
    assert posed.frames == [(video, 0), (video, 1)]
    is_half = working_size == (64, 48)  # else the added edge is cut off
    expected = found.resized(working_size) if is_half else found
    np.testing.assert_allclose(posed.keypoints.points, expected.points, atol=1e-5)
    assert posed.keypoints.image_size == working_size


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reconstruction")
    walk, bow = ([(20 + 3 * i, 30) for i in range(8)], [(30, 30 + 2 * i) for i in range(4)])
    clips_of(folder, walk=figure(walk), bow=figure(bow))
    return folder


def _blocks_of(keypoints):
    return (blocks(keypoints, index) for index in range(keypoints.num_frames))


def _blurred_at_the_end(video, _film):
    return {"face": np.arange(len(video.frames)) == len(video.frames) - 1}


def evaluate(folder):
    """A generator that is four levels too bright; the pose is always found again.

    Without training the body is eight pixels aside.
    """
    asked = []

    def render(keypoints):
        asked.append(keypoints)
        for index in range(keypoints.num_frames):
            yield blocks(keypoints, index) + np.uint8(4)

    def render_aside(keypoints):
        for index in range(keypoints.num_frames):
            yield np.roll(blocks(keypoints, index), 8, axis=1)

    def detect_person(video, **_):
        assert video.exists()
        return asked[[clip.name for clip in clips_of(folder)].index(video.stem)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocols, "detect_person", detect_person)
        patch.setattr(protocols, "blurred_boxes", _blurred_at_the_end)
        found = protocols.evaluate_reconstruction(
            clips_of(folder),
            render,
            others={("far", "ours"): _blocks_of, ("far", "untrained"): render_aside},
            compute=LOCAL,
            comparison=folder / "comparison.png",
            scratch=folder / "scratch",
            lpips=None,
        )
    return found, asked


@pytest.fixture(scope="module")
def evaluated(folder):
    return evaluate(folder)


@pytest.fixture(scope="module")
def metrics(evaluated):
    return nested(evaluated[0])


def test_only_held_out_poses_are_rendered_clip_by_clip(evaluated, metrics, folder):
    for poses, clip, start in zip(evaluated[1], clips_of(folder), (3, 6), strict=True):
        np.testing.assert_array_equal(poses.points, clip.keypoints.points[start:])
    assert metrics["frames"] == 1 + 2


def test_of_long_tails_the_ends_are_compared(folder, monkeypatch):
    monkeypatch.setattr(protocols, "_MOST_HELD_OUT", 3)
    found, asked = evaluate(folder)
    for poses, clip in zip(asked, clips_of(folder), strict=True):
        np.testing.assert_array_equal(poses.points, clip.keypoints.points[-1:])
    assert nested(found)["frames"] == 2


def test_ours_and_the_baseline_have_image_and_pose_metrics(evaluated, metrics):
    ours, nearest = metrics["ours"], metrics["nearest_neighbours"]
    assert ours["frame"]["l1"] == pytest.approx(4)
    assert ours["person"]["ssim"] > 0.9 > nearest["person"]["ssim"]
    assert ours["pose_distance_px"]["all"] == 0 < nearest["pose_distance_px"]["all"]
    reasons = {"not_detected": 0, "smaller_than_11_pixels": 0, "blurred": 2}
    assert metrics["skipped_frames"]["face"] == reasons
    assert metrics["skipped_frames"]["hands"]["not_detected"] == 3  # there is no right hand
    skipped = {one.key.metric: one.note for one in evaluated[0].summary if one.note}
    assert "lpips_weights is none" in skipped["lpips"]


def test_what_else_is_rendered_has_likeness_alone(evaluated, metrics):
    far = metrics["far"]
    assert far["ours"]["person"] == far["ours"]["face"] == {"likeness": 1}
    assert {name: set(of) for name, of in far["untrained"].items()} == {
        name: {"likeness"} for name in ("person", "face", "hands")
    }
    assert far["untrained"]["person"]["likeness"] < 0.9
    gain = training_gain(evaluated[0])
    assert gain["far"]["trained"] == {"person": 1, "face": 1, "hands": 1}
    assert gain["far"]["untrained"]["face"] == far["untrained"]["face"]["likeness"]
    assert gain["near"]["trained"] == dict.fromkeys(("person", "face", "hands"))
    assert gain["ceiling"]["hands"] == metrics["ceiling"]["hands"]["likeness"]
    assert gain["noise"].keys() == gain["ceiling"].keys()
    assert gain["frames"] == 3


def test_real_frames_have_temporal_metrics(metrics):
    temporal = metrics["temporal"]
    assert metrics["background_flicker"]["ours"] == metrics["background_flicker"]["real"]
    assert temporal["frame_change_to_real"]["ours"] == pytest.approx(1)
    errors = temporal["warping_error_person"]
    assert errors["ours"] == pytest.approx(errors["real"], rel=0.02)
    assert temporal["switches"]["ours"] == 0 <= temporal["switches"]["nearest_neighbours"]
    assert metrics["foggy_rim"] == {"ours": 0}  # four levels are no fog
    assert metrics["trace"]["ours"] > 0.9


def test_blurred_real_faces_have_no_likeness(evaluated):
    likeness = evaluated[0].per_frame[MetricKey("likeness", "face", "ours")]
    assert np.isnan(likeness).tolist() == [True, False, True]
    assert not np.isnan(evaluated[0].per_frame[MetricKey("ssim", "face", "ours")]).any()


def test_an_image_is_written_and_frames_are_not_compared_across_clips(evaluated, folder):
    frames = evaluated[0].per_frame
    assert frames[MetricKey("l1", "frame", "ours")].tolist() == pytest.approx([4, 4, 4])
    for metric in ("warping_error_person", "frame_change_to_real", "switches"):
        values = frames[MetricKey(metric, "", "ours", "temporal")]
        assert np.isnan(values).tolist() == [True, True, False]
    with Image.open(folder / "comparison.png") as image:
        assert image.width > 3 * 64


def test_without_held_out_frames_the_error_names_the_param(folder, tmp_path):
    clips = clips_of(folder, held_out_fraction=0.0)
    rest = {"compute": LOCAL, "comparison": tmp_path / "c.png", "scratch": tmp_path}
    with pytest.raises(TrainingError, match=r"split\.held_out_fraction"):
        protocols.evaluate_reconstruction(clips, iter, **rest, lpips=None)


_INTENDED = [(24, 30), (28, 32), (32, 30), (36, 32), (40, 30), (44, 32)]
_MOVED = [(x + 1, y) for x, y in _INTENDED]


def _films(folder, poses):
    """(file of each name, poses of each file)."""
    files = {it: film(folder / f"{it}.mkv", shown, draw=blocks) for it, shown in poses.items()}
    return files, {files[name]: shown for name, shown in poses.items()}


class _Evaluated:
    """Evaluation of a video of figures at these centers; the detector knows where they are."""

    def __init__(self, folder, result, truth=None, *, size=(64, 64), absent=(), **options):
        poses = {"source": figure(_INTENDED), "result": figure(result, absent=absent)}
        if truth:
            poses["truth"] = figure(truth, size=size)
        files, known = _films(folder, poses)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(protocols, "detect_person", lambda video, **_: known[video])
            found = protocols.evaluate_transfer(
                files["result"],
                figure(_INTENDED),
                clips_of(folder, walk=figure([(20 + 3 * i, 34) for i in range(12)])),
                source=files["source"],
                truth=files.get("truth"),
                compute=LOCAL,
                **{"lpips": None, **options},
            )
        self.metrics = nested(found)
        self.notes = {one.key.metric: one.note for one in found.summary if one.note}
        self.per_frame = {"_".join(path_of(key)): of for key, of in found.per_frame.items()}


@pytest.fixture(scope="module")
def with_truth(tmp_path_factory):
    """The intended motion; the ground truth is one pixel to the right."""
    folder = tmp_path_factory.mktemp("truth")
    return _Evaluated(folder, _INTENDED, _MOVED, lpips=lambda first, second: 0.5)


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    """A result that stands still, without a hand or a ground truth."""
    return _Evaluated(tmp_path_factory.mktemp("none"), [_INTENDED[0]] * 6, absent=HAND)


def test_both_systems_are_compared_with_the_intended_pose_and_the_ground_truth(with_truth):
    metrics = with_truth.metrics
    assert metrics["frames"] == 6
    assert metrics["detection"]["ours"]["pose_error_px"]["all"] == 0
    assert metrics["detection"]["nearest_neighbours"]["pose_error_px"]["all"] > 1
    assert (with_truth.per_frame["detection_ours_pose_error_px_all"] == 0).all()
    assert metrics["truth"]["nearest_neighbours"]["face"]["lpips"] == 0.5
    assert with_truth.notes.keys() == {"face_identity", "sharp_frames"}


def test_where_somebody_stands_does_not_count(with_truth):
    """A pixel aside is the room alone, a ramp of two levels a pixel; whole frames stay in place.

    A patch half of which is a hand, 30 levels from the room, has (28 * 30 / 2 + 58.5) /
    (30 * 30 / 2 + 58.5) = 0.94 where the room is two levels nearer; most patches have no edge.
    """
    truth = with_truth.metrics["truth"]
    for system in ("ours", "nearest_neighbours"):
        assert truth[system]["pose_distance_px"]["all"] == 0
        assert truth[system]["hands"]["likeness"] > 0.95
    assert 0 < truth["ours"]["person"]["l1"] <= 2 < truth["ours"]["frame"]["l1"]


def test_the_ceiling_is_the_truth_half_a_pixel_aside(with_truth, metrics):
    for of_systems in (with_truth.metrics["truth"], metrics):
        ceiling = of_systems["ceiling"]
        assert 0.5 < ceiling["hands"]["likeness"] < 1
        assert "pose_distance_px" not in ceiling
    assert "ceiling" not in with_truth.metrics["temporal"]["background_flicker"]


@pytest.mark.parametrize(
    ("heights", "size"),
    [((300, 400), (256, 192)), ((300, 180), (180, 135)), ((129, 300), (128, 96))],
)
def test_images_are_moved_as_large_as_all_are_up_to_the_detectors_size(heights, size, tmp_path):
    posed, keypoints = {}, figure([(9, 9)], size=(128, 96))
    for name, height in zip(("truth", "ours"), heights, strict=True):
        path = film(tmp_path / f"{name}.mkv", [np.zeros((height, 96, 3), np.uint8)])
        posed[name] = PosedFrames(frames=[(path, 0)], keypoints=keypoints)
    posed["nearest_neighbours"] = replace(posed["ours"], frames=[(tmp_path / "absent.mkv", 0)])
    assert protocols._size_of_detection(posed, (128, 96)) == size


def test_temporal_metrics(with_truth, frozen):
    temporal, own = with_truth.metrics["temporal"], frozen.metrics["temporal"]
    assert temporal["frame_change_to_source"] == 1
    assert temporal["frame_change_to_truth"]["ours"] == pytest.approx(1, abs=0.1)
    assert temporal["background_flicker"]["ours"] == temporal["background_flicker"]["truth"] == 0
    assert own["frame_change_to_source"] == 0
    # The warping error is along the flow of the ground truth.
    systems = {"ours", "nearest_neighbours"}
    assert set(temporal["warping_error_person"]) == {*systems, "truth"}
    assert "warping_error_person" not in own
    assert {"warping_error_person", "truth"} <= frozen.notes.keys()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"result": _INTENDED[:5]}, r"result\.mkv"),
        ({"truth": _INTENDED[:5]}, r"truth\.mkv"),
        ({"size": (80, 64)}, r"truth\.mkv"),
    ],
)
def test_videos_of_another_length_or_size_are_refused(tmp_path, changes, named):
    with pytest.raises(VideoError, match=named):
        _Evaluated(tmp_path, **{"result": _INTENDED, "truth": _INTENDED, **changes})


_CENTERS = [(24 + 4 * (i % 4), 30 + 2 * (i % 2)) for i in range(8)]


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Scores of figures at known distances; the detector knows where they are."""
    folder = tmp_path_factory.mktemp("score")
    centers = {
        **{"truth": _CENTERS, "same": _CENTERS, "far": [(x + 4, y) for x, y in _CENTERS]},
        "near": [(x + 1 + index // 3, y) for index, (x, y) in enumerate(_CENTERS)],
    }
    return _score(folder, centers)


def _score(folder, centers):
    files, known = _films(folder, {name: figure(of) for name, of in centers.items()})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocols, "detect_person", lambda video, **_: known[video])
        truth = files.pop("truth")
        return protocols.score_videos(files, truth, compute=LOCAL, lpips=None)


def test_the_ground_truth_itself_is_perfect_and_nearer_is_better(scored):
    truth = nested(scored)["truth"]
    same, near, far = (truth[name] for name in ("same", "near", "far"))
    image = textured(0, (40, 40))
    perfect = frame_metrics(image, image, boxes={"person": (0, 0, 40, 40)})["person"]
    assert same["person"].items() >= {**perfect, "sharpness": 1}.items()
    for region in ("frame", "person", "face", "hands"):
        assert same[region]["ssim"] > near[region]["ssim"] > far[region]["ssim"]
        assert same[region]["l1"] < near[region]["l1"] < far[region]["l1"]
    assert [one["pose_distance_px"]["all"] for one in (same, near, far)] == [0, 0, 0]
    temporal = nested(scored)["temporal"]
    errors = temporal["warping_error_person"]
    assert errors["same"] == errors["truth"] < errors["near"]
    assert temporal["frame_change_to_truth"]["same"] == 1


def test_each_value_has_an_interval_around_it(scored):
    low, high = nested(scored, lambda one: one.interval)["truth"]["near"]["person"]["l1"]
    assert low < nested(scored)["truth"]["near"]["person"]["l1"] < high
    text = protocols.as_text(scored)
    assert re.fullmatch(r"\S+ \(\S+ to \S+\)", text["person l1"]["near"])
    assert re.fullmatch(r"0\.\d+ \(0\.\d+ to 0\.\d+\)", text["person ssim"]["near"])
    assert set(text["background flicker"]) == {"same", "near", "far", "truth"}


def test_a_video_of_another_length_is_refused_by_name(tmp_path):
    files, _ = _films(tmp_path, {"short": figure(_CENTERS[:7]), "truth": figure(_CENTERS)})
    truth = files.pop("truth")
    with pytest.raises(VideoError, match=r"short\.mkv"):
        protocols.score_videos(files, truth, compute=LOCAL, lpips=None)
