"""What each number of fusion and inpainting is worth: rooms behind a person who stands elsewhere.

    python -m benchmarks.transfer.rooms PROJECT/TARGET ... PHOTO ... [--only NUMBER[=VALUE] ...]

PROJECT has the frames, keypoints and masks of TARGET. The room is made anew as if the person were
also some shares of the picture's width aside. So frames hide places of which the room is known. Of
a turning actor it is the empty room, of a film the median where nearly all frames show it. What is
filled of a photo, its room and parts, is filled once more with as much hidden beside it.
Numbers are changed one after another, as `benchmarks.transfer.rules` does.

Columns are means over rooms or parts of what a trial gains, with their standard errors and counts:

- patches, seen: levels of 255 that the room is nearer to the truth where no frame shows it, and
  where some do;
- edges: the same of differences between neighbors, wherever the person stands aside;
- likeness: of boxes around what no frame or photo shows;
- photos: levels that a photo's room is nearer;
- made up, joined: levels that parts are nearer, made up by themselves or joined to another side.

The first row has what is there today: errors, of likeness what lacks to 1. The folder `rooms` of
the results gets the rooms that change most: truth, before, after.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool
from PIL import Image

from benchmarks.machine import RESULTS, recorded
from benchmarks.puppet import change, cut_here, in_fork
from benchmarks.transfer.rules import Trial, text_of, trials
from benchmarks.transfer.turning_films import empty_room, read_definition
from motiontransfer.core.arrays import Frame, PixelMask
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.evaluation.likeness import likeness
from motiontransfer.live.photo import person_in_photos
from motiontransfer.plate import background, inpainting
from motiontransfer.plate.background import beside_person
from motiontransfer.plate.full_size import FullSizeFrames, resampled
from motiontransfer.plate.target_clips import NOTHING_HELD_OUT, read_target_clips
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.puppet.fit import cutting, photo

_MODULES = ["fusion", "inpainting"]
_ROWS = 512  # of rooms
_NUM_FRAMES = 60
_ASIDE = (0, -0.4, -0.2, 0.2, 0.4)  # shares of the width
_SHOWN = 0.9  # share of the frames by which a room is known
_STILL = 24  # levels between the deciles of its frames
_FEWEST_PIXELS = 200  # that have a figure
_NUM_SHOWN = 6

_ROOM = ("patches", "seen", "edges", "likeness")
_PARTS = {"inpainted": "made up", "blended": "joined"}
Figures = Mapping[str, float]
Made = tuple[Frame, Figures]


class _Room(NamedTuple):
    """A room of which more is hidden than the film hides."""

    name: str
    frames: FullSizeFrames
    is_free: Bool[np.ndarray, "frames rows columns"]
    height_px: float
    truth: Frame
    is_judged: PixelMask
    """What some frames do not show, and the truth does."""

    def make(self) -> Made:
        frames = self.frames
        image, is_hidden = background.room_behind(
            frames.kept, self.is_free, frames.size, self.height_px
        )
        return image, self._figures(image, is_hidden)

    def _figures(self, image: Frame, is_hidden: PixelMask) -> Figures:
        judged, hidden = self.is_judged, self.is_judged & is_hidden
        places = {"patches": hidden, "seen": judged & ~is_hidden}
        figures = {name: _apart(image, self.truth, place) for name, place in places.items()}
        slopes = [np.diff(one.astype(np.float32), axis=1) for one in (image, self.truth)]
        figures["edges"] = _apart(*slopes, judged[:, 1:] & judged[:, :-1])
        x, y, width, height = cv2.boundingRect(hidden.astype(np.uint8))
        if hidden.sum() > _FEWEST_PIXELS:
            shown = np.where(judged[..., None], image, self.truth)
            figures["likeness"] = 1 - likeness(self.truth, shown, (x, y, x + width, y + height))
        return figures


class _Photo(NamedTuple):
    """A photo's room or part, of which more is hidden, and what it is filled by."""

    by: str
    truth: Frame
    guide: Frame | None
    is_hidden: PixelMask
    is_beyond: PixelMask | None
    is_judged: PixelMask

    def make(self) -> Made:
        image = np.where(self.is_hidden[..., None], np.uint8(0), self.truth)
        if self.guide is None:
            made = inpainting.inpainted(image, self.is_hidden, is_beyond=self.is_beyond)
        else:
            made, is_beyond = image.copy(), self.is_beyond
            levels = inpainting.blended(image, self.guide, self.is_hidden, is_beyond=is_beyond)
            made[self.is_hidden] = levels.round().clip(0, 255)
        name = "photos" if self.is_beyond is None else _PARTS[self.by]
        figures = {name: _apart(made, self.truth, self.is_judged)}
        if self.is_beyond is None:
            x, y, width, height = cv2.boundingRect(self.is_judged.astype(np.uint8))
            shown = np.where(self.is_judged[..., None], made, self.truth)
            box = x, y, x + width, y + height
            figures["likeness"] = 1 - likeness(self.truth, shown, box)
        return made, figures


_Sample = _Room | _Photo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+", type=Path, metavar="TARGET or PHOTO")
    parser.add_argument("--only", nargs="*", default=_MODULES, metavar="NUMBER[=VALUE]")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)  # its threads do not outlive a fork
    with recorded("rooms") as rows, ExitStack() as stack:
        samples: list[_Sample] = []
        for path in arguments.targets:
            if path.is_file():
                samples += in_fork(_photo, path)
                continue
            clips = read_target_clips(path.name, NOTHING_HELD_OUT, root=path.parent)
            frames = stack.enter_context(FullSizeFrames(clips, most_rows=_ROWS))
            samples += _rooms(path.name, frames)
        before = in_fork(_make, samples)
        figures = [made[1] for made in before]
        rows.append({"numbers": "as they are", "pixels": "", **_cells(figures)})
        for trial in trials(arguments.only):
            rows.append({"numbers": text_of(trial), **in_fork(_gains, samples, before, trial)})
            print(rows[-1], flush=True)  # noqa: T201


def _rooms(name: str, frames: FullSizeFrames) -> Iterator[_Room]:
    clip, masks = frames.clips[0], frames.masks[0]
    keys = [(0, index) for index in evenly_spaced(masks.frame_index.tolist(), count=_NUM_FRAMES)]
    images = np.array([*frames.read(keys)])
    height_px = body_height_px(clip.keypoints.resized(masks.masks.shape[1:]))
    shown = [masks[index] for _, index in keys]
    is_free = np.array([beside_person(mask, height_px) for mask in shown])
    low, truth, high = np.quantile(images, [0.1, 0.5, 0.9], axis=0).astype(np.uint8)
    is_known = resampled(is_free.mean(axis=0) >= _SHOWN, frames.size)
    is_known &= (high.astype(int) - low).max(axis=2) < _STILL
    definition, (pair, _, film) = read_definition(), name.partition("_")
    if film in definition["pairs"].get(pair, {"films": ()})["films"]:
        truth, is_known = empty_room(definition, pair), np.ones(frames.size, bool)
    for share in _ASIDE:
        matrix = np.float32([[1, 0, share * is_free.shape[2]], [0, 1, 0]])
        aside = [cv2.warpAffine(mask, matrix, mask.shape[::-1]) for mask in shown]
        free = is_free & np.array([beside_person(mask, height_px) for mask in aside])
        is_judged = is_known & resampled(~free.all(axis=0), frames.size)
        if is_judged.sum() > _FEWEST_PIXELS:
            yield _Room(f"{name} {share:+.1f}", frames, free, height_px, truth, is_judged)


def _photo(path: Path) -> list["_Photo"]:
    """The room of a photo and the parts that are made up of it, of each more than it hides."""
    calls: list[tuple[str, tuple, PixelMask | None]] = []

    def noted(by: str, fill: Callable) -> Callable:
        def call(*images: np.ndarray, is_beyond: PixelMask | None = None) -> np.ndarray:
            calls.append((by, images, is_beyond))
            return fill(*images, is_beyond=is_beyond)

        return call

    vars(photo).update(inpainted=noted("inpainted", inpainting.inpainted))
    vars(cutting).update({by: noted(by, getattr(inpainting, by)) for by in _PARTS})
    cut_here()
    person_in_photos([path])
    found = []
    for by, (image, *guide, is_hidden), is_beyond in calls:
        beyond = np.zeros_like(is_hidden) if is_beyond is None else is_beyond
        is_judged = _beside(is_hidden, ~(is_hidden | beyond))
        if is_judged.sum() > _FEWEST_PIXELS:
            hidden, of = is_hidden | is_judged, guide[0] if guide else None
            found.append(_Photo(by, image, of, hidden, is_beyond, is_judged))
    return found


def _beside(is_hidden: PixelMask, is_shown: PixelMask) -> PixelMask:
    """Shown pixels in the place of what is hidden, moved by its size to where most is shown."""
    _, _, width, height = cv2.boundingRect(is_hidden.astype(np.uint8))
    best = np.zeros_like(is_hidden)
    for right, down in ((width, 0), (-width, 0), (0, height), (0, -height)):
        matrix = np.float32([[1, 0, right], [0, 1, down]])
        size = is_hidden.shape[::-1]
        moved = cv2.warpAffine(is_hidden.astype(np.uint8), matrix, size) > 0
        best = max(best, moved & is_shown, key=np.count_nonzero)
    return best if best.sum() < is_shown.sum() / 2 else np.zeros_like(best)


def _apart(one: np.ndarray, other: np.ndarray, place: PixelMask) -> float:
    """Levels, of all channels."""
    if np.count_nonzero(place) < _FEWEST_PIXELS:
        return np.nan
    return float(np.abs(one[place].astype(np.float32) - other[place]).mean())


def _make(samples: Sequence[_Sample]) -> list[Made]:
    return [sample.make() for sample in samples]


def _gains(samples: Sequence[_Sample], before: Sequence[Made], trial: Trial) -> dict[str, str]:
    """The cells of a trial's row."""
    for number, value in trial.items():
        change(number, value)
    try:
        after = _make(samples)
    except (ArithmeticError, ValueError, RuntimeError, cv2.error) as error:
        return {"pixels": f"fails: {type(error).__name__}"}
    changed = [
        float(np.any(was[0] != now[0], axis=2)[sample.is_judged].mean())
        for sample, was, now in zip(samples, before, after, strict=True)
    ]
    _show(samples, before, after, changed, RESULTS / "rooms" / f"{text_of(trial)}.png")
    gains = [
        {name: was[name] - now[name] for name in was}
        for (_, was), (_, now) in zip(before, after, strict=True)
    ]
    return {"pixels": f"{max(changed):.1%}", **_cells(gains)}


def _show(
    samples: Sequence[_Sample],
    before: Sequence[Made],
    after: Sequence[Made],
    changed: Sequence[float],
    file: Path,
) -> None:
    rooms = [at for at, one in enumerate(samples) if isinstance(one, _Room) and changed[at]]
    if not rooms:
        return
    apart = {at: _apart(before[at][0], after[at][0], samples[at].is_judged) for at in rooms}
    most = sorted(rooms, key=lambda at: -apart[at])[:_NUM_SHOWN]
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        np.hstack([cv2.resize(image, (_ROWS, _ROWS)) for image in images])
        for images in ((samples[at].truth, before[at][0], after[at][0]) for at in most)
    ]
    Image.fromarray(np.vstack(rows)).save(file)


def _cells(figures: Sequence[Figures]) -> dict[str, str]:
    cells = {}
    for name in (*_ROOM, "photos", *_PARTS.values()):
        values = np.array([one[name] for one in figures if np.isfinite(one.get(name, np.nan))])
        if len(values):
            error = values.std(ddof=1) / np.sqrt(len(values))
            cells[name] = f"{values.mean():+.4f} ± {error:.4f} ({len(values)})"
    return cells


if __name__ == "__main__":
    main()
