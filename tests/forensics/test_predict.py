import pytest

from motiontransfer.errors import VideoError
from motiontransfer.forensics.evaluation import predict_video
from motiontransfer.video.writer import write_video
from tests.forensics.planted import RATE, rendered, walk


def video(path, frames, *, crf=18):
    write_video(path, frames, frame_rate=RATE, crf=crf)
    return path


def test_rendered_and_filmed_video_are_separated(weights, tmp_path):
    frames = walk(33, seed=81)
    filmed = predict_video(video(tmp_path / "a.mp4", frames), weights)
    made = predict_video(video(tmp_path / "b.mp4", rendered(frames)), weights)
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
    found = dict(predict_video(video(tmp_path / "a.mp4", mixed), weights).per_second)
    assert max(found, key=found.get) == second
    assert found[second] > 0.5
    assert all(found[other] < found[second] - 0.1 for other in range(5) if other != second)


def test_a_larger_copy_gets_about_the_same_prediction(weights, tmp_path):
    frames = rendered(walk(17, seed=84))
    large = frames.repeat(3, axis=1).repeat(3, axis=2)
    small, enlarged = (
        predict_video(video(tmp_path / f"{name}.mp4", each, crf=10), weights)
        for name, each in (("a", frames), ("b", large))
    )
    assert enlarged.synthesized == pytest.approx(small.synthesized, abs=0.1)
    short = predict_video(video(tmp_path / "c.mp4", frames[:8]), weights)
    assert (short.interval, len(short.per_second)) == ((0.0, 1.0), 1)


def test_pauses_are_left_out(weights, tmp_path):
    frames = walk(25, seed=86)
    frames[8:17] = frames[8]
    prediction = predict_video(video(tmp_path / "a.mp4", frames, crf=0), weights)
    assert [start for start, _ in prediction.per_second] == [0.0, 2.0]
    assert prediction.frames == 25


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        (walk(1, seed=1).repeat(12, axis=0), "got 12 frames without any"),
        (walk(1, seed=1), "got 1 frames without any"),
        (walk(12, seed=1, size=(30, 40)), "at least 32 pixels a side, got 40x30"),
    ],
)
def test_videos_without_motion_or_detail_are_refused(weights, tmp_path, frames, text):
    with pytest.raises(VideoError, match=text):
        predict_video(video(tmp_path / "a.mp4", frames), weights)
