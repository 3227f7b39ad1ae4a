"""Guides to film oneself by: a film to follow, and a sheet of the poses to strike.

The film is played on a screen beside the camera. It shows a still pose, a turn if the dance turns,
the dance at half speed, then held key poses. It is mirrored as a teacher's, so that left is left:
the screen's left side shows what the viewer's left side does.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw

from motiontransfer.core.arrays import AnyFrame
from motiontransfer.core.progress import track
from motiontransfer.filming.key_poses import KeyPoses
from motiontransfer.pose.drawing import draw_rgb
from motiontransfer.pose.facing import lacks_back
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.rendering.videos import (
    BACKGROUND,
    TEXT,
    place,
    side_by_side,
    text_on_background,
    write_image,
)
from motiontransfer.video.clip import Clip, detection_frames
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import enclosing_box, resize
from motiontransfer.video.soundtrack import RATE, mix, read_slowed, signal, write_wave
from motiontransfer.video.writer import Sound, store_sound, video_writer

_SIZE = (720, 1280)
_STRIP_PX, _FONT_PX, _BAR_PX = 72, 40, 12
_BAR = (90, 200, 120)
_MARGIN = 0.1  # around all poses, of their extent
_CRF = 22
_NEXT_PX = (320, 240)  # from the top, and wide: the pose that comes next
_SHEET_COLUMNS, _CELL_PX = 4, 400

_STAND_SECONDS, _TURN_SECONDS = 4.0, 8.0
_CHANGE_SECONDS, _HOLD_SECONDS = 0.75, 2  # of a pose: to take it, to stay in it
_SLOWER = 2  # times, that one can dance along
_LONGEST_SECONDS = 60  # of the dance: its hardest minute
_TICK_HERTZ, _END_HERTZ, _TICK_SECONDS, _END_SECONDS = 880.0, 1320.0, 0.06, 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    caption: str
    shown: Sequence[int | None]
    """Frame of the dance for each frame of the guide; None: none."""
    ticks: Sequence[float] = ()
    """Seconds from its start; a longer signal is at its end."""
    turns: bool = False
    dances: bool = False
    """With the dance's sound."""
    following: int | None = None
    """Frame of the dance that comes next, shown small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidePlan:
    """What one is to do, in this order."""

    dance: range
    """Frames to dance along with."""
    poses: Sequence[int]
    """Frames of the dance whose poses are to be struck."""
    turns: bool
    """Whether to turn around once."""

    @classmethod
    def of(cls, dance: Keypoints, filmed: Sequence[Keypoints], poses: KeyPoses) -> "GuidePlan":
        """The guide to a dance for whom films are there: a turn is asked for that none shows."""
        gains = np.zeros(dance.num_frames)
        gains[list(poses.frames)] = np.diff(poses.coverage)
        length = min(dance.num_frames, round(_LONGEST_SECONDS * dance.frame_rate))
        within = np.convolve(gains, np.ones(length), "valid")
        start = int(within.argmax())
        frames, turns = range(start, start + length), lacks_back(dance, filmed)
        return cls(dance=frames, poses=sorted(poses.frames), turns=turns)

    def summary(self, poses: KeyPoses) -> str:
        """What is to be filmed, and how much of the dance is covered then."""
        before, after = (100 * poses.coverage[number] for number in (0, -1))
        turn = "one turn, " if self.turns else ""
        known = f", {before:.0f} % before" if before > 0 else ""
        covered = f"covers {after:.0f} % of the dance{known}"
        return f"{turn}{len(self.poses)} poses to strike, which {covered}"

    def scenes(self, frame_rate: Fraction) -> list[_Part]:
        def frames(seconds: float) -> int:
            return round(seconds * frame_rate)

        stand = "Stand still, face the camera: whole body in view, arms a little off it"
        scenes = [_Part(caption=stand, shown=[None] * frames(_STAND_SECONDS))]
        if self.turns:
            shown = [None] * frames(_TURN_SECONDS)
            scenes.append(_Part(caption="Turn around once, slowly", shown=shown, turns=True))
        along = [frame for frame in self.dance for _ in range(_SLOWER)]
        scenes.append(_Part(caption="Dance along, at half speed", shown=along, dances=True))
        ticks = [_CHANGE_SECONDS + second for second in range(_HOLD_SECONDS)]
        for number, frame in enumerate(self.poses, 1):
            then = next(iter(self.poses[number:]), None)
            caption = f"Pose {number} of {len(self.poses)}: hold it until the long tone"
            shown = [frame] * frames(_CHANGE_SECONDS + _HOLD_SECONDS)
            scenes.append(_Part(caption=caption, shown=shown, ticks=ticks, following=then))
        return scenes


def write_guide(path: Path, guide: GuidePlan, dance: Keypoints, clip: Clip) -> None:
    """Write the film of a guide, with the dance's sound, slowed, and signals for the poses."""
    scenes = guide.scenes(clip.frame_rate)
    num_frames = sum(len(scene.shown) for scene in scenes)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="motiontransfer-")))
        write_wave(folder / "guide.wav", _sound(scenes, guide, clip))
        store_sound(folder / "guide.wav", folder / "guide.mka", origin_seconds=0.0)
        store = stack.enter_context(FrameStore(detection_frames(clip.frames.parent)))
        write = stack.enter_context(
            video_writer(
                path,
                frame_rate=clip.frame_rate,
                sound=Sound(folder / "guide.mka"),
                crf=_CRF,
                preset="veryfast",
            )
        )
        for frame in track(_frames(scenes, _Pictures(store, dance)), "guide", total=num_frames):
            write(frame)


def write_guide_sheet(path: Path, guide: GuidePlan, dance: Keypoints, clip: Clip) -> None:
    """Write a page of the poses, numbered as in the film."""
    cells: list[AnyFrame] = []
    with FrameStore(detection_frames(clip.frames.parent)) as store:
        pictures = _Pictures(store, dance)
        for number, frame in enumerate(guide.poses, 1):
            pair = side_by_side(
                {str(number): pictures.panels(frame)[0], "": pictures.panels(frame)[1]}
            )
            cells.append(resize(pair, (pair.shape[0] * _CELL_PX // pair.shape[1], _CELL_PX)))
    if not cells:
        told = "Your films show all poses of this dance"
        cells = [text_on_background(told, (_STRIP_PX, _CELL_PX), _FONT_PX, TEXT)]
    empty = np.full_like(cells[0], BACKGROUND)
    cells += [empty] * (-len(cells) % _SHEET_COLUMNS)
    rows = [cells[start : start + _SHEET_COLUMNS] for start in range(0, len(cells), _SHEET_COLUMNS)]
    page = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    write_image(path, page)


class _Pictures:
    """The dancer and their pose as a stick figure, mirrored, cut to where the dance moves."""

    def __init__(self, store: FrameStore, dance: Keypoints) -> None:
        self._store, self._dance = store, dance.resized(store.size)
        seen = self._dance.points[self._dance.score > 0]
        box = enclosing_box(seen, margin=_MARGIN, image_size=store.size)
        self._box = box or (0, 0, *store.size[::-1])
        self.panels = lru_cache(4)(self._panels)

    def _panels(self, index: int) -> tuple[AnyFrame, AnyFrame]:
        x0, y0, x1, y1 = self._box
        figure = draw_rgb(
            self._dance.points[index],
            self._dance.score[index],
            skeleton=self._dance.skeleton,
            size=self._dance.image_size,
        )
        film = self._store[index]
        return film[y0:y1, x0:x1][:, ::-1], figure[y0:y1, x0:x1][:, ::-1]


def _frames(scenes: Sequence[_Part], pictures: _Pictures) -> Iterator[AnyFrame]:
    height, width = _SIZE
    for scene in scenes:
        page = np.full((height, width, 3), BACKGROUND, np.uint8)
        page[:_STRIP_PX] = text_on_background(scene.caption, (_STRIP_PX, width), _FONT_PX, TEXT)
        if scene.following is not None:
            next_up = page[_STRIP_PX + _NEXT_PX[0] :, -_NEXT_PX[1] :]
            next_up[:_STRIP_PX] = text_on_background(
                "next", (_STRIP_PX, _NEXT_PX[1]), _FONT_PX // 2, TEXT
            )
            _fill(next_up[_STRIP_PX:-_BAR_PX], pictures.panels(scene.following)[1:])
        shown = page[_STRIP_PX:-_BAR_PX, : width - _NEXT_PX[1] * bool(scene.ticks)]
        before: int | None = None
        for number, index in enumerate(scene.shown):
            if index is not None and index != before:
                _fill(shown, pictures.panels(index))
                before = index
            share = (number + 1) / len(scene.shown)
            frame = _with_arrow(page, share) if scene.turns else page.copy()
            frame[-_BAR_PX:, : round(share * width)] = _BAR
            yield frame


def _fill(page: AnyFrame, panels: Sequence[AnyFrame]) -> None:
    """Put panels side by side, as large as fits."""
    height, width = page.shape[0], page.shape[1] // len(panels)
    page[:] = BACKGROUND
    for number, panel in enumerate(panels):
        place(page, panel, top=0, left=number * width, size=(height, width))


def _with_arrow(page: AnyFrame, share: float) -> AnyFrame:
    """Which way one faces, seen from above: the camera is below."""
    image = Image.fromarray(page)
    draw = ImageDraw.Draw(image)
    height, width = _SIZE
    x, y, radius = width / 2, height / 2 + _STRIP_PX / 2, height / 4
    angle = math.pi / 2 + math.tau * share
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=TEXT, width=3)
    end = (x + radius * math.cos(angle), y + radius * math.sin(angle))
    draw.line((x, y, *end), fill=_BAR, width=10)
    draw.ellipse((end[0] - 16, end[1] - 16, end[0] + 16, end[1] + 16), fill=_BAR)
    return np.array(image)


def _sound(scenes: Sequence[_Part], guide: GuidePlan, clip: Clip) -> np.ndarray:
    rate = clip.frame_rate
    total = sum(len(scene.shown) for scene in scenes) / rate
    sound = np.zeros((round(total * RATE), 2), np.float32)
    began = 0.0
    for scene in scenes:
        seconds = float(len(scene.shown) / rate)
        if clip.sound is not None and scene.dances:
            slowed = read_slowed(
                clip.sound,
                factor=float(_SLOWER),
                start_seconds=float(guide.dance.start / rate),
                seconds=seconds,
            )
            mix(sound, slowed, at_seconds=began)
        for tick in scene.ticks:
            mix(sound, signal(_TICK_HERTZ, _TICK_SECONDS), at_seconds=began + tick)
        end = began + seconds - _END_SECONDS
        mix(sound, signal(_END_HERTZ, _END_SECONDS), at_seconds=end)
        began += seconds
    return sound
