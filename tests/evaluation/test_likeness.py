"""The fog test: a person two pixels off is liker than fog, and more blur is worse."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from demo.actors.choreography import compose
from demo.actors.renderer import pose_actor, shoot
from demo.actors.scenes import draw_plate
from motiontransfer.evaluation.image_metrics import ssim_map
from motiontransfer.evaluation.likeness import likeness
from tests.actors import actor
from tests.evaluation.conftest import textured
from tests.people import painted, posed


def of_whole(real, fake):
    height, width = real.shape[:2]
    return likeness(real, fake, (0, 0, width, height))


def displaced(image, *, rms_px=2.0):
    """Every place moved a little, smoothly, which nobody sees."""
    rng = np.random.default_rng(0)
    flow = rng.standard_normal((2, *image.shape[:2])).astype(np.float32)
    flow = np.stack([cv2.GaussianBlur(part, (0, 0), 16) for part in flow])
    flow *= rms_px / np.sqrt(np.square(flow).sum(axis=0).mean())
    x, y = np.meshgrid(*map(np.arange, image.shape[1::-1]))
    places = [(grid + part).astype(np.float32) for grid, part in zip((x, y), flow, strict=True)]
    return cv2.remap(image, *places, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)


def ghost(image):
    return cv2.addWeighted(image, 0.5, np.roll(image, 3, axis=1), 0.5, 0)


def blurred(image, sigma_px):
    return cv2.GaussianBlur(image, (0, 0), sigma_px)


@pytest.fixture(scope="module", params=["drawn", "actor"])
def person(request):
    """The box of a person who fills it."""
    if request.param == "drawn":
        return painted(posed())[0][30:230, 60:200]
    ada = actor("ada")
    film = replace(ada.film, plate=draw_plate(ada.film.room, (256, 256)))
    motion = compose(8, frame_rate=25.0, beats_per_minute=112.0, seed=5)
    frame, cover = shoot(film, pose_actor(ada, motion, 6)[0])
    rows, columns = (np.flatnonzero(cover.any(axis=axis)) for axis in (1, 0))
    return np.ascontiguousarray(frame[rows[0] : rows[-1], columns[0] : columns[-1]])


def test_a_person_two_pixels_off_is_liker_than_any_fog_and_more_blur_is_worse(person):
    blurs = [of_whole(person, blurred(person, sigma)) for sigma in (1, 1.5, 2, 3)]
    moved, doubled = of_whole(person, displaced(person)), of_whole(person, ghost(person))
    assert blurs == sorted(blurs, reverse=True)
    assert moved > max(doubled, blurs[0])
    # SSIM prefers the fog.
    ssim = [ssim_map(person, fake).mean() for fake in (displaced(person), blurred(person, 1))]
    assert ssim[0] < ssim[1]


@pytest.mark.parametrize("contrast", [0.8, 0.9, 1 / 0.9])
def test_less_contrast_costs_as_much_as_it_takes_and_so_does_more(contrast):
    """SSIM minds a tenth by .006 alone, so that it gains by a blur which hides what differs."""
    pattern = np.random.default_rng(0).permutation(np.arange(16.0)).reshape(4, 4, 1) - 7.5
    tiles = np.tile(pattern, (10, 10, 3))  # each 4 x 4 pixels have the same mean
    real, pale = ((128 + 10 * of * tiles).round().astype(np.uint8) for of in (1, contrast))
    assert of_whole(real, pale) == pytest.approx(min(contrast, 1 / contrast), abs=0.01)
    assert ssim_map(real, pale).mean() > 0.97


@pytest.mark.parametrize("shift", [(3, 0), (-3, 0), (0, 3), (0, -3), (3, -3)])
def test_what_is_up_to_three_pixels_off_is_the_same(shift):
    image, box = textured(1, (80, 80)), (20, 20, 60, 60)
    assert likeness(image, np.roll(image, shift, (0, 1)), box) == pytest.approx(1, abs=1e-4)
    farther = np.roll(image, np.add(shift, np.sign(shift)), (0, 1))
    assert likeness(image, farther, box) < 0.95


def test_what_lacks_and_what_is_too_much_count_alike():
    """Half of the mean is completeness, half coherence; the other half stays perfect."""
    empty, full = np.full((80, 80, 3), 100, np.uint8), np.full((80, 80, 3), 100, np.uint8)
    full[30:50, 30:50] = textured(2, (20, 20))
    lacking, too_much = of_whole(full, empty), of_whole(empty, full)
    assert lacking == pytest.approx(too_much)
    # Every flat patch finds a flat one; 23 x 23 of 77 x 77 patches have a textured pixel.
    assert 0.5 * (1 + 1 - (23 / 77) ** 2) - 0.01 < lacking < 0.98
