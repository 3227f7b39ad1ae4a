import io
import json
import multiprocessing
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from motiontransfer.app import live as app_live
from motiontransfer.app import views
from motiontransfer.app.live import CoachView
from motiontransfer.app.server import _said
from motiontransfer.core.events import Guided
from motiontransfer.pose.keypoints import write_keypoints
from motiontransfer.project.params_editing import add_entry
from tests.people import standing

SOON = 60_000  # ms: MediaPipe takes seconds to load


def told_size(guide, size, browser):
    """Stands for the coach: tells of which guide it is, and the size of each picture."""
    browser.send(None)
    while True:
        browser.send(json.dumps({"told": [guide, size, browser.recv().shape]}).encode())


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_the_server_answers_each_picture_by_what_the_coach_says(monkeypatch):
    forked = multiprocessing.get_context("fork")
    monkeypatch.setattr(app_live, "_coach", told_size)
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: forked)
    coach, jpeg = CoachView(), io.BytesIO()
    Image.new("RGB", (80, 48)).save(jpeg, "JPEG")
    try:
        assert "loads the detector" in _said(coach, "a page", "waltz", jpeg.getvalue())
        for _ in range(2):
            said = json.loads(_said(coach, "a page", "waltz", jpeg.getvalue()))
            assert said["told"] == ["waltz", [48, 80], [48, 80, 3]]
        (told,) = json.loads(_said(coach, "another", "waltz", jpeg.getvalue()))["told"]
        assert told.startswith("Film runs in another page")
        (told,) = json.loads(_said(coach, "a page", "waltz", b"no JPEG"))["told"]
        assert "cannot identify image file" in told
    finally:
        coach.end()


def test_the_film_and_the_poses_of_a_guide_are_shown():
    film, sheet = (f"results/guides/a&b/{name}" for name in ("guide.mp4", "poses.png"))
    shown = views.guide([Guided(film=film, sheet=sheet, poses=7, coverage=0.95)])
    assert 'data-guide="a&amp;b"' in shown
    assert "results/guides/a&amp;b/guide.mp4" in shown
    assert "results/guides/a&amp;b/poses.png" in shown


@pytest.mark.slow
def test_one_films_oneself_and_a_film_of_nobody_is_not_entered(served, shown, project):
    """The browser draws its camera's pictures, which show nobody."""
    write_keypoints(project / "artifacts/keypoints/ben/waltz.parquet", standing(9))
    films = project / "films.yaml"
    entry = {"source": "waltz", "source_subject": "ben", "target": "ben"}
    films.write_text(add_entry(films.read_text(), "guides", "waltz", entry))
    _, address = served()
    with shown(address, width=390) as page:
        page.get_by_role("tab", name="Film").click()
        page.get_by_role("button", name="Prepare its poses").click()
        expect(page.get_by_text("Choose the dance first.")).to_be_visible(timeout=SOON)
        film = page.get_by_role("button", name="Film", exact=True)
        told = page.locator("#film .told")
        expect(film).to_be_hidden()  # one step at a time
        page.evaluate("document.body.append(Object.assign(document.createElement('p'), {id: 'p'}))")
        page.evaluate("document.getElementById('p').dataset.guide = 'waltz'")
        film.click()
        expect(told).to_have_text("nobody is in view", timeout=SOON)
        expect(page.locator("#film .ticks")).to_have_text("1")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(told).to_have_text(re.compile(r"MB are recorded"))
        page.get_by_role("button", name="Add the film").click()
        expect(page.locator(".fault").last).to_contain_text("nothing was added", timeout=SOON)
        expect(page.get_by_text("The recording was not kept")).to_be_visible(timeout=SOON)
    assert not [*project.glob("data/videos/*")]
    assert "subject: me" not in films.read_text()
