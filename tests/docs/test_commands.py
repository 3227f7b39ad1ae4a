import re

import pytest

from tests.clone import ROOT
from tests.command import run_command
from tests.docs.pages import agrees, run, steps_of
from tests.project.small_project import small_project
from tests.project_files import SHIPPED

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


def test_the_dance_of_the_readme_lacks_nothing_but_the_films(monkeypatch, tmp_path, capsys):
    """They are the reader's own, so that its commands cannot be run."""
    commands = re.findall(r"motiontransfer (dance [^#\n]+)", (ROOT / "README.md").read_text())
    assert len(commands) == 4
    monkeypatch.chdir(small_project(tmp_path, SHIPPED, monkeypatch))
    for command in commands:
        assert run_command(monkeypatch, *command.split()) == 1
        assert capsys.readouterr().err.startswith("ERROR: dancer.mp4: no such file")
