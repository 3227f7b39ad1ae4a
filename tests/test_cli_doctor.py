"""The doctor's lines are for people, its status and its JSON for programs."""

import json

from motiontransfer.workspace import doctor
from motiontransfer.workspace.findings import fault, fine, warning
from tests.command import run_command

FINDINGS = [
    fine("disk", "65 GB free"),
    warning("remote", "none", "motiontransfer share URL"),
]


def command(monkeypatch, findings, *arguments):
    monkeypatch.setattr(doctor, "examine", lambda root: iter(findings))
    return run_command(monkeypatch, "doctor", *arguments)


def test_each_finding_is_a_line_and_each_mend_another(monkeypatch, capsys):
    assert not command(monkeypatch, FINDINGS)
    assert capsys.readouterr().out.splitlines() == [
        "ok      disk        65 GB free",
        "warning remote      none",
        "                    -> motiontransfer share URL",
    ]


def test_only_a_fault_fails(monkeypatch, capsys):
    assert command(monkeypatch, [*FINDINGS, fault("git", "no commit", "commit")]) == 1


def test_json_has_it_all(monkeypatch, capsys):
    assert not command(monkeypatch, FINDINGS, "--json")
    assert json.loads(capsys.readouterr().out) == [
        {"level": "ok", "subject": "disk", "told": "65 GB free", "mend": None},
        {
            **{"level": "warning", "subject": "remote", "told": "none"},
            "mend": "motiontransfer share URL",
        },
    ]
