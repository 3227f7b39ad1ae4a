from pathlib import Path

import cv2
import numpy as np
import pytest
from dvc_render import ImageRenderer, VegaRenderer, render_html

from stages import plots_page

CURVES = {
    "artifacts/training/ada/generator/metrics/generator/l1.tsv": ("step", "l1"),
    "artifacts/evaluation_transfer/ada_as_ben/truth_l1_person.csv": ("frame_index", "ours"),
}
IMAGES = ("artifacts/quality/ada/walk.png", "artifacts/evaluation/ada/comparison.png")


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("plots")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plots_page.main()
    return folder / "artifacts/plots_page.html"


@pytest.fixture
def page(template, tmp_path, monkeypatch) -> Path:
    """The page that DVC makes of it for two runs: curves and images."""
    monkeypatch.chdir(tmp_path)
    renderers = [
        VegaRenderer(
            [{x: i, y: (i - 2) ** 2, "rev": run} for run in ("main", "other") for i in range(5)],
            path,
            x=x,
            y=y,
            anchors_y_definitions=[{"filename": path, "field": y}],
            revs_with_datapoints=["main", "other"],
        )
        for path, (x, y) in CURVES.items()
    ]
    for path in IMAGES:
        file = tmp_path / "static" / Path(path).name
        file.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(file), np.zeros((8, 8, 3), np.uint8))
        shown = [{"rev": run, "src": f"static/{file.name}"} for run in ("main", "other")]
        renderers.append(ImageRenderer(shown, path))
    return Path(render_html(renderers, tmp_path / "index.html", html_template=str(template)))


@pytest.mark.slow
def test_curves_are_drawn_and_sorted_into_chapters_without_a_network(page, browser):
    asked, faults = [], []
    with browser.new_context(offline=True) as context:
        tab = context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(page.as_uri())
        tab.wait_for_function("document.querySelectorAll('canvas, svg.marks').length == 2")
        titles = tab.locator("h2").all_inner_texts()
        images = tab.locator("section img")
        loaded = [images.nth(i).evaluate("img => img.naturalWidth") for i in range(4)]
    assert faults == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert titles == ["Transfers", "Held-out frames", "Training", "Videos"]
    assert loaded == [8] * 4
