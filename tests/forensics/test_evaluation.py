import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.core.errors import VideoError
from motiontransfer.forensics import model, training
from motiontransfer.forensics.data import CORRUPTIONS, both_sides
from motiontransfer.video.writer import write_video
from tests.forensics.planted import RATE, clip_pairs, rendered, walk

LOGITS = st.lists(st.integers(-5, 5), min_size=1, max_size=12).map(lambda x: np.array(x, float))


@given(real=LOGITS, fake=LOGITS)
def test_area_is_the_share_of_pairs_in_the_right_order(real, fake):
    above = (fake[:, None] > real).mean() + (fake[:, None] == real).mean() / 2
    assert training.area_under_curve(real, fake) == pytest.approx(above)


def clips(*means, pairs=4):
    return [np.full(pairs, float(mean)) for mean in means]


def test_pairs_are_counted_and_clips_without_motion_left_out():
    scores = training.DetectorScores(real=[*clips(-2, -1, 1), np.zeros(0)], fake=clips(0, 2))
    table = training.metrics(scores, threshold=0.0)
    assert table["confusion"] == {
        "real": {"predicted_real": 8, "predicted_fake": 4},
        "fake": {"predicted_real": 0, "predicted_fake": 8},
    }
    assert table["auc"] == pytest.approx(5 / 6, abs=1e-4)
    assert table["accuracy"] == pytest.approx((2 / 3 + 1) / 2, abs=1e-4)
    assert (table["seconds"], table["seconds_without_movement"]) == ({"real": 3, "fake": 2}, 1)
    assert 0 <= table["auc_low"] <= table["auc"] <= table["auc_high"] <= 1
    still = training.DetectorScores(real=[np.zeros(0)], fake=clips(1))
    expected = {"seconds": {"real": 0, "fake": 1}, "seconds_without_movement": 1}
    assert training.metrics(still, threshold=0.0) == expected


def test_an_interval_holds_the_value_and_resamples_whole_clips():
    real, fake = (-2, -1, 1, 3), (0, 2, 2.5, 4)
    value = training.area_under_curve(np.array(real, float), np.array(fake, float))
    low, high = model.bootstrap_interval(training.area_under_curve, clips(*real), clips(*fake))
    assert 0 <= low < value < high <= 1
    # more pairs of the same clips are no more evidence
    many = [clips(*means, pairs=40) for means in (real, fake)]
    assert model.bootstrap_interval(training.area_under_curve, *many) == (low, high)
    one_clip = model.bootstrap_interval(training.area_under_curve, clips(-1), clips(1, 2))
    assert one_clip == (0.0, 1.0)


def test_a_planted_artifact_is_found_in_an_unseen_subject(detector, tmp_path):
    found = training.evaluate(detector, both_sides(clip_pairs(tmp_path, "new", seed=99)))
    assert set(found) == set(CORRUPTIONS)
    scores = {name: map(np.concatenate, (of.real, of.fake)) for name, of in found.items()}
    for corruption, (real, fake) in scores.items():
        assert training.area_under_curve(real, fake) >= 0.95, corruption
        if corruption == "exact":
            threshold = detector.calibration.threshold
            assert training.balanced_accuracy(real, fake, threshold=threshold) >= 0.9


def video(path, frames, *, crf=18):
    write_video(path, frames, frame_rate=RATE, crf=crf)
    return path


def test_rendered_and_filmed_video_are_separated(weights, tmp_path):
    frames = walk(33, seed=81)
    filmed = model.predict_video(video(tmp_path / "a.mp4", frames), weights)
    made = model.predict_video(video(tmp_path / "b.mp4", rendered(frames)), weights)
    assert filmed.synthesized < 0.4
    assert made.synthesized > 0.6
    assert filmed.interval[1] < made.interval[0]
    assert filmed.frames == made.frames == 33
    low, high = made.interval
    assert 0 <= low <= made.synthesized <= high <= 1
    assert [start for start, _ in made.per_second] == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("second", [0, 2])
def test_seconds_line_up_with_where_a_rendered_part_was_put(weights, tmp_path, second):
    frames = walk(5 * 8 + 1, seed=82)
    mixed, part = frames.copy(), slice(second * 8, second * 8 + 9)
    mixed[part] = rendered(frames)[part]
    found = dict(model.predict_video(video(tmp_path / "a.mp4", mixed), weights).per_second)
    assert max(found, key=found.get) == second
    assert found[second] > 0.5
    assert all(found[other] < found[second] - 0.1 for other in range(5) if other != second)


@pytest.mark.parametrize(
    ("frames", "got"),
    [
        (walk(1, seed=1).repeat(12, axis=0), "got 12 frames"),
        (walk(1, seed=1), "got 1 frames"),
        (walk(12, seed=1, size=(30, 40)), "got 40x30"),
    ],
)
def test_videos_without_motion_or_detail_are_refused(weights, tmp_path, frames, got):
    with pytest.raises(VideoError, match=rf"a\.mp4: .*{got}"):
        model.predict_video(video(tmp_path / "a.mp4", frames), weights)
