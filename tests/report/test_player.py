import pytest

from tests.report.conftest import NUM_FRAMES, RATE, wait_for_codes

pytestmark = pytest.mark.slow


def test_the_page_forbids_the_network(report, browser):
    complaints = []
    with browser.new_page() as page:
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(report.as_uri())
        fetched = "() => fetch('http://127.0.0.1:9/').then(() => 'fetched', () => 'refused')"
        assert page.evaluate(fetched) == "refused"
    assert any("Content Security Policy" in complaint for complaint in complaints)


def test_the_scrubber_moves_all_videos_to_the_same_frame_however_quickly(report, open_page):
    page = open_page(report)
    for frame in (1, 17, NUM_FRAMES - 1):
        page.locator("#scrubber").fill(str(frame))
        wait_for_codes(page, frame)
        clocks = page.locator("video").evaluate_all("all => all.map(video => video.currentTime)")
        # in the middle of the frame's time, where no rounding can show its neighbour
        assert [clock * RATE for clock in clocks] == pytest.approx([frame + 0.5] * 5, abs=0.2)
        assert f"frame {frame} of {NUM_FRAMES - 1}" in page.locator("#clock").inner_text()
    page.evaluate(
        """() => {
            const scrubber = document.getElementById("scrubber");
            for (let frame = 0; frame <= 33; frame++) {
                scrubber.value = frame;
                scrubber.dispatchEvent(new Event("input"));
            }
        }"""
    )
    wait_for_codes(page, 33)


def test_buttons_and_arrow_keys_step_frame_by_frame(report, open_page):
    page = open_page(report)
    for button in ("#forward", "#forward", "#back"):
        page.locator(button).click()
    wait_for_codes(page, 1)
    on_page = {"ArrowRight": 2, "Shift+ArrowRight": 12, "ArrowLeft": 11}
    on_scrubber = {"ArrowRight": 12, "End": NUM_FRAMES - 1, "Home": 0}
    for focus, keys in (("body", on_page), ("#scrubber", on_scrubber)):
        page.locator(focus).focus()
        for key, frame in keys.items():
            page.keyboard.press(key)
            wait_for_codes(page, frame)


def test_space_plays_and_pauses_and_all_videos_stop_on_the_same_frame(report, open_page):
    page = open_page(report)
    wait_for_codes(page, 0)
    page.keyboard.press("Space")
    page.wait_for_function("() => Number(document.getElementById('scrubber').value) > 8")
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    page.keyboard.press("Space")
    assert page.locator("#play").get_attribute("aria-label") == "Play"
    wait_for_codes(page, int(page.locator("#scrubber").input_value()))


def test_playing_ends_at_the_last_frame_or_begins_again(report, open_page):
    page = open_page(report, fragment=f"#frame={NUM_FRAMES - 12}")
    page.locator("#loop").click()
    page.locator("#play").click()
    page.wait_for_function("() => document.getElementById('play').ariaLabel == 'Pause'")
    page.wait_for_function("() => document.getElementById('play').ariaLabel == 'Play'")
    wait_for_codes(page, NUM_FRAMES - 1)
    page.locator("#loop").click()
    page.locator("#scrubber").fill(str(NUM_FRAMES - 12))
    page.locator("#play").click()
    page.wait_for_function(
        f"() => Number(document.getElementById('scrubber').value) < {NUM_FRAMES - 20}"
    )


def test_videos_can_be_slowed_down_muted_and_hidden(report, open_page):
    page = open_page(report)
    muted = "video => [video.muted, video.playbackRate]"
    page.locator("#speed").select_option("0.25")
    assert page.eval_on_selector('[data-panel="result"] video', muted) == [False, 0.25]
    assert page.eval_on_selector('[data-panel="truth"] video', muted) == [True, 0.25]
    page.locator("#sound").click()
    assert page.eval_on_selector('[data-panel="result"] video', muted)[0] is True
    assert page.locator("#sound").get_attribute("aria-pressed") == "false"
    for button, panel, was_visible in (
        ("nearest neighbour", "nearest_neighbours", False),
        ("truth", "truth", True),
    ):
        shown = page.locator(f'[data-panel="{panel}"]')
        assert shown.is_visible() is was_visible
        page.get_by_role("button", name=button, exact=True).click()
        assert shown.is_visible() is not was_visible


def test_a_click_on_a_curve_seeks_and_the_pointer_reads_its_values(report, open_page):
    page = open_page(report)
    part = '[data-chart="truth_ssim_person"] {}'.format
    chart = page.locator(part("> svg"))
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    left, right = 40, 8  # the margins beside the curves
    x = left + 30 / (NUM_FRAMES - 1) * (box["width"] - left - right)
    chart.hover(position={"x": x, "y": 60})
    assert page.locator(part(".key b")).all_inner_texts() == ["0.5", "0.3"]
    chart.click(position={"x": x, "y": 60})
    wait_for_codes(page, 30)
    line = page.locator(part("line.now"))
    assert line.count() == 1
    assert line.bounding_box()["x"] - box["x"] == pytest.approx(x, abs=1.5)


def test_a_page_opens_at_the_frame_in_its_address_and_the_worst_is_a_click_away(report, open_page):
    page = open_page(report, fragment="#frame=5")
    wait_for_codes(page, 5)
    text = page.locator("#scrubber").get_attribute("aria-valuetext")
    assert text == "frame 5 of 49, 0.20 seconds"
    page.get_by_label("Go to frame 20, SSIM 0.40").click()
    wait_for_codes(page, 20)


@pytest.mark.parametrize("width", [320, 768])
def test_nothing_is_wider_than_the_screen(report, open_page, width):
    page = open_page(report, width=width)
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    widths = "() => [document.documentElement.scrollWidth, window.innerWidth]"
    assert page.evaluate(widths) == [width, width]
    for name in ("#play", "#back", "#forward"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert min(box["width"], box["height"]) >= 24  # WCAG 2.2, target size


def test_the_controls_stay_in_view_with_a_thumbnail_of_the_frame(report, open_page):
    page = open_page(report, width=390, fragment="#frame=9")
    wait_for_codes(page, 9)
    page.locator("#head-provenance").scroll_into_view_if_needed()
    page.wait_for_selector("#dock.stuck canvas.of-master")
    assert page.locator("#play").bounding_box()["y"] < 200
    page.wait_for_function(
        """() => {
            const canvas = document.querySelector("#thumbs canvas.of-master");
            const {data} = canvas.getContext("2d").getImageData(4, 24, 40, 1);
            return data[0] > 127 && data[4 * 8] < 127 && data[4 * 24] > 127;  // 9 is 1, 0, 0, 1
        }"""
    )


def test_every_control_has_a_name_for_screen_readers(report, open_page):
    page = open_page(report)
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
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
