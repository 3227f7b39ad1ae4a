"""Causal cleaning and normalization of one person's poses as they are detected.

Offline cleaning looks ahead; here joints are smoothed by a One-Euro filter, and one that is missing
stays where it was for a moment. Then it is where the world landmarks have it. (A skeleton whose
joints err no more than the detector's takes 30 ms a frame to fit.) The source's pose statistics
are fitted to the last minute in which someone was in view, every second.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
from jaxtyping import Float32, Float64

from motiontransfer.body.completion import complete
from motiontransfer.body.fit import fit_body
from motiontransfer.core.errors import StatisticsError
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.cleaning import remove_strays
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.shown import WHOLE
from motiontransfer.pose.skeleton import BODY_JOINTS, Skeleton
from motiontransfer.pose.time_series import OneEuroFilter
from motiontransfer.retargeting.normalization import MODES, Centering, normalize_poses
from motiontransfer.retargeting.statistics import MIN_FRAMES, PoseStatistics, measure_ground_contact
from motiontransfer.retargeting.unfilmed_sides import UnfilmedSides, face_camera

_HOLD_SECONDS = 0.25  # that a missing joint stays where it was
_FRAME_SECONDS = (1e-3, 1.0)  # between frames, at least and at most
_RECENT_FRAMES = 25  # by which gaps are bridged, and the face's box is smoothed
_RECENT_RATE = Fraction(25)
_FLOOR_SECONDS = 1.0  # over which the floor is a median, as offline, but of the past
_SAMPLE_RATE = Fraction(10)  # of poses to which statistics are fitted
_MAX_SAMPLES = 600
_STANDING_SAMPLES = 150  # of the last, by which what the camera does not show is placed
_REFIT_SECONDS = 1.0  # at least between two fits; later a tenth of what is known
_HEIGHT_METERS = 1.7  # of those whom world landmarks describe
_BODY = slice(len(BODY_JOINTS))
_GUESSED_SCORE = 0.3  # of joints that are not seen
_VALUES = 6  # x, y, score and world landmarks of a joint, which not every detector has


_Pose = Float32[np.ndarray, "joints values"]


def recent_keypoints(
    poses: Collection[_Pose],
    skeleton: Skeleton,
    image_size: tuple[int, int],
    *,
    frame_rate: Fraction = _RECENT_RATE,
) -> Keypoints:
    """Joints of somebody as they were detected, frame by frame."""
    stacked = np.stack([*poses])
    return Keypoints(
        points=np.ascontiguousarray(stacked[..., :2]),
        score=np.ascontiguousarray(stacked[..., 2]),
        skeleton=skeleton,
        image_size=image_size,
        frame_rate=frame_rate,
        detector="live",
    )


class SourceMotion:
    """Poses of the one person in view, in the target's image."""

    def __init__(
        self,
        fit: Callable[[Sequence[Keypoints]], PoseStatistics],
        *,
        min_score: float,
        mode: str,
        centering: Centering | None,
        unfilmed_sides: UnfilmedSides,
        target: PoseStatistics,
        skeleton: Skeleton,
        image_size: tuple[int, int],
    ) -> None:
        self._fit, self._min_score, self._target = fit, min_score, target
        self._mode = mode
        self._centering: Centering | None = centering
        self._unfilmed_sides: UnfilmedSides = unfilmed_sides
        self._skeleton, self._image_size = skeleton, image_size
        self._keypoints = partial(recent_keypoints, skeleton=skeleton, image_size=image_size)
        self.restart()

    def restart(self) -> None:
        self.is_frozen = False  # where it is, statistics stay as they are, once there are any
        self.statistics: PoseStatistics | None = None
        self._samples: deque[_Pose] = deque(maxlen=_MAX_SAMPLES)
        self._sampled_at = self._fitted_at = -np.inf
        self._height_px = 0.0
        self._forget_pose()

    def _forget_pose(self) -> None:
        num_joints = len(self._skeleton.joints)
        self._filter = OneEuroFilter()
        self._last = np.zeros((num_joints, _VALUES), np.float32)
        self._seen_at = np.full(num_joints, -np.inf)
        self._previous_at = -np.inf
        self._depth: Float32[np.ndarray, " joints"] | None = None
        self._recent: deque[_Pose] = deque(maxlen=_RECENT_FRAMES)
        self._ankle_lines: deque[tuple[float, float]] = deque()
        self._was_exchanged = False

    def follow(
        self, joints: Float32[np.ndarray, "joints values"] | None, seconds: float
    ) -> Keypoints | None:
        """The recent poses in the target's image, oldest first; None until statistics are fitted.

        Also None while nobody is in view.

        Args:
            joints: of one of `People`; None where nobody was detected.
            seconds: when, on any clock that never goes back.
        """
        if joints is not None:
            joints = np.pad(joints, ((0, 0), (0, _VALUES - joints.shape[1])))
            if joints[:, 3:].any():
                depth = joints[:, 5] / np.float32(_HEIGHT_METERS)
                self._depth = depth if self._depth is None else (self._depth + depth) / 2
            self._last[:, :3] = np.where(joints[:, 2:3] > 0, joints[:, :3], self._last[:, :3])
            self._last[:, 3:] = joints[:, 3:]
            self._seen_at = np.where(joints[:, 2] > 0, seconds, self._seen_at)
        present = seconds - self._seen_at <= _HOLD_SECONDS
        if not present.any():
            self._forget_pose()
            return None
        if joints is not None:
            self._sample(joints, seconds)
        if not self._height_px:
            self._height_px = body_height_px(self._keypoints([self._last * present[:, None]]))
        elapsed = float(np.clip(seconds - self._previous_at, *_FRAME_SECONDS))
        smoothed = self._filter.next(
            self._last[:, :2].astype(np.float64),
            present,
            rate_hz=1 / elapsed,
            unit_px=max(self._height_px, 1.0),
        )
        self._previous_at = seconds
        now = np.concatenate([smoothed, self._last[:, 2:]], axis=1).astype(np.float32)
        now[~present, :3] = 0
        places_hidden = MODES[self._mode].uses_proportions
        self._recent.append(self._with_hidden(now) if places_hidden else now)
        poses = self._normalized(seconds)
        if poses is not None and self._depth is not None:
            poses = replace(poses, depth=np.tile(self._depth, (poses.num_frames, 1)))
        if poses is None or self._unfilmed_sides == "as_danced":
            return poses
        facing = face_camera(poses, self._target, was_exchanged=self._was_exchanged)
        self._was_exchanged = bool(facing.is_exchanged[-1])
        return facing.poses

    def _with_hidden(self, pose: _Pose) -> _Pose:
        """With joints of the body in the picture that are not seen, each by the nearest seen."""
        body, seen = pose[_BODY], pose[_BODY, 2] > 0
        flat = body[:, 3:5] - body[seen, 3:5].mean(axis=0) if seen.any() else body[:, 3:5]
        if not (spread := float((flat[seen] ** 2).sum())):
            return pose
        scale = float((flat[seen] * (body[seen, :2] - body[seen, :2].mean(axis=0))).sum()) / spread
        away = np.linalg.norm(body[:, None, 3:] - body[None, seen, 3:], axis=2)
        nearest = np.flatnonzero(seen)[away.argmin(axis=1)]
        places = body[nearest, :2] + scale * (flat - flat[nearest])
        inside = ((places >= 0) & (places < self._image_size[::-1])).all(axis=1)
        hidden = np.flatnonzero(~seen & inside)
        pose[hidden, :2], pose[hidden, 2] = places[hidden], _GUESSED_SCORE
        return pose

    def _completed_of(self, poses: list[_Pose], rate: Fraction) -> Keypoints:
        """With what the camera does not show, where it stood in all of these."""
        keypoints, world = self._keypoints(poses, frame_rate=rate), np.stack(poses)[:, _BODY, 3:]
        return complete(keypoints, fit_body(keypoints, world, refines=False))

    def _sample(self, joints: _Pose, seconds: float) -> None:
        """Keep a pose now and then, and refit the statistics to those kept."""
        stays = self.is_frozen and self.statistics is not None
        if stays or seconds - self._sampled_at < 1 / _SAMPLE_RATE:
            return
        self._samples.append(joints)
        self._sampled_at = seconds
        known_seconds = len(self._samples) / float(_SAMPLE_RATE)
        is_first = len(self._samples) < MIN_FRAMES
        wait = 0.0 if is_first else max(_REFIT_SECONDS, known_seconds / 10)
        if seconds - self._fitted_at < wait:
            return
        self._fitted_at = seconds
        times = math.ceil(MIN_FRAMES / len(self._samples))  # few are taken for more
        samples = self._completed_of([*self._samples] * times, _SAMPLE_RATE)
        self._height_px = body_height_px(samples)
        try:
            self.statistics = self._fit([samples])
        except StatisticsError:  # too little of the body was seen
            return

    def _normalized(self, seconds: float) -> Keypoints | None:
        recent = self._completed(remove_strays(self._keypoints(list(self._recent))))
        mode = MODES[self._mode]
        if not mode.uses_floor:
            return recent
        line = self._floor(recent, seconds)
        if self.statistics is None or line is None:
            return None
        if mode.uses_proportions and not self.statistics.proportions:
            return None
        return normalize_poses(
            recent,
            mode=self._mode,
            centering=self._centering,
            source=self.statistics,
            target=self._target,
            floor=np.full(recent.num_frames, line),
        )

    def _completed(self, recent: Keypoints) -> Keypoints:
        """With what the camera does not show, where it stood over the last seconds."""
        if self.statistics is None or self.statistics.shows == WHOLE:
            return recent
        before = [*self._samples][-_STANDING_SAMPLES:]
        together = self._completed_of([*before, *self._recent], _SAMPLE_RATE)
        completed = together.part(range(len(before), together.num_frames))
        return replace(completed, frame_rate=recent.frame_rate)

    def _floor(self, recent: Keypoints, seconds: float) -> float | None:
        """The ankle line without steps and jumps; None where no ankles have been seen."""
        contact = measure_ground_contact(recent, min_score=self._min_score)
        if contact.has_ankles[-1]:
            self._ankle_lines.append((seconds, float(contact.ankle_y_px[-1])))
            while self._ankle_lines[0][0] < seconds - _FLOOR_SECONDS:
                self._ankle_lines.popleft()
        lines: Float64[np.ndarray, " _"] = np.array([line for _, line in self._ankle_lines])
        return float(np.median(lines)) if len(lines) else None
