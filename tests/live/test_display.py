"""Where there is no display, one line says so."""

import numpy as np
import pytest

from motiontransfer.errors import DisplayError
from motiontransfer.live.display import Window, write_text


@pytest.mark.parametrize("display", [None, ":987"])
def test_without_a_display_one_line_names_what_to_do(monkeypatch, display):
    """Also where one is named that is not there, where OpenCV would abort the process."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if display is not None:
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(DisplayError, match="--headless runs without one, --output FILE records"):
        Window()


def test_text_is_in_the_lower_left_corner_of_a_copy():
    image = np.full((60, 200, 3), 100, np.uint8)
    written = write_text(image, "25 fps")
    assert (image == 100).all()
    rows, columns = np.nonzero((written != 100).any(axis=2))
    assert rows.min() > 35
    assert columns.max() < 80
    assert written.min() < 40
    assert written.max() > 200
