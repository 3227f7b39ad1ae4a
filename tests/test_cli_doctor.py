"""The doctor's lines are for people, its status and its JSON for programs."""

import json

from motiontransfer.project import doctor
from motiontransfer.project.doctor import fault, ok, warning
from tests.command import run_command

RESULTS = [
    ok("disk", "65 GB free"),
    warning("remote", "none", "motiontransfer share URL"),
]


def command(monkeypatch, results, *arguments):
    monkeypatch.setattr(doctor, "check_all", lambda root: iter(results))
    return run_command(monkeypatch, "doctor", *arguments)


def test_each_result_is_a_line_and_each_fix_another(monkeypatch, capsys):
    assert not command(monkeypatch, RESULTS)
    assert capsys.readouterr().out.splitlines() == [
        "ok      disk        65 GB free",
        "warning remote      none",
        "                    -> motiontransfer share URL",
    ]


def test_only_a_fault_fails(monkeypatch, capsys):
    assert command(monkeypatch, [*RESULTS, fault("git", "no commit", "commit")]) == 1


def test_json_has_it_all(monkeypatch, capsys):
    assert not command(monkeypatch, RESULTS, "--json")
    assert json.loads(capsys.readouterr().out) == [
        {"level": "ok", "subject": "disk", "message": "65 GB free", "fix": None},
        RESULTS[1]._asdict(),
    ]
