"""SSIM and MS-SSIM against what scikit-image and torchmetrics compute, and by hand."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from motiontransfer.evaluation.similarity import SMALLEST_MS_SSIM_PX, ms_ssim, similarity


def _picture(seed, size):
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.uniform(0, 255, (*size, 3)), (2, 2, 0))
    return np.clip((smooth - 127) * 5 + 127, 0, 255).astype(np.uint8)


def _noisy(picture, deviation, seed=9):
    noise = np.random.default_rng(seed).normal(0, deviation, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("deviation", [0, 3, 40])
def test_ssim_is_that_of_scikit_image(deviation):
    real = _picture(0, (50, 61))
    fake = _noisy(real, deviation)
    _, expected = structural_similarity(
        *(real, fake),
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1,
        full=True,
    )
    inside = (slice(5, -5), slice(5, -5))
    ours = similarity(real, fake).ssim
    np.testing.assert_allclose(ours[inside], expected[inside], atol=2e-4)
    assert ours[inside].mean() == pytest.approx(expected[inside].mean(), abs=1e-5)


@pytest.mark.parametrize("size", [(176, 180), (256, 200), (203, 187)])
@pytest.mark.parametrize("deviation", [5, 60])
def test_ms_ssim_is_that_of_torchmetrics(size, deviation):
    real = _picture(1, size)
    fake = _noisy(np.roll(real, 2, axis=1), deviation)
    tensors = [torch.from_numpy(p.copy()).permute(2, 0, 1)[None].double() for p in (real, fake)]
    expected = multiscale_structural_similarity_index_measure(*tensors, data_range=255.0)
    assert ms_ssim(real, fake, similarity(real, fake)) == pytest.approx(float(expected), abs=1e-4)


def test_equal_pictures_are_perfect():
    picture = _picture(2, (180, 180))
    assert (similarity(picture, picture).ssim == 1).all()
    assert ms_ssim(picture, picture, similarity(picture, picture)) == 1


def test_two_flat_pictures_differ_in_luminance_only():
    dark, bright = (np.full((180, 180, 3), level, np.uint8) for level in (100, 150))
    constant = (0.01 * 255) ** 2
    luminance = (2 * 100 * 150 + constant) / (100**2 + 150**2 + constant)
    found = similarity(dark, bright)
    np.testing.assert_allclose(found.ssim, luminance, rtol=1e-5)
    np.testing.assert_allclose(found.contrast, 1, rtol=1e-5)
    assert ms_ssim(dark, bright, found) == pytest.approx(luminance**0.1333, rel=1e-5)


def test_a_negative_of_the_picture_has_no_structure_in_common():
    picture = _picture(3, (180, 180))
    negative = 255 - picture
    found = similarity(picture, negative)
    assert found.contrast.mean() < 0
    assert ms_ssim(picture, negative, found) == 0


def test_ms_ssim_looks_at_coarse_scales():
    """Fine noise costs less than a shift by the width of what is to be seen."""
    picture = _picture(4, (180, 180))
    noise, shift = _noisy(picture, 30), np.roll(picture, 8, axis=1)
    by_noise, by_shift = (ms_ssim(picture, f, similarity(picture, f)) for f in (noise, shift))
    assert by_noise > by_shift + 0.3


def test_five_scales_need_176_pixels():
    assert SMALLEST_MS_SSIM_PX == 176
    small = _picture(5, (175, 300))
    with pytest.raises(ValueError, match=r"at least 176, got \(175, 300\)"):
        ms_ssim(small, small, similarity(small, small))


def test_pictures_are_not_changed():
    picture = _picture(6, (180, 180))
    before = picture.copy()
    ms_ssim(picture, picture, similarity(picture, picture))
    np.testing.assert_array_equal(picture, before)
