import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.rendering.composition import contact_sheet, evenly_spaced, side_by_side

_RED, _GREEN, _BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)


def _plain(colour, height=64, width=64):
    return np.full((height, width, 3), colour, np.uint8)


def _bands(image, colour):
    """Columns in which the whole lower half has the colour."""
    lower = image[image.shape[0] // 2 :]
    return np.flatnonzero((lower == colour).all(axis=(0, 2)))


def test_panels_stand_from_left_to_right_unchanged_below_their_labels():
    rng = np.random.default_rng(0)
    panels = {name: rng.integers(0, 256, (64, 48, 3), np.uint8) for name in ("one", "two")}
    image = side_by_side(panels)
    gap = image.shape[1] - 2 * 48
    assert 0 < gap < 10
    strip = image.shape[0] - 64
    np.testing.assert_array_equal(image[strip:, :48], panels["one"])
    np.testing.assert_array_equal(image[strip:, 48 + gap :], panels["two"])


def test_even_panels_give_an_even_height():
    for height in (64, 100, 250, 256, 512, 720):
        assert side_by_side({"source": _plain(_RED, height, 64)}).shape[0] % 2 == 0


def test_panels_of_other_sizes_become_as_high_as_the_highest():
    image = side_by_side({"small": _plain(_RED, 32, 20), "large": _plain(_GREEN, 64, 64)})
    assert len(_bands(image, _RED)) == 40
    assert len(_bands(image, _GREEN)) == 64
    assert _bands(image, _RED).max() < _bands(image, _GREEN).min()


def test_labels_differ_and_are_anti_aliased():
    image = side_by_side({"source": _plain(_RED), "result": _plain(_RED)})
    strip = image[: image.shape[0] - 64].astype(int)
    left, right = strip[:, :64], strip[:, -64:]
    assert (left != right).any()
    for text in (left, right):
        brightness = text.mean(axis=2)
        assert brightness.max() > 180
        assert len(np.unique(brightness)) > 8
        # the text leaves room on every side, so that nothing of it is cut off
        border = np.concatenate([text[0], text[-1], text[:, 0], text[:, -1]])
        assert (border == border[0]).all()


def test_a_label_too_long_for_its_panel_is_made_smaller():
    image = side_by_side({"nearest neighbour": _plain(_RED, 128, 64)})
    strip = image[: image.shape[0] - 128]
    assert (strip[:, 0] == strip[0, 0]).all()
    assert strip.max() > 150


def test_inputs_are_left_alone_and_the_result_can_be_written_to():
    panel = _plain(_RED)
    image = side_by_side({"source": panel})
    image[:] = 0
    assert (panel == _RED).all()
    assert side_by_side({"source": panel}).max() > 0


def test_no_panels_is_an_error():
    with pytest.raises(ValueError, match="at least one panel, got none"):
        side_by_side({})


def test_columns_are_spread_evenly_with_first_and_last():
    assert evenly_spaced(101, 5) == (0, 25, 50, 75, 100)
    assert evenly_spaced(10, 4) == (0, 3, 6, 9)
    assert evenly_spaced(3, 8) == (0, 1, 2)
    assert evenly_spaced(1, 8) == (0,)
    assert evenly_spaced(9, 1) == (4,)


@given(num_frames=st.integers(2, 5000), num_columns=st.integers(2, 20))
def test_spacing_differs_by_at_most_one(num_frames, num_columns):
    indices = evenly_spaced(num_frames, num_columns)
    steps = np.diff(indices)
    assert (indices[0], indices[-1]) == (0, num_frames - 1)
    assert len(indices) == min(num_frames, num_columns)
    assert steps.min() >= 1
    assert steps.max() - steps.min() <= 1


@pytest.mark.parametrize(("num_frames", "num_columns"), [(0, 3), (3, 0)])
def test_spacing_needs_frames_and_columns(num_frames, num_columns):
    with pytest.raises(ValueError, match="at least one frame and one column"):
        evenly_spaced(num_frames, num_columns)


def test_a_sheet_has_its_rows_and_columns_in_order():
    colours = np.array([[_RED, _GREEN], [_BLUE, _RED]])
    rows = {
        name: [_plain(colour) for colour in row]
        for name, row in zip(("top", "bottom"), colours, strict=True)
    }
    sheet = contact_sheet(rows, ["0.0 s", "1.0 s"])
    for row, y in enumerate((sheet.shape[0] - 12 - 64 - 4 - 32, sheet.shape[0] - 12 - 32)):
        for column, x in enumerate((sheet.shape[1] - 12 - 64 - 4 - 32, sheet.shape[1] - 12 - 32)):
            assert tuple(sheet[y, x]) == tuple(colours[row, column])


def test_frames_keep_their_pixels_where_there_is_room_and_shrink_where_there_is_not():
    frames = [_plain(_RED, 64, 48)] * 4
    roomy = contact_sheet({"result": frames}, list("abcd"))
    narrow = contact_sheet({"result": frames}, list("abcd"), max_width_px=200)
    assert len(_bands(roomy[:-12], _RED)) == 4 * 48
    assert narrow.shape[1] <= 200
    tile_width = len(_bands(narrow[:-12], _RED)) // 4
    assert 10 < tile_width < 48
    tile_height = (narrow == _RED).all(axis=2).any(axis=1).sum()
    assert tile_height == round(64 * tile_width / 48)


@pytest.mark.parametrize("num_columns", [1, 6, 10])
@pytest.mark.parametrize("side", [64, 256, 720])
def test_a_sheet_is_never_wider_than_asked(num_columns, side):
    sheet = contact_sheet(
        {"nearest neighbours": [_plain(_RED, side, side)] * num_columns},
        ["12.3 s"] * num_columns,
    )
    assert sheet.shape[1] <= 1600


def test_rows_and_columns_have_their_texts():
    rows = {"source": [_plain(_RED)] * 2, "result": [_plain(_RED)] * 2}
    sheet = contact_sheet(rows, ["0.0 s", "9.9 s"]).astype(int)
    tiles = (sheet == _RED).all(axis=2)
    top, left = np.argwhere(tiles).min(axis=0)
    captions = sheet[:top, left : left + 64], sheet[:top, left + 68 : left + 132]
    labels = sheet[top : top + 64, :left], sheet[top + 68 : top + 132, :left]
    for first, second in (captions, labels):
        assert (first != second).any()
        assert len(np.unique(first)) > 8
        assert len(np.unique(second)) > 8


def test_a_frame_of_another_shape_is_fitted_into_its_tile():
    sheet = contact_sheet({"r": [_plain(_RED, 64, 64), _plain(_GREEN, 64, 32)]}, ["a", "b"])
    red = np.argwhere((sheet == _RED).all(axis=2))
    green = np.argwhere((sheet == _GREEN).all(axis=2))
    assert np.ptp(red, axis=0).tolist() == [127, 63] or np.ptp(red, axis=0).tolist() == [63, 63]
    height, width = np.ptp(green, axis=0) + 1
    assert height == 2 * width


def test_a_row_that_is_too_short_is_an_error():
    with pytest.raises(ValueError, match=r"row 'pose': expected 2 frames, one a caption, got 1"):
        contact_sheet({"source": [_plain(_RED)] * 2, "pose": [_plain(_RED)]}, ["a", "b"])
    with pytest.raises(ValueError, match="at least one row and one caption"):
        contact_sheet({}, [])
