import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/troubleshooting.md").read_text()
OURS, DVCS = PAGE.split("\n## DVC\n")
ROW = re.compile(r"^\| (?P<message>.+?) \| (?P<cause>.+?) \| (?P<fix>.+?) \|$", flags=re.M)
QUOTED = [row["message"].strip("`") for row in ROW.finditer(OURS) if row["message"][0] == "`"]


def message_templates() -> list[str]:
    """Strings in the code; formatted values are …."""
    templates = []
    for package in ("motiontransfer", "stages"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = (getattr(part, "value", "…") for part in node.values)
                    templates.append("".join(p if isinstance(p, str) else "…" for p in parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    templates.append(node.value)
    return templates


TEMPLATES = message_templates()


@pytest.mark.parametrize("message", QUOTED)
def test_every_message_on_the_page_is_in_the_code(message):
    fixed = [re.escape(part) for part in message.split("…") if part.strip()]
    assert max(map(len, fixed)) >= 10, "too little to find it by"
    pattern = re.compile(".*".join(fixed), flags=re.S)
    assert any(pattern.search(template) for template in TEMPLATES)
