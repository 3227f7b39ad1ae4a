"""`motiontransfer compare` writes one page, or says in one line what is wrong."""

from pathlib import Path

import pytest

from motiontransfer.report import compare
from tests.command import run_command

COMPARISONS = Path("artifacts/comparisons")


@pytest.fixture
def written(tmp_path, monkeypatch):
    """What was asked for, in the place of looking for it: (before, after, transfer, page)."""
    monkeypatch.chdir(tmp_path)
    asked = []

    def write(path, before, after, *, transfer):
        asked.append((before, after, transfer, path))
        return ("truth is not shown",)

    monkeypatch.setattr(compare, "Revision", lambda root, name: name)
    monkeypatch.setattr(compare, "choose_transfer", lambda revision, name: name or "only")
    monkeypatch.setattr(compare, "write_comparison_page", write)
    return asked


def _command(monkeypatch, *arguments):
    return run_command(monkeypatch, "compare", *arguments)


@pytest.mark.parametrize(
    ("arguments", "before", "after", "transfer", "page"),
    [
        (["HEAD~1"], "HEAD~1", "workspace", "only", COMPARISONS / "only_HEAD-1_workspace.html"),
        (["x/y"], "x/y", "workspace", "only", COMPARISONS / "only_x-y_workspace.html"),
        (
            ["a/b", "trial", "--transfer", "ada_as_ben", "--output", "look.html"],
            *("a/b", "trial", "ada_as_ben", Path("look.html")),
        ),
    ],
)
def test_default_revision_and_page(
    written, monkeypatch, capsys, arguments, before, after, transfer, page
):
    assert not _command(monkeypatch, *arguments)
    assert written == [(before, after, transfer, page)]
    assert capsys.readouterr().out == f"note: truth is not shown\nwrote {page}\n"


def test_equal_revisions_are_refused(written, monkeypatch, capsys):
    assert _command(monkeypatch, "HEAD", "HEAD") == 1
    assert capsys.readouterr().err == (
        "ERROR: expected two different revisions, got 'HEAD' twice\n"
    )
