import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import Colorspace, ColorTrc

from motiontransfer.video.color import OnePass, to_srgb, tone_mapped
from motiontransfer.video.geometry import resize

PQ, HLG = ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67
# BT.709 and BT.601 codes (limited range, 8 bit) of pure sRGB red, worked out from Kr, Kb
RED_709, RED_601 = (63, 102, 240), (81, 90, 240)


def yuv_frame(codes, *, matrix, full_range=False, ten_bit=False, size=(64, 64)):
    height, width = size
    dtype, scale = (np.uint16, 4) if ten_bit else (np.uint8, 1)
    frame = av.VideoFrame(width, height, "yuv420p10le" if ten_bit else "yuv420p")
    for plane, code in zip(frame.planes, codes, strict=True):
        values = np.full(plane.buffer_size // dtype().itemsize, code * scale, dtype=dtype)
        plane.update(values.tobytes())
    frame.colorspace = matrix
    frame.color_range = 2 if full_range else 1
    return frame


def greys(values):
    """A image of one row of greys, 16 bit."""
    row = np.asarray(values, dtype=np.uint16)
    return np.repeat(row[np.newaxis, :, np.newaxis], 3, axis=2)


MATRICES = [
    (RED_709, 1, (64, 64)),
    (RED_601, 6, (64, 64)),
    (RED_601, 5, (64, 64)),
    (RED_601, 2, (64, 64)),  # untagged: small is BT.601, HD is BT.709
    (RED_709, 2, (720, 64)),
    (RED_601, 6, (720, 64)),
]


@pytest.mark.parametrize("ten_bit", [False, True])
@pytest.mark.parametrize(("codes", "matrix", "size"), MATRICES)
def test_matrix_comes_from_the_tags_then_from_the_size(codes, matrix, size, ten_bit):
    image = to_srgb(yuv_frame(codes, matrix=matrix, size=size, ten_bit=ten_bit))
    assert image.dtype == np.uint8
    assert np.abs(image[10, 10].astype(int) - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("ten_bit", [False, True])
@pytest.mark.parametrize(
    ("luma", "full_range", "grey"),
    [(16, False, 0), (235, False, 255), (126, False, 128), (0, True, 0), (255, True, 255)],
)
def test_range_comes_from_the_tags(luma, full_range, grey, ten_bit):
    frame = yuv_frame((luma, 128, 128), matrix=1, full_range=full_range, ten_bit=ten_bit)
    assert np.abs(to_srgb(frame)[8, 8].astype(int) - grey).max() <= 2


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_hdr_greys_rise_from_black_to_white_and_stay_grey(transfer):
    image = tone_mapped(greys(np.linspace(0, 65535, 500)), transfer=transfer)[0].astype(int)
    assert (np.diff(image[:, 0]) >= 0).all()
    assert (image[0] == 0).all()
    assert (image[-1] == 255).all()
    assert (image.max(axis=1) - image.min(axis=1)).max() <= 1


# signal of 203 cd/m² (BT.2408 table 1: 58 % PQ, 75 % HLG) and of 1000 cd/m² (75.2 % PQ, 100 % HLG)
@pytest.mark.parametrize(("transfer", "white", "peak"), [(PQ, 0.58, 0.752), (HLG, 0.75, 1.0)])
def test_diffuse_white_is_bright_and_leaves_room_for_highlights(transfer, white, peak):
    levels = greys([white * 65535, peak * 65535])
    diffuse, highlight = tone_mapped(levels, transfer=transfer)[0, :, 0].astype(int)
    assert 215 <= diffuse <= 240
    assert highlight >= 254


def test_hdr_colours_keep_their_order_and_saturate_in_bt709():
    signal = np.full((1, 1, 3), 0.3 * 65535)
    signal[..., 0] = 0.55 * 65535
    red, green, blue = tone_mapped(signal.astype(np.uint16), transfer=PQ)[0, 0].astype(int)
    assert red > 200
    assert green < blue < 0.5 * red


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_a_tagged_frame_takes_the_hdr_way(transfer):
    frame = yuv_frame((126, 128, 128), matrix=Colorspace.BT2020, ten_bit=True)
    frame.color_trc = transfer
    grey = to_srgb(frame)[0, 0].astype(int)
    assert grey.max() - grey.min() <= 2
    assert grey[0] != 128


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(("codes", "matrix", "size"), [*MATRICES, ((126, 120, 140), 1, (64, 64))])
def test_one_pass_gives_flat_frames_the_exact_colors(codes, matrix, size, full_range):
    frame = yuv_frame(codes, matrix=matrix, size=size, full_range=full_range)
    scaled = OnePass(size, (0, 0, 64, 64), [], (16, 16))(frame).to_ndarray()
    assert scaled.shape == (16, 16, 3)
    assert np.abs(scaled.astype(int) - to_srgb(frame)[:16, :16]).max() <= 1


def test_one_pass_is_the_exact_conversion_cropped_and_shrunk():
    """Nearly all pixels within a level; more only where saturated colors are clipped."""
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(70, 180, (40, 30, 3), dtype=np.uint8), (300, 400))
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709
    )
    frame.colorspace = Colorspace.ITU709
    scaled = OnePass((400, 300), (20, 40, 260, 360), [], (128, 96))(frame).to_ndarray()
    expected = resize(np.ascontiguousarray(to_srgb(frame)[40:360, 20:260]), (128, 96))
    apart = np.abs(scaled.astype(int) - expected)
    assert apart.mean() < 0.5
    assert np.quantile(apart, 0.99) <= 1


def test_one_pass_is_for_frames_of_8_bit_and_known_matrices():
    scaler = OnePass((64, 64), (0, 0, 64, 64), [], (16, 16))
    hdr = yuv_frame(RED_709, matrix=1)
    hdr.color_trc = HLG
    assert scaler(yuv_frame(RED_709, matrix=1, ten_bit=True)) is None
    assert scaler(yuv_frame(RED_709, matrix=9)) is None
    assert scaler(hdr) is None
    assert scaler(yuv_frame(RED_709, matrix=1, size=(64, 80))) is None
    assert scaler(yuv_frame(RED_709, matrix=1)) is not None
