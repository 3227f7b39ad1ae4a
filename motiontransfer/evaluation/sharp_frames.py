"""Sharp frames: of the faces and hands to be shown, how many are as sharp as the target's own.

Films are blurred where a person moves, and a network trained on them blurs more. L1 and SSIM hardly
measure that. A required face or hand that no detector finds is not sharp. Sharpness is the mean
absolute Laplacian inside the hull of the joints, at one size for all. An open hand has more edges
than a fist. Each hand is therefore compared with the film's frames in the most similar poses; the
sharpest fifth of them sets the measure. A face has as many edges in most poses, and in some poses a
film has only blurred ones. It is compared with the more similar half of the film.

Noise and garbage have steep edges, too, and a detector finds a face in them. So a face that is
like none of the film's in such a pose is not sharp. Hands in alike poses look too different for
that, from before shirts and floors: of a film's own a quarter correlate by less than half.

If the real frames are blurred, a sharp result is less like them than a blurred one. Likeness leaves
these faces and hands out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Complex128, Float, Float32, Float64, Int64

from motiontransfer.core.arrays import Box, Frame, FrameMask
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.evaluation.frames import PosedFrames, read_frames
from motiontransfer.evaluation.measurements import (
    OF_IMAGES,
    Metric,
    MetricKey,
    RatioMetric,
    ValueAndInterval,
)
from motiontransfer.plate.target_clips import TargetClip
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.video.clip import detection_frames
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import enclosing_box

METRICS = {"sharp_frames": Metric("Sharp frames, share", "", "higher", OF_IMAGES)}

_GROUPS = {"face": ("face",), "hands": ("left_hand", "right_hand")}
_SIDE_PX = 64  # of the box in which a face or a hand is measured
_RIM_PX = 2  # of it at the hull's border, which is not measured
_LOOKS_PX = 16  # side of it, reduced until sharpness no longer shows, to compare looks
_SMALLEST_PX = 8  # side of a box that shows something
_FEWEST_JOINTS = 6
_MOST_FRAMES = 500  # of all films, of which those are taken; time grows with them
_NUM_ALIKE = 20  # frames of the film to compare with
_SHARP_QUANTILE = 0.8  # over them
_AS_SHARP = 0.7  # of that quantile: differences that nobody sees
_RESEMBLES = 0.5  # correlation of looks: a film's own faces have 0.6; noise, walls, blocks less
_LEAST_NORM, _LEAST_SHARPNESS = 1e-3, 1e-3  # of what is flat, in levels
_BLURRED = 0.45  # of it: features are smeared
_RARELY = 0.05  # share of a film up to which what seems blurred is a rare pose


_Points = Float32[np.ndarray, "joints 2"]
_Found = Bool[np.ndarray, " joints"]
_Shape = Complex128[np.ndarray, " joints"]
_Alike = Sequence[Int64[np.ndarray, " _"]]
"""Indices of a film's frames in poses most similar to each part."""


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
    looks: Float32[np.ndarray, "parts pixels"]
    """Luma of the box, reduced; of mean 0 and unit norm, or 0 where it is flat."""


def film_frames(
    clips: Sequence[TargetClip], *, height: int | None = None, most: int | None = None
) -> list[PosedFrames]:
    """Frames of the target's clips, evenly spread, in the size in which poses are detected.

    Args:
        height: of the video to compare with; where it is lower, the size is the working image's.
            None: of no other video.
        most: frames of all clips; None: as many as tell enough of a result.
    """
    share = max((most or _MOST_FRAMES) // len(clips), 1)
    every = (evenly_spaced(range(clip.keypoints.num_frames), count=share) for clip in clips)
    return [
        detection_size(clip, indices, height=height)
        for clip, indices in zip(clips, every, strict=True)
    ]


def detection_size(
    clip: TargetClip, indices: Sequence[int], *, height: int | None = None
) -> PosedFrames:
    """Some frames of a clip, as `film_frames` has them."""
    path = detection_frames(clip.frames.parent)
    with FrameStore(path) as store:
        fits = height is None or store.size[0] <= height
        size = store.size if fits else clip.keypoints.image_size
    keypoints = clip.keypoints.part(indices).resized(size)
    return PosedFrames(frames=[(path, index) for index in indices], keypoints=keypoints)


def sharp_frames(
    video: PosedFrames, films: Sequence[PosedFrames], *, intended: Keypoints, system: str
) -> tuple[dict[MetricKey, RatioMetric], dict[MetricKey, ValueAndInterval]]:
    """Share of the faces and hands that are as sharp as those of the films: a video's, the films'.

    Args:
        video: in the films' size, so that it has no more detail than they.
        intended: the poses that the video should show; those large enough count.
    """
    of_films = [_measured(film, "measure the film's sharpness") for film in films]
    of_video = _measured(video, "measure sharpness")
    intended = intended.resized(video.keypoints.image_size)
    scores, shares = {}, {}
    for region in _regions(intended):
        groups = _GROUPS[region]
        expected = np.stack([_are_large(intended, group) for group in groups])
        of_region = [found[region] for found in of_films if region in found]
        if not (of_region and expected.any()):
            continue
        film = _Parts(*map(np.concatenate, zip(*of_region, strict=True)))
        key = MetricKey("sharp_frames", region, system, "sharpness")
        count = max(_NUM_ALIKE, len(film.frame) // 2) if region == "face" else _NUM_ALIKE
        sharp = np.zeros_like(expected)
        if (parts := of_video.get(region)) is not None:
            alike = _alike_in(film, parts, count=count)
            is_sharp = _relative(parts, film, alike) >= _AS_SHARP
            if region == "face":
                is_sharp &= _resemblance(parts, film, alike) >= _RESEMBLES
            rows = [groups.index(group) for group in parts.group[is_sharp]]
            sharp[rows, parts.frame[is_sharp]] = True
        scores[key] = RatioMetric(
            total=(sharp & expected).sum(axis=0, dtype=float),
            weight=expected.sum(axis=0, dtype=float),
        )
        own = _alike_in(film, film, count=count)
        share = float((_relative(film, film, own) >= _AS_SHARP).mean())
        shares[key._replace(system="film")] = (share, None)
    return scores, shares


def blurred_boxes(video: PosedFrames, film: PosedFrames) -> dict[str, FrameMask]:
    """In which frames of a video a face or a hand is blurred, by the name of its box.

    Boxes that hardly ever are in the film that it is part of, are left out.
    """
    blurred, of_film = {}, _measured(film, "find blurred frames")
    for region, parts in _measured(video, "find blurred frames").items():
        film_parts = of_film.get(region)
        if film_parts is None or not _is_blurred(film_parts, film_parts).mean() > _RARELY:
            continue
        is_blurred = _is_blurred(parts, film_parts)
        for group in _GROUPS[region]:
            blurred[group] = np.zeros(len(video.frames), bool)
            blurred[group][parts.frame[is_blurred & (parts.group == group)]] = True
    return blurred


def _is_blurred(parts: _Parts, film: _Parts) -> Bool[np.ndarray, " parts"]:
    return _relative(parts, film, _alike_in(film, parts)) < _BLURRED


def _alike_in(film: _Parts, parts: _Parts, *, count: int = _NUM_ALIKE) -> _Alike:
    """The film's frames in the poses most similar to each; few or none where it shows no others."""
    return [
        _most_alike(film, shape, found)[:count]
        for shape, found in zip(parts.shapes, parts.found, strict=True)
    ]


def _most_alike(film: _Parts, shape: _Shape, found: _Found) -> Int64[np.ndarray, " alike"]:
    both = film.found & found
    shared = both.sum(axis=1)
    square = (np.square(np.abs(film.shapes - shape)) * both).sum(axis=1)
    comparable = shared >= _FEWEST_JOINTS
    order = np.argsort(np.where(comparable, square / np.maximum(shared, 1), np.inf), kind="stable")
    return order[: int(comparable.sum())]


def _relative(parts: _Parts, film: _Parts, alike: _Alike) -> Float64[np.ndarray, " parts"]:
    """Sharpness relative to the film's; NaN where the film has nothing to compare with."""
    of_film = [
        np.quantile(film.sharpness[others], _SHARP_QUANTILE) if len(others) else np.nan
        for others in alike
    ]
    return parts.sharpness / np.maximum(of_film, _LEAST_SHARPNESS)


def _resemblance(parts: _Parts, film: _Parts, alike: _Alike) -> Float[np.ndarray, " parts"]:
    """Correlation with the film's most similar; NaN where it has nothing to compare with."""
    pairs = zip(parts.looks, alike, strict=True)
    return np.array([max(film.looks[others] @ looks, default=np.nan) for looks, others in pairs])


def _measured(video: PosedFrames, label: str) -> dict[str, _Parts]:
    """The faces and hands of a video that are large enough; regions that its detector knows."""
    poses = video.keypoints
    rows: dict[str, list[tuple]] = {region: [] for region in _regions(poses)}
    frames = read_frames(video.frames, poses.image_size)
    for index, frame in enumerate(track(frames, label, total=len(video.frames))):
        for region, of_region in rows.items():
            for group in _GROUPS[region]:
                points, found = _joints(poses, group, index)
                if (seen := _seen(frame, points[found])) is not None:
                    shape = _shape(points, found, is_mirrored=group == "right_hand")
                    of_region.append((index, group, shape, found, *seen))
    return {
        region: _Parts(*(np.array(column) for column in zip(*of_region, strict=True)))
        for region, of_region in rows.items()
        if of_region
    }


def _regions(poses: Keypoints) -> list[str]:
    """Those that the detector knows."""
    known = dict(poses.skeleton.groups)
    return [region for region, groups in _GROUPS.items() if known.keys() >= set(groups)]


def _are_large(poses: Keypoints, group: str) -> FrameMask:
    """In which frames a face or a hand is large enough to show something."""
    every = (_joints(poses, group, index) for index in range(poses.num_frames))
    return np.array([_box(points[found], poses.image_size) is not None for points, found in every])


def _joints(poses: Keypoints, group: str, index: int) -> tuple[_Points, _Found]:
    part = poses.skeleton.slice(group)
    return poses.points[index, part], poses.score[index, part] > 0


def _shape(points: _Points, found: _Found, *, is_mirrored: bool) -> _Shape:
    x, y = points.astype(np.float64).T
    shape = (-x if is_mirrored else x) + 1j * y
    shape = np.where(found, shape - shape[found].mean(), 0)
    return shape / np.sqrt(np.square(np.abs(shape[found])).mean())


def _box(points: _Points, image_size: tuple[int, int]) -> Box | None:
    """Box of a face or a hand; None if joints are too few, or it is too small."""
    if len(points) < _FEWEST_JOINTS:
        return None
    box = enclosing_box(points, margin=0.0, image_size=image_size)
    if box is None or min(box[2] - box[0], box[3] - box[1]) < _SMALLEST_PX:
        return None
    return box


def _seen(frame: Frame, points: _Points) -> tuple[float, Float32[np.ndarray, " pixels"]] | None:
    """Mean absolute Laplacian inside the hull of the points, and looks; None if it is too small."""
    box = _box(points, frame.shape[:2])
    if box is None:
        return None
    x0, y0, x1, y1 = box
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
    sharpness = np.abs(cv2.Laplacian(gray, cv2.CV_32F))[inside].mean(dtype=np.float64)
    looks = cv2.resize(gray, (_LOOKS_PX, _LOOKS_PX), interpolation=cv2.INTER_AREA).ravel()
    looks -= looks.mean()
    return float(sharpness), looks / max(float(np.linalg.norm(looks)), _LEAST_NORM)
