"""Preference is the share of attentive people's answers, with Wilson's interval."""

import json
from dataclasses import asdict, replace

import pytest

from motiontransfer.errors import MissingFileError, StudyError
from motiontransfer.study.study import (
    ANSWERS_FORMAT,
    Answer,
    AnswerKey,
    Comparison,
    Pair,
    Participant,
    read_answers,
    read_key,
    score_study,
    write_key,
)


def pair(number, comparison):
    return Pair(a=f"a{number}", b=f"b{number}", comparison=comparison, start_seconds=0.0)


KEY = AnswerKey(
    study="s1",
    question="Which?",
    seed=0,
    comparisons=(Comparison(a="ours.mp4", b="base.mp4"), Comparison(a="ours.mp4", b="real.mp4")),
    pairs={
        **{f"p{n}": pair(n, 0) for n in range(5)},
        **{f"p{n}": pair(n, 1) for n in range(5, 10)},
        **{f"p{n}": pair(n, None) for n in (10, 11)},
    },
)


def person(name, *, prefers_a, seconds=2.0):
    """A participant who chooses `a` of the pairs of these numbers, else `b`."""
    answers = [
        Answer(
            pair=f"p{number}",
            first=f"b{number}",
            second=f"a{number}",
            chosen=f"{'a' if number in prefers_a else 'b'}{number}",
            seconds=seconds,
            replays=0,
        )
        for number in range(12)
    ]
    return Participant(study="s1", participant=name, window=(800, 600), answers=tuple(answers))


def test_shares_and_intervals_are_those_worked_out_by_hand():
    people = [
        person("ann", prefers_a={0, 1, 2, 3, 10, 11}),
        person("bob", prefers_a={0, 1, 2, 4, 5, 10, 11}),
    ]
    ours, real = score_study(KEY, people).preferences
    assert (ours.preferred, ours.answers, ours.share) == (8, 10, 0.8)
    # Wilson 1927: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), z = 1.95996
    # 8 of 10: (0.8 + 0.19207 ± 1.95996 · √(0.016 + 0.0096036)) / 1.38415
    assert ours.interval == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert (real.preferred, real.answers, real.share) == (1, 10, 0.1)
    # 1 of 10: (0.1 + 0.19207 ± 1.95996 · √(0.009 + 0.0096036)) / 1.38415
    assert real.interval == pytest.approx((0.0179, 0.4042), abs=5e-5)
    assert ours.comparison == KEY.comparisons[0]
    assert real.comparison == KEY.comparisons[1]


def test_participants_who_miss_a_check_are_excluded():
    people = [
        person("ann", prefers_a={0, 10, 11}),
        person("bob", prefers_a={0, 1, 2, 3, 4, 10}),
        person("eve", prefers_a={0, 1, 2, 3, 4}),
    ]
    score = score_study(KEY, people)
    assert score.excluded == 2
    assert score.num_checks == 2
    assert (score.preferences[0].preferred, score.preferences[0].answers) == (1, 5)
    assert [each.missed_checks for each in score.participants] == [0, 1, 2]
    assert [each.is_counted for each in score.participants] == [True, False, False]
    ann = score.participants[0]
    assert (ann.participant, ann.preferred, ann.answers, ann.median_seconds) == ("ann", 1, 10, 2)
    lenient = score_study(KEY, people, allowed_misses=1)
    assert lenient.excluded == 1
    assert (lenient.preferences[0].preferred, lenient.preferences[0].answers) == (6, 10)


def test_without_counted_participants_there_is_no_preference():
    score = score_study(KEY, [person("eve", prefers_a={0})])
    assert score.preferences == ()
    assert score.excluded == 1


def file_of(folder, participant, name="answers.json"):
    content = {"format": ANSWERS_FORMAT, **asdict(participant)}
    (folder / name).write_text(json.dumps(content))
    return folder / name


def test_files_are_read_back(tmp_path):
    write_key(tmp_path / "key.json", KEY)
    assert read_key(tmp_path / "key.json") == KEY
    ann = person("ann", prefers_a={0})
    assert read_answers(KEY, [file_of(tmp_path, ann)]) == [ann]


ANN = person("ann", prefers_a=set())
FIRST, *REST = ANN.answers


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"study": "s2"}, r"answers to study s2; expected s1, as the key"),
        ({"answers": (*REST, REST[0])}, r"one answer to each of 12 pairs, got 12 to 11 of them"),
        (
            {"answers": (replace(FIRST, chosen="a5"), *REST)},
            r"pair p0: expected clips a0 and b0, got b0 and a0, chosen a5",
        ),
    ],
)
def test_answers_that_do_not_belong_to_the_key_are_refused(change, text, tmp_path):
    file = file_of(tmp_path, replace(ANN, **change))
    with pytest.raises(StudyError, match=rf"answers\.json: .*{text}|answers\.json: {text}"):
        read_answers(KEY, [file])


def test_a_participant_counts_once(tmp_path):
    files = [file_of(tmp_path, ANN, name) for name in ("a.json", "a (1).json")]
    with pytest.raises(StudyError, match=r"a \(1\)\.json: participant ann is in .*a\.json, too"):
        read_answers(KEY, files)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"participant": "\x1b[31mann"}, r"participant: .*expected printable text, got '\\x1b"),
        ({"participant": "ann\n  bob  9 of 9"}, "participant: .*expected printable text"),
        ({"answers": (replace(FIRST, seconds=float("nan")), *REST)}, "seconds: .*finite number"),
    ],
)
def test_answers_print_as_text_and_finite_numbers(change, text, tmp_path):
    with pytest.raises(StudyError, match=text):
        read_answers(KEY, [file_of(tmp_path, replace(ANN, **change))])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", r"f\.json: not a motiontransfer study answers 1: "),
        ("[]", r"expected a motiontransfer study answers 1, got another file"),
        ('{"format": "motiontransfer study key 1"}', r"got motiontransfer study key 1$"),
        (
            f'{{"format": "{ANSWERS_FORMAT}", "study": "s1"}}',
            r"f\.json: participant: Field required; the file was changed",
        ),
    ],
)
def test_other_files_are_refused_in_one_line(content, text, tmp_path):
    (tmp_path / "f.json").write_text(content)
    with pytest.raises(StudyError, match=text) as error:
        read_answers(KEY, [tmp_path / "f.json"])
    assert "\n" not in str(error.value)
    with pytest.raises(MissingFileError, match=r"g\.json: no such file"):
        read_answers(KEY, [tmp_path / "g.json"])
