"""Pose statistics of a subject: ankle lines, body heights, proportions, shape of head and legs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from motiontransfer.core.arrays import FrameMask, Numbers, Series
from motiontransfer.core.errors import MissingFileError, StatisticsError
from motiontransfer.core.storage import read_checked_json, write_checked_json
from motiontransfer.pose.boxes import UPRIGHT_SHARE
from motiontransfer.pose.facing import seconds_from_behind
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.shown import SHOWN, WHOLE, in_words, what_is_shown
from motiontransfer.pose.skeleton import BODY_TREE
from motiontransfer.pose.time_series import fill_gaps, running_mean, running_median, window_frames
from motiontransfer.retargeting.head_views import HeadView, fit_head_views
from motiontransfer.retargeting.shapes import (
    MIN_FRAMES,
    Shape,
    fit_head_shape,
    fit_leg_shape,
    with_forehead,
)

_SCHEMA_VERSION = 6
_MIN_CLUSTER_SHARE = 0.05  # a height is never read off fewer frames than this
_ON_LINE = 0.02  # of the person's height: frames this near to a line count as being on it
_ROUNDING_PX = 1e-3  # float32 pixels are not exact
_QUANTILE = 0.8  # a part's length over all frames: foreshortening makes it shorter, errors longer
_WHOLE_SIDE = 0.8  # of the other side's length; one that is always seen shorter is lifted or bent
_LIFTED_SHARE = 0.1  # of the height, from one ankle up to the other one that is not on the floor
_FLOOR_SECONDS = 1.0  # window of the floor's median: jumps shorter than half of it leave no trace

# In order of preference.
_HEAD_JOINTS = (("nose",), ("left_ear", "right_ear"), ("left_eye", "right_eye"))

_PLACES = ("median_pose_px", "head_shape", "leg_shape")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseStatistics:
    """Ankle lines and apparent heights of a subject nearest to and farthest from the camera."""

    closest_ankle_y_px: float
    """Ankle line when nearest to the camera: the largest y."""
    farthest_ankle_y_px: float
    """Ankle line when farthest from the camera."""
    height_at_closest_px: float
    """Head to ankles, standing at the closest line."""
    height_at_farthest_px: float
    """Head to ankles, standing at the farthest line."""
    median_ankle_x_px: float
    image_size: tuple[int, int]
    min_score: float
    frames_used: int
    frames_left_out: int
    """Frames without both ankles and a head."""
    proportions: Mapping[str, float]
    """Length of each segment of `BODY_TREE` as a share of the height; those hardly seen are not
    there."""
    median_pose_px: Mapping[str, tuple[float, float]]
    """(x, y) of each joint of the body, median over the frames that show it."""
    head_shape: Shape
    """Places of the head's joints on it; empty if no face was seen from the front."""
    leg_shape: Shape
    """Places of knees and toes on straight legs; empty if none were seen from the front."""
    head_views: tuple[HeadView, ...]
    """The head by its yaw, from left to right; empty if none was seen."""
    seconds_from_behind: float
    """For how long the clips show the back."""
    joints: tuple[str, ...]
    """Joints that some frame shows, of any group."""
    detector: str
    """Detectors of the keypoints, each once."""
    shows: str = WHOLE
    """How much of the body the clip that shows most of it shows: one of `shown.SHOWN`. Where
    that is less than a whole body, ankle lines and heights are those of a completed one."""

    def __post_init__(self) -> None:
        """Check what a film may have led to."""
        values = (getattr(self, field.name) for field in fields(self))
        numbers = [value for value in values if isinstance(value, int | float)]
        if not all(math.isfinite(number) for number in numbers):
            raise StatisticsError(f"expected finite numbers, got {self}")
        if min(self.height_at_closest_px, self.height_at_farthest_px) <= 0:
            raise StatisticsError(f"expected heights above 0 px, got {self}")

    def depth_fraction(self, ankle_y_px: Series) -> Series:
        """0 at the farthest line, 1 at the closest; 0.5 where the two lines coincide."""
        length = self.closest_ankle_y_px - self.farthest_ankle_y_px
        if length < _ROUNDING_PX:
            return np.full_like(ankle_y_px, 0.5)
        return (ankle_y_px - self.farthest_ankle_y_px) / length

    def heights_px(self, clip: Keypoints) -> Series:
        """Height of the upright body in each frame, by where its feet are."""
        contact = measure_ground_contact(clip, min_score=self.min_score)
        depth = self.depth_fraction(floor_line(contact, frame_rate=clip.frame_rate))
        far = self.height_at_farthest_px
        return far + np.clip(depth, 0, 1) * (self.height_at_closest_px - far)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundContact:
    """Ankle position and apparent height in each frame; 0 where their joints are missing.

    If a body lies, kneels on its hands or stands on them, its position is that of the hips. Its
    line is that of its lowest joint.
    """

    ankle_x_px: Series
    ankle_y_px: Series
    """The ankle line: y of the lower ankle in the image."""
    height_px: Series
    """Distance from the head to the midpoint of the ankles, or to the lower one of a lifted leg."""
    has_ankles: FrameMask
    has_height: FrameMask


def measure_ground_contact(keypoints: Keypoints, *, min_score: float) -> GroundContact:
    """Measure ankles and height in each frame; the skeleton needs ankles and a head."""
    sides = ("left_ankle", "right_ankle")
    sure = keypoints.sure(min_score)
    ankles, has_ankles = sure.midpoint(*sides)
    of_sides = np.stack([sure.joint(side)[0] for side in sides], axis=1)
    lower = of_sides[np.arange(len(of_sides)), of_sides[..., 1].argmax(axis=1)]
    line = lower[:, 1]
    head = np.zeros_like(ankles)
    has_head = np.zeros_like(has_ankles)
    for joints in _HEAD_JOINTS:
        midpoint, found = sure.midpoint(*joints)
        head = np.where((found & ~has_head)[:, None], midpoint, head)
        has_head = has_head | found
    has_height = has_ankles & has_head
    lifted_px = np.ptp(of_sides[..., 1], axis=1)
    is_lifted = lifted_px > _LIFTED_SHARE * np.linalg.norm(head - lower, axis=1)
    feet = np.where(is_lifted[:, None], lower, ankles)
    height_px, x = np.linalg.norm(head - feet, axis=1), ankles[:, 0]
    lies = has_height & (feet[:, 1] - head[:, 1] < UPRIGHT_SHARE * height_px)
    if lies.any():
        body = keypoints.skeleton.slice("body")
        y = np.where(keypoints.score[:, body] > 0, keypoints.points[:, body, 1], -np.inf)
        hips, has_hips = sure.midpoint("left_hip", "right_hip")
        line = np.where(lies, y.max(axis=1), line)
        x = np.where(lies & has_hips, hips[:, 0], x)
    return GroundContact(
        ankle_x_px=np.where(has_ankles, x, 0.0),
        ankle_y_px=np.where(has_ankles, line.astype(np.float64), 0.0),
        height_px=np.where(has_height, height_px, 0.0),
        has_ankles=has_ankles,
        has_height=has_height,
    )


def floor_line(contact: GroundContact, *, frame_rate: Fraction) -> Series:
    """The ankle line without steps and jumps: a running median, then a running mean.

    Frames without ankles get the line between their neighbors; zeros if there are no others.
    """
    if not contact.has_ankles.any():
        return np.zeros_like(contact.ankle_y_px)
    line = fill_gaps(contact.ankle_y_px, contact.has_ankles)
    line = running_median(line, window=window_frames(_FLOOR_SECONDS, frame_rate))
    return running_mean(line, window=window_frames(_FLOOR_SECONDS / 2, frame_rate))


def fit_statistics(
    clips: Sequence[Keypoints],
    *,
    min_score: float,
    cluster_fraction: float | None,
    outlier_quantile: float,
    cluster_epsilon_px: float | None = None,
) -> PoseStatistics:
    """Fit a subject's statistics on all frames of their clips.

    The closest line is where the floor under the subject is lowest in the image, the farthest where
    it is highest. Heights are the largest near each line, because a person can look shorter than
    they are but not taller.

    Args:
        cluster_fraction: None to take the lines from the floor line, which knows no jumps. A number
            is the paper's alpha, in (0, 1]: the lines are those of the ankles. The farthest is then
            above the median by at most this share of the closest line's distance below it. That
            misses all of a short visit to far away.
        cluster_epsilon_px: the preprint's rule (Chan et al. 2018). The farthest line is the lowest
            one that is as far above the median as the closest is below it, to this tolerance. If
            there is none, it is the one that comes nearest to that.
        outlier_quantile: taken in place of each maximum, in [0.5, 1]; 1 is the paper's.

    Raises:
        StatisticsError: no clips, clips of different sizes, or no frame with both ankles and a
            head.
    """
    sizes = sorted({clip.image_size for clip in clips})
    if len(sizes) != 1:
        raise StatisticsError(
            f"expected clips of one image size, got {sizes or 'no clips'}; "
            "decode all videos of a subject alike"
        )
    contacts, min_score = _ground_contacts(clips, min_score)
    used = np.concatenate([contact.has_height for contact in contacts])
    height = np.concatenate([contact.height_px for contact in contacts])[used]
    x = np.concatenate([contact.ankle_x_px for contact in contacts])[used]
    lines = [contact.ankle_y_px for contact in contacts]
    if cluster_fraction is None and cluster_epsilon_px is None:
        pairs = zip(contacts, clips, strict=True)
        lines = [floor_line(contact, frame_rate=clip.frame_rate) for contact, clip in pairs]
    line = np.concatenate(lines)[used]
    closest, farthest = _ankle_lines(line, outlier_quantile, cluster_fraction, cluster_epsilon_px)
    at_closest, at_farthest = (
        float(np.quantile(_heights_near(end, line, height), outlier_quantile))
        for end in (closest, farthest)
    )
    with_foreheads = [with_forehead(clip) for clip in clips]
    sure = [clip.sure(min_score) for clip in with_foreheads]
    measured = [clip.measured() for clip in sure]
    statistics = PoseStatistics(
        closest_ankle_y_px=closest,
        farthest_ankle_y_px=farthest,
        # Nearer is never smaller: if it seems so, the person never stood upright there.
        height_at_closest_px=max(at_closest, at_farthest),
        height_at_farthest_px=at_farthest,
        median_ankle_x_px=float(np.median(x)),
        image_size=sizes[0],
        min_score=min_score,
        frames_used=int(used.sum()),
        frames_left_out=int((~used).sum()),
        proportions={},
        median_pose_px=median_pose(measured),
        head_shape=fit_head_shape(sure),
        leg_shape={},
        head_views=(),
        seconds_from_behind=seconds_from_behind(with_foreheads),
        joints=tuple(sorted({joint for clip in clips for joint in shown_joints(clip)})),
        detector=", ".join(sorted({clip.detector for clip in clips})),
        shows=_most_shown(clips),
    )
    heights = [statistics.heights_px(clip) for clip in with_foreheads]
    proportions = fit_proportions(measured, heights)
    if statistics.shows != WHOLE:
        proportions = fit_proportions(sure, heights) | proportions
    legs = fit_leg_shape(measured, heights, proportions)
    heads = fit_head_views(measured, heights)
    return replace(statistics, proportions=proportions, leg_shape=legs, head_views=heads)


def _ground_contacts(
    clips: Sequence[Keypoints], min_score: float
) -> tuple[list[GroundContact], float]:
    """Ground contact of each clip, and the score that its joints need.

    That is 0 where sure joints give no height: unsure joints are better than none.

    Raises:
        StatisticsError: no frame has both ankles and a head.
    """
    for least in (min_score, 0.0):
        contacts = [measure_ground_contact(clip, min_score=least) for clip in clips]
        if any(contact.has_height.any() for contact in contacts):
            return contacts, least
    shows = _most_shown(clips)
    seen = "without a head" if shows == WHOLE else in_words(shows)
    raise StatisticsError(
        f"none of {sum(clip.num_frames for clip in clips)} frames shows head and ankles, or head "
        f"and shoulders, by which ankles can be placed, got pictures {seen}. Show one person from "
        "the chest up at least"
    )


def _most_shown(clips: Sequence[Keypoints]) -> str:
    """How much of the body the clip that shows most of it shows."""
    return min(map(what_is_shown, clips), key=SHOWN.index)


def shown_joints(keypoints: Keypoints) -> set[str]:
    shown = np.any(keypoints.score > 0, axis=0)
    return {keypoints.skeleton.joints[index] for index in np.flatnonzero(shown).tolist()}


def _ankle_lines(
    line: Series, outlier_quantile: float, fraction: float | None, epsilon_px: float | None
) -> tuple[float, float]:
    """The closest and the farthest, as `fit_statistics` describes them."""
    closest, median = float(np.quantile(line, outlier_quantile)), float(np.median(line))
    if fraction is not None:
        limit = median - fraction * (closest - median) - _ROUNDING_PX
        return closest, float(line[(line >= limit) & (line <= median)].min(initial=median))
    if epsilon_px is None:
        return closest, float(np.quantile(line, 1 - outlier_quantile))
    above = line[line < median]
    if not above.size:
        return closest, median
    off = np.abs(median - above - (closest - median))
    return closest, float(above[off <= max(epsilon_px, float(off.min()))].max())


def _heights_near(end: float, line: Series, height: Series) -> Numbers:
    distance = np.abs(line - end)
    enough = np.sort(distance)[math.ceil(_MIN_CLUSTER_SHARE * len(distance)) - 1]
    reach = max(_ON_LINE * float(np.median(height)), float(enough))
    return height[distance <= reach + _ROUNDING_PX]


def median_pose(clips: Sequence[Keypoints]) -> dict[str, tuple[float, float]]:
    """(x, y) of each joint of the body, median over the frames that show it, pixels."""
    medians = {}
    for joint in dict(clips[0].skeleton.groups).get("body", ()):
        found = [clip.joint(joint) for clip in clips]
        points = np.concatenate([point[score > 0] for point, score in found])
        if len(points):
            x, y = np.median(points, axis=0).tolist()
            medians[joint] = (x, y)
    return medians


def fit_proportions(clips: Sequence[Keypoints], heights_px: Sequence[Numbers]) -> dict[str, float]:
    """Length of each part of the body as a share of the body's height.

    A quantile over all frames that show a part, so that foreshortening does not count. Nor does a
    side that is foreshortened in all of them. Parts seen in fewer than 10 frames are left out.
    """
    proportions = {}
    for part, segment in BODY_TREE.items():
        lengths = []  # of both sides
        for joints_of_start, joints_of_end in segment.spans:
            shares = []
            for clip, height_px in zip(clips, heights_px, strict=True):
                start, has_start = clip.midpoint(*joints_of_start)
                end, has_end = clip.midpoint(*joints_of_end)
                seen = has_start & has_end
                shares.append(np.linalg.norm(end - start, axis=1)[seen] / height_px[seen])
            share = np.concatenate(shares)
            lengths.append(
                float(np.quantile(share, _QUANTILE)) if len(share) >= MIN_FRAMES else 0.0
            )
        if longest := max(lengths):
            whole = [length for length in lengths if length >= _WHOLE_SIDE * longest]
            proportions[part] = math.fsum(whole) / len(whole)
    return proportions


def write_statistics(path: Path, statistics: PoseStatistics) -> None:
    content = asdict(statistics)
    height, width = content.pop("image_size")
    size = {"image_height_px": height, "image_width_px": width}
    if statistics.shows == WHOLE:  # as where no other was known
        del content["shows"]
    write_checked_json(path, {"schema_version": _SCHEMA_VERSION, **content, **size})


def read_statistics(path: Path) -> PoseStatistics:
    """Read and check a statistics file.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written.
        StatisticsError: another schema version.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such statistics file; `dvc repro` makes it")
    content: Any = read_checked_json(path)
    if (version := content.pop("schema_version", None)) != _SCHEMA_VERSION:
        raise StatisticsError(
            f"{path}: expected statistics schema version {_SCHEMA_VERSION}, got {version}"
        )
    size = content.pop("image_height_px"), content.pop("image_width_px")
    content |= {key: _places(content[key]) for key in _PLACES}
    content["joints"] = tuple(content["joints"])
    content["head_views"] = tuple(
        HeadView(yaw_degrees=view["yaw_degrees"], places=_places(view["places"]))
        for view in content["head_views"]
    )
    return PoseStatistics(image_size=size, **content)


def _places(content: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float]]:
    return {joint: (x, y) for joint, (x, y) in content.items()}
