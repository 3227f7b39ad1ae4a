import re
import subprocess
import sys
from pathlib import Path

import pytest

import motiontransfer
from tests.clone import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "-d", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
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


def test_generated_parts_are_on_the_pages(site):
    assert "train_gan" in (site / "params.html").read_text()
    assert "add-video" in (site / "commands.html").read_text()
    api = (site / "api.html").read_text()
    assert [n for n in motiontransfer.__all__ if f'id="motiontransfer.{n}"' not in api] == []
