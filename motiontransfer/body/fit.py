"""The skeleton fitted to a film: constant lengths, and the directions of all bones in all frames.

Lengths and the camera's distance are fitted to at most 200 frames, and then held. Windows of the
film that overlap are fitted by themselves, so a film's length does not matter.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from motiontransfer.body.motion import BodyMotion
from motiontransfer.body.objective import USUAL_DISTANCE, Bends, Observed, State, error
from motiontransfer.body.sides import Pose, choose_sides, measured_yaw
from motiontransfer.body.skeleton import (
    BONE_NAMES,
    BONES,
    LENGTH_OF_BONE,
    LENGTHS,
    USUAL_LENGTHS,
    Directions,
    bone_index,
    bone_vectors,
    bones_seen,
    joints_of,
    stature,
    unit,
)
from motiontransfer.core.arrays import FrameMask, Vector
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import BODY_JOINTS, HOLISTIC
from motiontransfer.pose.time_series import inner_gaps

_FOR_LENGTHS = 200  # frames
_RUN = 25  # frames next to each other among these
_WINDOW, _OVERLAP = 240, 40  # frames
_STEPS = ((2.5, 40), (1.0, 120))  # factor of the joints' error, steps of L-BFGS
_DESCENT = {"maxcor": 20, "ftol": 1e-9, "gtol": 0.0}  # pairs from which the Hessian is told; ends
_UNITS = State(*(np.array(unit) for unit in (1.0, 0.1, 0.1, 0.3, 1.0)))  # of the unknowns
_ROUGHNESS = (1.0, 1.0, 300.0)  # of directions, place and size: cost of bends, of a step's own
_OFF = 0.06  # body heights: a joint that far away is not explained
_FEW = 1 / 3  # share of a frame's joints that may be
_BLUNDER_SECONDS = 0.12  # of a detector that finds another body, or none
_UNLIKELY = 1.8  # factor of the usual lengths of trunk, arms and legs
_LARGE = ("spine", "upper_arm", "forearm", "thigh", "shin")
_METERS = 1.7  # a body height in world landmarks
_GUESSED = 0.3  # weight of depth that no detector gave
_UNKNOWN = {"spine": (0.0, -1.0, 0.0), "neck": (0.0, -1.0, 0.0), "hips": (1.0, 0.0, 0.0)}
"""Directions of bones that no frame shows; others point down."""
_OF_ARM = ("upper_arm", "forearm", "index", "pinky", "thumb")
_KEPT_SECONDS = 0.6  # that a hidden arm keeps its direction to the trunk
_UNSEEN = 0.05  # score of bones whose direction a detector guesses
_IS_BEHIND = -0.3  # cosine of the yaw
_WEIGHTS = {  # of joints by a part of their name, the first that fits; else 1
    **{"eye_": 0.1, "eye": 0.15, "mouth": 0.2, "nose": 0.5, "ear": 0.5, "thumb": 0.2},
    **{"pinky": 0.5, "foot_index": 1.0, "index": 0.5},
}
_WEIGHT = np.array(
    [next((w for part, w in _WEIGHTS.items() if part in name), 1.0) for name in BODY_JOINTS]
)
_NUM_BODY, _NUM_HEAD = len(BODY_JOINTS), 11
_HEAD_ONLY = np.arange(_NUM_BODY) < _NUM_HEAD

World = Float[np.ndarray, "frames joints 3"]


def fit_body(
    keypoints: Keypoints, world: World | None = None, *, refines: bool = True
) -> BodyMotion:
    """One skeleton for all frames of one person's detected joints; it fits none without any.

    Args:
        keypoints: with the joints of HOLISTIC, missing ones missing.
        world: the detector's world landmarks of the body: meters from the hips, z away; zeros in
            frames without them. None: there are none, and depth is guessed.
        refines: False: usual lengths in the directions of the world landmarks, sides as detected,
            in a millisecond.
    """
    body = slice(_NUM_BODY)
    points = keypoints.points[:, body].astype(np.float64)
    score = keypoints.score[:, body].astype(np.float64)
    found, rate = score.max(axis=1) > 0, float(keypoints.frame_rate)
    if not found.any():
        return BodyMotion.unfitted(len(found))
    height = _height_px(points, score)
    guess = _guessed_world(points / height, score)
    has_world = (
        np.zeros(len(found), np.bool_) if world is None else np.abs(world).max(axis=(1, 2)) > 0
    )
    if world is not None:
        guess = np.where(has_world[:, None, None], world.astype(np.float64), guess)
    pose = Pose(points / height, score, guess)
    face = keypoints.score[:, HOLISTIC.slice("face")].max(axis=1) > 0
    exchanged = np.zeros_like(found)
    if refines:
        exchanged = choose_sides(pose, found=found, has_face=face, frame_rate=rate)
    pose = pose.with_exchanged(exchanged)
    center = (np.array(keypoints.image_size[::-1]) / 2 - 0.5) / height
    film = _film(pose, center=center, frame_rate=rate, height=height, has_world=has_world)
    state = _first_state(film, pose)
    state = _fitted(film, state) if refines else state
    units = unit(np.moveaxis(state.directions, 0, 2))
    lengths, distance = np.exp(state.lengths), np.exp(state.distance - state.size)
    larger = stature(USUAL_LENGTHS) / stature(lengths)  # so that a height is a height
    motion = BodyMotion(
        directions=units,
        lengths=lengths * larger,
        place=state.place.T * height,
        scale=np.exp(state.size) * height / larger,
        distance=distance * larger,
        center=center * height,
        is_exchanged=exchanged,
        yaw=np.unwrap(measured_yaw(joints_of(lengths, units))),
        fits=found,
    )
    return _judged(motion, pose.points * height, film.weight, rate)


def _height_px(points: Float64[np.ndarray, "frames joints 2"], score: np.ndarray) -> float:
    """Body height in the picture by the bones that look longest."""
    seen, across = bones_seen(score) > 0, np.linalg.norm(bone_vectors(points), axis=2)
    large = np.array([bone.length in _LARGE for bone in BONES.values()])
    heights = across / USUAL_LENGTHS[LENGTH_OF_BONE]
    known = seen.any(axis=0)
    known &= large | ~(known & large).any()
    if known.any():
        longest = [np.quantile(heights[seen[:, i], i], 0.9) for i in np.flatnonzero(known)]
        return max(float(np.median(longest)), 1.0)
    there = points[score > 0]
    return max(float(np.ptp(there, axis=0).max()), 1.0)


def _guessed_world(points: Float64[np.ndarray, "frames joints 2"], score: np.ndarray) -> World:
    """Depth by bones' usual lengths: knees bend forwards, and so do arms."""
    flat = bone_vectors(points) / USUAL_LENGTHS[LENGTH_OF_BONE][:, None]
    flat *= (bones_seen(score) > 0)[..., None]
    norm = np.linalg.norm(flat, axis=2, keepdims=True)
    flat /= np.maximum(norm, 1)
    deep = np.sqrt(np.maximum(1 - (flat**2).sum(axis=2), 0)) * (norm[..., 0] > 0)
    nose, hips = flat[:, bone_index("nose"), 0], flat[:, bone_index("hips"), 0]
    forwards = np.where(hips < 0, 1.0, -1.0)  # who shows their back looks away
    turned = np.where(nose < 0, -1.0, 1.0)  # who looks to the picture's right has the left far
    sign = np.zeros_like(deep)
    for side, across in (("left", turned), ("right", -turned)):
        for part, value in (
            *(("clavicle", across), ("thigh", forwards), ("shin", -forwards)),
            *(("toe", forwards), ("forearm", forwards)),
        ):
            sign[:, bone_index(f"{side}_{part}")] = value
    sign[:, bone_index("hips")] = turned
    sign[:, bone_index("nose")] = forwards
    bones = np.concatenate([flat, (sign * deep)[..., None]], axis=2)
    return _METERS * joints_of(USUAL_LENGTHS, bones)


def _film(
    pose: Pose, *, center: Vector, frame_rate: float, height: float, has_world: FrameMask
) -> Observed:
    points, score, world = pose
    weight = np.clip((score - 0.2) / 0.6, 0, 1) * _WEIGHT
    # Detectors draw a face on the back of the head.
    is_behind = np.cos(measured_yaw(world)) < _IS_BEHIND
    weight = np.where(is_behind[:, None] & _HEAD_ONLY, 0.4 * weight, weight)
    sureness = np.array([bone.sureness for bone in BONES.values()])
    seen = bones_seen(score)
    lines = _with_hidden_arms(unit(bone_vectors(world)), seen > 0, frame_rate)
    seen = np.where(has_world[:, None], np.maximum(seen, _UNSEEN), _GUESSED * seen)
    line_weight = sureness * seen
    return Observed(
        points=np.moveaxis(points, 2, 0),
        weight=weight,
        lines=np.moveaxis(lines, 2, 0),
        line_weight=line_weight,
        bends=Bends(np.arange(len(points)) == 0, frame_rate),
        center=center,
        frame_rate=frame_rate,
        noise=float(np.clip((190 / height) ** 2, 1, 3)) ** 1.4,
    )


def _with_hidden_arms(
    lines: Directions, seen: Bool[np.ndarray, "frames bones"], frame_rate: float
) -> Directions:
    """Near a moment in which it was seen, an arm that the trunk hides keeps its direction to it.

    Between two moments it goes from one to the other. A detector's guess is right more often from
    behind, where it sees the elbow, than in profile, where it takes the other arm for it.
    """
    trunk, frames, result = _trunk(lines), np.arange(len(lines)), lines.copy()
    in_profile = trunk[:, 0, 2] ** 2
    for index, name in enumerate(BONE_NAMES):
        known = np.flatnonzero(seen[:, index])
        if name.endswith(_OF_ARM) and len(known):
            seconds = np.abs(frames[:, None] - known).min(axis=1) / frame_rate
            share = in_profile * np.exp(-((seconds / _KEPT_SECONDS) ** 2))
            to_trunk = _over_gaps((lines[:, index, None] @ trunk)[:, 0], known, len(frames))
            kept = (trunk @ to_trunk[..., None])[..., 0]
            result[:, index] += share[:, None] * (kept - lines[:, index])
    return unit(result)


def _trunk(lines: Directions) -> Float64[np.ndarray, "frames 3 3"]:
    """Columns: to the left, down and to the front of the trunk."""
    hips, left, right, spine = (
        lines[:, bone_index(name)] for name in ("hips", "left_clavicle", "right_clavicle", "spine")
    )
    across = hips + left - right
    across = unit(across - (across * spine).sum(axis=1, keepdims=True) * spine)
    return np.stack([across, -spine, np.cross(across, -spine)], axis=2)


def _over_gaps(values: np.ndarray, known: Int64[np.ndarray, " some"], frames: int) -> np.ndarray:
    """Values of the known frames, and between them on a straight line."""
    at = np.interp(np.arange(frames), known, np.arange(len(known)))
    low = at.astype(int)
    share = (at - low).reshape(-1, *[1] * (values.ndim - 1))
    high = np.minimum(low + 1, len(known) - 1)
    return values[known[low]] * (1 - share) + values[known[high]] * share


def _first_state(film: Observed, pose: Pose) -> State:
    """Usual lengths in the world landmarks' directions, where the joints are on the average."""
    frames, known = len(film.weight), np.flatnonzero((pose.score > 0).any(axis=1))
    lines = np.moveaxis(film.lines, 0, 2).copy()
    lengths = np.linalg.norm(lines, axis=2)
    for index, name in enumerate(BONE_NAMES):
        if len(own := np.flatnonzero(lengths[:, index] > 0.5)):
            lines[:, index] = _over_gaps(lines[:, index], own, frames)
        else:
            lines[:, index] = _UNKNOWN.get(name, (0.0, 1.0, 0.0))
    around = np.clip(np.arange(frames)[:, None] + np.arange(-2, 3), 0, frames - 1)
    lines = np.median(lines[around], axis=1)
    units = unit(lines)
    flat = joints_of(USUAL_LENGTHS, units)[..., :2]
    weight = film.weight[..., None] + 1e-9
    place = ((pose.points - flat) * weight).sum(axis=1) / weight.sum(axis=1)
    return State(
        directions=np.ascontiguousarray(np.moveaxis(units, 2, 0)),
        place=_over_gaps(place, known, frames).T,
        size=np.zeros(frames),
        lengths=np.log(USUAL_LENGTHS),
        distance=np.array(np.log(USUAL_DISTANCE)),
    )


def _descend(
    film: Observed, state: State, *, width: float, steps: int, holds_lengths: bool
) -> State:
    sizes = np.cumsum([values.size for values in state])[:-1]
    units = _UNITS
    if holds_lengths:
        units = units._replace(lengths=np.array(0.0), distance=np.array(0.0))

    smooth = _smooth_bases(film)

    def scaled(values: State) -> State:
        return State(*(u * s(v) for v, u, s in zip(values, units, smooth, strict=True)))

    def moved(unknowns: Float64[np.ndarray, " unknowns"]) -> State:
        pieces = zip(state, np.split(unknowns, sizes), strict=True)
        by = scaled(State(*(part.reshape(value.shape) for value, part in pieces)))
        return State(*(value + step for value, step in zip(state, by, strict=True)))

    def value(unknowns: Float64[np.ndarray, " unknowns"]) -> tuple[float, np.ndarray]:
        total, by = error(film, moved(unknowns), width=width)
        return total, np.concatenate([np.ravel(slope) for slope in scaled(by)])

    from scipy.optimize import minimize  # here: live motion does without SciPy

    start, options = np.zeros(sum(values.size for values in state)), _DESCENT | {"maxiter": steps}
    return moved(minimize(value, start, method="L-BFGS-B", jac=True, options=options).x)


def _smooth_bases(film: Observed) -> tuple[Callable[[np.ndarray], np.ndarray], ...]:
    """Symmetric maps of the unknowns along frames, in which smooth steps cost what others do.

    So L-BFGS needs a third of the steps.
    """
    bent = film.bends.of(np.eye(len(film.weight))[None])[0]
    squares, waves = np.linalg.eigh(bent.T @ bent)
    directions, place, size = (
        (waves / np.sqrt(1 + roughness * squares)) @ waves.T for roughness in _ROUGHNESS
    )
    return (
        lambda values: directions @ values,
        lambda values: values @ place,
        lambda values: size @ values,
        lambda values: values,
        lambda values: values,
    )


def _part(state: State, frames: np.ndarray) -> State:
    return state._replace(
        directions=state.directions[:, frames],
        place=state.place[:, frames],
        size=state.size[frames],
    )


def _fitted(film: Observed, state: State) -> State:
    frames = len(film.weight)
    chosen, starts = _for_lengths(frames)
    part, tried = film.part(chosen, starts), _part(state, chosen)
    for width, steps in _STEPS:
        tried = _descend(part, tried, width=width, steps=steps, holds_lengths=False)
    if len(chosen) == frames:
        return tried
    return _in_windows(film, state._replace(lengths=tried.lengths, distance=tried.distance))


def _for_lengths(frames: int) -> tuple[Int64[np.ndarray, " some"], FrameMask]:
    """Frames of even runs, and which ones begin a run."""
    if frames <= _FOR_LENGTHS:
        return np.arange(frames), np.arange(frames) == 0
    starts = np.linspace(0, frames - _RUN, _FOR_LENGTHS // _RUN).astype(int)
    return (starts[:, None] + np.arange(_RUN)).ravel(), np.tile(np.arange(_RUN) == 0, len(starts))


def _in_windows(film: Observed, state: State) -> State:
    """Directions, place and size in windows; where two overlap, from one to the other."""
    frames = len(film.weight)
    result = _part(state, np.arange(frames))
    for start in range(0, max(frames - _OVERLAP, 1), _WINDOW - _OVERLAP):
        window = np.arange(start, min(start + _WINDOW, frames))
        part, here = film.part(window, window == start), _part(state, window)
        for width, steps in _STEPS:
            here = _descend(part, here, width=width, steps=steps, holds_lengths=True)
        share = np.ones(len(window))
        if start:
            share[:_OVERLAP] = (np.arange(_OVERLAP) + 0.5) / _OVERLAP
        for whole, piece in ((result.directions, here.directions), (result.place, here.place)):
            by = share.reshape(1, -1, *[1] * (whole.ndim - 2))
            whole[:, window] += by * (piece - whole[:, window])
        result.size[window] += share * (here.size - result.size[window])
    return result


def _judged(
    motion: BodyMotion, points: np.ndarray, weight: np.ndarray, frame_rate: float
) -> BodyMotion:
    """With the frames in which the skeleton explains the joints.

    What it explains before and after a moment, it fits there, too: the detector blundered.
    """
    off = np.linalg.norm(motion.projected() - points, axis=2) > _OFF * motion.scale[:, None]
    total = weight.sum(axis=1)
    few = (weight * off).sum(axis=1) <= _FEW * total
    large = [LENGTHS.index(name) for name in _LARGE]
    unlike = np.abs(np.log(motion.lengths / USUAL_LENGTHS))[large].max() > np.log(_UNLIKELY)
    fits = few & (total > 0) & ~unlike
    longest = round(_BLUNDER_SECONDS * frame_rate)
    for start, stop in inner_gaps(fits, longest=longest):
        fits[start:stop] = True
    return replace(motion, fits=fits)
