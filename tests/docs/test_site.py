"""The site is built without a warning, needs nothing from the network, and leaves nothing out."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "-d", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_no_page_fetches_anything_from_the_network(site):
    pages = [*site.rglob("*.html")]
    assert len(pages) > 10
    for page in pages:
        text = page.read_text()
        fetched = re.findall(r"<(?:script|img|iframe|source)\b[^>]*?\bsrc=\"?([^\s\">]+)", text)
        for tag in re.findall(r"<link\b[^>]*>", text):
            if "canonical" not in tag:
                fetched += re.findall(r"href=\"?([^\s\">]+)", tag)
        assert fetched
        assert not [address for address in fetched if re.match(r"(https?:)?//", address)], page.name


def test_the_navigation_names_every_page(site):
    def pages(entries):
        for entry in entries:
            for value in entry.values() if isinstance(entry, dict) else [entry]:
                yield from pages(value) if isinstance(value, list) else [value]

    config = (ROOT / "mkdocs.yml").read_text()
    named = set(pages(yaml.safe_load(config)["nav"]))
    assert named == {path.name for path in (ROOT / "docs").glob("*.md")}


def test_no_marker_of_a_generated_part_is_left_on_a_page(site):
    for name in ("params.html", "commands.html"):
        assert "<!-- generated:" not in (site / name).read_text()


def test_the_reference_of_the_library_describes_each_public_name(site):
    import motiontransfer

    page = (site / "api.html").read_text()
    for name in motiontransfer.__all__:
        assert f'id="motiontransfer.{name}"' in page, name
