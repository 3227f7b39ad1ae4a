from dataclasses import asdict
from itertools import chain

import numpy as np
import pytest

from motiontransfer.puppet.appearance import PackedAppearance, pack_appearance, unpack_appearance
from motiontransfer.puppet.fit.cutting import encode_patch
from tests.people import PARTS, appearance_of, lost, posed


@pytest.fixture(scope="module")
def appearance():
    crossed = posed(left_wrist=(5, -30), left_elbow=(38, -20))
    return appearance_of(posed(), lost(crossed, "left_hand", [0]))


def test_an_appearance_is_packed_and_unpacked(appearance):
    back = unpack_appearance(*pack_appearance(appearance))
    assert back.skeleton == appearance.skeleton
    assert back.height_px == appearance.height_px
    for name in ("points", "score", "frames", "full_lengths", "differences", "background"):
        assert np.array_equal(getattr(back, name), getattr(appearance, name)), name
    for one, other in zip(chain(*appearance.patches), chain(*back.patches), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert (one.corner, one.size) == (other.corner, other.size)
            assert np.array_equal(one.pixels, other.pixels)
            assert (one.shown, one.sharpness) == pytest.approx((other.shown, other.sharpness))
    assert back.frames.tolist() == [[0, 0], [1, 0]]


OF_PATCHES = ("boxes", "bytes", "measures", "pixels")
OTHERS = ("points", "score", "frames", "full_lengths", "differences")
ARRAYS = (*OTHERS, *(f"patch_{of}" for of in OF_PATCHES))


def less_a_row(name):
    return lambda arrays, packed: arrays.update({name: arrays[name][1:]})


def without_references(arrays, packed):
    of_references = [name for name in ARRAYS if name != "full_lengths"]
    arrays.update({name: arrays[name][:0] for name in of_references})
    arrays["differences"] = np.zeros((len(PARTS), 0, 0), np.uint8)


# Before a colon: what the error names.
UNFIT = {
    **{f"{name}: missing": lambda arrays, _, name=name: arrays.pop(name) for name in ARRAYS},
    **{f"{name}: a row less": less_a_row(name) for name in ARRAYS if name != "points"},
    "score: points less a row": less_a_row("points"),
    "WebP: background is no image": lambda arrays, _: arrays.update(background=np.zeros(9, "u1")),
    "a reference: there is none": without_references,
    "a height: 0": lambda _, packed: packed.update(height_px=0.0),
}


@pytest.mark.parametrize("change", UNFIT)
def test_arrays_that_do_not_fit_together_are_refused(appearance, change):
    arrays, packed = pack_appearance(appearance)
    described = asdict(packed)
    UNFIT[change](arrays, described)
    with pytest.raises((KeyError, ValueError), match=change.partition(":")[0]):
        unpack_appearance(arrays, PackedAppearance(**described))


@pytest.mark.parametrize("coverage", [255, 128, 0])
def test_a_patch_keeps_what_is_covered_and_beside_it(coverage):
    pixels = np.random.default_rng(0).integers(1, 256, (9, 7, 4), dtype=np.uint8)
    pixels[..., 3] = coverage
    pixels[4:, :, 3] = 0
    for one in (pixels[:4], pixels):
        patch = encode_patch((3, 5), one)
        expected = one.copy()
        expected[6 if coverage else 0 :] = 0
        assert np.array_equal(patch.pixels, expected)
