"""2-D keypoints over a clip: of one subject, or multi-person by track."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import numpy as np
from jaxtyping import Bool, Complex128, Float, Float32, Int32

from motiontransfer.core.arrays import Box, FrameMask, Places
from motiontransfer.core.errors import KeypointsError
from motiontransfer.pose.skeleton import HOLISTIC, Skeleton

if TYPE_CHECKING:
    import pandas

People = Float32[np.ndarray, "_ joints values"]
"""All people in one frame: x, y (pixels) and score of each joint; zeros for missing joints.

Of some detectors also the world landmark: x, y, z of the body's joints, meters from the hips.
"""


ImportFormat = Literal["openpose_json", "coco_wholebody"]
OPENPOSE_JSON: ImportFormat = "openpose_json"
IMPORT_FORMATS: tuple[ImportFormat, ...] = get_args(ImportFormat)
"""Values of `detector` of keypoints that another program detected."""

_AnyJoints = TypeVar("_AnyJoints", bound="_Joints")

OF_JOINTS = ("filled", "completed", "depth")
"""Optional columns of one subject's keypoints, one for each group of joints."""


def resize_points(
    points: Float[np.ndarray, "*points 2"], zoom: Float[np.ndarray, "2"]
) -> Float32[np.ndarray, "*points 2"]:
    """(x, y) of the points in an image that was resized to `zoom` times its width and height.

    A pixel's center has whole numbers.
    """
    return (points * zoom + (zoom - 1) / 2).astype(np.float32)


def people_inside(people: People, box: Box) -> People:
    """Without joints outside a box, and without people who have none inside it.

    World landmarks stay, which are those of all joints.
    """
    x0, y0, x1, y1 = box
    inside = ((people[..., :2] >= (x0, y0)) & (people[..., :2] < (x1, y1))).all(axis=2)
    inside &= people[..., 2] > 0
    kept = people.copy()
    kept[..., :3][~inside] = 0
    return kept[inside.any(axis=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joints:
    """Joint positions, one row per (frame, person), with the clip's image size and frame rate."""

    points: Float32[np.ndarray, "rows joints 2"]
    """(x, y) in pixels of the working image, origin top-left; (0, 0) where the joint is missing."""
    score: Float32[np.ndarray, "rows joints"]
    """Confidence in [0, 1]; 0 exactly where the joint is missing."""
    skeleton: Skeleton
    image_size: tuple[int, int]
    frame_rate: Fraction
    """Frames per second, constant over the clip."""
    detector: str
    """Detector or imported layout, with its version."""

    def __post_init__(self) -> None:
        """Validate values, which may come from disk."""
        points, score = self.points, self.score
        rows, joints = points.shape[0], len(self.skeleton.joints)
        if points.shape != (rows, joints, 2) or score.shape != (rows, joints):
            raise KeypointsError(
                f"expected points ({rows}, {joints}, 2) and score ({rows}, {joints}) for this "
                f"skeleton, got {points.shape} and {score.shape}"
            )
        if not (np.isfinite(points).all() and np.isfinite(score).all()):
            raise KeypointsError("expected finite numbers in points and score")
        if score.size and not (score.min() >= 0 and score.max() <= 1):
            raise KeypointsError(f"expected scores in [0, 1], got {score.min()} to {score.max()}")
        if self.frame_rate <= 0 or min(self.image_size) < 1:
            raise KeypointsError(
                f"expected a frame rate and an image size above 0, got {self.frame_rate} and "
                f"{self.image_size}"
            )
        if points[score == 0].any():
            raise KeypointsError(
                "expected (0, 0) for each missing joint (score 0): a position there is made up"
            )

    def resized(self: _AnyJoints, image_size: tuple[int, int]) -> _AnyJoints:
        """The same joints in the image resized to (height, width)."""
        if image_size == self.image_size:
            return self
        zoom = np.array(image_size[::-1]) / self.image_size[::-1]
        points = np.where(self.score[..., None] > 0, resize_points(self.points, zoom), 0)
        return replace(self, points=points, image_size=image_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keypoints(_Joints):
    """The joints of one subject: a row for every frame of the clip."""

    filled: Bool[np.ndarray, "rows joints"] | None = None
    unusual: tuple[tuple[int, int], ...] = ()
    """Runs of frames, first and end, far darker or brighter than the clip: no target's likeness."""
    completed: Bool[np.ndarray, "rows joints"] | None = None
    """Joints beyond the picture, placed by `body.completion`: nobody saw them."""
    depth: Float32[np.ndarray, "rows joints"] | None = None
    """How far each joint of the body is behind the hips, in its heights; 0 of other joints."""

    def __post_init__(self) -> None:
        _Joints.__post_init__(self)
        depth = self.score if self.depth is None else self.depth
        if depth.shape != self.score.shape or not np.isfinite(depth).all():
            raise KeypointsError(
                f"expected depth {self.score.shape}, finite numbers, got {depth.shape}"
            )
        for marks, name in ((self.filled, "filled in"), (self.completed, "completed")):
            if marks is not None and (marks & (self.score == 0)).any():
                raise KeypointsError(
                    f"expected a position at each joint marked as {name}, got a missing joint"
                )

    @classmethod
    def concatenated(cls, clips: Sequence["Keypoints"]) -> "Keypoints":
        """The frames of several clips, which share skeleton and image size, one after the other."""
        values = {}
        for name in ("points", "score", *OF_JOINTS):
            of_clips = [getattr(clip, name) for clip in clips]
            if any(own is not None for own in of_clips):
                none = (np.zeros(clip.score.shape, np.bool_) for clip in clips)
                pairs = zip(of_clips, none, strict=True)
                values[name] = np.concatenate([no if own is None else own for own, no in pairs])
        return replace(clips[0], unusual=(), **values)

    @property
    def num_frames(self) -> int:
        return self.points.shape[0]

    def part(self, indices: Sequence[int]) -> "Keypoints":
        """The given frames, in the given order; a range of them shares this one's memory."""
        rows = range(self.num_frames)
        if isinstance(indices, range) and rows[indices.start : indices.stop] == indices:
            frames = slice(indices.start, indices.stop)
        else:
            frames = np.array(indices, np.int64)
        values = {name: values[frames] for name, values in self._of_joints().items()}
        return replace(self, unusual=(), **values)

    def _of_joints(self) -> dict[str, np.ndarray]:
        """Fields that have a value for each joint in each frame."""
        values = {name: getattr(self, name) for name in ("points", "score", *OF_JOINTS)}
        return {name: values for name, values in values.items() if values is not None}

    def exchanged(self, frames: FrameMask, *, but: Collection[str] = ()) -> "Keypoints":
        """With left and right exchanged in some frames, which mirrors in depth.

        Args:
            but: joints that stay.
        """
        other = self.skeleton.other_sides()
        order = [n if joint in but else other[n] for n, joint in enumerate(self.skeleton.joints)]
        there = frames[:, None]
        values = {
            name: np.where(there[..., None] if name == "points" else there, own[:, order], own)
            for name, own in self._of_joints().items()
        }
        if self.depth is not None:
            values["depth"] *= np.where(there, np.float32(-1), np.float32(1))
        return replace(self, **values)

    def without(self, removed: Bool[np.ndarray, "#frames joints"]) -> "Keypoints":
        return replace(
            self,
            points=np.where(removed[..., None], np.float32(0), self.points),
            score=np.where(removed, np.float32(0), self.score),
            filled=None if self.filled is None else self.filled & ~removed,
            completed=None if self.completed is None else self.completed & ~removed,
        )

    def sure(self, min_score: float) -> "Keypoints":
        """Without joints of a lower score."""
        return self.without(self.score < min_score)

    def measured(self) -> "Keypoints":
        """Without joints that were completed."""
        if self.completed is None:
            return self
        return replace(self.without(self.completed), completed=None)

    def joint(
        self, name: str
    ) -> tuple[Float32[np.ndarray, "frames 2"], Float32[np.ndarray, " frames"]]:
        """Points and scores of one joint over time; a KeypointsError for one that is not there."""
        if name not in self.skeleton.joints:
            raise KeypointsError(f"no joint {name!r} in these keypoints (detector {self.detector})")
        index = self.skeleton.index(name)
        return self.points[:, index], self.score[:, index]

    def midpoint(self, *names: str) -> tuple[Places, FrameMask]:
        """Mean position of joints, and where none of them is missing."""
        points, score = zip(*(self.joint(name) for name in names), strict=True)
        return sum(points, np.zeros(2)) / len(names), np.all(np.stack(score) > 0, axis=0)

    def places(self, names: Sequence[str]) -> Complex128[np.ndarray, "frames names"]:
        """Joints as x + iy; NaN where one is missing."""
        indices = [*map(self.skeleton.index, names)]
        places = self.points[:, indices].astype(np.float64) @ (1, 1j)
        return np.where(self.score[:, indices] > 0, places, complex(np.nan, np.nan))


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections(_Joints):
    """Multi-person keypoints by track: a row for every (frame, person), in this order."""

    frame_index: Int32[np.ndarray, " rows"]
    person: Int32[np.ndarray, " rows"]
    """Track number from 0; the same number is the same person."""
    num_frames: int
    world: Float32[np.ndarray, "rows body 3"] | None = None
    """World landmarks of the body's joints, also of missing ones: meters from the hips, x right, y
    down, z away from the camera. Zeros where a row has none. None: the detector has none."""

    def __post_init__(self) -> None:
        _Joints.__post_init__(self)
        rows = len(self.points)
        if rows and not (self.frame_index.min() >= 0 and self.frame_index.max() < self.num_frames):
            raise KeypointsError(
                f"expected frame_index in 0 to {self.num_frames - 1}, got "
                f"{self.frame_index.min()} to {self.frame_index.max()}"
            )
        if self.world is not None:
            shape = (rows, len(dict(self.skeleton.groups)["body"]), 3)
            if self.world.shape != shape or not np.isfinite(self.world).all():
                raise KeypointsError(
                    f"expected finite world landmarks of shape {shape}, got {self.world.shape}"
                )
        if rows and self.person.min() < 0:
            raise KeypointsError(f"expected person numbers from 0, got {self.person.min()}")
        earlier, later = self.frame_index[:-1], self.frame_index[1:]
        ordered = (earlier < later) | ((earlier == later) & (self.person[:-1] < self.person[1:]))
        if not ordered.all():
            row = int(np.argmin(ordered)) + 1
            raise KeypointsError(
                "expected rows in order of frame, then person, each once; got frame "
                f"{self.frame_index[row]}, person {self.person[row]} after frame "
                f"{self.frame_index[row - 1]}, person {self.person[row - 1]}"
            )

    @classmethod
    def from_frames(
        cls,
        frames: Sequence[People],
        tracks: Sequence[Int32[np.ndarray, " _"]],
        *,
        image_size: tuple[int, int],
        frame_rate: Fraction,
        detector: str,
    ) -> "Detections":
        """From each frame's people, with HOLISTIC's joints; negative tracks are left out."""
        num_values = max((people.shape[2] for people in frames), default=3)
        joints = np.zeros((sum(map(len, frames)), len(HOLISTIC.joints), num_values), np.float32)
        start = 0
        for people in frames:  # a frame without anyone may have fewer values
            joints[start : start + len(people), :, : people.shape[2]] = people
            start += len(people)
        person = np.concatenate([np.zeros(0, np.int32), *tracks])
        frame_index = np.repeat(
            np.arange(len(frames), dtype=np.int32), [len(people) for people in frames]
        )
        order = np.lexsort([person, frame_index])
        order = order[person[order] >= 0]
        return cls(
            frame_index=frame_index[order],
            person=person[order],
            points=np.ascontiguousarray(joints[order, :, :2]),
            score=np.ascontiguousarray(joints[order, :, 2]),
            world=joints[order, HOLISTIC.slice("body"), 3:] if num_values > 3 else None,
            num_frames=len(frames),
            skeleton=HOLISTIC,
            image_size=image_size,
            frame_rate=frame_rate,
            detector=detector,
        )

    @property
    def people(self) -> tuple[int, ...]:
        return tuple(np.unique(self.person).tolist())

    def without(self, *tracks: int) -> "Detections":
        """All but these people."""
        rows = ~np.isin(self.person, tracks)
        names = ("frame_index", "person", "points", "score", "world")
        kept = {name: getattr(self, name) for name in names}
        return replace(self, **{n: None if v is None else v[rows] for n, v in kept.items()})

    def _in_each_frame(self, values: np.ndarray, tracks: tuple[int, ...]) -> np.ndarray:
        """Values of the rows of one person by frame, zeros where there is none."""
        rows = np.isin(self.person, tracks)
        found = np.zeros((self.num_frames, *values.shape[1:]), np.float32)
        found[self.frame_index[rows]] = values[rows]
        return found

    def world_of_person(self, *tracks: int) -> Float32[np.ndarray, "frames body 3"] | None:
        """One person's world landmarks in every frame, zeros where there are none."""
        return None if self.world is None else self._in_each_frame(self.world, tracks)

    def of_person(self, *tracks: int) -> Keypoints:
        """One person in every frame, missing where not detected; tracks must not overlap."""
        for track in tracks:
            if track not in self.people:
                raise KeypointsError(f"no person {track} in this clip; there are {self.people}")
        return Keypoints(
            points=self._in_each_frame(self.points, tracks),
            score=self._in_each_frame(self.score, tracks),
            skeleton=self.skeleton,
            image_size=self.image_size,
            frame_rate=self.frame_rate,
            detector=self.detector,
        )


def keypoint_table(keypoints: Keypoints) -> "pandas.DataFrame":
    """Long (tidy) table: one row per (frame, joint), in that order; x and y are NaN where missing.

    Columns: frame_index, seconds, group, joint, x and y (pixels of the working image), score (0 to
    1) and filled (whether cleaning filled the position in).
    """
    import pandas  # takes as long as everything else here, and stages do without it

    frames, joints = keypoints.score.shape
    groups = [group for group, names in keypoints.skeleton.groups for _ in names]
    missing = (keypoints.score == 0)[..., None]
    points = np.where(missing, np.float32(np.nan), keypoints.points).reshape(-1, 2)
    filled = np.zeros((frames, joints), bool) if keypoints.filled is None else keypoints.filled
    frame_index = np.repeat(np.arange(frames, dtype=np.int32), joints)
    return pandas.DataFrame(
        {
            "frame_index": frame_index,
            "seconds": frame_index / float(keypoints.frame_rate),
            "group": pandas.Categorical(groups * frames, categories=dict.fromkeys(groups)),
            "joint": pandas.Categorical(
                keypoints.skeleton.joints * frames, categories=keypoints.skeleton.joints
            ),
            "x": points[:, 0],
            "y": points[:, 1],
            "score": keypoints.score.reshape(-1),
            "filled": filled.reshape(-1),
        }
    )
