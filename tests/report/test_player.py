"""The report in a real browser: from disk, without a network, all videos in step."""

import pytest

from tests.report.conftest import NUM_FRAMES

pytestmark = pytest.mark.slow

CODED = ["source", "result", "truth"]


def test_it_loads_from_disk_without_warnings_and_forbids_the_network(report, open_page):
    opened = open_page(report)
    opened.wait_for_codes(0, CODED)
    own = [address for address in opened.requests if not address.startswith(("blob:", "data:"))]
    assert (own, opened.complaints) == ([opened.address], [])
    fetched = "() => fetch('http://127.0.0.1:9/').then(() => 'fetched', () => 'refused')"
    assert opened.page.evaluate(fetched) == "refused"
    assert any("Content Security Policy" in complaint for complaint in opened.complaints)


@pytest.mark.parametrize("frame", [1, 17, NUM_FRAMES - 1])
def test_the_scrubber_moves_all_videos_to_the_same_frame(report, open_page, frame):
    opened = open_page(report)
    opened.page.locator("#scrubber").fill(str(frame))
    opened.wait_for_codes(frame, CODED)
    for panel in opened.panels:
        # in the middle of the frame's time, where no rounding can show its neighbour
        assert opened.frame_by_clock(panel) == pytest.approx(frame + 0.5, abs=0.2)
    assert f"frame {frame} of {NUM_FRAMES - 1}" in opened.page.locator("#clock").inner_text()


def test_quick_scrubbing_ends_at_the_last_position(report, open_page):
    opened = open_page(report)
    opened.page.evaluate(
        """() => {
            const scrubber = document.getElementById("scrubber");
            for (let frame = 0; frame <= 33; frame++) {
                scrubber.value = frame;
                scrubber.dispatchEvent(new Event("input"));
            }
        }"""
    )
    opened.wait_for_codes(33, CODED)


def test_buttons_and_arrow_keys_step_frame_by_frame(report, open_page):
    opened = open_page(report)
    for button in ("#forward", "#forward", "#back"):
        opened.page.locator(button).click()
    opened.wait_for_codes(1, CODED)
    on_page = {"ArrowRight": 2, "Shift+ArrowRight": 12, "ArrowLeft": 11}
    on_scrubber = {"ArrowRight": 12, "End": NUM_FRAMES - 1, "Home": 0}
    for focus, keys in (("body", on_page), ("#scrubber", on_scrubber)):
        opened.page.locator(focus).focus()
        for key, frame in keys.items():
            opened.page.keyboard.press(key)
            opened.wait_for_codes(frame, CODED)


def test_space_plays_and_pauses_and_all_videos_stop_on_the_same_frame(report, open_page):
    opened = open_page(report)
    opened.wait_for_codes(0, CODED)
    opened.page.keyboard.press("Space")
    opened.page.wait_for_function("() => Number(document.getElementById('scrubber').value) > 8")
    assert opened.page.locator("#play").get_attribute("aria-label") == "Pause"
    opened.page.keyboard.press("Space")
    assert opened.page.locator("#play").get_attribute("aria-label") == "Play"
    opened.wait_for_codes(opened.frame(), CODED)


def test_playing_ends_at_the_last_frame_or_begins_again(report, open_page):
    opened = open_page(report, fragment=f"#frame={NUM_FRAMES - 12}")
    opened.page.locator("#loop").click()
    opened.page.locator("#play").click()
    opened.page.wait_for_function("() => document.getElementById('play').ariaLabel == 'Pause'")
    opened.page.wait_for_function("() => document.getElementById('play').ariaLabel == 'Play'")
    opened.wait_for_codes(NUM_FRAMES - 1, CODED)
    opened.page.locator("#loop").click()
    opened.page.locator("#scrubber").fill(str(NUM_FRAMES - 12))
    opened.page.locator("#play").click()
    opened.page.wait_for_function(
        f"() => Number(document.getElementById('scrubber').value) < {NUM_FRAMES - 20}"
    )


def test_speed_and_sound(report, open_page):
    opened = open_page(report)
    muted = "video => [video.muted, video.playbackRate]"
    opened.page.locator("#speed").select_option("0.25")
    assert opened.page.eval_on_selector('[data-panel="result"] video', muted) == [False, 0.25]
    assert opened.page.eval_on_selector('[data-panel="truth"] video', muted) == [True, 0.25]
    opened.page.locator("#sound").click()
    assert opened.page.eval_on_selector('[data-panel="result"] video', muted)[0] is True
    assert opened.page.locator("#sound").get_attribute("aria-pressed") == "false"


def test_a_click_on_a_curve_seeks_and_the_pointer_reads_its_values(report, open_page):
    opened = open_page(report)
    part = '[data-chart="truth_ssim_person"] {}'.format
    chart = opened.page.locator(part("> svg"))
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    left, right = 40, 8  # the margins beside the curves
    x = left + 30 / (NUM_FRAMES - 1) * (box["width"] - left - right)
    chart.hover(position={"x": x, "y": 60})
    assert opened.page.locator(part(".key b")).all_inner_texts() == ["0.5", "0.3"]
    chart.click(position={"x": x, "y": 60})
    opened.wait_for_codes(30, CODED)
    line = opened.page.locator(part("line.now"))
    assert line.count() == 1
    assert line.bounding_box()["x"] - box["x"] == pytest.approx(x, abs=1.5)


def test_the_worst_frame_is_a_click_away(report, open_page):
    opened = open_page(report)
    worst = opened.page.locator(".worst").first
    assert worst.get_attribute("aria-label") == "Go to frame 20, SSIM 0.40"
    worst.click()
    opened.wait_for_codes(20, CODED)


def test_a_page_opens_at_the_frame_in_its_address(report, open_page):
    opened = open_page(report, fragment="#frame=5")
    opened.wait_for_codes(5, CODED)
    text = opened.page.locator("#scrubber").get_attribute("aria-valuetext")
    assert text == "frame 5 of 49, 0.20 seconds"


def test_videos_can_be_hidden_and_shown(report, open_page):
    opened = open_page(report)
    nearest = opened.page.locator('[data-panel="nearest_neighbours"]')
    assert not nearest.is_visible()
    opened.page.get_by_role("button", name="nearest neighbour", exact=True).click()
    assert nearest.is_visible()
    opened.page.get_by_role("button", name="truth", exact=True).click()
    assert not opened.page.locator('[data-panel="truth"]').is_visible()


@pytest.mark.parametrize("width", [320, 768])
def test_nothing_is_wider_than_the_screen(report, open_page, width):
    opened = open_page(report, width=width)
    opened.page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    widths = "() => [document.documentElement.scrollWidth, window.innerWidth]"
    assert opened.page.evaluate(widths) == [width, width]
    for name in ("#play", "#back", "#forward"):
        box = opened.page.locator(name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert min(box["width"], box["height"]) >= 24  # WCAG 2.2, target size


def test_the_controls_stay_in_view_with_a_thumbnail_of_the_frame(report, open_page):
    opened = open_page(report, width=390, fragment="#frame=9")
    opened.wait_for_codes(9, CODED)
    opened.page.locator("#head-provenance").scroll_into_view_if_needed()
    opened.page.wait_for_selector("#dock.stuck canvas.of-master")
    assert opened.page.locator("#play").bounding_box()["y"] < 200
    opened.page.wait_for_function(
        """() => {
            const canvas = document.querySelector("#thumbs canvas.of-master");
            const {data} = canvas.getContext("2d").getImageData(4, 24, 40, 1);
            return data[0] > 127 && data[4 * 8] < 127 && data[4 * 24] > 127;  // 9 is 1, 0, 0, 1
        }"""
    )


def test_every_control_has_a_name_for_screen_readers(report, open_page):
    opened = open_page(report)
    tree = opened.page.context.new_cdp_session(opened.page).send("Accessibility.getFullAXTree")
    controls, images = set(), []
    for node in tree["nodes"]:
        role, name = node["role"]["value"], node.get("name", {}).get("value", "")
        properties = {one["name"]: one["value"].get("value") for one in node.get("properties", [])}
        if properties.get("focusable") and role != "RootWebArea":
            controls.add((role, name.strip()))
        if role in {"image", "img", "Video"} and not node["ignored"]:
            images.append(name)
    assert {("slider", "Frame"), ("button", "One frame forward"), ("combobox", "Speed")} <= controls
    assert all(name for _, name in controls)
    assert len(images) > 8
    assert all(images)
