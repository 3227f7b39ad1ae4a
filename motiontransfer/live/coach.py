"""A coach: what a camera's picture shows of the poses to strike, and what is wrong with it.

All places are in the camera's picture, which is not mirrored.
"""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from motiontransfer.body.parts import BodyPoses
from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame, Vector
from motiontransfer.core.params import Pair, load_section
from motiontransfer.filming.coverage import upright_heights
from motiontransfer.filming.key_poses import find_key_poses
from motiontransfer.filming.striking import Seen, Strikes
from motiontransfer.live.command import open_detector
from motiontransfer.live.motion import recent_keypoints
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints, read_subject
from motiontransfer.pose.landmarks import Detector
from motiontransfer.video.geometry import enclosing_box

_MAX_RECENT = 50  # frames of somebody, which tell their size
_DARK = 45  # mean level of the person's box; half of the darkest of 20 public films
_BLURRED = 0.6  # 30 public films have .22 to .50; blurred by a Gaussian of 2 px of 480, .56 to .82
_BLUR_PX = 9  # of the second blurring, as published
_ENDS = {
    "head is": ("nose",),
    "hands are": ("left_wrist", "right_wrist"),
    "feet are": ("left_ankle", "right_ankle"),
}

Line = tuple[float, float, float, float, float, bool]
"""(x, y) of both ends and the radius, pixels, and whether that part is good."""


class Coach:
    """Looks at somebody who strikes frames of a dance."""

    def __init__(self, dance: Keypoints, frames: Sequence[int], detect: Detector) -> None:
        self._dance, self._frames, self._detect = dance, [*frames], detect
        self._strikes, self._seen_at = Strikes(dance, frames), -np.inf
        self._heights = upright_heights(dance)
        self._recent: deque[Float32[np.ndarray, "joints 3"]] = deque(maxlen=_MAX_RECENT)

    def look(self, picture: Frame, *, seconds: float) -> dict[str, object]:
        """What to draw over a picture, and to say; for JSON.

        Args:
            seconds: when, on any clock that never goes back.

        Returns:
            `size` of the picture. `figure`: `Line`s of who is seen. `ticks` of all poses. `pose`:
            the number of the first without, None after the last. `outline`: its `Line`s at one's
            own size and place. `told`: sentences.
        """
        (people,) = self._detect([picture])
        shown = {"size": picture.shape[:2], "figure": [], "outline": []}
        told = ["nobody is in view"]
        if len(people):
            self._recent.append(people[0])
            me = recent_keypoints(self._recent, self._dance.skeleton, picture.shape[:2])
            seen = self._strikes.see(me, seconds=seconds - self._seen_at)
            self._seen_at, pose = seconds, self._pose
            height = float(np.nan_to_num(upright_heights(me)[-1]))
            told = [*_faults(picture, me), *self._missing(me)]
            if pose is not None:
                told += self._corrections(seen, pose)
                wanted = self._at_own_size(me, height, self._frames[pose])
                shown["outline"] = [*self._lines(wanted, self._strikes.is_met[:, pose], height)]
            shown["figure"] = [*self._lines(me.part([-1]), seen.near[:, pose or 0], height)]
        ticks = self._strikes.is_struck.tolist()
        return shown | {"told": told, "pose": self._pose, "ticks": ticks}

    @property
    def _pose(self) -> int | None:
        """The first that is not struck."""
        ticks = self._strikes.is_struck.tolist()
        return ticks.index(False) if False in ticks else None

    def _missing(self, me: Keypoints) -> Iterator[str]:
        """Ends of the body that poses show and the picture does not."""
        for end, joints in _ENDS.items():
            poses, own = (each.part(at) for each, at in ((self._dance, self._frames), (me, [-1])))
            if any(poses.joint(each)[1].any() and not own.joint(each)[1].all() for each in joints):
                yield f"your {end} not in view: step back"

    def _corrections(self, seen: Seen, pose: int) -> Iterator[str]:
        if seen.is_mirrored[pose]:
            yield "the other way round: left is left, as in a mirror"
        blurred = seen.near[:, pose] & ~seen.is_sharp & ~self._strikes.is_met[:, pose]
        if len(self._recent) > 1 and blurred.any():
            yield "hold still"

    def _at_own_size(self, me: Keypoints, height: float, frame: int) -> Keypoints:
        """A pose of the dance as high as somebody is, where they stand."""
        pose = self._dance.part([frame])
        zoom = height / max(float(self._heights[frame]), 1e-9)
        points = (pose.points - _place(pose)) * zoom + _place(me)
        points = np.where(pose.score[..., None] > 0, points, 0).astype(np.float32)
        return replace(pose, points=points, image_size=me.image_size, filled=None, completed=None)

    def _lines(
        self, pose: Keypoints, is_good: Bool[np.ndarray, " parts"], height: float
    ) -> Iterator[Line]:
        """Bones of a pose, as thick as the parts of a body of this height."""
        poses = BodyPoses(pose.skeleton, pose.points, pose.score)
        for part, good in zip(self._strikes.parts, is_good.tolist(), strict=True):
            for bone in part.bones:
                ends, found = poses.joints(bone, 0)
                if found.all():
                    x0, y0, x1, y1 = ends.ravel().round(1).tolist()
                    yield x0, y0, x1, y1, round(part.radius * height, 1), good


@contextmanager
def open_coach(guide: str) -> Generator[Coach]:
    """The coach of a guide of params.yaml that was made.

    Raises:
        ParamsError: there is no such guide.
        MissingFileError: the dance's poses are not there.
    """
    names = load_section(Pair, f"guides.{guide}")
    dance = read_keypoints(layout.keypoints_file(names.source_subject, names.source))
    is_known = names.target != names.source_subject
    filmed = [*read_subject(layout.keypoints_folder(names.target)).values()] if is_known else []
    with open_detector() as detect:
        yield Coach(dance, sorted(find_key_poses(dance, filmed).frames), detect)


def _faults(picture: Frame, me: Keypoints) -> Iterator[str]:
    """What is wrong with the picture around somebody."""
    points = me.points[-1][me.score[-1] > 0]
    if (box := enclosing_box(points, margin=0.0, image_size=me.image_size)) is not None:
        x0, y0, x1, y1 = box
        gray = cv2.cvtColor(picture[y0:y1, x0:x1], cv2.COLOR_RGB2GRAY)
        if gray.mean() < _DARK:
            yield "it is too dark: turn on lights, before you rather than behind"
        if min(gray.shape) > _BLUR_PX and blur(gray) > _BLURRED:
            yield "the picture is blurred: clean the lens, focus, or add light"


def blur(gray: UInt8[np.ndarray, "height width"]) -> float:
    """Blur of an image, 0 to 1, by how much another blurring changes it (Crete et al. 2007)."""
    kept = []
    for axis in (0, 1):
        size = (1, _BLUR_PX) if axis == 0 else (_BLUR_PX, 1)
        before, after = (
            np.abs(np.diff(image, axis=axis))
            for image in (gray.astype(np.float32), cv2.blur(gray.astype(np.float32), size))
        )
        lost = np.maximum(before - after, 0).sum()
        kept.append(1 - float(lost / max(before.sum(), 1e-6)))
    return max(kept)


def _place(somebody: Keypoints) -> Vector:
    """Middle of the hips, at the lower ankle's height where both are found; of the last frame."""
    middle, _ = somebody.midpoint("left_hip", "right_hip")
    ankles = [somebody.joint(f"{side}_ankle") for side in ("left", "right")]
    place = middle[-1].astype(np.float64)
    if all(score[-1] > 0 for _, score in ankles):
        place[1] = max(points[-1, 1] for points, _ in ankles)
    return place
