"""The command makes a page and scores what came back, or says in one line what is wrong."""

import json
from pathlib import Path

import pytest

from motiontransfer.study.study import ANSWERS_FORMAT, read_key
from tests.command import run_command
from tests.study.videos import BLUE, RED, video


@pytest.fixture(autouse=True)
def _videos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    video(tmp_path / "ours.mp4", RED)
    video(tmp_path / "base.mp4", BLUE)


def study(monkeypatch, capsys, *arguments):
    """(status, what was printed)."""
    status = run_command(monkeypatch, "study", *arguments)
    told = capsys.readouterr()
    return status or 0, told.out + told.err


MAKE = ("make", "s.html", "--a", "ours.mp4", "--b", "base.mp4", "--seconds", "0.5", "--clips", "2")


def answer_all(key, participant, *, prefers):
    """Hand in answers of someone who always prefers that one and sees the attention checks."""
    answers = [
        {
            **{"pair": number, "first": pair.a, "second": pair.b, "seconds": 2, "replays": 0},
            "chosen": pair.a if pair.comparison is None else getattr(pair, prefers),
        }
        for number, pair in key.pairs.items()
    ]
    file = f"answers-{participant}.json"
    content = {
        **{"format": ANSWERS_FORMAT, "study": key.study, "participant": participant},
        **{"window": [800, 600], "answers": answers},
    }
    Path(file).write_text(json.dumps(content))
    return file


def test_a_page_is_made_and_scored(tmp_path, monkeypatch, capsys):
    status, told = study(monkeypatch, capsys, *MAKE)
    assert status == 0
    assert "wrote s.html (4 pairs, 0." in told
    assert "wrote s.key.json, to keep: it says which clip is which\n" in told
    key = read_key(tmp_path / "s.key.json")
    files = [answer_all(key, f"p{n}", prefers="a" if n < 4 else "b") for n in range(5)]
    status, told = study(monkeypatch, capsys, "score", "s.key.json", *files)
    assert status == 0
    assert "ours.mp4 over base.mp4\n" in told
    # 8 of 10, as worked out in tests/study/test_scoring.py
    assert "  80.0%, 95 % interval 49.0% to 94.3%: 8 of 10 answers\n" in told
    assert "participants: 5 counted, 0 left out for missed attention checks (of 2 each)" in told
    assert "  p4    0 of 2   for the first, 0 checks missed,   2.0 s a choice\n" in told
    _, told = study(monkeypatch, capsys, "score", "s.key.json", *files, "--json")
    assert json.loads(told)["preferences"][0]["preferred"] == 8


def test_seeds_are_drawn_unless_given(tmp_path, monkeypatch, capsys):
    few = (*MAKE[2:-1], "1")
    for name, options in (("s", ()), ("t", ()), ("u", ("--seed", "9"))):
        study(monkeypatch, capsys, "make", f"{name}.html", *few, *options)
    seeds = [read_key(tmp_path / f"{name}.key.json").seed for name in "stu"]
    assert seeds[0] != seeds[1]
    assert seeds[2] == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*MAKE, "--b", "ours.mp4"), "ERROR: expected as many --a as --b, got 1 and 2\n"),
        (("make", "s.txt", *MAKE[2:]), "ERROR: s.txt: expected a name that ends in .html\n"),
        ((*MAKE[:3], "none.mp4", *MAKE[4:]), "ERROR: none.mp4: no such file"),
        (("score", "none.json", "a.json"), "ERROR: none.json: no such file; expected a motiontr"),
        (("score", "ours.mp4", "a.json"), "ERROR: ours.mp4: not a motiontransfer study key 1: "),
    ],
)
def test_errors_are_one_line(arguments, message, monkeypatch, capsys):
    status, told = study(monkeypatch, capsys, *arguments)
    assert status == 1
    assert told.startswith(message)
    assert told.count("\n") == 1
