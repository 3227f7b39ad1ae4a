import base64
import multiprocessing
import os
import re
import signal
import time

import numpy as np
import psutil
import pytest
from playwright.sync_api import expect

from motiontransfer.app import live as app_live
from motiontransfer.app.live import LOADING, Live
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.pose.keypoints_file import write_keypoints
from motiontransfer.project.params_editing import film_sections, write_films
from motiontransfer.video.isolation import run_isolated
from tests.live.parts import write_target
from tests.people import SIZE, standing
from tests.project.remotes import wait_for

FORKED = multiprocessing.get_context("fork")
FRAME = np.zeros((96, 80, 3), np.uint8)
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
SOON = 60_000  # ms: PyTorch and MediaPipe take seconds to load


def echo(target, size, browser):
    """Stands for a session: refuses targets of no name, ends at a key, else tells what it got."""
    if not target:
        browser.send("no such target")
        return
    browser.send(None)
    while not isinstance(item := browser.recv(), str):
        browser.send(f"{target} {item.shape[:2]}".encode())


@pytest.fixture
def live(monkeypatch):
    monkeypatch.setattr(app_live, "_perform", echo)
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: FORKED)
    live = Live()
    yield live
    live.end()


def answer(live, page="a page", target="ada", frame=FRAME):
    until = time.monotonic() + 10
    while (html := live.perform(page, target, frame)) in (None, LOADING):
        assert time.monotonic() < until
    return html


def test_a_session_is_begun_for_another_target_or_size(live):
    pids = []
    for target, frame in (("ada", FRAME), ("ada", FRAME), ("eve", FRAME), ("eve", FRAME[:64])):
        html = answer(live, target=target, frame=frame)
        (data,) = re.findall('data:image/jpeg;base64,([^"]+)', html)
        assert base64.b64decode(data).decode() == f"{target} {frame.shape[:2]}"
        pids.append(live._process.pid)
    assert len(set(pids)) == 3
    assert pids[0] == pids[1]


def measured(photo, size, browser):
    """Stands for a session by a photo, which is read in a process of its own."""
    browser.send(None)
    while True:
        browser.recv()
        browser.send(str(run_isolated(os.path.getsize, photo)).encode())


def test_a_session_by_a_photo_reads_it_in_a_process_of_its_own(live, monkeypatch, tmp_path):
    monkeypatch.setattr(app_live, "_perform", measured)
    (tmp_path / "me.jpg").write_bytes(b"12345")
    (data,) = re.findall('base64,([^"]+)', answer(live, target=str(tmp_path / "me.jpg")))
    assert base64.b64decode(data) == b"5"


def test_one_page_has_the_session_until_it_ends(live):
    answer(live)
    with pytest.raises(MotionTransferError, match="another page"):
        answer(live, page="another")
    live.press("q")
    live._process.join()
    assert answer(live, page="another")


def test_a_page_that_was_closed_or_reloaded_holds_no_session(live, monkeypatch):
    answer(live)
    first = live._process
    monkeypatch.setattr(app_live, "_PAGE_SECONDS", 0)
    assert answer(live, page="reloaded")
    assert not first.is_alive()
    assert live._process.is_alive()


def test_a_fault_and_a_death_are_told_also_of_frames_on_their_way_which_begin_nothing(
    live, monkeypatch
):
    with pytest.raises(MotionTransferError, match="no such target"):
        answer(live, target="")
    answer(live)
    live._process.kill()
    live._process.join()
    with pytest.raises(MotionTransferError, match="the terminal says why"):
        answer(live)
    dead = live._process
    with pytest.raises(MotionTransferError, match="the terminal says why"):
        live.perform("a page", "ada", FRAME)
    assert live._process is dead
    monkeypatch.setattr(app_live, "_FAULT_SECONDS", 0)
    assert answer(live)


def performers(project):
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.info["cwd"] == str(project) and "spawn_main" in str(process.info["cmdline"])
    ]


def film_oneself(page):
    """The page draws its camera's pictures, which show nobody: no film is entered."""
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


def is_told_once_and_stopped(page, fault):
    """The page says a fault where the result would be, and sends no more frames."""
    expect(page.get_by_text(fault)).to_be_visible(timeout=SOON)
    expect(page.get_by_title("start recording")).to_be_visible(timeout=SOON)
    expect(page.locator(".fault").get_by_text(fault)).to_be_visible()


@pytest.mark.slow
def test_one_films_oneself_and_the_target_performs_it(served, shown, project):
    write_keypoints(project / "artifacts/keypoints/ben/waltz.parquet", standing(9))
    films = project / "films.yaml"
    entry = {"source": "waltz", "source_subject": "ben", "target": "ben"}
    write_films({**film_sections(project), "guides": {"waltz": entry}}, root=project)
    server, address = served()
    with shown(address, width=390) as page:
        film_oneself(page)
        assert not [*project.glob("data/videos/*")]
        assert "subject: me" not in films.read_text()
        page.set_viewport_size({"width": 1280, "height": 900})  # where all tabs are shown
        page.get_by_role("tab", name="Live").click()
        page.get_by_title("grant webcam access").click()
        page.get_by_role("button", name="capture photo").click()
        is_told_once_and_stopped(page, "Nobody is there to perform yet")
        page.evaluate("navigator.mediaDevices.enumerateDevices = async () => []")
        for tab in ("Make", "Live"):
            page.get_by_role("tab", name=tab, exact=True).click()
        expect(page.get_by_text("finds no camera")).to_be_visible(timeout=SOON)
    write_target(project, "ada")
    with shown(address) as page:
        page.get_by_role("tab", name="Live").click()
        expect(page.get_by_role("combobox").first).to_have_value("ada", timeout=SOON)
        page.get_by_role("button", name="Start", exact=True).click()
        result = page.locator("img.live")
        expect(result).to_be_visible(timeout=SOON)
        before = result.get_attribute("src")
        expect(result).not_to_have_attribute("src", before, timeout=SOON)
        width, height = result.evaluate("image => [image.naturalWidth, image.naturalHeight]")
        assert width > 3 * SIZE[1]  # source, pose and result
        assert height == SIZE[0]
        (performer,) = performers(project)
        page.get_by_role("button", name="Save a picture").click()
        with shown(address) as other:
            other.get_by_role("tab", name="Live").click()
            other.get_by_title("grant webcam access").click()
            other.get_by_role("button", name="capture photo").click()
            is_told_once_and_stopped(other, "Live runs in another page")
            capture = other.get_by_role("button", name="capture photo")
            capture.click()
            is_told_once_and_stopped(other, "Live runs in another page")
        capture = page.get_by_role("button", name="capture photo")
        capture.click()
        wait_for(lambda: performer.status() == psutil.STATUS_ZOMBIE)
        capture.click()
        expect(result).to_have_count(0, timeout=SOON)
        expect(result).to_be_visible(timeout=SOON)
        server.send_signal(signal.SIGINT)
        assert "Traceback" not in server.communicate()[0]
    wait_for(lambda: not performers(project))
    assert [*(project / "results/live").glob("ada_*.png")]
