"""Sharp frames: in how many a face or a hand is as sharp as the target's own sharp ones.

Films are blurred where a person moves, and a network trained on them blurs more. Neither L1 nor
SSIM minds. Sharpness is the mean absolute Laplacian inside the hull of the joints, at one size for
all. An open hand has more edges than a fist, so each is compared with the film's frames in the most
similar poses, of which the sharpest fifth sets the measure.

Where the real frames themselves are blurred, a sharp result is less like them than a blurred one,
so likeness leaves these faces and hands out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Complex128, Float32, Float64

from motiontransfer.core.progress import track
from motiontransfer.evaluation.frames import PosedFrames, read_frames
from motiontransfer.evaluation.measurements import MetricKey, RatioMetric, Value
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.puppet.target_clips import TargetClip
from motiontransfer.video.clip import detection_frames
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import enclosing_box

_GROUPS = {"face": ("face",), "hands": ("left_hand", "right_hand")}
_SIDE_PX = 64  # of the box in which a face or a hand is measured
_RIM_PX = 2  # of it at the hull's border, which is not measured
_SMALLEST_PX = 8  # side of a box that shows something
_FEWEST_JOINTS = 6
_NUM_ALIKE = 20  # frames of the film to compare with
_SHARP_QUANTILE = 0.8  # over them
_AS_SHARP = 0.7  # of that quantile: differences that nobody sees
_BLURRED = 0.45  # of it: features are smeared
_RARELY = 0.05  # share of a film up to which what seems blurred is a rare pose


class _Parts(NamedTuple):
    """Faces, or hands, of which the right ones are mirrored."""

    frame: np.ndarray
    """Index of the frame of each."""
    group: np.ndarray
    """Name of the joints of each."""
    shapes: Complex128[np.ndarray, "parts joints"]
    """Joints x + iy around their middle, at unit size; 0 where not found."""
    found: Bool[np.ndarray, "parts joints"]
    sharpness: Float64[np.ndarray, " parts"]
    """Levels per pixel²."""


def film_frames(clips: Sequence[TargetClip], *, height: int | None = None) -> list[PosedFrames]:
    """All frames of the target's clips, in the size in which poses are detected.

    Args:
        height: of the video to compare with; where it is lower, the size is the working image's.
            None: of no other video.
    """
    films = []
    for clip in clips:
        path = detection_frames(clip.frames.parent)
        with FrameStore(path) as store:
            fits = height is None or store.size[0] <= height
            size = store.size if fits else clip.keypoints.image_size
        frames = [(path, index) for index in range(clip.keypoints.num_frames)]
        films.append(PosedFrames(frames=frames, keypoints=clip.keypoints.resized(size)))
    return films


def sharp_frames(
    video: PosedFrames, films: Sequence[PosedFrames], *, system: str
) -> tuple[dict[MetricKey, RatioMetric], dict[MetricKey, Value]]:
    """Share of the faces and hands that are as sharp as those of the films: a video's, the films'.

    Args:
        video: in the films' size, so that it has no more detail than they.
    """
    of_films = [_measured(film, "measure the film's sharpness") for film in films]
    scores, shares = {}, {}
    for region, parts in _measured(video, "measure sharpness").items():
        of_region = [found[region] for found in of_films if region in found]
        if not of_region:
            continue
        film = _Parts(*map(np.concatenate, zip(*of_region, strict=True)))
        key = MetricKey("sharp_frames", region, system)
        num_frames = len(video.frames)
        is_sharp = (_relative(parts, film) >= _AS_SHARP).astype(float)
        scores[key] = RatioMetric(
            total=np.bincount(parts.frame, is_sharp, num_frames),
            weight=np.bincount(parts.frame, minlength=num_frames).astype(float),
        )
        share = float((_relative(film, film) >= _AS_SHARP).mean())
        shares[key._replace(system="film")] = (share, None)
    return scores, shares


def blurred_boxes(film: PosedFrames) -> dict[str, Bool[np.ndarray, " frames"]]:
    """In which frames of a film a face or a hand is blurred, by the name of its box.

    Boxes that hardly ever are, are left out.
    """
    blurred = {}
    for region, parts in _measured(film, "find blurred frames").items():
        is_blurred = _relative(parts, parts) < _BLURRED
        if is_blurred.mean() <= _RARELY:
            continue
        for group in _GROUPS[region]:
            blurred[group] = np.zeros(len(film.frames), bool)
            blurred[group][parts.frame[is_blurred & (parts.group == group)]] = True
    return blurred


def _relative(parts: _Parts, film: _Parts) -> Float64[np.ndarray, " parts"]:
    """Sharpness relative to the film's; infinite where the film has nothing to compare with."""
    return np.array([_relative_to(film, parts, index) for index in range(len(parts.frame))])


def _relative_to(film: _Parts, parts: _Parts, index: int) -> float:
    both = film.found & parts.found[index]
    shared = both.sum(axis=1)
    square = (np.square(np.abs(film.shapes - parts.shapes[index])) * both).sum(axis=1)
    comparable = shared >= _FEWEST_JOINTS
    alike = np.argsort(np.where(comparable, square / np.maximum(shared, 1), np.inf), kind="stable")
    alike = alike[: min(_NUM_ALIKE, int(comparable.sum()))]
    if not len(alike):
        return np.inf
    sharp = float(np.quantile(film.sharpness[alike], _SHARP_QUANTILE))
    return float(parts.sharpness[index]) / sharp if sharp else np.inf


def _measured(video: PosedFrames, label: str) -> dict[str, _Parts]:
    """The faces and hands of a video that are large enough; regions that its detector knows."""
    poses = video.keypoints
    known = dict(poses.skeleton.groups)
    rows: dict[str, list[tuple]] = {
        region: [] for region, groups in _GROUPS.items() if known.keys() >= set(groups)
    }
    frames = read_frames(video.frames, poses.image_size)
    for index, frame in enumerate(track(frames, label, total=len(video.frames))):
        for region, of_region in rows.items():
            for group in _GROUPS[region]:
                points, found = _joints(poses, group, index)
                sharpness = (
                    _sharpness(frame, points[found]) if found.sum() >= _FEWEST_JOINTS else None
                )
                if sharpness is not None:
                    shape = _shape(points, found, is_mirrored=group == "right_hand")
                    of_region.append((index, group, shape, found, sharpness))
    return {
        region: _Parts(*(np.array(column) for column in zip(*of_region, strict=True)))
        for region, of_region in rows.items()
        if of_region
    }


def _joints(
    poses: Keypoints, group: str, index: int
) -> tuple[Float32[np.ndarray, "joints 2"], Bool[np.ndarray, " joints"]]:
    part = poses.skeleton.slice(group)
    return poses.points[index, part], poses.score[index, part] > 0


def _shape(
    points: Float32[np.ndarray, "joints 2"],
    found: Bool[np.ndarray, " joints"],
    *,
    is_mirrored: bool,
) -> Complex128[np.ndarray, " joints"]:
    x, y = points.astype(np.float64).T
    shape = (-x if is_mirrored else x) + 1j * y
    shape = np.where(found, shape - shape[found].mean(), 0)
    return shape / np.sqrt(np.square(np.abs(shape[found])).mean())


def _sharpness(frame: Frame, points: Float32[np.ndarray, "joints 2"]) -> float | None:
    """Mean absolute Laplacian inside the hull of the points; None where it is too small."""
    box = enclosing_box(points, margin=0.0, image_size=frame.shape[:2])
    if box is None:
        return None
    x0, y0, x1, y1 = box
    if min(x1 - x0, y1 - y0) < _SMALLEST_PX:
        return None
    low, zoom = np.array((x0, y0)), _SIDE_PX / np.array((x1 - x0, y1 - y0))
    cut = np.ascontiguousarray(frame[y0:y1, x0:x1])
    gray = cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY).astype(np.float32)
    gray = cv2.resize(gray, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    hull = np.zeros(gray.shape, np.uint8)
    outline = cv2.convexHull(((points - low) * zoom).round().astype(np.int32))
    cv2.fillConvexPoly(hull, outline, 1)
    side = 2 * _RIM_PX + 1
    inside = cv2.erode(hull, np.ones((side, side), np.uint8), borderValue=0) > 0
    if not inside.any():
        return None
    return float(np.abs(cv2.Laplacian(gray, cv2.CV_32F))[inside].mean(dtype=np.float64))
