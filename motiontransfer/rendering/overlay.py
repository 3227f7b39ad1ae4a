"""Keypoints over the frames they were found in: a video to step through, or one picture.

Hides how it looks. The person who is followed is drawn bright, and white rings mark joints that
were filled in; everyone as detected is drawn dim, in a box with the track's number.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from motiontransfer.media.frame_store import FrameStore
from motiontransfer.media.tensors import Frame
from motiontransfer.media.writing import write_video
from motiontransfer.pose.drawing import draw_rgb
from motiontransfer.pose.person_box import enclosing_box
from motiontransfer.pose.track_colours import track_colour
from motiontransfer.progress import track
from motiontransfer.rendering.composition import contact_sheet, evenly_spaced, side_by_side
from motiontransfer.rendering.inspection import (
    Inspection,
    Measures,
    measures_over_time,
)
from motiontransfer.skeleton import Skeleton
from motiontransfer.storage import replacing

_LOWEST_PX = 480  # a smaller picture is enlarged: sticks would hide what they show
_LINE_SHARE = 0.008  # width of a body stick, share of the picture's height
_DIM = 0.45
_MOMENTS = 8
_DPI = 100
_CURSOR = (230, 60, 60)


def write_overlay(path: Path, inspection: Inspection) -> None:
    """Write every frame with its keypoints, beside curves over time, as MP4."""
    keypoints = inspection.keypoints
    height, width = _shown_size(keypoints.image_size)
    curves, cursors = _curves(measures_over_time(keypoints), (height, max(width, height * 4 // 3)))
    with FrameStore(inspection.frames) as store:
        frames = track(store.frames(), "inspect", total=keypoints.num_frames)
        write_video(
            path,
            (
                side_by_side(
                    {
                        _caption(inspection, index): draw_overlay(frame, inspection, index),
                        "over time": _with_cursor(curves, cursors[index]),
                    }
                )
                for index, frame in enumerate(frames)
            ),
            frame_rate=keypoints.frame_rate,
        )


def write_overlay_sheet(path: Path, inspection: Inspection) -> None:
    """Write moments spread over the clip, above curves over time, as PNG."""
    keypoints = inspection.keypoints
    moments = evenly_spaced(keypoints.num_frames, _MOMENTS)
    with FrameStore(inspection.frames) as store:
        frames = [store[index] for index in moments]
    overlays = [
        draw_overlay(frame, inspection, index) for index, frame in zip(moments, frames, strict=True)
    ]
    sheet = contact_sheet(
        {"frame": frames, "keypoints": overlays},
        [f"{index / float(keypoints.frame_rate):.1f} s" for index in moments],
    )
    curves, _ = _curves(measures_over_time(keypoints), (480, max(sheet.shape[1], 640)))
    picture = np.full((sheet.shape[0] + 480, curves.shape[1], 3), sheet[0, 0], np.uint8)
    picture[: sheet.shape[0], : sheet.shape[1]] = sheet
    picture[sheet.shape[0] :] = curves
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary)


def draw_overlay(frame: Frame, inspection: Inspection, index: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """One frame, enlarged where it is small, with the keypoints found in it."""
    keypoints, everyone = inspection.keypoints, inspection.everyone
    size = _shown_size(keypoints.image_size)
    scale = size[0] / keypoints.image_size[0]
    enlarged = Image.fromarray(frame).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    picture = np.asarray(enlarged)
    boxes: dict[int, tuple[int, int, int, int]] = {}
    if everyone is not None:
        for row in np.flatnonzero(everyone.frame_index == index):
            points, score = _enlarged(everyone.points[row], scale), everyone.score[row]
            picture = _with_sticks(
                picture, points, score, skeleton=everyone.skeleton, strength=_DIM
            )
            box = enclosing_box(points[score > 0], margin=0.03, image_size=size)
            if box is not None:
                boxes[int(everyone.person[row])] = box
    points, score = _enlarged(keypoints.points[index], scale), keypoints.score[index]
    picture = _with_sticks(picture, points, score, skeleton=keypoints.skeleton, strength=1.0)
    filled = points[:0] if keypoints.filled is None else points[keypoints.filled[index]]
    return _with_marks(picture, boxes, filled)


def _caption(inspection: Inspection, index: int) -> str:
    seconds = float(index / inspection.keypoints.frame_rate)
    return f"{inspection.video}: frame {index}, {seconds:.2f} s"


def _shown_size(image_size: tuple[int, int]) -> tuple[int, int]:
    factor = -(-max(_LOWEST_PX, image_size[0]) // image_size[0])
    return image_size[0] * factor, image_size[1] * factor


def _enlarged(
    points: Float32[np.ndarray, "joints 2"], scale: float
) -> Float32[np.ndarray, "joints 2"]:
    """A pixel's centre lies half a pixel from its corner, at any size."""
    return ((points + 0.5) * scale - 0.5).astype(np.float32)


def _with_sticks(
    picture: Frame,
    points: Float32[np.ndarray, "joints 2"],
    score: Float32[np.ndarray, " joints"],
    *,
    skeleton: Skeleton,
    strength: float,
) -> Frame:
    """Sticks laid over a picture; their strongest channel is how much they cover."""
    height, width, _ = picture.shape
    sticks = strength * draw_rgb(
        points,
        score,
        skeleton=skeleton,
        size=(height, width),
        line_width_px=max(2.0, _LINE_SHARE * height),
    )
    covered = sticks.max(axis=2, keepdims=True) / 255
    return np.round(picture * (1 - covered) + sticks).astype(np.uint8)


def _with_marks(
    picture: Frame,
    boxes: dict[int, tuple[int, int, int, int]],
    rings: Float32[np.ndarray, "rings 2"],
) -> Frame:
    """Numbered boxes around people, and a ring around each of some points."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(12, picture.shape[0] // 28))
    for person, (x0, y0, x1, y1) in boxes.items():
        colour = track_colour(person)
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colour, width=2)
        label = draw.textbbox((x0 + 4, y0 + 3), str(person), font)
        draw.rectangle((x0, y0, label[2] + 4, label[3] + 4), fill=colour)
        draw.text((x0 + 4, y0 + 3), str(person), (0, 0, 0), font)
    for x, y in rings.tolist():
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), outline=(255, 255, 255), width=2)
    return np.asarray(image)


def _curves(
    measures: Measures, size: tuple[int, int]
) -> tuple[UInt8[np.ndarray, "height width 3"], Float64[np.ndarray, " frames"]]:
    """Curves of all measures below each other, and the column of pixels where each frame is."""
    figure = Figure(figsize=(size[1] / _DPI, size[0] / _DPI), dpi=_DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    all_axes = figure.subplots(len(measures), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (quantity, curves) in zip(all_axes, measures.items(), strict=True):
        for label, values in curves.items():
            axes.plot(values, linewidth=1, marker=".", markersize=2, label=label)
        axes.set_title(quantity, loc="left", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(visible=True, alpha=0.25)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=7)
    all_axes[-1].set_xlabel("frame", fontsize=8)
    canvas.draw()
    num_frames = len(next(iter(next(iter(measures.values())).values())))
    places = np.stack([np.arange(num_frames), np.zeros(num_frames)], axis=1)
    columns = all_axes[0].transData.transform(places)[:, 0]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy(), columns


def _with_cursor(curves: Frame, column: float) -> Frame:
    picture = curves.copy()
    picture[:, round(column) : round(column) + 2] = _CURSOR  # one alone would lose its colour
    return picture
