import re
from dataclasses import replace

import pytest

from motiontransfer.errors import VideoError
from motiontransfer.evaluation import comparison
from motiontransfer.evaluation.measurements import nested
from motiontransfer.evaluation.network_metrics import NO_NETWORKS
from motiontransfer.evaluation.protocols import as_text, score_videos
from tests.evaluation.conftest import LOCAL
from tests.films import film
from tests.people import blocks, figure

_CENTRES = [(24 + 4 * (i % 4), 30 + 2 * (i % 2)) for i in range(8)]


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Scores of figures at known distances; the detector knows where they are."""
    folder = tmp_path_factory.mktemp("score")
    centres = {
        "truth": _CENTRES,
        "same": _CENTRES,
        "near": [(x + 1 + index // 3, y) for index, (x, y) in enumerate(_CENTRES)],
        "far": [(x + 4, y) for x, y in _CENTRES],
    }
    files = {
        name: film(folder / f"{name}.mkv", figure(of), draw=blocks) for name, of in centres.items()
    }
    known = {file: figure(centres[name]) for name, file in files.items()}
    networks = replace(NO_NETWORKS, features=lambda image: image.mean(axis=(0, 1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "detect_person", lambda video, **_: known[video])
        truth = files.pop("truth")
        return score_videos(files, truth, compute=LOCAL, networks=networks)


def test_the_ground_truth_itself_is_perfect_and_nearer_is_better(scored):
    truth = nested(scored)["truth"]
    same, near, far = (truth[name] for name in ("same", "near", "far"))
    assert same["person"] == {"l1": 0, "psnr": 100, "ssim": 1, "shift_tolerant_ssim": 1}
    for region in ("frame", "person", "face", "hands"):
        assert same[region]["ssim"] > near[region]["ssim"] > far[region]["ssim"]
        assert same[region]["l1"] < near[region]["l1"] < far[region]["l1"]
    moved = [one["pose_distance_px"]["all"] for one in (same, near, far)]
    assert moved == pytest.approx([0, (3 * 1 + 3 * 2 + 2 * 3) / 8, 4])
    temporal = nested(scored)["temporal"]
    for metric in ("warping_error", "warping_error_person"):
        errors = temporal[metric]
        assert errors["same"] == errors["truth"] < errors["near"]
    assert temporal["frame_change_to_truth"]["same"] == 1


def test_each_value_has_an_interval_around_it(scored):
    low, high = nested(scored, lambda one: one.interval)["truth"]["near"]["pose_distance_px"]["all"]
    assert low < nested(scored)["truth"]["near"]["pose_distance_px"]["all"] < high
    text = as_text(scored)
    assert re.fullmatch(r"\S+ \(\S+ to \S+\)", text["pose distance px all"]["near"])
    assert re.fullmatch(r"0\.\d+ \(0\.\d+ to 0\.\d+\)", text["person ssim"]["near"])
    assert set(text["background flicker"]) == {"same", "near", "far", "truth"}


def test_fid_and_kid_are_against_the_ground_truth(scored):
    person = nested(scored)["realism"]["fid"]["person"]
    assert person["same"] == pytest.approx(0, abs=1e-6)
    assert person["far"] > 0.01
    text = as_text(scored)
    assert text["fid person"]["far"] == f"{person['far']:.4g}"
    assert re.fullmatch(r"\S+ \(\S+ to \S+\)", text["kid frame"]["far"])
    low, high = nested(scored, lambda one: one.interval)["realism"]["kid"]["person"]["far"]
    assert low <= nested(scored)["realism"]["kid"]["person"]["far"] <= high
    assert text["skipped frames"] == dict.fromkeys(("same", "near", "far"), "0")


def test_a_video_of_another_length_is_refused_by_name(tmp_path):
    short, truth = (
        film(tmp_path / f"{name}.mkv", figure(_CENTRES[:length]), draw=blocks)
        for name, length in (("short", 7), ("truth", 8))
    )
    with pytest.raises(VideoError, match=r"short\.mkv: expected 8 frames of 64x64 .*, got 7 of 64"):
        score_videos({"short": short}, truth, compute=LOCAL)
