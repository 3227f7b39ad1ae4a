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


def test_videos_are_moved_played_and_chosen_together_and_by_a_click_on_a_curve(report, open_page):
    page = open_page(report, fragment="#frame=5")
    wait_for_codes(page, 5)
    # The scrubber, also where it is dragged quickly.
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
    clocks = page.locator("video").evaluate_all("all => all.map(video => video.currentTime)")
    # In the middle of the frame's time, where no rounding can show its neighbor.
    assert [clock * RATE for clock in clocks] == pytest.approx([33.5] * 6, abs=0.2)
    assert f"frame 33 of {NUM_FRAMES - 1}" in page.locator("#clock").inner_text()
    # Buttons and keys.
    for control, frame in (("#forward", 34), ("#back", 33)):
        page.locator(control).click()
        wait_for_codes(page, frame)
    for focus, key, frame in (
        ("body", "ArrowRight", 34),
        ("body", "Shift+ArrowLeft", 24),
        ("#scrubber", "Home", 0),
    ):
        page.locator(focus).press(key)
        wait_for_codes(page, frame)
    page.get_by_label("Go to frame 20, likeness 0.40").click()
    wait_for_codes(page, 20)
    # Playing: all videos stop on the same frame, at the end or before it.
    page.locator("#speed").select_option("0.5")
    page.locator("#scrubber").press("Space")
    page.wait_for_function("() => Number(document.getElementById('scrubber').value) > 24")
    page.locator("#scrubber").press("Space")
    assert page.locator("#play").get_attribute("aria-label") == "Play"
    wait_for_codes(page, int(page.locator("#scrubber").input_value()))
    page.locator("#loop").click()
    page.locator("#scrubber").fill(str(NUM_FRAMES - 8))
    page.locator("#play").click()
    page.wait_for_function("() => document.getElementById('play').ariaLabel == 'Play'")
    wait_for_codes(page, NUM_FRAMES - 1)
    page.locator("#loop").click()
    page.locator("#scrubber").fill(str(NUM_FRAMES - 8))
    page.locator("#play").click()
    page.wait_for_function("() => Number(document.getElementById('scrubber').value) < 30")
    # Sound, and which videos are shown.
    muted = "video => [video.muted, video.playbackRate]"
    assert page.eval_on_selector('[data-panel="result"] video', muted) == [False, 0.5]
    assert page.eval_on_selector('[data-panel="truth"] video', "video => video.muted") is True
    page.locator("#sound").click()
    assert page.eval_on_selector('[data-panel="result"] video', muted)[0] is True
    shown = page.locator('[data-panel="nearest_neighbours"]')
    assert not shown.is_visible()
    page.get_by_role("button", name="nearest neighbor", exact=True).click()
    assert shown.is_visible()
    # The pointer reads a curve's values.
    part = '[data-chart="truth_likeness_person"] {}'.format
    chart = page.locator(part("> svg"))
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    left, right = 40, 8  # the margins beside the curves
    x = left + 30 / (NUM_FRAMES - 1) * (box["width"] - left - right)
    chart.hover(position={"x": x, "y": 60})
    assert page.locator(part(".key b")).all_inner_texts() == ["0.5", "0.3"]
    chart.click(position={"x": x, "y": 60})
    wait_for_codes(page, 30)
    now = page.locator(part("line.now")).bounding_box()
    assert now["x"] - box["x"] == pytest.approx(x, abs=1.5)


def test_a_phone_shows_all_of_it_and_every_control_has_a_name(report, open_page):
    page = open_page(report, width=320)
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert page.evaluate("() => document.documentElement.scrollWidth") == 320
    page.locator("#head-provenance").scroll_into_view_if_needed()
    page.wait_for_selector("#dock.stuck canvas.of-master")  # controls stay, with a thumbnail
    box = page.locator("#play").bounding_box()
    assert box["y"] < 200
    assert min(box["width"], box["height"]) >= 24  # WCAG 2.2, target size
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    names = {
        (node["role"]["value"], node.get("name", {}).get("value", "").strip())
        for node in tree["nodes"]
        if any(one["name"] == "focusable" for one in node.get("properties", []))
    }
    assert {("slider", "Frame"), ("button", "One frame forward")} <= names
    assert all(name for _, name in names)
