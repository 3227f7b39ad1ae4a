import json
import logging

import pytest

from motiontransfer.cli.options import printed_events
from motiontransfer.core.errors import ParamsError
from motiontransfer.core.events import (
    Failed,
    FilmChecked,
    Guided,
    Made,
    Note,
    Performed,
    Planned,
    PosesCompared,
    Progress,
    Running,
    StageChanged,
    Step,
    Took,
    emit,
    in_words,
    read_events,
)

OF = {"judgment": "fair", "sentence": "Usable.", "facts": ("one", "two"), "advice": ("turn",)}
RUNNING = Running(stage="decode@me", sentence="Reading the film of me", done=3, total=9)
EVENTS = [
    Note(text="waits"),
    FilmChecked(name="me", **OF, picture="me.png", people=((0.1, 0.2, 0.3, 0.4),)),
    PosesCompared(name="me_as_it", **OF),
    Planned(title="me_as_it", stages={"decode@me": 60.0, "preview@it": 6.0}, seconds=66.0),
    Step(description="render", done=3, total=9, rate=1.5, seconds_left=4.0, note=", l1 2"),
    RUNNING,
    Progress(title="me_as_it", share=0.3, seconds_left=120.0, running=(RUNNING,)),
    StageChanged(stage="decode@me", state="is done", done=1, total=2),
    Made(what="result", files=("a.mp4", "green.mp4")),
    Guided(film="guide.mp4", sheet="poses.png", poses=7, coverage=0.95),
    Took(stages={"decode@me": 9.0}),
    Performed(frames=3, seconds=1.0, sentence="3 frames"),
    Failed(message="it broke", log="a.log"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_read_as_it_was_printed(event, capsys):
    with printed_events(as_json=True):
        emit(event)
    printed = capsys.readouterr().out
    assert json.loads(printed)["event"] == type(event).__name__
    assert [*read_events(f"Traceback\n{printed}")] == [event]


def test_unknown_kinds_and_fields_and_other_lines_are_skipped():
    printed = """\
        looks at the films
{"event": "Note", "text": "a", "color": "red"}
{"event": "Fireworks", "text": "b"}
{"event": "Note"}
{"event": "Note", "te
{"event": ["Note"]}
"""
    assert [*read_events(printed)] == [Note(text="a")]


def test_a_terminal_gets_the_texts(capsys):
    with printed_events(as_json=False):
        for event in EVENTS:
            emit(event)
        emit(Note(text="for programs"), level=logging.DEBUG)
    shown = capsys.readouterr().out
    for line in (
        *("me_as_it: Usable.", "  - turn", "what was found: me.png"),
        "me_as_it: 2 stages, about 70 s on this CPU",
        "me_as_it: 30 %, about 2 min left, Reading the film of me 3 of 9",
        "result: a.mp4\nresult: green.mp4",
        "7 poses; with them you cover 95 %",
        "  decode@me     9 s",
    ):
        assert f"{line}\n" in shown
    assert "for programs" not in shown
    assert "it broke" not in shown  # standard error has it


def test_an_error_is_an_event_and_goes_on(capsys):
    with pytest.raises(ParamsError), printed_events(as_json=True):
        raise ParamsError("no such key\nnor that")
    assert [*read_events(capsys.readouterr().out)] == [Failed(message="no such key")]


@pytest.mark.parametrize(
    ("seconds", "words"), [(3, "10 s"), (44, "40 s"), (89, "90 s"), (100, "2 min"), (600, "10 min")]
)
def test_times_are_told_in_round_words(seconds, words):
    assert in_words(seconds) == words
