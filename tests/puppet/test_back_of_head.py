import cv2
import numpy as np
import pytest

from motiontransfer.puppet.draw.back_of_head import with_hair

HAIR, SKIN, EYES = (60, 40, 30), (220, 170, 140), (20, 60, 160)
SIZE = 200, 160
MIDDLE, EYE_LINE, MOUTH_LINE, CHIN, EARS = 80, 100, 140, 165, (22, 138)
FACE = np.array(
    [(MIDDLE, EYE_LINE), (MIDDLE, MOUTH_LINE), (EARS[0], 105), (EARS[1], 105), (MIDDLE, 68)]
    + [(MIDDLE + x, y) for x, y in ((-40, 145), (40, 145), (-20, CHIN), (20, CHIN))],
    np.float64,
)


def head(hair=HAIR, *, length=68, parting=None):
    """A head from the front; its hair reaches down to a row at both sides of a face."""
    pixels = np.full((*SIZE, 4), (*hair, 0), np.uint8)
    cv2.ellipse(pixels, (MIDDLE, 100), (62, 78), 0, 0, 360, (*hair, 255), -1)
    skin = np.zeros(SIZE, np.uint8)
    cv2.ellipse(skin, (MIDDLE, 112), (44, 56), 0, 0, 360, 1, -1)
    skin[length:] = 1
    skin[:68] = 0
    if parting:
        skin[:EYE_LINE, parting] = 1
    pixels[(skin > 0) & (pixels[..., 3] > 0)] = (*SKIN, 255)
    for x in (MIDDLE - 18, MIDDLE + 18):
        cv2.circle(pixels, (x, EYE_LINE), 6, (*EYES, 255), -1)
    return pixels


def away(pixels, color):
    return np.abs(pixels[..., :3].astype(int) - color).sum(axis=-1)


def of_face(pixels):
    """The middle of a face, from above the eyes to the mouth."""
    return pixels[EYE_LINE - 15 : MOUTH_LINE, MIDDLE - 30 : MIDDLE + 30]


def test_from_behind_a_face_is_hair_down_to_the_nape_and_the_outline_stays():
    before = head()
    after = with_hair(before, FACE, share=1.0)
    assert away(of_face(after), HAIR).max() < 15
    assert (after[..., 3] == before[..., 3]).all()
    assert away(after[:40], before[:40, :, :3]).max() <= 3
    below = after[CHIN - 1 : CHIN + 8, MIDDLE - 20 : MIDDLE + 20]
    assert away(below, SKIN).max() < 15


def test_long_hair_hangs_over_the_chin():
    after = with_hair(head(length=200), FACE, share=1.0)
    assert away(after[EYE_LINE - 15 : CHIN, MIDDLE - 30 : MIDDLE + 30], HAIR).max() < 30


def test_the_back_of_a_bald_head_is_skin():
    after = with_hair(head(hair=SKIN), FACE, share=1.0)
    assert away(of_face(after), SKIN).max() < 15


@pytest.mark.parametrize("parting", [slice(72, 88), slice(30, 70)])
def test_skin_of_a_parting_or_of_a_bare_temple_is_no_hair(parting):
    after = with_hair(head(parting=parting), FACE, share=1.0)
    assert away(of_face(after), HAIR).max() < 40


def test_hair_comes_from_the_side_that_is_turned_to_the_camera():
    """Looking to the right of the image from its left, half way up to the middle."""
    before = head()
    after = with_hair(before, FACE, share=0.5)
    assert away(of_face(after)[:, :20], HAIR).max() < 15
    assert (of_face(after)[:, 45:] == of_face(before)[:, 45:]).all()
    to_left = with_hair(before, FACE, share=-0.5)
    assert (of_face(to_left)[:, :15] == of_face(before)[:, :15]).all()
    assert away(of_face(to_left)[:, 40:], HAIR).max() < 15


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8])
def test_more_hair_covers_more(share):
    before = head()
    less, more = (
        away(with_hair(before, FACE, share=each), before[..., :3]) > 15
        for each in (share, share + 0.1)
    )
    assert less.sum() < more.sum()
    assert (more | ~less).mean() > 0.99


def test_a_tilted_head_has_the_same_hair():
    turn = cv2.getRotationMatrix2D((MIDDLE, 100), 30, 1)
    tilted = cv2.warpAffine(head(), turn, SIZE[::-1])
    face = FACE @ turn[:, :2].T + turn[:, 2]
    back = cv2.warpAffine(
        with_hair(tilted, face, share=1.0), turn, SIZE[::-1], flags=cv2.WARP_INVERSE_MAP
    )
    assert away(of_face(back), HAIR).max() < 20


@pytest.mark.parametrize("rows", [slice(None, 101), slice(99, None)])
def test_half_a_head_stays(rows):
    """Of which nothing is above the eyes, or nothing below."""
    pixels = head()
    pixels[rows] = 0
    assert (with_hair(pixels, FACE, share=1.0) == pixels).all()
