"""What the pages ask a reader to type works, in their order, and prints what they show."""

from pathlib import Path

import pytest

from tests.docs.pages import agrees, steps_of
from tests.docs.terminal import run

ROOT = Path(__file__).parents[2]
PAGES = [
    page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if steps_of(page)
]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_commands_of_a_page_work_and_print_what_it_shows(page, project):
    for step in steps_of(page):
        done = run(step.command.replace("uv run ", ""), project)
        where = f"{page.name}:{step.line}: {step.command}"
        assert done.returncode == 0, f"{where}\n{done.stdout[-3000:]}"
        if step.shown:
            assert agrees(step.shown, done.stdout), (
                f"{where}\nshown:\n" + "\n".join(step.shown) + f"\nprinted:\n{done.stdout}"
            )


def test_most_blocks_are_run():
    every = sum(page.read_text().count("```console") for page in PAGES)
    excused = sum(page.read_text().count("<!-- not run: ") for page in PAGES)
    assert excused < every / 2


def test_output_agrees_whatever_its_numbers_and_widths():
    assert agrees(
        ("| ssim | 0.69 | 0.5 |", "|------|---|"), "| ssim   | -0.1234   | 1e-05 |\n|-----|-----|\n"
    )
    assert agrees(("brought 3 outs, 2.1 MB",), "brought 12 outs, 214 kB\n")
    assert agrees(("a", "...", "z"), "a\nb\nc\nz\n")
    assert agrees(("file://.../index.html",), "file:///tmp/x/index.html\n")


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (("a", "z"), "a\nb\nz\n"),
        (("a",), "a\nb\n"),
        (("Stage 'x' didn't change, skipping",), "Running stage 'x':\n"),
        (("1 file added",), "1 file removed\n"),
        (("...", "z"), "a\nb\n"),
    ],
)
def test_output_disagrees_where_words_or_lines_differ(shown, printed):
    assert not agrees(shown, printed)


def test_a_page_is_read_as_commands_with_their_output(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n\n```console\n$ one\nout\n...\n$ two \"a\nb\"\n```\n\n"
        "<!-- not run: slow -->\n```console\n$ three\n```\n\n```\nno command\n```\n"
    )  # fmt: skip
    first, second = steps_of(page)
    assert (first.line, first.command, first.shown) == (4, "one", ("out", "..."))
    assert (second.line, second.command, second.shown) == (7, 'two "a\nb"', ())
