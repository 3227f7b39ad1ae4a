"""The messages on the page of errors are those of the code."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/troubleshooting.md").read_text()
OURS, DVCS = PAGE.split("\n## DVC\n")
ROW = re.compile(r"^\| (?P<message>.+?) \| (?P<cause>.+?) \| (?P<mend>.+?) \|$", flags=re.M)
QUOTED = [row["message"].strip("`") for row in ROW.finditer(OURS) if row["message"][0] == "`"]


def texts_of_the_code() -> list[str]:
    """Every text in the code, with … in the place of what is put in when it runs."""
    texts = []
    for package in ("motiontransfer", "stages"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = (getattr(part, "value", "…") for part in node.values)
                    texts.append("".join(p if isinstance(p, str) else "…" for p in parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return texts


TEXTS = texts_of_the_code()


def test_the_page_has_many_messages_each_with_cause_and_mend():
    assert len(QUOTED) > 35
    assert len(set(QUOTED)) == len(QUOTED)


@pytest.mark.parametrize("message", QUOTED)
def test_a_message_on_the_page_is_one_of_the_code(message):
    fixed = [re.escape(part) for part in message.split("…") if part.strip()]
    assert max(map(len, fixed)) >= 10, "too little to find it by"
    pattern = re.compile(".*".join(fixed), flags=re.S)
    assert any(pattern.search(text) for text in TEXTS)
