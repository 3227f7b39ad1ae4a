"""Global pose normalization (Chan et al. 2019, sec. 3.1 and 8.5): ankle, affine and body modes.

The body mode retargets: the directions of the source's bones on the target's proportions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Float64

from motiontransfer.body.skeleton import BONES, TREE, bone_vectors, bones_seen
from motiontransfer.core.arrays import Affine, Series
from motiontransfer.core.errors import ParamsError, StatisticsError
from motiontransfer.pose.keypoints import IMPORT_FORMATS, Keypoints
from motiontransfer.pose.shown import WHOLE
from motiontransfer.pose.skeleton import BODY_TREE
from motiontransfer.pose.time_series import fill_gaps
from motiontransfer.retargeting.shapes import change_head_shape, change_leg_shape
from motiontransfer.retargeting.statistics import (
    PoseStatistics,
    floor_line,
    measure_ground_contact,
    median_pose,
    shown_joints,
)

Centering = Literal["median", "image"]

_MIN_SPREAD = 1e-3  # of the thinnest direction of a pose to its widest
_RATIOS = 0.5, 2.0  # of a segment's lengths; beyond, one is a wrong detection


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A way to map poses, and what goes with it."""

    normalize: Callable[..., Keypoints]
    """Has the parameters of `normalize_by_ankles`."""
    uses_floor: bool = False
    """It maps ankle lines, and positions from left to right by `centering`."""
    uses_proportions: bool = False
    works_live: bool = True
    """It takes poses as they come, without those to come."""


def normalize_poses(
    keypoints: Keypoints,
    *,
    mode: str,
    centering: Centering | None,
    source: PoseStatistics,
    target: PoseStatistics,
    floor: Series | None = None,
) -> Keypoints:
    """Map a source subject's poses into the target subject's image.

    Joints that only the source's detector knows are left out.

    Args:
        mode: a key of `MODES`.
        centering: the source's `median` position from left to right, or the middle of its image
            (`image`), is mapped to the target's. None for modes that do not center.
        floor: the ankle line in each frame, where it is not to be read off the whole clip.

    Raises:
        ParamsError: mode `none` between images of different sizes.
        StatisticsError: the statistics do not allow this mode's map.
    """
    half = [s.shows for s in (source, target) if s.shows != WHOLE]
    if half and mode == "ankle":
        raise StatisticsError(
            f"normalization.mode ankle: expected films that show the feet, got one that shows "
            f"{half[0]} and no more; set normalization.mode to body, which completes bodies"
        )
    if unknown := joint_differences(keypoints, target)[0]:
        is_unknown = [joint in unknown for joint in keypoints.skeleton.joints]
        keypoints = keypoints.without(np.array([is_unknown]))
    if centering == "image":
        source, target = (
            replace(statistics, median_ankle_x_px=(statistics.image_size[1] - 1) / 2)
            for statistics in (source, target)
        )
    return MODES[mode].normalize(keypoints, source=source, target=target, floor=floor)


def keep_poses(keypoints: Keypoints, *, target: PoseStatistics, **_: object) -> Keypoints:
    """The poses as they are, in an image of the same size."""
    if keypoints.image_size != target.image_size:
        raise ParamsError(
            f"normalization.mode none: expected source and target of one image size, got "
            f"{keypoints.image_size} and {target.image_size}; choose another mode"
        )
    return keypoints


def normalize_by_affine_map(
    keypoints: Keypoints, *, source: PoseStatistics, target: PoseStatistics, **_: object
) -> Keypoints:
    """One affine map for the whole clip, between the median poses."""
    pose = median_pose([keypoints.sure(source.min_score)])
    matrix = fit_affine(pose, target.median_pose_px)
    return _moved(keypoints, keypoints.points @ matrix[:, :2].T + matrix[:, 2], target)


def normalize_body(
    keypoints: Keypoints, *, source: PoseStatistics, target: PoseStatistics, floor: Series | None
) -> Keypoints:
    """By the ankle lines; then the target's proportions, and the shapes of its head and legs."""
    normalized = normalize_by_ankles(keypoints, source=source, target=target, floor=floor)
    if not source.proportions or not target.proportions:
        raise StatisticsError(
            "normalization.mode body: expected limbs of source and target to be seen in at least "
            "some frames; set normalization.mode to ankle"
        )
    ratios = proportion_ratios(source.proportions, target.proportions)
    retargeted = retarget(normalized, ratios, center_x_px=target.median_ankle_x_px)
    reshaped = change_leg_shape(
        retargeted,
        source=source.leg_shape,
        target=target.leg_shape,
        proportions=target.proportions,
        min_score=source.min_score,
    )
    return change_head_shape(
        reshaped, source=source.head_shape, target=target.head_shape, min_score=source.min_score
    )


def joint_differences(keypoints: Keypoints, target: PoseStatistics) -> tuple[set[str], set[str]]:
    """Joints of the source that no pose of the target has, and of the target that none has here.

    None where one detector found both people's: then they come and go with the pose. Imported
    keypoints of one format may have other parts.
    """
    if keypoints.detector == target.detector and keypoints.detector not in IMPORT_FORMATS:
        return set(), set()
    shown, known = shown_joints(keypoints), set(target.joints)
    return shown - known, known - shown


def normalize_by_ankles(
    keypoints: Keypoints,
    *,
    source: PoseStatistics,
    target: PoseStatistics,
    floor: Series | None = None,
) -> Keypoints:
    """Scale and shift each frame so that the source's ankle lines map to the target's.

    The depth fraction is read off the ankle line; frames without ankles take it from their
    neighbors. As in the authors' code, a range of depth longer than the target's is squeezed into
    it. A shorter one is kept, scaled with the person, around the middle of the target's.
    """
    if keypoints.image_size != source.image_size:
        raise StatisticsError(
            f"the source's statistics are for images of {source.image_size}, its keypoints for "
            f"{keypoints.image_size}; run detect_keypoints and fit_normalization again"
        )
    floor = _floor_of_clip(keypoints, source) if floor is None else floor
    target = _with_range_of(source, target)
    depth, scale = _depth_and_scale(floor, source, target)
    from_floor = keypoints.points - _floor_point(depth, source)
    return _moved(keypoints, scale[..., None] * from_floor + _floor_point(depth, target), target)


def floor_scale(keypoints: Keypoints, source: PoseStatistics, target: PoseStatistics) -> Series:
    """Scale by which each frame of a clip is normalized, where its feet are."""
    floor = _floor_of_clip(keypoints, source)
    return _depth_and_scale(floor, source, _with_range_of(source, target))[1][:, 0]


def _depth_and_scale(
    floor: Series, source: PoseStatistics, target: PoseStatistics
) -> tuple[Float64[np.ndarray, "frames 1"], Float64[np.ndarray, "frames 1"]]:
    depth = np.clip(source.depth_fraction(floor), 0, 1)[:, None]  # beyond, maps are constant
    # The paper interpolates the ratio of the heights between the lines, not the heights.
    scale_far = target.height_at_farthest_px / source.height_at_farthest_px
    scale_close = target.height_at_closest_px / source.height_at_closest_px
    return depth, scale_far + depth * (scale_close - scale_far)


def _floor_of_clip(keypoints: Keypoints, source: PoseStatistics) -> Series:
    contact = measure_ground_contact(keypoints, min_score=source.min_score)
    if not contact.has_ankles.any():
        raise StatisticsError(
            f"none of {keypoints.num_frames} source frames shows both ankles with a score of "
            f"{source.min_score} or more; choose a clip that shows the feet"
        )
    return floor_line(contact, frame_rate=keypoints.frame_rate)


def _moved(
    keypoints: Keypoints, points: Float64[np.ndarray, "frames joints 2"], target: PoseStatistics
) -> Keypoints:
    """Keypoints at other positions, in the target's image; missing joints stay missing."""
    points = np.where(keypoints.score[..., None] > 0, points, 0).astype(np.float32)
    return replace(keypoints, points=points, image_size=target.image_size)


def _floor_point(
    depth: Float64[np.ndarray, "frames 1"], statistics: PoseStatistics
) -> Float64[np.ndarray, "frames 1 2"]:
    """The fixed point of the scaling: on the floor, at the median position."""
    far, close = statistics.farthest_ankle_y_px, statistics.closest_ankle_y_px
    line = far + depth * (close - far)
    return np.stack([np.full_like(line, statistics.median_ankle_x_px), line], axis=-1)


def _with_range_of(source: PoseStatistics, target: PoseStatistics) -> PoseStatistics:
    """The target's lines, moved together around their middle if the source's range is shorter."""
    size_ratio = (target.height_at_farthest_px + target.height_at_closest_px) / (
        source.height_at_farthest_px + source.height_at_closest_px
    )
    wanted = (source.closest_ankle_y_px - source.farthest_ankle_y_px) * size_ratio
    length = target.closest_ankle_y_px - target.farthest_ankle_y_px
    if length <= wanted:
        return target
    cut = (1 - wanted / length) / 2
    height = target.height_at_closest_px - target.height_at_farthest_px
    return replace(
        target,
        closest_ankle_y_px=target.closest_ankle_y_px - cut * length,
        farthest_ankle_y_px=target.farthest_ankle_y_px + cut * length,
        height_at_closest_px=target.height_at_closest_px - cut * height,
        height_at_farthest_px=target.height_at_farthest_px + cut * height,
    )


def fit_affine(
    source: Mapping[str, tuple[float, float]], target: Mapping[str, tuple[float, float]]
) -> Affine:
    """Least-squares affine map from the source's joints to the target's of the same name."""
    joints = sorted(set(source) & set(target))
    places = np.array([source[joint] for joint in joints]).reshape(-1, 2)
    wanted = np.array([target[joint] for joint in joints]).reshape(-1, 2)
    spread = np.linalg.svd(places - places.mean(axis=0), compute_uv=False) if joints else [0, 0]
    if len(joints) < 3 or spread[1] < _MIN_SPREAD * spread[0]:
        raise StatisticsError(
            f"an affine map needs 3 joints that are not on one line, in source and target; got "
            f"{len(joints)}: {', '.join(joints)}; set normalization.mode to ankle"
        )
    homogeneous = np.concatenate([places, np.ones((len(joints), 1))], axis=1)
    matrix = np.linalg.lstsq(homogeneous, wanted, rcond=None)[0].T
    if np.linalg.det(matrix[:, :2]) <= 0:
        raise StatisticsError(
            "the best affine map from source to target is a mirror image: one of them mostly shows "
            "the back; set normalization.mode to ankle"
        )
    return matrix


# Length of a bone -> the part of the body by which it grows; a bone of the head by the face.
_PART_OF = {
    **{"hip": "hips", "spine": "trunk", "neck": "neck", "shoulder": "shoulders"},
    **{part: part for part in ("upper_arm", "forearm", "thigh", "shin")},
    **dict.fromkeys(("index", "pinky", "thumb"), "forearm"),
    **{"heel": "shin", "toe": "foot"},
}
_CARRIED = {
    "left_hand": (("left_wrist",), "forearm"),
    "right_hand": (("right_wrist",), "forearm"),
    "face": (("left_ear", "right_ear"), "face_height"),
}
"""Group of joints -> the place that carries it, and the part that it grows with."""


def proportion_ratios(source: Mapping[str, float], target: Mapping[str, float]) -> dict[str, float]:
    """Ratio of the target's to the source's length of each part; 1 where either is unknown.

    A face of unknown height is scaled like the rest of the head, a foot of unknown length like the
    shin.
    """
    known = {
        part: float(np.clip(target[part] / source[part], *_RATIOS))
        for part in source.keys() & target.keys()
    }
    otherwise = {"face_height": known.get("head", 1.0), "foot": known.get("shin", 1.0)}
    return {part: known.get(part, otherwise.get(part, 1.0)) for part in BODY_TREE}


def retarget(keypoints: Keypoints, ratios: Mapping[str, float], *, center_x_px: float) -> Keypoints:
    """Scale the bones of a normalized pose, each in its direction, from the hips outwards.

    A bone of which an end is missing has no length to change.

    Args:
        ratios: of every part, see `proportion_ratios`.
        center_x_px: origin of positions to the left and right, which are scaled with the legs, so
            that a standing foot does not slide.
    """
    body = keypoints.skeleton.slice("body")
    shift = keypoints.points.astype(np.float64)
    found = bones_seen(keypoints.score[:, body]) > 0
    vectors = bone_vectors(shift[:, body]) * found[..., None]
    growths = [ratios[_PART_OF.get(bone.length, "face_height")] - 1 for bone in BONES.values()]
    shift[:, body] = TREE @ (vectors * np.array(growths)[:, None])
    place_of = partial(keypoints.midpoint)
    for group in _CARRIED.keys() & dict(keypoints.skeleton.groups).keys():
        where, (carriers, part) = keypoints.skeleton.slice(group), _CARRIED[group]
        anchor, found = place_of(*carriers)
        offset = np.where(found[:, None, None], keypoints.points[:, where] - anchor[:, None], 0)
        of_anchor = shift[:, [*map(keypoints.skeleton.index, carriers)]].mean(axis=1)
        shift[:, where] = of_anchor[:, None] + (ratios[part] - 1) * offset
    shift[..., 1] -= _lift_of_feet(keypoints, shift)[:, None]
    hips, found = place_of("left_hip", "right_hip")
    if found.any():
        legs = (ratios["thigh"] + ratios["shin"]) / 2
        shift[..., 0] += ((legs - 1) * (fill_gaps(hips[:, 0], found) - center_x_px))[:, None]
    points = np.where(keypoints.score[..., None] > 0, keypoints.points + shift, 0)
    return replace(keypoints, points=points.astype(np.float32))


def _lift_of_feet(keypoints: Keypoints, shift: Float64[np.ndarray, "frames joints 2"]) -> Series:
    """By how much a shift moves the lower foot down."""
    sides = ("left_ankle", "right_ankle")
    ankles, found = zip(*(keypoints.midpoint(side) for side in sides), strict=True)
    line, found = np.stack(ankles, axis=1)[..., 1], np.stack(found, axis=1)
    if not found.any():
        return np.zeros(keypoints.num_frames)
    lower = np.where(found, line, -np.inf).argmax(axis=1)
    moved = shift[:, [*map(keypoints.skeleton.index, sides)], 1]
    return fill_gaps(moved[np.arange(len(moved)), lower], np.any(found, axis=1))


MODES: dict[str, Mode] = {
    "body": Mode(normalize=normalize_body, uses_floor=True, uses_proportions=True),
    "ankle": Mode(normalize=normalize_by_ankles, uses_floor=True),
    "affine": Mode(normalize=normalize_by_affine_map, works_live=False),
    "none": Mode(normalize=keep_poses),
}
"""Values of `normalization.mode`."""

LIVE_MODES = tuple(name for name, mode in MODES.items() if mode.works_live)
