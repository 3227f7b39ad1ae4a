"""The `motiontransfer` command: what DVC does not do."""

from motiontransfer.cli.app import main

__all__ = ["main"]
