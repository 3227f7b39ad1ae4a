"""Color conversion of decoded frames to 8-bit sRGB, and shrinking in the same pass."""

from collections.abc import Sequence
from functools import lru_cache

import av
import av.filter
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, ColorTrc, Interpolation
from jaxtyping import Float, UInt8, UInt16

from motiontransfer.core.arrays import Frame
from motiontransfer.video.filters import filter_graph

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
_GRAY = 128  # behind what is transparent: hair and clothes are darker or brighter
_BT709, _BT470BG, _SMPTE170M = 1, 5, 6  # FFmpeg's AVColorSpace
_MATRICES = {_BT709: "bt709", _BT470BG: "bt601", _SMPTE170M: "bt601"}
_RANGES = {ColorRange.MPEG: "tv", ColorRange.JPEG: "pc"}
_AREA_FLAGS = "area+accurate_rnd+bitexact+full_chroma_int+full_chroma_inp"


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


def opacity(frame: av.VideoFrame) -> UInt8[np.ndarray, "height width"] | None:
    """Opacity of each pixel, of 255; None where all are opaque."""
    parts = frame.format.components
    if not (frame.format.has_palette or any(part.is_alpha for part in parts)):
        return None
    alpha = frame.to_ndarray(format="rgba")[..., 3]
    return None if alpha.min() == 255 else alpha


def opaque(frame: av.VideoFrame) -> Frame:
    """`to_srgb`, over gray where the frame is transparent."""
    pixels, alpha = to_srgb(frame), opacity(frame)
    if alpha is None:
        return pixels
    share = alpha[..., None] / np.float32(255)
    return (share * pixels + (1 - share) * _GRAY).round().astype(np.uint8)


class OnePass:
    """Crops, turns and shrinks frames in one pass of FFmpeg's filters, for 8-bit 4:2:0 video.

    It averages areas and converts to sRGB, in a twentieth of the time of `to_srgb` and a resize.
    It differs from these by less than a level in nearly all pixels.
    """

    def __init__(
        self,
        stored_size: tuple[int, int],
        box: tuple[int, int, int, int],
        turns: Sequence[str],
        size: tuple[int, int],
    ) -> None:
        """Set up.

        Args:
            stored_size: (height, width) of the frames that are taken.
            box: x0, y0, x1, y1 of the kept part of stored frames; even, for whole chroma samples.
            turns: FFmpeg's filters that put the part upright.
            size: (height, width) of the upright results, smaller than the box.
        """
        assert not any(edge % 2 for edge in box)
        self._stored_size, self._box, self._turns, self._size = stored_size, box, turns, size
        self._graph: av.filter.Graph | None = None
        self._input: tuple[object, ...] = ()

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame | None:
        """The upright part, RGB; None for frames that need `to_srgb`."""
        is_hd = frame.height > _SD_HEIGHT or frame.width > _SD_WIDTH
        default = _BT709 if is_hd else _SMPTE170M
        matrix = default if frame.colorspace == _UNTAGGED else frame.colorspace
        is_usual = frame.format.name == "yuv420p" and matrix in _MATRICES
        is_hdr = frame.color_trc in _HDR
        if not is_usual or is_hdr or (frame.height, frame.width) != self._stored_size:
            return None
        levels = ColorRange.JPEG if frame.color_range == ColorRange.JPEG else ColorRange.MPEG
        if (matrix, levels) != self._input:
            conversion = f"in_color_matrix={_MATRICES[matrix]}:in_range={_RANGES[levels]}"
            self._input, self._graph = (matrix, levels), self._built(frame, conversion)
        assert self._graph is not None
        self._graph.push(frame)
        return self._graph.vpull()

    def _built(self, frame: av.VideoFrame, conversion: str) -> av.filter.Graph:
        x0, y0, x1, y1 = self._box
        is_turned = sum(turn.startswith("transpose") for turn in self._turns) % 2
        height, width = self._size[::-1] if is_turned else self._size
        return filter_graph(
            frame,
            ("crop", f"w={x1 - x0}:h={y1 - y0}:x={x0}:y={y0}"),
            ("scale", f"w={width}:h={height}:flags={_AREA_FLAGS}:{conversion}"),
            ("format", "rgb24"),
            *(turn.split("=") for turn in self._turns),
        )


def tone_mapped(signal: UInt16[np.ndarray, "height width 3"], *, transfer: ColorTrc) -> Frame:
    """Tone-map a BT.2020 signal in PQ or HLG, full range (65535 is 1.0), to sRGB."""
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
