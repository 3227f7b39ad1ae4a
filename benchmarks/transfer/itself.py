"""A reference drawn in its own pose should be itself: what cutting and order of layers lose.

    python -m benchmarks.transfer.itself PROJECT TARGET ... [--references 24] [--pictures FOLDER]
        [--write CSV] [--against CSV]

References of each target of a project are cut by this checkout; artifacts/ has the poses, frames
and masks. Each is drawn with all its parts in its own pose, which needs no choice and no dance.
A row has, by the side from which the body is seen:

- own: share of the person's pixels that are the frame's own, up to noise;
- lost: share that shows the room;
- likeness of the person;
- IoU of the parts, where TARGET ends with _suit: see suit.py.

With `--against`, of what an earlier run wrote there, also differences with their standard errors.
FOLDER gets the worst frames: as filmed, as drawn, and where they differ.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from jaxtyping import Bool
from PIL import Image

from benchmarks.machine import recorded
from benchmarks.puppet import cut_here
from benchmarks.transfer.suit import compare, part_map, room_colors
from benchmarks.transfer.turning import GROUPS
from motiontransfer.body.parts import BodyPoses, body_scales, cosine_from_front
from motiontransfer.core.arrays import Frame
from motiontransfer.evaluation.likeness import likeness
from motiontransfer.plate.background import median_background
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.masks import SOLID
from motiontransfer.plate.target_clips import NOTHING_HELD_OUT, read_target_clips
from motiontransfer.pose.keypoints import resize_points
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.draw.occlusion import parts_by_depth
from motiontransfer.puppet.draw.warping import Puppet, PuppetClip
from motiontransfer.puppet.fit.fitting import choose_references, target_appearance
from motiontransfer.rendering.compositing import draw_puppet, without_mask
from motiontransfer.video.geometry import resize

_VIEWS = {"back": -0.8, "half back": -0.4, "profile": 0.4, "half": 0.8, "front": np.inf}
"""Up to which cosine of the body's turn."""
_NOISE = 20  # levels of 255, of the channel that differs most: two codings and one interpolation
_NUM_SHOWN = 6  # worst frames of a target
_FIGURES = ("own", "lost", "likeness", "IoU", *GROUPS)


class _Drawn(NamedTuple):
    """A reference as filmed and as drawn."""

    frame: Frame
    drawn: Frame
    person: Bool[np.ndarray, "height width"]
    room: Frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    parser.add_argument("--references", type=int, default=24)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--against", type=Path)
    arguments = parser.parse_args()
    cut_here()
    found = pd.concat(
        [
            pd.DataFrame(
                _measured(arguments.project, target, arguments.references, arguments.pictures)
            )
            for target in arguments.targets
        ]
    )
    if arguments.write:
        found.to_csv(arguments.write, index=False)
    with recorded("itself") as rows:
        rows += _table(found)
        if arguments.against:
            before = pd.read_csv(arguments.against)
            keys = ["target", "frame", "view"]
            both = found.merge(before, on=keys, suffixes=("", " before"))
            for name in _FIGURES:
                both[name] -= both[f"{name} before"]
            rows += _table(both, of="change")


def _table(found: pd.DataFrame, of: str = "") -> Iterator[dict[str, object]]:
    """Means by what is worn and view, with standard errors."""
    for worn, of_worn in found.groupby(found.target.str.endswith("_suit")):
        for view in (*_VIEWS, "all"):
            frames = of_worn if view == "all" else of_worn[of_worn["view"] == view]
            if len(frames):
                row = {"of": of, "worn": "suit" if worn else "clothes", "view": view}
                yield (
                    row
                    | {"frames": len(frames)}
                    | {
                        name: f"{frames[name].mean():.4f} ± {frames[name].sem():.4f}"
                        for name in _FIGURES
                        if frames[name].notna().any()
                    }
                )


def _measured(
    project: Path, target: str, count: int, pictures: Path | None
) -> list[dict[str, object]]:
    with FullSizeFrames(read_target_clips(target, NOTHING_HELD_OUT, root=project)) as frames:
        references = choose_references(frames, count=count)
        room = median_background(frames, among=references)
        appearance = target_appearance(frames, room, references)
        rows, drawn = [], [*_drawn_as_filmed(appearance, frames, references)]
    colored = room_colors(appearance.background) if target.endswith("_suit") else None
    poses = BodyPoses(appearance.skeleton, appearance.points, appearance.score)
    heights = appearance.height_px * body_scales(poses, appearance.full_lengths)
    cosines = np.nan_to_num(cosine_from_front(poses, heights), nan=1)
    for (clip, index), cosine, one in zip(references, cosines, drawn, strict=True):
        view = next(name for name, limit in _VIEWS.items() if cosine <= limit)
        row = {"target": target, "frame": f"{clip} {index}", "view": view, **_compared(one)}
        rows.append(dict.fromkeys(_FIGURES, np.nan) | row | _of_suit(one, colored))
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        for number in np.argsort([row["own"] for row in rows])[:_NUM_SHOWN]:
            name = f"{target} {rows[number]['frame']} {rows[number]['view']}.png"
            Image.fromarray(_picture(drawn[number])).save(pictures / name)
    return rows


def _drawn_as_filmed(
    appearance: Appearance, frames: FullSizeFrames, references: Sequence[tuple[int, int]]
) -> Iterator[_Drawn]:
    puppet, size = Puppet(appearance), appearance.background.shape[:2]
    poses = BodyPoses(appearance.skeleton, appearance.points, appearance.score)
    scales = body_scales(poses, appearance.full_lengths)
    is_there = [[patch is not None for patch in row] for row in appearance.patches]
    chosen = np.where(is_there, np.arange(len(references))[:, None], -1)
    by_depth = _by_depth(appearance, puppet, frames, references)
    still, no_hair = np.zeros(chosen.shape), np.zeros(len(references))
    clip = PuppetClip(puppet, poses, scales, chosen, still, no_hair, by_depth, 0)
    for number, (film, index) in enumerate(references):
        mask = resize(frames.masks[film][index], size)
        drawn = without_mask(draw_puppet(clip, number, size, appearance.background))
        frame = np.array(frames[film, index][..., :3])
        yield _Drawn(frame, drawn, mask > SOLID, appearance.background)


def _by_depth(
    appearance: Appearance,
    puppet: Puppet,
    frames: FullSizeFrames,
    references: Sequence[tuple[int, int]],
) -> np.ndarray:
    """Parts of each reference from the farthest to the nearest, as its film tells."""
    orders = []
    for clip in frames.clips:
        keypoints = clip.keypoints
        points = resize_points(keypoints.points, np.divide(frames.size, keypoints.image_size)[::-1])
        poses = BodyPoses(keypoints.skeleton, points, keypoints.score)
        heights = appearance.height_px * body_scales(poses, appearance.full_lengths)
        orders.append(parts_by_depth(puppet.parts, poses, heights, keypoints.depth))
    return np.stack([orders[clip][index] for clip, index in references])


def _compared(one: _Drawn) -> dict[str, float]:
    differs = cv2.absdiff(one.frame, one.drawn).max(axis=2) > _NOISE
    is_room = cv2.absdiff(one.room, one.drawn).max(axis=2) == 0
    rows, columns = (np.flatnonzero(one.person.any(axis=axis)) for axis in (1, 0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return {
        "own": 1 - float(differs[one.person].mean()),
        "lost": float((differs & is_room)[one.person].mean()),
        "likeness": likeness(one.frame, one.drawn, box),
    }


def _of_suit(one: _Drawn, colored: Bool[np.ndarray, "height width"] | None) -> dict[str, float]:
    if colored is None:
        return {}
    want, got = (np.where(colored, np.int8(-1), part_map(of)) for of in (one.frame, one.drawn))
    iou = compare(want, got).iou
    groups = {
        group: [value for name, value in iou.items() if name.startswith(things)]
        for group, things in GROUPS.items()
    }
    means = {group: float(np.mean(values)) for group, values in groups.items() if values}
    return {"IoU": float(np.mean([*iou.values()])), **means}


def _picture(one: _Drawn) -> Frame:
    differs = (cv2.absdiff(one.frame, one.drawn).max(axis=2) > _NOISE) & one.person
    shown = np.where(differs[..., None], np.uint8([255, 0, 255]), one.frame // 2)
    rows, columns = (np.flatnonzero(one.person.any(axis=axis)) for axis in (1, 0))
    box = np.s_[max(rows[0] - 10, 0) : rows[-1] + 10, max(columns[0] - 10, 0) : columns[-1] + 10]
    return np.hstack([one.frame[box], one.drawn[box], shown[box]])


if __name__ == "__main__":
    main()
