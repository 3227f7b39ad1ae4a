"""A browser without a window, for pages that must work in one."""

import os
import shutil
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright


@contextmanager
def opened(url, *, width=1280, height=800):
    """Yield a page that shows the address; what it complains of, and whom it asks, is an error."""
    complaints, requests = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: requests.append(request.url))
            page.goto(url)
            yield page
        finally:
            browser.close()
    assert not complaints
    assert {address.partition(":")[0] for address in requests} <= {"file", "blob", "data"}


def _chromium():
    path = shutil.which("chromium")
    if path is None and not os.environ.get("FAIL_WITHOUT_CHROMIUM"):
        pytest.skip("no chromium on this machine")
    return path
