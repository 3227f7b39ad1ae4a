"""Plain English: words, sentences, paragraphs, table cells and list items are short enough."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clone import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LIMITS = {"sentence": 25, "paragraph": 80, "cell": 30, "item": 30}
NOT_PROSE = re.compile(r"^( *)```.*?^\1```$|<!--.*?-->", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"(`+).+?\1")
LINK_TARGET = re.compile(r"(?<=\])\([^)\s]*\)")
SENTENCE_END = re.compile(r"(?<!\bal)(?<!\be\.g)(?<!\bi\.e)(?<!\bsec)[.!?][)*\"']*\s+(?=[^a-z])")
ITEM = re.compile(r"\s*(?:[-*]|\d+\.)\s+")
MODULES = [
    path
    for folder in ("motiontransfer", "stages", "demo", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
PROGRAM = re.compile(r" = |\{\s")  # a string that is code of another language
NEXT = re.compile(r"\n\s*\n|\n\s*(?=[-*] |[\w, ]+: )")  # paragraph, item, or name with its meaning


def prose(text: str) -> str:
    """A page without blocks of code, comments, generated parts and targets of links."""
    return LINK_TARGET.sub("", NOT_PROSE.sub("", text))


def num_words(text: str) -> int:
    return sum(any(map(str.isalnum, word)) for word in text.split())


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Paragraphs, table cells and list items of a page, in order; code in a line is one word."""
    kind, lines = "paragraph", []
    for line in [*INLINE_CODE.sub("CODE", prose(text).replace(r"\|", "/")).splitlines(), ""]:
        starts = line.startswith(("|", "#", "!")) or not line.strip() or ITEM.match(line)
        if starts and lines:
            yield kind, " ".join(lines)
            kind, lines = "paragraph", []
        if line.startswith("|"):
            yield from (("cell", cell.strip()) for cell in line.strip("|").split("|"))
        elif ITEM.match(line):
            kind, lines = "item", [ITEM.sub("", line, count=1)]
        elif line.strip() and not line.startswith("#"):
            lines.append(line.strip())


def too_long(text: str) -> list[str]:
    """What is longer than its limit: kind, words, and how it begins."""
    found = []
    for kind, block in blocks(text):
        parts = [(kind, block), *(("sentence", it) for it in SENTENCE_END.split(block))]
        found += [
            f"{part_kind} of {num_words(part)} words: {part[:70]}"
            for part_kind, part in parts
            if num_words(part) > LIMITS[part_kind]
        ]
    return found


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem)
def test_a_page_has_short_sentences_and_paragraphs(page: Path):
    assert too_long(page.read_text(encoding="utf-8")) == []


def test_all_pages_have_twenty_thousand_words_at_most():
    """With code, generated parts and the rules of tables, as `wc -w` counts."""
    assert sum(len(page.read_text(encoding="utf-8").split()) for page in PAGES) <= 20_000


def texts(node: ast.AST) -> Iterator[str]:
    """Docstrings without blocks of code, and other strings, in which a value is one word."""
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            paragraphs = inspect.cleandoc(text).split("\n\n")
            yield "\n\n".join(it for it in paragraphs if not it.startswith("    "))
        case ast.JoinedStr(values=values):
            yield "".join(it.value if isinstance(it, ast.Constant) else "X" for it in values)
        case ast.Constant(value=str(text)) if not PROGRAM.search(text):
            yield text
        case _:
            for child in ast.iter_child_nodes(node):
                yield from texts(child)


def long_sentences(code: str) -> list[str]:
    return [
        f"sentence of {num_words(sentence)} words: {sentence[:70]}"
        for text in texts(ast.parse(code))
        for block in NEXT.split(text)
        for sentence in SENTENCE_END.split(INLINE_CODE.sub("CODE", " ".join(block.split())))
        if num_words(sentence) > LIMITS["sentence"]
    ]


def test_docstrings_and_messages_have_short_sentences():
    found = {path: long_sentences(path.read_text(encoding="utf-8")) for path in MODULES}
    assert {path.name: sentences for path, sentences in found.items() if sentences} == {}


def test_what_is_too_long_is_found():
    words = " ".join(["word"] * 25)
    for code, found in {
        f'"""One. A {words}."""': 1,
        f'"""One. {words.capitalize()}."""': 0,
        f'"""One:\n\n    {words} {words}\n\nTwo.\n"""': 0,
        f'raise ValueError(f"{words} {{value}}.")': 1,
    }.items():
        assert len(long_sentences(code)) == found, code
    page = f"A {words}.\n\n- {'A b. ' * 16}\n\n| {'A b. ' * 16} |\n\n```\n{words} {words}\n```\n"
    kinds = [it.partition(" of ")[0] for it in too_long(page + "\n" + "One two, three four. " * 21)]
    assert kinds == ["sentence", "item", "cell", "paragraph"]
