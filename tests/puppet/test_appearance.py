from dataclasses import asdict

import numpy as np
import pytest

from motiontransfer.puppet.appearance import PackedAppearance, pack_appearance, unpack_appearance
from motiontransfer.puppet.fitting import encode_patch
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


def changed(name, value, *where):
    """Another value at a place of an array."""

    def change(arrays, packed):
        arrays[name] = arrays[name].copy()
        arrays[name][where] = value

    return change


def cut(name, *where):
    return lambda arrays, packed: arrays.update({name: np.asarray(arrays[name][where])})


def without_joint(joint):
    """Named otherwise, with the same number of joints."""

    def change(arrays, packed):
        packed["groups"] = [
            (group, ["other" if it == joint else it for it in joints])
            for group, joints in packed["groups"]
        ]

    return change


def described_as(**values):
    return lambda arrays, packed: packed.update(values)


NDIM = {
    **{"points": 3, "score": 2, "frames": 2, "full_lengths": 1},
    **{"patch_boxes": 3, "patch_bytes": 2, "patch_pixels": 1, "background": 1},
}
# Before a colon: what the error names.
FORGED = {
    **{f"no {name}": lambda arrays, _, name=name: arrays.pop(name) for name in NDIM},
    **{
        f"{name} of float16": lambda arrays, _, name=name: arrays.update(
            {name: arrays[name].astype(np.float16)}
        )
        for name in NDIM
    },
    **{f"{name} less a row": cut(name, slice(1, None)) for name in NDIM},
    **{f"{name} without rows": cut(name, slice(0)) for name in NDIM},
    **{f"{name} without an axis": cut(name, 0) for name in NDIM},
    **{f"{name} is a number": cut(name, *[0] * ndim) for name, ndim in NDIM.items()},
    **{
        f"{name} is flat": lambda arrays, _, name=name: arrays.update(
            {name: arrays[name].reshape(-1)}
        )
        for name, ndim in NDIM.items()
        if ndim > 1
    },
    "patch_boxes: a background that holds no patch": lambda arrays, _: arrays.update(
        background=encode_patch((0, 0), np.zeros((9, PERSON_SIZE[1], 4), np.uint8)).encoded
    ),
    "patch_boxes: a part beside its person": changed("patch_boxes", 0, 0, 1, slice(0, 2)),
    "patch_boxes: a person smaller than a part": changed("patch_boxes", 1, 0, 0, 2),
    "patch_boxes: a negative corner": changed("patch_boxes", -1, 0, 0, 0),
    "patch_boxes: a negative height": changed("patch_boxes", -1, 0, 0, 2),
    "patch_boxes: both sides negative": changed("patch_boxes", -5, 0, 0, slice(2, 4)),
    "patch_boxes: a corner beyond the image": changed("patch_boxes", PERSON_SIZE[1], 0, 0, 0),
    "patch_boxes: a corner below the image": changed("patch_boxes", PERSON_SIZE[0], 0, 0, 1),
    "patch_boxes: a wide patch": changed("patch_boxes", 2**31 - 1, 0, 0, slice(2, 4)),
    "patch_pixels: a patch of other height": changed("patch_boxes", 1, 0, 1, 2),
    "patch_bytes: negative": changed("patch_bytes", -1, 0, 0),
    "patch_pixels: another format": changed("patch_pixels", 0, 8),
    "patch_pixels: another width": changed("patch_pixels", 255, 22),
    "patch_pixels: damaged": changed("patch_pixels", 255, slice(25, 60)),
    "points: infinite": changed("points", np.inf, 1, 4, 0),
    "score: NaN": changed("score", np.nan, 1, 4),
    "points: a reference without a body": changed("score", 0.0, 1),
    "full_lengths: 0": changed("full_lengths", 0.0, 1),
    "full_lengths: negative": changed("full_lengths", -1.0, 1),
    "full_lengths: infinite": changed("full_lengths", np.inf, 1),
    "points: no lengths": changed("full_lengths", np.nan),
    "points: no references": lambda arrays, _: arrays.update(
        {name: arrays[name][:0] for name in NDIM if name not in ("full_lengths", "background")}
    ),
    **{
        f"height_px: {height}": described_as(height_px=height)
        for height in (0.0, -1.0, np.inf, np.nan)
    },
    "no joints": described_as(groups=[]),
    "joints named twice": described_as(groups=[("body", ["nose"] * 132)]),
    **{
        f"no {joint}": without_joint(joint)
        for joint in ("nose", "left_ear", "face_chin", "left_hand_index_tip", "right_hip")
    },
    "groups: the eye of one side": without_joint("right_eye_inner"),
    "a hand of other joints": lambda _, packed: packed["groups"].__setitem__(
        1, ("left_hand", [f"x{index}" for index in range(21)])
    ),
}


@pytest.mark.parametrize("forged", FORGED)
def test_what_no_puppet_can_be_drawn_from_is_refused(appearance, forged):
    arrays, packed = pack_appearance(appearance)
    described = asdict(packed)
    FORGED[forged](arrays, described)
    named = forged.partition(":")[0] if ":" in forged else None
    with pytest.raises((KeyError, ValueError), match=named):
        unpack_appearance(arrays, PackedAppearance(**described))


@pytest.mark.parametrize("coverage", [255, 128, 0])
def test_a_patch_keeps_what_is_covered_and_beside_it(coverage):
    pixels = np.random.default_rng(0).integers(1, 256, (9, 7, 4), dtype=np.uint8)
    pixels[..., 3] = coverage
    pixels[4:, :, 3] = 0
    for one in (pixels[:4], pixels):
        patch = encode_patch((3, 5), one)
        expected = one.copy()
        expected[5 if coverage else 0 :] = 0
        assert np.array_equal(patch.pixels, expected)
        assert patch.area == pytest.approx(28 * coverage / 255)


def test_colors_that_parts_share_are_stored_once(appearance):
    patches = [patch for patch in appearance.patches[0] if patch is not None]
    (person,) = {patch.person for patch in patches}
    apart = sum(encode_patch(patch.corner, patch.pixels).encoded.size for patch in patches)
    assert person.encoded.size + sum(patch.encoded.size for patch in patches) < 0.8 * apart
