"""The doctor's lines are for people, its status and its JSON for programs."""

import json
import sys

import pytest

from motiontransfer.cli.app import main
from motiontransfer.workspace import doctor
from motiontransfer.workspace.findings import fault, fine, warning

FINDINGS = [
    fine("disk", "65 GB free"),
    warning("remote", "none", "motiontransfer share URL"),
]


def command(monkeypatch, findings, *arguments):
    monkeypatch.setattr(doctor, "examine", lambda root: iter(findings))
    monkeypatch.setattr(sys, "argv", ["motiontransfer", "doctor", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


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
