"""The `motiontransfer` command as a shell runs it, in this process."""

import sys

import pytest

from motiontransfer.cli.app import main


def run_command(monkeypatch, *arguments):
    """Run it with these arguments; return its status."""
    monkeypatch.setattr(sys, "argv", ["motiontransfer", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code
