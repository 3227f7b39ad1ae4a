"""Colour conversion of decoded frames to 8-bit sRGB."""

from functools import lru_cache

import av
import numpy as np
from av.video.reformatter import Colorspace, ColorTrc, Interpolation
from jaxtyping import Float, UInt8, UInt16

Frame = UInt8[np.ndarray, "height width 3"]
AnyFrame = UInt8[np.ndarray, "_ _ 3"]
"""Beside others of other sizes."""

_SCALING = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
    | Interpolation.FULL_CHR_H_INT
)
_HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
_UNTAGGED = 2
_SD_HEIGHT, _SD_WIDTH = 576, 1024
_DIFFUSE_WHITE = 203.0  # cd/m²
_PEAK = 1000.0  # cd/m²
_KNEE = 0.5  # of diffuse white, linear light: below it nothing changes
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    dtype=np.float32,
)
_TABLE_SIZE = 4096


def to_srgb(frame: av.VideoFrame) -> Frame:
    """Convert a decoded frame to 8-bit sRGB; untagged HD counts as BT.709, as in players."""
    is_hd = frame.height > _SD_HEIGHT or frame.width > _SD_WIDTH
    is_untagged = frame.colorspace == _UNTAGGED and not frame.format.is_rgb
    matrix = Colorspace.ITU709 if is_hd and is_untagged else None
    is_hdr = frame.color_trc in _HDR
    pixels = frame.to_ndarray(
        format="rgb48le" if is_hdr else "rgb24",
        interpolation=_SCALING,
        src_colorspace=matrix,
        threads=1,
    )
    return tone_mapped(pixels, transfer=ColorTrc(frame.color_trc)) if is_hdr else pixels


def tone_mapped(signal: UInt16[np.ndarray, "height width 3"], *, transfer: ColorTrc) -> Frame:
    """Tone-map a BT.2020 signal in PQ or HLG to sRGB.

    Args:
        signal: full range, 65535 is 1.0.
    """
    light = _light_table(transfer)[signal >> 4]
    if transfer == ColorTrc.ARIB_STD_B67:  # the display's part: system gamma 1.2 on luminance
        luminance = light @ np.array([0.2627, 0.6780, 0.0593], dtype=np.float32)
        light = light * (_PEAK / _DIFFUSE_WHITE) * luminance[..., np.newaxis] ** 0.2
    light = np.maximum(light @ _BT2020_TO_BT709.T, 0)
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    light *= _rolled_off(brightest) / brightest  # one factor for all channels keeps the hue
    steps = np.minimum(light * (_TABLE_SIZE * 16 - 1) + 0.5, _TABLE_SIZE * 16 - 1)
    return _srgb_table()[steps.astype(np.int32)]


def _rolled_off(light: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Compress light (1 = diffuse white) into [0, 1]: the same up to the knee, peak becomes 1."""
    end = (_PEAK / _DIFFUSE_WHITE - _KNEE) / (1 - _KNEE)
    over = np.clip((light - _KNEE) / (1 - _KNEE), 0, end)
    rolled = _KNEE + (1 - _KNEE) * over * (1 + over / end**2) / (1 + over)
    return np.where(light <= _KNEE, light, rolled)


@lru_cache(maxsize=2)
def _light_table(transfer: ColorTrc) -> Float[np.ndarray, " codes"]:
    """Linear light of 12-bit codes; PQ in units of diffuse white, HLG as scene light in [0, 1]."""
    signal = np.arange(_TABLE_SIZE) / (_TABLE_SIZE - 1)
    if transfer == ColorTrc.SMPTE2084:
        power = signal ** (32 / 2523)
        light = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
        nits = 10_000 * light ** (8192 / 1305)
        return (nits / _DIFFUSE_WHITE).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.clip(scene, 0, 1).astype(np.float32)


@lru_cache(maxsize=1)
def _srgb_table() -> UInt8[np.ndarray, " steps"]:
    light = np.arange(_TABLE_SIZE * 16) / (_TABLE_SIZE * 16 - 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint8)
