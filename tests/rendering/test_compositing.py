from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from motiontransfer.puppet.draw.warping import Puppet
from motiontransfer.rendering import compositing
from motiontransfer.video.geometry import resize
from tests.people import PERSON_SIZE, appearance_of, inside, painted, posed, room


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


def upsample(puppet, frame, keypoints=None, *, is_sure=False):
    clip = puppet.follow(halved(posed()) if keypoints is None else keypoints)
    if not is_sure:
        clip = replace(clip, distances=np.full_like(clip.distances, 100.0))
    return compositing.GuidedUpsampling(puppet, size=PERSON_SIZE).upsample(frame, clip, 0)


@pytest.fixture(scope="module")
def guide():
    """The puppet in the pose of its reference is what the reference shows."""
    return painted(posed())[0]


def error(one, other):
    return np.abs(one.astype(int) - other).mean()


@pytest.mark.parametrize(("contrast", "brightness", "limit"), [(1.0, 0, 0.5), (0.5, 60, 0.6)])
def test_the_guide_linearly_changed_keeps_its_texture(puppet, guide, contrast, brightness, limit):
    changed = contrast * guide + brightness
    working = resize(changed.astype(np.uint8), WORKING)
    made = upsample(puppet, working)
    blurred = cv2.resize(working, PERSON_SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    assert made.shape == (*PERSON_SIZE, 3)
    assert error(made, changed) < limit * error(blurred, changed)


def test_where_the_puppet_is_sure_it_is_what_is_shown(puppet, guide):
    """Whatever the frame shows there; the room around is that of the frame."""
    dark = np.full((*WORKING, 3), 20, np.uint8)
    made = upsample(puppet, dark, is_sure=True)
    person = np.any(list(painted(posed())[1].values()), axis=0)
    assert np.abs(made.astype(int) - guide)[inside(person)].mean() < 2
    far = ~cv2.dilate(person.astype(np.uint8), np.ones((21, 21), np.uint8)).astype(bool)
    assert np.abs(made[far].astype(int) - 20).max() < 12


def test_the_puppet_alone_in_its_references_pose_is_what_the_reference_shows(puppet, guide):
    (made,) = compositing.puppet_frames(puppet, halved(posed()), size=PERSON_SIZE)
    assert error(made[..., :3], guide) < 0.5
    person = np.any(list(painted(posed())[1].values()), axis=0)
    around = cv2.dilate(person.astype(np.uint8), np.ones((21, 21), np.uint8)) > 0
    assert made[..., 3][inside(person)].mean() > 250
    assert made[..., 3][~around].max() == 0
    (small,) = compositing.puppet_frames(puppet, halved(posed()), size=WORKING)
    assert error(small[..., :3], resize(guide, WORKING)) < 1.5


@pytest.mark.parametrize("is_sure", [True, False])
def test_a_mask_follows_the_puppets_outline_and_the_colors_are_as_without(puppet, guide, is_sure):
    working, clip = resize(guide, WORKING), puppet.follow(halved(posed()))
    whole = {"box": (0, 0, *WORKING[::-1])}
    coverage = clip.draw(0, **whole)[..., 3:4]
    made = upsample(puppet, np.concatenate([working, coverage], axis=2), is_sure=is_sure)
    assert np.array_equal(made[..., :3], upsample(puppet, working, is_sure=is_sure))
    expected = clip.draw(0, **whole, size=PERSON_SIZE)[..., 3].astype(int)
    blurred = cv2.resize(coverage, PERSON_SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    limit = 0.05 if is_sure else 0.5
    assert np.abs(made[..., 3] - expected).mean() < limit * np.abs(blurred - expected).mean()
    far = ~cv2.dilate(expected.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
    assert made[..., 3][far].max() == 0


def test_a_clip_is_upsampled_as_its_frames_are_and_no_more_is_taken_than_threads_need(puppet):
    still, taken = halved(posed()), []
    points = np.concatenate([still.points + 2 * step for step in range(6)])
    keypoints = replace(still, points=points, score=np.repeat(still.score, 6, axis=0))

    def frames():
        for level in range(6):
            taken.append(level)
            yield np.full((*WORKING, 3), 40 * level, np.uint8)

    made = compositing.upsample_frames(frames(), puppet.follow(keypoints), size=PERSON_SIZE)
    first = next(made)
    assert len(taken) <= 1 + 4
    upsampling, clip = (
        compositing.GuidedUpsampling(puppet, size=PERSON_SIZE),
        puppet.follow(keypoints),
    )
    for index, frame in enumerate([first, *made]):
        alone = upsampling.upsample(np.full((*WORKING, 3), 40 * index, np.uint8), clip, index)
        assert np.array_equal(frame, alone)


def test_what_the_guide_does_not_show_is_smooth(puppet, guide):
    """A frame that is a ramp, whatever is before it but texture finer than the frame's pixels."""
    x = np.arange(WORKING[1])
    ramp = np.broadcast_to(x[None, :, None], (*WORKING, 3)).astype(np.uint8)
    made = upsample(puppet, ramp).astype(float)
    expected = np.arange(PERSON_SIZE[1]) / 2 - 0.25
    apart = np.abs(made[:, 4:-4] - expected[None, 4:-4, None])
    coarse = cv2.resize(resize(guide, WORKING), PERSON_SIZE[::-1])
    fine = np.abs(guide - coarse.astype(float))[:, 4:-4]
    assert (apart - fine).max() < 8
    assert apart.mean() < 0.8


def test_what_was_not_generated_is_the_guide_itself(puppet):
    """Frames are rounded; beyond a change, which filters carry three pixels far, nothing moves."""
    (drawn,) = compositing.puppet_frames(puppet, halved(posed()), size=PERSON_SIZE)
    guide = np.ascontiguousarray(drawn[..., :3])
    apart = resize(guide, WORKING)
    assert np.array_equal(upsample(puppet, apart), guide)
    apart[40:50, 30:42] = 250
    reach = np.zeros(PERSON_SIZE, bool)
    reach[2 * 37 : 2 * 53, 2 * 27 : 2 * 45] = True
    assert np.array_equal(upsample(puppet, apart)[~reach], guide[~reach])
    assert upsample(puppet, apart)[84:96, 64:80].min() > 230


def test_texture_that_varies_little_stays_where_light_changes(puppet):
    """Of two levels; a filter whose gain is 0 there would take most of it away."""
    grain = np.random.default_rng(0).normal(120, 2, (*PERSON_SIZE, 3)).round().astype(np.uint8)
    puppet = Puppet(replace(puppet.appearance, background=grain), WORKING)
    nobody = halved(posed())
    nobody.score[:] = 0
    made = upsample(puppet, resize(grain, WORKING) - np.uint8(20), nobody)
    assert error(made, grain - np.uint8(20)) < 0.6


def test_nobody_before_the_room_is_the_room(puppet):
    keypoints = halved(posed())
    keypoints.score[:] = 0
    assert error(upsample(puppet, resize(room(), WORKING), keypoints), room()) < 1


def plain(shade, height, width):
    return np.full((height, width, 3), shade, np.uint8)


def extent(frame, marked):
    """(height, width) of what changed; it reaches into the lower right corner."""
    rows, columns = np.nonzero((frame != marked).any(axis=2))
    assert (rows.max(), columns.max()) == (frame.shape[0] - 1, frame.shape[1] - 1)
    return frame.shape[0] - int(rows.min()), frame.shape[1] - int(columns.min())


@pytest.mark.parametrize("size", [(256, 256), (1280, 720), (720, 1280), (96, 96)])
def test_a_visible_label_takes_a_small_part_of_the_corner(size):
    frame = plain(128, *size)
    height, width = extent(frame, compositing.with_label(frame))
    assert 14 <= height <= max(18, 0.07 * min(size))
    assert 60 <= width <= max(90, 0.35 * min(size))


def test_the_visible_label_of_a_small_frame_is_shorter():
    frame = plain(128, 48, 40)
    _, width = extent(frame, compositing.with_label(frame))
    assert width < 30
    assert compositing.with_label(plain(128, 4, 4)).shape == (4, 4, 3)


def test_a_label_is_seen_where_nobody_is():
    frame = np.zeros((96, 96, 4), np.uint8)
    marked = compositing.with_label(frame)
    assert np.array_equal(marked[..., :3], compositing.with_label(frame[..., :3]))
    corner = compositing.draw_label(96, 96)
    height, width = corner.shape[:2]
    assert np.abs(marked[-height:, -width:, 3].astype(int) - corner[..., 3]).max() <= 1
    assert not marked[:-height, :, 3].any()
    assert corner[0, 0].tolist() == [0, 0, 0, 150]
    np.testing.assert_allclose(corner.max(axis=(0, 1)), (255, 255, 255, 235), atol=4)


def test_a_label_is_laid_over_as_pillow_does():
    random = np.random.default_rng(0)
    frame, label = (random.integers(0, 256, (256, 256, n), np.uint8) for n in (3, 4))
    expected = Image.alpha_composite(Image.fromarray(frame).convert("RGBA"), Image.fromarray(label))
    np.testing.assert_array_equal(compositing.labeled(frame, label), np.asarray(expected)[..., :3])
