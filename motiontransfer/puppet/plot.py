"""Plot of an appearance: from which sides each body part was seen.

Limbs, hands and feet by their direction in the image, head and torso by where they face.
"""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8
from matplotlib.axes import Axes

from motiontransfer.body.parts import BodyPart, BodyPoses, body_scales
from motiontransfer.pose.plots import write_figure
from motiontransfer.puppet.appearance import Appearance, Patch
from motiontransfer.video.geometry import resize

_DIRECTIONS = ("↖", "←", "↙", "↓", "↘", "→", "↗", "↑")
_FACINGS = ("← back", "← profile", "← half", "front", "half →", "profile →", "back →", "back")
_FIRST = -3  # column of the first sector; 0 is downward, or to the camera
_ACROSS = {"head": ("left_eye", "right_eye"), "torso": ("left_shoulder", "right_shoulder")}
_WIDTH_QUANTILE = 0.9  # over references: some face the camera
_CELL_PX, _INCHES_PER_CELL = 96, 0.75
_NOT_SEEN, _GROUND = 40, 200
_NEVER_SEEN = np.array([115, 15, 60], np.uint8)  # and half of what is there
_HIGHEST_PX = 720  # of the background image here

Scales = Float64[np.ndarray, " references"]
Cell = UInt8[np.ndarray, "_ _ 4"]
"""RGB and coverage."""


def plot_appearance(
    path: Path, appearance: Appearance, is_filled: Bool[np.ndarray, "height width"], *, title: str
) -> None:
    """Write the background image and the best view of each part from each side as PNG.

    Args:
        is_filled: pixels of the background image that were never seen; they are tinted pink.
    """
    views = best_views(appearance)
    shown: dict[tuple[str, ...], list[str]] = {_FACINGS: [], _DIRECTIONS: []}
    for name in reversed(views):
        shown[_FACINGS if name in _ACROSS else _DIRECTIONS].append(name)
    height, width = appearance.background.shape[:2]
    columns = len(_DIRECTIONS)
    rows = (columns / 2 * min(height / width, 1), *map(len, shown.values()))
    inches = ((columns + 1.5) * _INCHES_PER_CELL, (sum(rows) + 2) * _INCHES_PER_CELL)
    with write_figure(path, width=inches[0], height=inches[1], tight=True) as figure:
        above, *sheets = figure.subplots(3, 1, height_ratios=rows)
        tinted = np.where(
            is_filled[..., None], appearance.background // 2 + _NEVER_SEEN, appearance.background
        )
        shrink = min(_HIGHEST_PX / height, 1)
        above.imshow(resize(tinted, (round(height * shrink), max(round(width * shrink), 1))))
        above.set_axis_off()
        parts = f"parts in {len(appearance.frames)} frames"
        above.set_title(f"{title}: background ({is_filled.mean():.1%} never seen), {parts}")
        for axes, (sides, names) in zip(sheets, shown.items(), strict=True):
            _draw_sheet(axes, sides, {name: views[name] for name in names})


def best_views(appearance: Appearance) -> dict[str, list[Cell | None]]:
    poses = BodyPoses(appearance.skeleton, appearance.points, appearance.score)
    scales = body_scales(poses, appearance.full_lengths)
    best: dict[tuple[str, int], Patch] = {}
    for number, part in enumerate(appearance.parts):
        sectors = _sectors(part, poses, scales).tolist()
        for patches, sector in zip(appearance.patches, sectors, strict=True):
            patch, before = patches[number], best.get((part.name, sector))
            if patch and sector >= 0 and patch.shown > (before.shown if before else 0):
                best[part.name, sector] = patch
    views: dict[str, list[Cell | None]] = {
        part.name: [None] * len(_DIRECTIONS) for part in appearance.parts
    }
    for (name, sector), patch in best.items():
        views[name][sector] = patch.pixels
    return views


def _sectors(part: BodyPart, poses: BodyPoses, scales: Scales) -> Int64[np.ndarray, " references"]:
    """Column of each reference; -1 where the joints that decide it were not found."""
    if part.name in _ACROSS:
        points, found = poses.joints((*_ACROSS[part.name], "nose"))
        left, right, nose = points[..., 0].T
        is_known, width = found.all(axis=1), (left - right) / scales
        full = np.quantile(np.abs(width[is_known]), _WIDTH_QUANTILE) if is_known.any() else 1
        facing = np.arccos(np.clip(width / max(full, 1e-6), -1, 1))
        angles = np.copysign(facing, nose - (left + right) / 2)
    else:
        points, found = poses.joints(part.joints)
        rows, is_known = np.arange(len(points)), found.sum(axis=1) > 1
        last = found.shape[1] - 1 - found[:, ::-1].argmax(axis=1)
        x, y = (points[rows, last] - points[rows, found.argmax(axis=1)]).T
        angles = np.arctan2(x, y)
    columns = np.round(angles * len(_DIRECTIONS) / (2 * np.pi)).astype(int) - _FIRST
    return np.where(is_known, columns % len(_DIRECTIONS), -1)


def _draw_sheet(axes: Axes, sides: tuple[str, ...], views: dict[str, list[Cell | None]]) -> None:
    rows = [np.hstack([_cell(pixels) for pixels in of_part]) for of_part in views.values()]
    axes.imshow(np.vstack(rows), extent=(0, len(sides), len(rows), 0))
    axes.set_xticks(np.arange(len(sides)) + 0.5, sides)
    axes.set_yticks(np.arange(len(rows)) + 0.5, [name.replace("_", " ") for name in views])
    axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)


def _cell(pixels: Cell | None) -> UInt8[np.ndarray, "_CELL_PX _CELL_PX 3"]:
    cell = np.full((_CELL_PX, _CELL_PX, 3), 255, np.uint8)
    cell[1:-1, 1:-1] = _NOT_SEEN if pixels is None else _GROUND
    if pixels is None:
        return cell
    room = _CELL_PX - 2
    height, width = (max(round(side * room / max(pixels.shape)), 1) for side in pixels.shape[:2])
    shown = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    top, left = (_CELL_PX - height) // 2, (_CELL_PX - width) // 2
    under = cell[top : top + height, left : left + width]
    coverage = shown[..., 3:] / 255
    under[:] = (coverage * shown[..., :3] + (1 - coverage) * under).round()
    return cell
