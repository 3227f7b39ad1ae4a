"""The videos of a transfer: the result, the comparison beside its source, the contact sheet.

All are made while the frames are generated, encoded in threads. Text is drawn by Pillow with the
font in its wheel, so that the images do not depend on the machine's fonts.
"""

import itertools
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from motiontransfer.core import layout
from motiontransfer.core.arrays import AnyFrame, Frame, MaskedFrame
from motiontransfer.core.parallel import in_thread
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.core.storage import replacing
from motiontransfer.pose.drawing import PoseMapStyle, draw_pose
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.rendering.compositing import VisibleLabel, with_label
from motiontransfer.video.clip import Clip
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize, width_at
from motiontransfer.video.isolation import run_isolated
from motiontransfer.video.writer import RESULT_PRESET, store_sound, video_writer

_LABELS = ("source", "pose", "result", "truth")  # of the panels, in their order
BACKGROUND = (20, 21, 24)
TEXT = (236, 238, 242)
_QUIET_TEXT = (158, 163, 172)
_PANEL_GAP_PX = 4
_TILE_GAP_PX = 4
_MARGIN_PX = 12
_LARGEST_TILE_PX = 256
_LARGEST_SHEET_PX = 1600  # width
_LARGEST_PANEL_PX = 540
_MIN_FONT_PX = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Panels:
    """Panels of a comparison beside the result, synchronized frame by frame."""

    source: Path | Iterator[Frame]
    """Frames of the source subject."""
    poses: Keypoints
    """Poses as they were rendered."""
    truth: Path | None
    """Ground truth: the target filmed performing the same motion; None where there is none."""
    style: PoseMapStyle
    """Whose line width the pose panel has."""


@contextmanager
def result_writer(
    path: Path, source: Clip, *, crf: int, comment: str = ""
) -> Generator[Callable[[Frame | MaskedFrame], None]]:
    """Writer of a video in the time of a clip, with its sound: in WebM, as Opus."""
    sound = source.sound
    with TemporaryDirectory(prefix="motiontransfer-") as folder:
        if sound and path.suffix == ".webm":
            opus, start = Path(folder) / "sound.mka", -sound.offset_seconds
            how = {"origin_seconds": start, "codec": "libopus"}
            sound = run_isolated(store_sound, sound.file, opus, **how)
        with video_writer(
            path,
            frame_rate=source.frame_rate,
            sound=sound,
            crf=crf,
            preset=RESULT_PRESET,
            comment=comment,
        ) as write:
            yield write


@contextmanager
def transfer_writer(
    folder: Path, source: Clip, *, crf: int, visible_label: VisibleLabel = "none", comment: str = ""
) -> Generator[Callable[[Frame], None]]:
    """Writer of transfer.mp4, in a thread."""
    file = folder / layout.TRANSFER_FILE
    with result_writer(file, source, crf=crf, comment=comment) as encode:

        def write(frame: Frame) -> None:
            encode(with_label(frame) if visible_label == "corner" else frame)

        with in_thread(write) as write_later:
            yield write_later


def check_truth(panels: Panels) -> None:
    """Check that a ground truth has as many frames.

    Raises:
        VideoError: it has not.
    """
    if panels.truth is not None:
        advice = "the ground truth shows the source's motion frame by frame"
        with FrameStore(panels.truth) as store:
            store.check_length(panels.poses.num_frames, advice)


@contextmanager
def comparison_writer(
    folder: Path,
    panels: Panels,
    source: Clip,
    *,
    contact_sheet_file: Path,
    num_columns: int,
    crf: int,
) -> Generator[Callable[[Frame], None]]:
    """Writer of comparison.mp4 and a contact sheet by the result's frames, in a thread.

    The comparison shows source, pose, result and ground truth side by side. The contact sheet has a
    column of them for each of `num_columns` frames. One column shows the middle frame.
    """
    chosen = evenly_spaced(range(panels.poses.num_frames), count=num_columns)
    if num_columns == 1:
        chosen = [(panels.poses.num_frames - 1) // 2]
    columns: list[Mapping[str, Frame]] = []
    with (
        result_writer(folder / layout.COMPARISON_FILE, source, crf=crf) as encode,
        closing(_other_panels(panels)) as others,
    ):
        numbers = itertools.count()

        def compare(frame: Frame) -> None:
            row = {**next(others), "result": frame}
            shown = {label: row[label] for label in _LABELS if label in row}
            if next(numbers) in chosen:
                columns.append(shown)
            encode(side_by_side(shown))

        with in_thread(compare) as compare_later:
            yield compare_later
    rate = float(source.frame_rate)
    sheet = contact_sheet(
        {label: [column[label] for column in columns] for label in columns[0]},
        [f"{index / rate:.1f} s" for index in chosen],
    )
    write_image(contact_sheet_file, sheet)


def _other_panels(panels: Panels) -> Generator[dict[str, Frame]]:
    """All panels but the result, by label, frame by frame."""
    poses = panels.poses
    with ExitStack() as stack:
        source = panels.source
        if isinstance(source, Path):
            source = stack.enter_context(FrameStore(source)).frames()
        videos = {"source": source}
        if panels.truth is not None:
            videos["truth"] = stack.enter_context(FrameStore(panels.truth)).frames()
        for index in range(poses.num_frames):
            pose = draw_pose(poses, index, style=panels.style)
            yield {"pose": pose, **{label: next(video) for label, video in videos.items()}}


def side_by_side(panels: Mapping[str, AnyFrame]) -> AnyFrame:
    """Place panels from left to right, each below its label, all as high as the highest.

    At most 540 pixels: they are looked at beside each other. The strip's height is even, so that
    panels of even height give an image of even height.
    """
    height = min(max(panel.shape[0] for panel in panels.values()), _LARGEST_PANEL_PX)
    strip_height = 2 * max(9, round(height * 0.045))
    gap = np.full((height + strip_height, _PANEL_GAP_PX, 3), BACKGROUND, np.uint8)
    columns: list[np.ndarray] = []
    for label, panel in panels.items():
        width = width_at(panel.shape[:2], height)
        strip = text_on_background(label, (strip_height, width), strip_height * 3 // 5, TEXT)
        columns += [gap, np.concatenate([strip, resize(panel, (height, width))])]
    return np.concatenate(columns[1:], axis=1)


def panel_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) in which images of a size are compared, at most 540 pixels high."""
    height = min(size[0], _LARGEST_PANEL_PX)
    return height, width_at(size, height)


def contact_sheet(rows: Mapping[str, Sequence[AnyFrame]], captions: Sequence[str]) -> AnyFrame:
    """Lay out frames as a grid: a label left of each row, a caption above each column.

    Frames are made smaller so that the sheet is at most 1600 pixels wide, and never larger.
    """
    widest = max(frame.shape[1] for frames in rows.values() for frame in frames)
    font_px = min(max(widest // 9, 11), 17)
    label_width = max(_text_width(label, font_px) for label in rows) + 2 * _MARGIN_PX
    tiles_width = _LARGEST_SHEET_PX - label_width - _MARGIN_PX - (len(captions) - 1) * _TILE_GAP_PX
    tile_width = max(1, min(tiles_width // len(captions), widest, _LARGEST_TILE_PX))
    step = tile_width + _TILE_GAP_PX
    lefts = [label_width + column * step for column in range(len(captions))]
    # High enough for each of the row's frames at full width.
    heights = [
        max(1, *(round(frame.shape[0] * tile_width / frame.shape[1]) for frame in frames))
        for frames in rows.values()
    ]
    tops = 2 * font_px + np.cumsum([0, *(height + _TILE_GAP_PX for height in heights)])
    sheet = np.empty(
        (tops[-1] - _TILE_GAP_PX + _MARGIN_PX, lefts[-1] + tile_width + _MARGIN_PX, 3), np.uint8
    )
    sheet[:] = BACKGROUND
    for left, caption in zip(lefts, captions, strict=True):
        text = text_on_background(caption, (2 * font_px, tile_width), font_px - 2, _QUIET_TEXT)
        sheet[: 2 * font_px, left : left + tile_width] = text
    for top, height, (label, frames) in zip(tops.tolist(), heights, rows.items(), strict=False):
        text = text_on_background(label, (height, label_width), font_px, TEXT)
        sheet[top : top + height, :label_width] = text
        for left, frame in zip(lefts, frames, strict=True):
            place(sheet, frame, top=top, left=left, size=(height, tile_width))
    return sheet


def write_image(path: Path, image: AnyFrame) -> None:
    """Write an image in the format of its name."""
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary)


def place(sheet: AnyFrame, frame: AnyFrame, *, top: int, left: int, size: tuple[int, int]) -> None:
    """Put a frame into its tile, as large as fits, centered."""
    scale = min(size[0] / frame.shape[0], size[1] / frame.shape[1])
    height = min(max(1, round(frame.shape[0] * scale)), size[0])
    width = min(max(1, round(frame.shape[1] * scale)), size[1])
    y, x = top + (size[0] - height) // 2, left + (size[1] - width) // 2
    image = Image.fromarray(np.ascontiguousarray(frame))
    sheet[y : y + height, x : x + width] = image.resize((width, height), Image.Resampling.LANCZOS)


def _text_width(text: str, font_px: int) -> int:
    return int(np.ceil(ImageFont.load_default(size=font_px).getlength(text)))


@lru_cache(maxsize=256)
def text_on_background(
    text: str, size: tuple[int, int], font_px: int, color: tuple[int, int, int]
) -> AnyFrame:
    """Centered text, made smaller where it would not fit; cached: a video's labels never change."""
    height, width = size
    while font_px > _MIN_FONT_PX and _text_width(text, font_px) > width - 2:
        font_px -= 1
    image = Image.new("RGB", (width, height), BACKGROUND)
    font = ImageFont.load_default(size=font_px)
    ImageDraw.Draw(image).text((width / 2, height / 2), text, color, font, anchor="mm")
    return np.asarray(image)
