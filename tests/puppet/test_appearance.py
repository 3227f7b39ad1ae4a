"""An appearance is stored as arrays, and what no puppet can be drawn from is refused."""

from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.puppet.appearance import pack_appearance, unpack_appearance
from tests.people import PERSON_SIZE, appearance_of, lost, posed


@pytest.fixture(scope="module")
def appearance():
    crossed = posed(left_wrist=(5, -30), left_elbow=(38, -20))
    return appearance_of(posed(), lost(crossed, "left_hand", [0]))


def test_an_appearance_is_packed_and_unpacked(appearance):
    back = unpack_appearance(*pack_appearance(appearance))
    assert back.skeleton == appearance.skeleton
    assert back.height_px == appearance.height_px
    for name in ("points", "score", "frames", "full_lengths", "background"):
        assert np.array_equal(getattr(back, name), getattr(appearance, name)), name
    for before, after in zip(appearance.patches, back.patches, strict=True):
        for one, other in zip(before, after, strict=True):
            assert (one is None) == (other is None)
            assert one is None or one.corner == other.corner
            assert one is None or np.array_equal(one.pixels, other.pixels)
    assert back.frames.tolist() == [[0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("name", "place", "value", "text"),
    [
        ("patch_boxes", (0, 0, 0), -1, "patch_boxes"),
        ("patch_boxes", (0, 0, 0), PERSON_SIZE[1], "patch_boxes"),
        ("patch_boxes", (0, 0, 1), PERSON_SIZE[0], "patch_boxes"),
        ("points", (0, 0, 0), np.nan, "points and score"),
        ("score", (0, 0), np.inf, "points and score"),
        ("score", 0, 0.0, "points"),
        ("full_lengths", 0, 0.0, "full_lengths"),
        ("full_lengths", 0, np.inf, "full_lengths"),
    ],
)
def test_one_impossible_number_is_refused(appearance, name, place, value, text):
    arrays, packed = pack_appearance(appearance)
    arrays[name] = arrays[name].copy()
    arrays[name][place] = value
    with pytest.raises(ValueError, match=text):
        unpack_appearance(arrays, packed)


@pytest.mark.parametrize(
    "name",
    ["points", "score", "frames", "full_lengths", "patch_boxes", "patch_pixels", "background"],
)
@pytest.mark.parametrize(
    "change", [lambda it: it[:0], lambda it: it[0], lambda it: it.astype(np.float16)]
)
def test_arrays_that_do_not_fit_together_are_refused(appearance, name, change):
    arrays, packed = pack_appearance(appearance)
    arrays[name] = change(arrays[name])
    with pytest.raises(ValueError, match=r"expected|unpack"):
        unpack_appearance(arrays, packed)


def test_an_appearance_without_references_is_refused(appearance):
    arrays, packed = pack_appearance(appearance)
    for name in ("points", "score", "frames", "patch_boxes", "patch_pixels"):
        arrays[name] = arrays[name][:0]
    with pytest.raises(ValueError, match="at least one reference"):
        unpack_appearance(arrays, packed)


@pytest.mark.parametrize("height", [0.0, -1.0, np.inf, np.nan])
def test_an_impossible_height_is_refused(appearance, height):
    arrays, packed = pack_appearance(appearance)
    with pytest.raises(ValueError, match="height_px"):
        unpack_appearance(arrays, replace(packed, height_px=height))
