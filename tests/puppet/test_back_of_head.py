import cv2
import numpy as np
import pytest

from motiontransfer.puppet.back_of_head import with_hair_over_face

HAIR, SKIN, EYE, COLLAR = (90, 50, 20), (230, 180, 150), (10, 10, 10), (250, 250, 250)
FACE = np.float32([(50 + 16 * np.cos(a), 62 + 20 * np.sin(a)) for a in np.linspace(0, 6.2, 24)])


def head(hair=True, *, is_long=True):
    pixels = np.zeros((110, 100, 4), np.uint8)
    if hair:
        cv2.ellipse(pixels, (50, 42), (26, 28), 0, 0, 360, (*HAIR, 255), -1)
        if is_long:
            cv2.rectangle(pixels, (24, 48), (76, 90), (*HAIR, 255), -1)
    cv2.ellipse(pixels, (50, 62), (18, 22), 0, 0, 360, (*SKIN, 255), -1)
    for x in (42, 58):
        cv2.circle(pixels, (x, 56), 2, (*EYE, 255), -1)
    cv2.rectangle(pixels, (38, 96), (62, 105), (*COLLAR, 255), -1)
    return pixels


def test_long_hair_covers_the_face_and_nothing_else():
    before, after = head(), with_hair_over_face(head(), FACE)
    face = np.zeros((110, 100), np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(FACE.round().astype(np.int32)), 1)
    face = cv2.erode(face, np.ones((9, 9), np.uint8))  # its edge is soft
    assert np.abs(after[face > 0][:, :3].astype(int) - HAIR).max() < 12
    assert np.array_equal(after[..., 3], before[..., 3])
    assert np.array_equal(after[96:], before[96:])  # the collar
    assert np.array_equal(after[20:30, 45:55], before[20:30, 45:55])  # the top


def test_strands_go_on_as_they_are_above_the_face():
    """Every fourth column is lighter, as sharply as there."""
    pixels = head()
    lighter = (pixels[..., :3] == HAIR).all(axis=2) & (np.arange(100) % 4 == 0)
    pixels[lighter, :3] += 30
    after = with_hair_over_face(pixels, FACE)
    columns = after[50:70, 40:60, 0].astype(int)
    assert np.abs(columns - np.where(np.arange(40, 60) % 4 == 0, 120, 90)).max() <= 3


def test_short_hair_ends_in_a_nape():
    """The face with what is below its chin is rows 42 to 86: from 64 on it narrows, and ends at 79.

    At row 75 the half ellipse of 18 px has 0.68 of its width.
    """
    before, after = head(is_long=False), with_hair_over_face(head(is_long=False), FACE)
    middle = after[:, 50]
    assert np.abs(middle[42:72, :3].astype(int) - HAIR).max() < 12
    assert middle[42:73, 3].min() > 250
    assert middle[85:, 3].max() < 5  # chin and collar
    assert (after[75, :, 3] > 127).sum() == pytest.approx(2 * 0.68 * 18, abs=3)
    assert np.array_equal(after[:40], before[:40])


@pytest.mark.parametrize("skin", [SKIN, (115, 75, 45)])
def test_skin_beside_the_face_is_no_hair(skin):
    """Of a face that is turned, or whose points lie far within it: it is more than the hair is.

    Also where it is 25 levels from it.
    """
    pixels = head()
    cv2.ellipse(pixels, (50, 62), (34, 28), 0, 0, 360, (*skin, 255), -1)
    covered = with_hair_over_face(pixels, FACE)
    for column in (24, 50):
        assert np.abs(covered[62, column, :3].astype(int) - HAIR).max() < 12


def test_a_high_forehead_is_no_hair():
    """It is three fifths of what is above the face's points."""
    pixels = head()
    cv2.rectangle(pixels, (26, 28), (74, 44), (*SKIN, 255), -1)
    is_skin = (pixels[..., :3] == SKIN).all(axis=2)
    pixels[is_skin, :3] += np.random.default_rng(0).integers(0, 9, (is_skin.sum(), 3), np.uint8)
    covered = with_hair_over_face(pixels, FACE)
    assert np.abs(covered[62, 50, :3].astype(int) - HAIR).max() < 12


def test_a_head_without_anything_above_the_face_stays():
    assert np.array_equal(with_hair_over_face(head(hair=False), FACE - (0, 1)), head(hair=False))
