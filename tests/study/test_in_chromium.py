import pytest

from motiontransfer.report.study import read_answers, score_study
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
    """Do the study by keyboard; return the number of pairs, and of choices of the second."""
    number, seconds = 0, 0
    while page.locator("#trial").is_visible():
        number += 1
        page.get_by_text(f"Pair {number} of ").wait_for(timeout=SECONDS)
        page.keyboard.press("1")  # too early: it counts for nothing
        page.locator("#choose-1:enabled").wait_for(timeout=SECONDS)
        if number == 1:
            page.locator("#replay").click()
        first, second = (page.eval_on_selector(f"#video-{side}", _REDNESS) for side in (1, 2))
        page.keyboard.press("2" if second > first else "1")
        seconds += second > first
        page.wait_for_function(
            "number => document.getElementById('trial').hidden || "
            "!document.getElementById('progress').textContent.startsWith(`Pair ${number} `)",
            arg=number,
            timeout=SECONDS,
        )
    return number, seconds


def test_the_study_is_done_by_keyboard_on_a_phones_screen_and_scored(tmp_path, opened):
    key = study(tmp_path, clips_each=8, num_checks=1)
    address = (tmp_path / "study.html").as_uri() + "#p=17"
    with opened(address, width=390, height=844) as page:
        assert page.locator("#start").is_disabled()
        page.get_by_text("I have read this").click()
        page.get_by_text("Start").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        # redder is ours; between two red ones, the check, whichever is first
        asked, seconds = choose_the_redder(page)
        with page.expect_download() as download:
            page.get_by_text("Save my answers").click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
    (participant,) = read_answers(key, [file])
    assert participant.participant == "17"
    assert asked == len(participant.answers) == 9
    assert 0 < seconds < 9  # sides are drawn
    (preference,) = score_study(key, [participant], allowed_misses=1).preferences
    assert (preference.preferred, preference.answers) == (8, 8)
