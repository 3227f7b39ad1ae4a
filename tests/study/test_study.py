"""Clips show the same moments of both videos; the page is complete and reveals no side.

Preference is the share of attentive people's answers, with Wilson's interval.
"""

import base64
import io
import json
import re

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.core.errors import MissingFileError, StudyError
from motiontransfer.report import study as module
from motiontransfer.video.frame_store import FrameStore
from tests.study.videos import BLUE, RED, study, video


def frames_of(clip):
    with av.open(io.BytesIO(clip)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Two videos of a second."""
    folder = tmp_path_factory.mktemp("videos")
    return module.Comparison(
        a=str(video(folder / "a.mp4", RED)),
        b=str(video(folder / "fast.mp4", BLUE, num_frames=30, rate=30)),
    )


@given(seconds=st.floats(0.01, 1.0), num_clips=st.integers(1, 12))
def test_clips_are_evenly_spaced_within_the_video(compared, seconds, num_clips):
    starts = module.clip_starts(compared, seconds=seconds, num_clips=num_clips)
    assert len(starts) == num_clips
    assert np.allclose(np.diff(starts, 2), 0, atol=1e-9)
    assert starts[0] == pytest.approx(1 - seconds - starts[-1], abs=1e-9)
    assert starts[0] == 0 or num_clips == 1


def test_a_clip_holds_the_frames_of_its_moment(tmp_path):
    path = video(tmp_path / "v.mp4", RED)  # 20 frames, 20 a second
    shown = frames_of(module.cut(path, start=0.25, seconds=0.5))
    with FrameStore(path) as store:
        assert len(shown) == 10
        for index, frame in enumerate(shown):
            errors = [np.abs(frame - store[other]).mean() for other in range(20)]
            assert int(np.argmin(errors)) == 5 + index


def test_videos_of_other_lengths_are_refused(compared, tmp_path):
    video(tmp_path / "b.mp4", BLUE, num_frames=12)
    for other, seconds, error, named in (
        (compared.b, 4.0, StudyError, "--seconds"),
        (str(tmp_path / "b.mp4"), 0.5, StudyError, "b.mp4"),
        (str(tmp_path / "none.mp4"), 0.5, MissingFileError, "none.mp4"),
    ):
        with pytest.raises(error, match=named):
            module.clip_starts(
                module.Comparison(a=compared.a, b=other), seconds=seconds, num_clips=1
            )


def test_an_attention_check_is_pixelated_but_of_the_same_length_and_size(tmp_path):
    path = video(tmp_path / "v.mp4", RED, size=(96, 96))
    intact, coarse = (
        np.array(frames_of(module.cut(path, start=0.0, seconds=0.5, is_pixelated=is_pixelated)))
        for is_pixelated in (False, True)
    )
    assert intact.shape == coarse.shape
    assert np.abs(intact - coarse).mean() > 1
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    squares, side = module.pixelate(noise), 70 // 12
    assert (squares[::side, ::side].repeat(side, 0).repeat(side, 1)[:50, :70] == squares).all()
    assert (squares[2, 2] == noise[2, 2]).all()
    assert len(np.unique(squares.reshape(-1, 3), axis=0)) > 50


def content_of(page):
    text = page.read_text()
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', text)
    return json.loads(found[1])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder of a study, its key)."""
    folder = tmp_path_factory.mktemp("study")
    return folder, study(folder, clips_each=11, num_checks=2)


def test_there_is_a_pair_for_each_moment_and_each_check(made):
    folder, key = made
    assert key == module.read_key(folder / "study.key.json")
    pairs = key.pairs.values()
    assert [pair.comparison for pair in pairs].count(None) == 2
    compared = sorted(pair.start_seconds for pair in pairs if pair.comparison == 0)
    assert compared == pytest.approx([index / 20 for index in range(11)])
    content = content_of(folder / "study.html")
    shown = {number: {*clips} for number, clips in content["pairs"].items()}
    assert shown == {number: {pair.a, pair.b} for number, pair in key.pairs.items()}
    assert len(content["clips"]) == 2 * len(key.pairs)
    clips = {number: frames_of(base64.b64decode(clip)) for number, clip in content["clips"].items()}
    assert {len(frames) for frames in clips.values()} == {10}
    for pair in pairs:
        red, _, blue = np.mean(clips[pair.b], axis=(0, 1, 2))
        is_first_video = bool(red > blue)  # a check is, pixelated
        assert is_first_video == (pair.comparison is None)


def test_nothing_on_the_page_reveals_the_sides(made):
    folder, key = made
    ours_first = sum(pair.a < pair.b for pair in key.pairs.values())
    assert 1 < ours_first < 12  # 13 throws of a coin
    text = (folder / "study.html").read_text()
    for word in ("red.mp4", "blue.mp4", str(folder), str(key.seed) + ",", "comparison"):
        assert word not in text
    assert "Which video is &lt;warmer&gt; &amp; redder?" in text
    content = content_of(folder / "study.html")
    assert content.keys() == {"study", "format", "pairs", "clips"}
    assert all(re.fullmatch("[0-9a-f]{16}", number) for number in content["clips"])
    for ids in (content["clips"], content["pairs"], *content["pairs"].values()):
        assert list(ids) == sorted(ids)


def test_a_key_is_never_written_over_and_without_videos_nothing_is_written(made, tmp_path):
    folder, key = made
    with pytest.raises(StudyError, match=r"study\.key\.json"):
        study(folder, seed=6)
    assert module.read_key(folder / "study.key.json") == key
    options = {"question": "?", "seconds": 1.0, "clips_each": 1, "num_checks": 1, "seed": 0}
    missing = module.Comparison(a="none.mp4", b="none.mp4")
    for comparisons, error in (([], StudyError), ([missing], MissingFileError)):
        with pytest.raises(error):
            module.write_study(tmp_path / "p.html", comparisons, **options)
    assert not list(tmp_path.iterdir())


def test_the_same_seed_gives_the_same_page_and_another_one_another(tmp_path):
    pages = []
    for name, seed in (("a.html", 5), ("b.html", 5), ("c.html", 6)):
        study(tmp_path, seed=seed, page=name, clips_each=1)
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]
    assert pages[0] != pages[2]
    numbers = [set(module.read_key(tmp_path / f"{name}.key.json").pairs) for name in "ac"]
    assert not numbers[0] & numbers[1]


KEY = module.AnswerKey(
    study="s1",
    question="Which?",
    seed=0,
    comparisons=tuple(module.Comparison(a="ours.mp4", b=b) for b in ("base.mp4", "real.mp4")),
    pairs={
        f"p{n}": module.Pair(a=f"a{n}", b=f"b{n}", comparison=comparison, start_seconds=0.0)
        for n, comparison in enumerate([0] * 5 + [1] * 5 + [None] * 2)
    },
)


def person(name, *, prefers_a):
    """A participant who chooses `a` of the pairs of these numbers, else `b`."""
    answers = [
        module.Answer(pair=f"p{number}", chosen=f"{'a' if number in prefers_a else 'b'}{number}")
        for number in range(12)
    ]
    return module.Participant(study="s1", participant=name, answers=tuple(answers))


def test_shares_and_intervals_are_those_worked_out_by_hand():
    people = [
        person("ann", prefers_a={0, 1, 2, 3, 10, 11}),
        person("bob", prefers_a={0, 1, 2, 4, 5, 10, 11}),
    ]
    ours, real = module.score_study(KEY, people).preferences
    assert (ours.preferred, ours.answers, ours.share) == (8, 10, 0.8)
    # Wilson 1927: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), z = 1.95996
    # 8 of 10: (0.8 + 0.19207 ± 1.95996 · √(0.016 + 0.0096036)) / 1.38415
    assert ours.interval == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert (real.preferred, real.answers, real.share) == (1, 10, 0.1)
    # 1 of 10: (0.1 + 0.19207 ± 1.95996 · √(0.009 + 0.0096036)) / 1.38415
    assert real.interval == pytest.approx((0.0179, 0.4042), abs=5e-5)
    assert (real.a, real.b) == ("ours.mp4", "real.mp4")


def test_participants_who_miss_a_check_are_excluded():
    people = [
        person("ann", prefers_a={0, 10, 11}),
        person("bob", prefers_a={0, 1, 2, 3, 4, 10}),
        person("eve", prefers_a={0, 1, 2, 3, 4}),
    ]
    score = module.score_study(KEY, people)
    assert score.missed_checks == {"ann": 0, "bob": 1, "eve": 2}
    assert score.counted == ("ann",)
    assert (score.preferences[0].preferred, score.preferences[0].answers) == (1, 5)
    assert module.score_study(KEY, people[1:]).preferences == ()
    lenient = module.score_study(KEY, people, allowed_misses=1)
    assert lenient.counted == ("ann", "bob")
    assert (lenient.preferences[0].preferred, lenient.preferences[0].answers) == (6, 10)


ANN = person("ann", prefers_a=set())
FIRST, *REST = ANN.answers


def text_of(**changes):
    return json.dumps({**ANN.model_dump(), **changes}, default=lambda one: one.model_dump())


def test_answers_are_read_back_and_a_participant_counts_once(tmp_path):
    first, again = tmp_path / "a.json", tmp_path / "a (1).json"
    for file in (first, again):
        file.write_text(text_of(window=[800, 600]))  # as pages of earlier versions wrote
    assert module.read_answers(KEY, [first]) == [ANN]
    with pytest.raises(StudyError, match=r"a \(1\)\.json: participant ann .*a\.json"):
        module.read_answers(KEY, [first, again])
    with pytest.raises(MissingFileError, match=r"none\.json"):
        module.read_answers(KEY, [tmp_path / "none.json"])


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "study answers 1"),
        ("[]", "study answers 1"),
        (text_of(format="motiontransfer study key 1"), "format"),
        ('{"study": "s1"}', "participant"),
        (text_of(study="s2"), "s1"),
        (text_of(answers=[*REST, REST[0]]), "12"),
        (text_of(answers=[*ANN.answers, FIRST]), "13"),
        (text_of(answers=[{"pair": "p0", "chosen": "a5"}, *REST]), "p0"),
        (text_of(participant="ann\n  bob  9 of 9"), "participant"),
    ],
)
def test_answers_of_another_study_or_form_are_refused_in_one_line(content, named, tmp_path):
    (tmp_path / "f.json").write_text(content)
    with pytest.raises(StudyError, match=rf"f\.json: .*{named}") as error:
        module.read_answers(KEY, [tmp_path / "f.json"])
    assert "\n" not in str(error.value)
