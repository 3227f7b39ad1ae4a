from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.rendering import compositing
from motiontransfer.video.geometry import resize
from tests.people import PERSON_SIZE, appearance_of, inside, painted, posed


def test_a_face_boxs_weight_rises_from_0_at_the_border_to_1_inside():
    weight = compositing.face_box_weight((40, 20))
    assert weight.dtype == np.float32
    assert (weight[6:-6, 3:-3] == 1).all()
    assert max(weight[0].max(), weight[-1].max()) < 0.02
    assert weight[:, [0, -1]].max() < 0.07
    assert (np.diff(weight[:11, 10]) >= 0).all()
    # ramps over 15 % of each side: 3 columns, of which the second is half way
    assert weight[20, 1] == pytest.approx(0.5)
    assert weight[2, 1] == pytest.approx(weight[2, 10] * weight[20, 1])


def test_the_ellipse_is_1_on_the_face_and_0_at_the_crops_border():
    ellipse = compositing.face_ellipse_weight(64)
    assert ellipse[24:40, 26:38].min() == 1
    assert not np.concatenate([ellipse[[0, -1]], ellipse[:, [0, -1]].T]).any()
    np.testing.assert_allclose(ellipse, ellipse[::-1, ::-1], atol=1e-6)
    assert (np.diff(ellipse[:32], axis=0) >= 0).all()
    assert ellipse.any(axis=0).sum() < ellipse.any(axis=1).sum()  # upright


def smooth_noise(seed, *, sigma=3, size=(64, 72)):
    noise = np.random.default_rng(seed).integers(0, 255, (*size, 3)).astype(np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), sigma)
    return cv2.normalize(blurred, None, 60, 190, cv2.NORM_MINMAX)


def disc(*, x=36.0, y=30.0, radius=14.0, size=(64, 72)):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.hypot(columns - x, rows - y) <= radius


PLACES = pytest.mark.parametrize(
    ("x", "y"), [(36.0, 30.0), (0.0, 30.0), (71.0, 30.0), (36.0, 0.0), (71.0, 63.0)], ids=str
)


@PLACES
def test_a_patch_that_differs_by_a_shade_only_disappears(x, y):
    """Without a seam, wherever the mask is; no argument is changed, and nothing outside."""
    frame, mask = smooth_noise(0), disc(x=x, y=y)
    patch = (frame + np.array([30, -20, 7])).astype(np.uint8)
    given = frame.copy(), patch.copy(), mask.copy()
    blended = compositing.blend_poisson(frame, patch, mask)
    assert np.abs(blended.astype(int) - frame).max() <= 2
    assert np.array_equal(blended[~mask], frame[~mask])
    assert all(np.array_equal(*pair) for pair in zip((frame, patch, mask), given, strict=True))


@PLACES
def test_details_are_the_patchs(x, y):
    """Second differences inside; a step at the mask's edge would be one of them."""
    frame, patch, mask = smooth_noise(0), smooth_noise(1), disc(x=x, y=y)
    blended = compositing.blend_poisson(frame, patch, mask)
    inside = mask & (cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    error = np.abs(cv2.Laplacian(blended, cv2.CV_32F) - cv2.Laplacian(patch, cv2.CV_32F))
    assert np.median(error[inside]) <= 2
    assert np.quantile(error[inside], 0.9) <= 6
    edge = mask & ~inside
    assert np.abs(blended[edge].astype(int) - frame[edge]).mean() < 12


@pytest.mark.parametrize("radius", [-1.0, 0.0, 1.5])
def test_hardly_any_face_at_all_leaves_the_frame_nearly_as_it_is(radius):
    frame, patch = smooth_noise(0), smooth_noise(1)
    blended = compositing.blend_poisson(frame, patch, disc(radius=radius))
    assert np.abs(blended.astype(int) - frame).max() <= 40
    assert (blended != frame).any(axis=2).sum() <= disc(radius=radius).sum()


WORKING = (PERSON_SIZE[0] // 2, PERSON_SIZE[1] // 2)
"""Half the size of the puppet's references."""


def halved(keypoints):
    points = ((keypoints.points + 0.5) / 2 - 0.5).astype(np.float32)
    return replace(keypoints, points=points, image_size=WORKING)


@pytest.fixture(scope="module")
def puppet():
    return Puppet(appearance_of(posed()), WORKING)


@pytest.fixture(scope="module")
def guide():
    """The puppet in the pose of its reference is what the reference shows."""
    return painted(posed())[0]


def error(one, other):
    return np.abs(one.astype(int) - other).mean()


def test_the_puppet_alone_in_its_references_pose_is_what_the_reference_shows(puppet, guide):
    (made,) = compositing.puppet_frames(puppet, halved(posed()), size=PERSON_SIZE)
    assert error(made[..., :3], guide) < 0.5
    person = np.any(list(painted(posed())[1].values()), axis=0)
    around = cv2.dilate(person.astype(np.uint8), np.ones((21, 21), np.uint8)) > 0
    assert made[..., 3][inside(person)].mean() > 250
    assert made[..., 3][~around].max() == 0
    (small,) = compositing.puppet_frames(puppet, halved(posed()), size=WORKING)
    assert error(small[..., :3], resize(guide, WORKING)) < 1.5


def test_shadows_are_added_to_the_larger_room_whose_grain_stays(puppet):
    """A shadow of 20 levels on the lower half: nobody is before the room."""
    grain = np.random.default_rng(0).normal(120, 9, (*PERSON_SIZE, 3)).round().astype(np.uint8)
    grained = Puppet(replace(puppet.appearance, background=grain), WORKING)
    nobody = halved(posed())
    nobody.score[:] = 0
    shaded, half = resize(grain, WORKING), WORKING[0] // 2
    shaded[half:] -= np.uint8(20)
    (made,) = compositing.puppet_frames(grained, nobody, size=PERSON_SIZE, rooms=[shaded])
    assert np.array_equal(made[: 2 * half - 1, :, :3], grain[: 2 * half - 1])
    assert np.array_equal(made[2 * half + 1 :, :, :3], grain[2 * half + 1 :] - np.uint8(20))
    (alike,) = compositing.puppet_frames(grained, nobody, size=WORKING, rooms=[shaded])
    assert np.array_equal(alike[..., :3], shaded)


def plain(shade, height, width):
    return np.full((height, width, 3), shade, np.uint8)


@pytest.mark.parametrize("size", [(256, 256), (1280, 720), (720, 1280), (96, 96), (48, 40)])
def test_a_visible_label_takes_a_small_part_of_the_corner(size):
    """It reaches into the lower right corner; of a small frame it is shorter."""
    frame = plain(128, *size)
    rows, columns = np.nonzero((frame != compositing.with_label(frame)).any(axis=2))
    assert (rows.max(), columns.max()) == (size[0] - 1, size[1] - 1)
    assert 14 <= size[0] - rows.min() <= max(18, 0.07 * min(size))
    least, most = (1, 29) if min(size) < 96 else (60, max(90, 0.35 * min(size)))
    assert least <= size[1] - columns.min() <= most


def test_a_tiny_frame_has_no_room_for_a_label():
    assert compositing.with_label(plain(128, 4, 4)).shape == (4, 4, 3)


def test_a_label_is_laid_over_as_pillow_does():
    random = np.random.default_rng(0)
    frame, label = (random.integers(0, 256, (256, 256, n), np.uint8) for n in (3, 4))
    expected = Image.alpha_composite(Image.fromarray(frame).convert("RGBA"), Image.fromarray(label))
    np.testing.assert_array_equal(compositing.labeled(frame, label), np.asarray(expected)[..., :3])
