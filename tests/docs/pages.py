"""Commands of the documentation pages, with the output that the pages show."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.command import isolated_environment

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n+)?^```console\n(?P<text>.*?)^```$", flags=re.M | re.S
)
_STEP = re.compile(  # a command goes on below as long as its quotes are open
    r'^\$ (?P<command>(?:\\\n|"[^"]*"|[^"\n])*)\n(?P<shown>(?:(?!\$ ).*\n)*)', flags=re.M
)
_NUMBER = re.compile(r"[-+]?\d[\d.,:e-]*")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command with the output that the page shows, if it shows any."""

    line: int
    command: str
    shown: tuple[str, ...]


def steps_of(page: Path) -> list[Step]:
    """The commands of a page's console blocks, without those that say why they are not run."""
    text = page.read_text(encoding="utf-8")
    return [
        Step(
            line=text[: block.start("text") + step.start()].count("\n") + 1,
            command=step["command"],
            shown=tuple(step["shown"].rstrip().splitlines()),
        )
        for block in _BLOCK.finditer(text)
        if not block["reason"]
        for step in _STEP.finditer(block["text"])
    ]


def agrees(shown: tuple[str, ...], printed: str) -> bool:
    """Whether the printed lines are those shown.

    A line `...` stands for any number of lines, `...` in a line for any text, and every number and
    size for every other: a page has those of the demo. Spaces and rules of tables follow the
    numbers.
    """
    pattern = "".join(
        r"(?:[^\n]*\n)*?" if line.strip() == "..." else rf"{_line(line)}\n" for line in shown
    )
    return re.fullmatch(pattern, f"{_plain(printed)}\n") is not None


def _line(line: str) -> str:
    parts = [re.escape(_plain(part)) for part in line.split("...")]
    return r"[^\n]*".join(parts)


def _plain(text: str) -> str:
    text = re.sub(r"\b[0-9a-f]{7,40}\b", "0", text.strip("\n"))
    text = re.sub(r"\b0 ?[kMG]?i?B\b", "0 B", _NUMBER.sub("0", text))
    text = re.sub(r"-{3,}", "---", text)
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


def run(command: str, folder: Path) -> subprocess.CompletedProcess:
    """Run a line of shell in an environment of the test's own; errors are in stdout, too."""
    environment = {
        **isolated_environment(folder.parent),
        **{"COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": str(folder)},
    }
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
