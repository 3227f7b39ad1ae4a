import re
from pathlib import Path

import pytest
from markdown.extensions.toc import slugify

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
GENERATED = {"commands.md", "params.md"}  # their headings are not in the Markdown
LINK = re.compile(r"\]\((?!https?://)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    return {slugify(title, "-") for title in re.findall(r"^#+ (.+)$", text, flags=re.M)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings(page):
    for link in LINK.finditer(page.read_text()):
        linked = page.parent / link["path"] if link["path"] else page
        assert linked.exists(), link[0]
        if link["anchor"] and linked.name not in GENERATED:
            assert link["anchor"] in anchors(linked), link[0]


def test_the_navigation_names_every_page():
    named = re.findall(r": (\w[\w-]*\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.M)
    assert sorted(named) == [page.name for page in PAGES[1:]]
