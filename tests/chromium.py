"""Headless Chromium, for pages that must work in a browser."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_CAMERA = ("--use-fake-device-for-media-stream=fps=5", "--use-fake-ui-for-media-stream")  # drawn
_OPTIONS = ["--no-sandbox", "--disable-gpu", "--force-prefers-reduced-motion", *_CAMERA]
_FEW_FRAMES = "const each = setInterval; setInterval = (f, ms) => each(f, Math.max(ms, 200))"
"""Script: five frames of the camera a second, as more take all of a processor."""
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def launched() -> Iterator[Browser]:
    """Yield the browser; without one the test is skipped, unless that shall be a failure."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None and not os.environ.get("FAIL_WITHOUT_CHROMIUM"):
        pytest.skip(f"no browser: none of {', '.join(_PROGRAMS)} is installed")
    assert program is not None, "FAIL_WITHOUT_CHROMIUM is set, and there is no Chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_OPTIONS)
        yield browser
        browser.close()


@contextmanager
def page_of(
    browser: Browser, url: str, *, width: int = 1280, height: int = 800, served: bool = False, **how
) -> Iterator[Page]:
    """Yield a page that shows the address; what it complains of, and whom it asks, is an error.

    A server's page may ask that server; what its libraries print is not this project's.
    """
    complaints, requests = [], []
    page = browser.new_page(viewport={"width": width, "height": height}, **how)
    try:
        if served:
            page.add_init_script(_FEW_FRAMES)
        else:
            page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(url)
        yield page
    finally:
        page.close()
    assert not complaints
    own = (url, "data:", "blob:") if served else ("file:", "data:", "blob:")
    assert not [address for address in requests if not address.startswith(own)]
