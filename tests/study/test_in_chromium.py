import base64
import json

import pytest

from motiontransfer.report.study import read_answers, score_study
from tests.study.test_study import content_of
from tests.study.videos import study

pytestmark = pytest.mark.slow

SECONDS = 30_000  # to wait for at most, milliseconds
_REDNESS = """
video => {
    const canvas = Object.assign(document.createElement("canvas"), {width: 8, height: 8});
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0, 8, 8);
    const data = context.getImageData(0, 0, 8, 8).data;
    let sum = 0;
    for (let at = 0; at < data.length; at += 4) sum += data[at] - data[at + 2];
    return sum / 64;
}
"""


def choose_the_redder(page):
    """Do the study by keyboard; return the number of pairs that were shown."""
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # the box of consent
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    number = 0
    while page.locator("#trial").is_visible():
        number += 1
        page.get_by_text(f"Pair {number} of ").wait_for(timeout=SECONDS)
        page.keyboard.press("1")  # too early: it counts for nothing
        page.locator("#choose-1:enabled").wait_for(timeout=SECONDS)
        first, second = (page.eval_on_selector(f"#video-{side}", _REDNESS) for side in (1, 2))
        page.keyboard.press("2" if second > first else "1")
        page.wait_for_function(
            "number => document.getElementById('trial').hidden || "
            "!document.getElementById('progress').textContent.startsWith(`Pair ${number} `)",
            arg=number,
            timeout=SECONDS,
        )
    return number


def test_the_study_is_done_by_keyboard_and_scored(tmp_path, opened):
    key = study(tmp_path, clips_each=3, num_checks=1)
    with opened((tmp_path / "study.html").as_uri()) as page:
        assert page.locator("#start").is_disabled()
        # redder is ours; between two red ones, the check, whichever is first
        asked = choose_the_redder(page)
        with page.expect_download() as download:
            page.keyboard.press("Enter")  # the button has the focus
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        assert page.get_by_text(f"Saved as {file.name}").is_visible()
    (participant,) = read_answers(key, [file])
    assert asked == len(participant.answers) == 4
    assert participant.window == (1280, 800)
    assert all(0.5 < answer.seconds < 30 for answer in participant.answers)
    (preference,) = score_study(key, [participant], allowed_misses=1).preferences
    assert (preference.preferred, preference.answers) == (3, 3)


def test_order_and_sides_differ_between_participants_but_not_between_visits(tmp_path, opened):
    study(tmp_path, clips_each=8, num_checks=0)
    address = (tmp_path / "study.html").as_uri()
    orders = []
    for name in ("17", "18", "17"):
        with opened(f"{address}#p={name}") as page:
            assert page.evaluate("participant") == name
            sides = "Object.values(content.pairs).map(shuffled)"
            orders.append(page.evaluate(f"[order, {sides}]"))
    assert orders[0] == orders[2]
    assert orders[0][0] != orders[1][0]
    assert orders[0][1] != orders[1][1]
    assert sorted(orders[0][0]) == sorted(orders[1][0])


def test_it_fits_a_phone_and_can_be_done_by_touch(tmp_path, opened):
    study(tmp_path, clips_each=1, num_checks=0)
    with opened((tmp_path / "study.html").as_uri(), width=390, height=844) as page:
        page.get_by_text("I have read this").click()
        page.get_by_text("Start").click()
        page.locator("#choose-2:enabled").wait_for(timeout=SECONDS)
        page.locator("#replay").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate("document.documentElement.scrollHeight") <= 844
        boxes = [page.locator(f"#video-{side}").bounding_box() for side in (1, 2)]
        assert boxes[0]["y"] + boxes[0]["height"] < boxes[1]["y"]  # one above the other
        button = page.locator("#choose-2").bounding_box()
        assert button["height"] >= 44
        page.locator("#choose-2").click()
        page.get_by_text("Save my answers").wait_for(timeout=SECONDS)
        with page.expect_download() as download:
            page.get_by_text("Save my answers").click()
        (answer,) = json.loads(download.value.path().read_text())["answers"]
    assert answer["chosen"] == answer["second"]
    assert answer["replays"] == 1


def test_a_browser_that_cannot_play_the_videos_shows_a_message(tmp_path, opened):
    study(tmp_path, clips_each=1, num_checks=0)
    page_file = tmp_path / "study.html"
    text = page_file.read_text()
    for clip in content_of(page_file)["clips"].values():
        text = text.replace(clip, base64.b64encode(b"no video").decode())
    page_file.write_text(text)
    with opened(page_file.as_uri()) as page:
        page.get_by_text("I have read this").click()
        page.get_by_text("Start").click()
        page.get_by_text("This browser cannot show the videos").wait_for(timeout=SECONDS)
