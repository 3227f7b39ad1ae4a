"""Striking: whether someone takes the key poses of a dance, part by part, near enough and sharp.

A part that was met stays met, whichever pose was tried: a reference is taken part by part. Left is
left, as where references are chosen: the mirrored pose is another one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from motiontransfer.body.parts import BodyPart, BodyPoses, body_parts
from motiontransfer.filming.coverage import PartPoses, upright_heights
from motiontransfer.pose.keypoints import Keypoints

NEAR: Mapping[str, float] = {"head": 1.0, "hand": 2.0, "other": 3.5}
"""% of the body's height, by `BodyPart.kind`.

Limbs and cameras differ: exactly struck poses of another actor are off by at most .4 in the head,
1.4 in hands and 3.3 elsewhere. Arms off by .2 radians are off by 3.2 to 3.9 (medians). In 32 films
of actors, faces have likeness .79 up to .5 and .68 from .75 on. Hands have .80 up to .3 and .57
from 2 on.
"""
SHARP_SPEED = 0.3
"""Body heights a second: at an exposure of 1/30 s a blur of 1 % of the height."""

PartsOfPoses = Bool[np.ndarray, "parts poses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look at somebody."""

    near: PartsOfPoses
    is_sharp: Bool[np.ndarray, " parts"]
    is_mirrored: Bool[np.ndarray, " poses"]
    """Poses whose trunk and limbs are met with left and right exchanged, and not as they are."""


class Strikes:
    """What was met of some frames of a dance, in any order."""

    def __init__(self, dance: Keypoints, frames: Sequence[int]) -> None:
        self.parts: Sequence[BodyPart] = body_parts(dance.skeleton)
        self._wanted = PartPoses.of(dance, self.parts).of_frames([*frames])
        self.is_met: PartsOfPoses = ~self._wanted.is_found
        """A part that a pose does not show needs not be met."""

    @property
    def is_struck(self) -> Bool[np.ndarray, " poses"]:
        return np.all(self.is_met, axis=0)

    def see(self, recent: Keypoints, *, seconds: float) -> Seen:
        """Count the last frame of somebody who was seen for a while, which tells their size.

        Args:
            seconds: since the frame before.
        """
        near, is_sharp = self._near(recent), self._is_sharp(recent, seconds)
        decides = np.array([[part.kind == "other"] for part in self.parts]) & self._wanted.is_found
        is_mirrored = (self._near(_mirrored(recent)) | ~decides).all(axis=0)
        is_mirrored &= ~(near | ~decides).all(axis=0)
        self.is_met |= near & is_sharp[:, None]
        return Seen(near=near, is_sharp=is_sharp, is_mirrored=is_mirrored)

    def _near(self, recent: Keypoints) -> PartsOfPoses:
        mine = PartPoses.of(recent, self.parts).of_frames([-1])
        limits = np.array([[NEAR[part.kind]] for part in self.parts])
        return self._wanted.distances(mine)[..., 0] <= limits

    def _is_sharp(self, recent: Keypoints, seconds: float) -> Bool[np.ndarray, " parts"]:
        """Parts that hardly moved since the frame before; none at first."""
        farthest = SHARP_SPEED * seconds * float(upright_heights(recent)[-1])
        poses = BodyPoses(recent.skeleton, recent.points[-2:], recent.score[-2:])
        is_sharp = np.zeros(len(self.parts), np.bool_)
        for number, part in enumerate(self.parts if len(poses) > 1 else ()):
            points, found = poses.joints(part.joints)
            steps = np.linalg.norm(points[1] - points[0], axis=1)[found.all(axis=0)]
            is_sharp[number] = steps.size > 0 and steps.mean() <= farthest
        return is_sharp


def _mirrored(keypoints: Keypoints) -> Keypoints:
    """As in a mirror: the left hand is the right one."""
    others = keypoints.skeleton.other_sides()
    points, score = keypoints.points[:, others], keypoints.score[:, others]
    points[..., 0] = np.where(score > 0, keypoints.image_size[1] - points[..., 0], 0)
    return replace(keypoints, points=points, score=score, filled=None, completed=None)
