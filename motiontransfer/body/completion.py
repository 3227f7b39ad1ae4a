"""Half bodies completed by the fitted body: trunk and arms as it has them, legs that stand.

A film from the knees, the waist or the chest up shows no feet. What a detector guesses of them is
far off, so feet are planted under the slow motion of the hips, and knees lie between. Ankles in
grass, in water or behind something, which no frame shows both of, are completed alike.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from motiontransfer.body.fit import fit_body
from motiontransfer.body.motion import BodyMotion
from motiontransfer.body.skeleton import LENGTHS, USUAL_LENGTHS, joint
from motiontransfer.core.arrays import Box, JointMask, Places, Points, Series
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.shown import HALF, inside_film, what_is_shown, whole_image
from motiontransfer.pose.skeleton import BODY_JOINTS
from motiontransfer.pose.time_series import fill_gaps, running_mean, running_median, window_frames

_LEAST_SEEN = 0.3  # share of the frames; a joint seen in fewer is noise, or what is held
_AT_EDGE = 0.03  # of the film's height: so near to its bottom, detectors place what is below it
_SLOW_SECONDS = 2.0  # over which a body's place and size are a median: a squat, a bow are shorter
_NEARER = 1.15  # largest to smallest size over these; less is turning and bending
_LONGEST_LEG = 1.03  # of a standing one; beyond, the foot leaves the ground
# Medians of six people who stand, in lengths of the leg: outwards and down.
_ANKLE, _HEEL, _TOES = (0.125, 0.0), (-0.013, 0.093), (0.053, 0.193)
_UPPER, _LEG = ("spine", "neck"), ("thigh", "shin")
_STANDS = 0.2  # quantile of how low the hips are: who squats for a while has stood before
_ARMS = ("elbow", "wrist", "pinky", "index", "thumb")
_BODY, _HEAD = slice(len(BODY_JOINTS)), slice(BODY_JOINTS.index("left_shoulder"))


def complete(
    keypoints: Keypoints, motion: BodyMotion | None = None, content: Box | None = None
) -> Keypoints:
    """Place trunk, legs and arms that are beyond the edge, and mark them as completed.

    What shows whole bodies, or too little to place them by, stays as it is.

    Args:
        motion: of the skeleton fitted to these keypoints; None: it is fitted now.
        content: the film in the working image; None: all of it.
    """
    content = content or whole_image(keypoints)
    if keypoints.completed is not None or what_is_shown(keypoints, content) not in HALF:
        return keypoints
    motion = fit_body(keypoints) if motion is None else motion
    if not motion.fits.any():
        return keypoints
    keypoints, seen = _with_hands(keypoints, content)
    points, score = keypoints.points.copy(), keypoints.score.copy()
    seen[:, seen.mean(axis=0) < _LEAST_SEEN] = False
    places = _continued(
        _standing(motion, keypoints.frame_rate), points[:, _BODY].astype(np.float64), seen
    )
    for side in ("left", "right"):  # a hand is one, however rarely it is seen
        wrist = BODY_JOINTS.index(f"{side}_wrist")
        seen[:, wrist] |= keypoints.joint(f"{side}_hand_wrist")[1] > 0
    placed = ~seen & np.any(score > 0, axis=1, keepdims=True)
    placed[:, _HEAD] = False
    hidden = inside_film(places, content)  # within the film, by the body mostly
    arms = [name.partition("_")[2] in _ARMS for name in BODY_JOINTS]
    placed &= ~(hidden & arms)
    completed = np.zeros(score.shape, np.bool_)
    completed[:, _BODY] = placed
    points[:, _BODY] = np.where(placed[..., None], places, points[:, _BODY])
    score[completed] = 1
    return replace(keypoints, points=points, score=score, completed=completed)


def _with_hands(keypoints: Keypoints, content: Box) -> tuple[Keypoints, JointMask]:
    """With wrists where a hand is found, and which joints of the body are seen for sure."""
    x0, y0, x1, y1 = content
    sure = x0, y0, x1, y1 - round(_AT_EDGE * (y1 - y0))
    seen = (keypoints.score > 0) & inside_film(keypoints.points.astype(np.float64), sure)
    points, score = keypoints.points.copy(), keypoints.score.copy()
    for side in ("left", "right"):
        wrist, hand = (keypoints.skeleton.index(f"{side}_{at}wrist") for at in ("", "hand_"))
        shown = (score[:, hand] > 0) & ~seen[:, wrist]
        points[shown, wrist], score[shown, wrist] = points[shown, hand], score[shown, hand]
        seen[shown, wrist] = True
    return replace(keypoints, points=points, score=score), seen[:, _BODY]


def _continued(model: Points, points: Points, seen: JointMask) -> Points:
    """Joints where they are seen, elsewhere the model, which passes into them."""
    places = model.copy()
    for index in np.flatnonzero(seen.any(axis=0)):
        offset = points[:, index] - model[:, index]
        filled = np.stack([fill_gaps(axis, seen[:, index]) for axis in offset.T], axis=1)
        places[:, index] += filled
    return places


def _standing(motion: BodyMotion, frame_rate: Fraction) -> Points:
    """The skeleton in the picture, but for legs, which stand under the slow motion of the hips."""

    def slow(values: Series) -> Series:
        values = running_median(values, window=window_frames(_SLOW_SECONDS, frame_rate))
        return running_mean(values, window=window_frames(_SLOW_SECONDS / 2, frame_rate))

    body = motion.projected()
    size = slow(motion.scale)
    upper, leg = ([LENGTHS.index(bone) for bone in bones] for bones in (_UPPER, _LEG))
    size *= motion.lengths[upper].sum() / USUAL_LENGTHS[upper].sum()
    length = size * USUAL_LENGTHS[leg].sum()
    level = np.full_like(size, np.quantile(motion.place[:, 1], _STANDS))
    if size.max() > _NEARER * size.min():  # by how it changes, the camera is above or below it
        level = np.polyval(np.polyfit(size, slow(motion.place[:, 1]), 1), size)
    across = slow((joint(body, "left_shoulder") - joint(body, "right_shoulder"))[:, 0])
    feet = np.stack([slow(motion.place[:, 0]), level + length], axis=1)
    share = USUAL_LENGTHS[leg[0]] / USUAL_LENGTHS[leg].sum()
    for side, outwards in (("left", np.sign(across)), ("right", -np.sign(across))):

        def beside(place: tuple[float, float], outwards: Series = outwards) -> Places:
            return length[:, None] * np.stack(
                [outwards * place[0], np.full_like(outwards, place[1])], axis=1
            )

        hip = joint(body, f"{side}_hip")
        down = feet + beside(_ANKLE) - hip
        longest = _LONGEST_LEG * length / np.maximum(np.linalg.norm(down, axis=1), 1e-6)
        down *= np.minimum(longest, 1)[:, None]
        for part, place in (
            *(("knee", hip + share * down), ("ankle", hip + down)),
            *(("heel", hip + down + beside(_HEEL)), ("foot_index", hip + down + beside(_TOES))),
        ):
            body[:, BODY_JOINTS.index(f"{side}_{part}")] = place
    return body
