"""Any video is compared with the ground truth as our own are."""

import re
from dataclasses import replace

import pytest

from motiontransfer.errors import VideoError
from motiontransfer.evaluation import comparison
from motiontransfer.evaluation.measurements import nested
from motiontransfer.evaluation.network_metrics import NO_NETWORKS
from motiontransfer.evaluation.score import as_text, score_videos
from tests.evaluation.conftest import LOCAL, film, standing

_CENTRES = [(24 + 4 * (i % 4), 30 + 2 * (i % 2)) for i in range(8)]


@pytest.fixture
def score(monkeypatch, tmp_path):
    """Score figures at the given centres; the detector knows where they are."""
    known = {}
    monkeypatch.setattr(comparison, "detect_person", lambda video, **_: known[video])

    def filmed(name, centres):
        path = film(tmp_path / f"{name}.mkv", standing(centres))
        known[path] = standing(centres)
        return path

    def score(networks=NO_NETWORKS, **videos):
        paths = {name: filmed(name, centres) for name, centres in videos.items()}
        truth = filmed("truth", _CENTRES)
        return score_videos(paths, truth, compute=LOCAL, networks=networks)

    return score


def test_the_ground_truth_itself_is_perfect_and_nearer_is_better(score):
    scored = score(
        same=_CENTRES, near=[(x + 1, y) for x, y in _CENTRES], far=[(x + 4, y) for x, y in _CENTRES]
    )
    truth = nested(scored)["truth"]
    assert truth["same"]["person"]["ssim"] == 1
    assert truth["same"]["frame"]["l1"] == 0
    assert truth["same"]["person"]["ssim"] > truth["near"]["person"]["ssim"]
    assert truth["near"]["person"]["ssim"] > truth["far"]["person"]["ssim"]
    moved = [truth[name]["pose_distance_px"]["all"] for name in ("same", "near", "far")]
    assert moved == pytest.approx([0, 1, 4])


def test_each_value_has_an_interval_around_it(score):
    scored = score(near=[(x + 1 + index // 3, y) for index, (x, y) in enumerate(_CENTRES)])
    low, high = nested(scored, lambda one: one.interval)["truth"]["near"]["pose_distance_px"]["all"]
    assert low < nested(scored)["truth"]["near"]["pose_distance_px"]["all"] < high
    text = as_text(scored)
    assert re.fullmatch(r"\S+ \(\S+ to \S+\)", text["pose distance px all"]["near"])
    assert re.fullmatch(r"0\.\d+ \(0\.\d+ to 0\.\d+\)", text["person ssim"]["near"])
    assert set(text["background flicker"]) == {"near", "truth"}


def test_fid_and_kid_are_against_the_ground_truth(score):
    networks = replace(NO_NETWORKS, features=lambda image: image.mean(axis=(0, 1)))
    videos = {"same": _CENTRES, "far": [(x + 4, y) for x, y in _CENTRES]}
    scored = score(networks, **videos)
    person = nested(scored)["realism"]["fid"]["person"]
    assert person["same"] == pytest.approx(0, abs=1e-6)
    assert person["far"] > 0.01
    text = as_text(scored)
    assert text["fid person"]["far"] == f"{person['far']:.4g}"
    assert re.fullmatch(r"\S+ \(\S+ to \S+\)", text["kid frame"]["far"])
    assert text["skipped frames"] == {"same": "0", "far": "0"}
    assert "fid frame" not in as_text(score(**videos))


def test_a_video_of_another_length_is_refused_by_name(score):
    with pytest.raises(
        VideoError, match=r"short\.mkv: expected 8 frames of 64x64 .*, got 7 of 64x"
    ):
        score(short=_CENTRES[:7])
