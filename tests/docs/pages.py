"""What the pages ask a reader to type, and what they promise will be printed."""

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n+)?^```console\n(?P<text>.*?)^```$", flags=re.M | re.S
)
_NUMBER = re.compile(r"[-+]?\d[\d.,:e-]*")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command with the output that the page shows, if it shows any."""

    line: int
    command: str
    shown: tuple[str, ...]


def steps_of(page: Path) -> list[Step]:
    """The commands of a page's console blocks, without those that say why they are not run.

    A command goes on over the lines that follow as long as its quotes are open.
    """
    text = page.read_text(encoding="utf-8")
    steps = []
    for block in _BLOCK.finditer(text):
        if block["reason"]:
            continue
        first = text[: block.start("text")].count("\n") + 1
        steps += _steps(block["text"].splitlines(), first)
    return steps


def _steps(lines: list[str], first: int) -> list[Step]:
    steps, index = [], 0
    while index < len(lines):
        assert lines[index].startswith("$ "), f"line {first + index}: expected a command"
        start, command = index, lines[index].removeprefix("$ ")
        while command.count('"') % 2 or command.endswith("\\"):
            index += 1
            command += f"\n{lines[index]}"
        shown = []
        while index + 1 < len(lines) and not lines[index + 1].startswith("$ "):
            index += 1
            shown.append(lines[index])
        index += 1
        while shown and not shown[-1].strip():
            shown.pop()
        steps.append(Step(line=first + start, command=command, shown=tuple(shown)))
    return steps


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
    text = re.sub(r"\b0 [kMG]?i?B\b", "0 B", _NUMBER.sub("0", text))
    text = re.sub(r"-{3,}", "---", text)
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))
