import io
import json
import multiprocessing

import pytest
from PIL import Image

from motiontransfer.app import live as app_live
from motiontransfer.app import views
from motiontransfer.app.live import CoachView
from motiontransfer.app.server import _said
from motiontransfer.core.events import Guided


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
