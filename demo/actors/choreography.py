"""Dances: joint angles, facial actions and a path on the floor, over time, made from a seed.

Steps are planned on the beat (footwork.py): one foot stands while the other swings to its next
place. The legs' angles follow from where the feet are. Above the hips, each beat draws from a
vocabulary of poses, joined by curves without corners. Lengths are in leg lengths, so a dance fits
any body.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from demo.actors.footwork import Bar, Move, leg_angles, plan_steps
from demo.actors.posing import ANGLES

ARM_ANGLES = (
    *("shoulder_raise", "shoulder_spread", "shoulder_twist", "elbow"),
    *("forearm_twist", "wrist_bend", "curl"),
)
"""Joint angles of an arm that a pose sets."""

ARM_POSES: Mapping[str, tuple[float, ...]] = {
    "hang": (0.10, 0.24, 0.0, 0.35, 0.2, 0.0, 0.45),
    "swing_front": (0.75, 0.22, 0.0, 0.85, 0.1, 0.0, 0.75),
    "swing_back": (-0.45, 0.26, 0.0, 0.55, 0.1, 0.0, 0.75),
    "wave_high": (0.25, 2.30, 0.3, 0.65, 0.2, 0.1, 0.05),
    "overhead": (2.45, 0.70, 0.0, 0.30, 0.0, 0.0, 0.15),
    "side": (0.10, 1.45, 0.0, 0.15, 0.6, 0.0, 0.10),
    "low_side": (0.05, 0.80, 0.0, 0.20, 0.3, 0.0, 0.25),
    "goal_post": (0.10, 1.35, 1.30, 1.45, 0.0, 0.0, 0.20),
    "reach_front": (1.35, 0.30, 0.0, 0.30, -0.3, 0.0, 0.10),
    "push_side": (0.95, 0.75, 0.2, 0.95, -0.4, -0.5, 0.05),
    "cross_chest": (0.78, 0.12, -0.95, 1.55, -0.3, 0.0, 0.30),
    "cross_belly": (0.42, 0.20, -0.95, 1.35, -0.3, 0.0, 0.40),
    "on_hip": (-0.30, 0.85, -0.55, 1.65, 0.3, 0.3, 0.60),
    "fist_up": (1.30, 0.55, 0.2, 1.75, 0.0, 0.0, 1.35),
}
"""Poses of an arm by name: `ARM_ANGLES`, radians."""

_BOTH = (
    "goal_post",
    "cross_chest",
    "cross_belly",
    "overhead",
    "side",
    "reach_front",
    "on_hip",
    "low_side",
)
_ONE = (
    "wave_high",
    "fist_up",
    "push_side",
    "side",
    "swing_front",
    "overhead",
    "cross_chest",
    "on_hip",
)
_OTHER = ("hang", "low_side", "swing_back", "on_hip", "cross_belly")


def arm_sequence(num_beats: int, rng: np.random.Generator) -> list[tuple[int, str, str]]:
    """(beat, left pose, right pose): held for two beats mostly, so that each pose is reached."""
    sequence: list[tuple[int, str, str]] = [(0, "hang", "hang")]
    at, last = 1, ""
    while at < num_beats + 3:
        kind = rng.choice(("both", "one", "march"), p=(0.40, 0.42, 0.18))
        if kind == "both":
            pose = str(rng.choice([name for name in _BOTH if name != last]))
            sequence.append((at, pose, pose))
            last, at = pose, at + 2
        elif kind == "one":
            pose, other = (
                str(rng.choice([name for name in _ONE if name != last])),
                str(rng.choice(_OTHER)),
            )
            pair = (pose, other) if rng.random() < 0.5 else (other, pose)
            sequence.append((at, *pair))
            last, at = pose, at + 2
        else:
            sequence.append((at, "swing_front", "swing_back"))
            sequence.append((at + 1, "swing_back", "swing_front"))
            at += 2
    return sequence


ACTIONS = (
    *("jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthPucker", "browInnerUp"),
    *("browOuterUpLeft", "browOuterUpRight", "browDownLeft", "browDownRight"),
    *("eyeBlinkLeft", "eyeBlinkRight"),
)
"""Facial actions that a dance uses."""

_REACH = 0.7  # leg lengths to and from the camera
DANCE: tuple[Move, ...] = ("walk", "crouch", "turn_left", "touch", "turn_right")
"""Moves of a dance that shows a person from near and far, and bent and turned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """A dance, frame by frame."""

    angles: Float[np.ndarray, "frames angles"]
    """Joint angles by `body.ANGLES`, radians."""
    actions: Float[np.ndarray, "frames actions"]
    """Strength of each of `ACTIONS`, 0 to 1."""
    path: Float[np.ndarray, "frames 2"]
    """Hips over the floor: to the actor's left, towards the camera; leg lengths from their home."""
    lift: Float[np.ndarray, " frames"]
    """How high the lower foot is in the air, leg lengths."""
    beat_seconds: float
    """Time between beats."""


def compose(
    num_frames: int,
    *,
    frame_rate: float,
    beats_per_minute: float,
    seed: int,
    moves: tuple[Move, ...] = DANCE,
) -> Motion:
    """Compose a dance.

    With `walk` among its moves it begins far from the camera, comes near, and goes back and forth,
    with another move after each walk. Without it the actor dances on the spot.

    Args:
        beats_per_minute: the music's tempo; a step takes one beat.
        moves: each comes once before any comes again.
    """
    rng = np.random.default_rng(seed)
    beat = 60.0 / beats_per_minute
    times = np.arange(num_frames) / frame_rate
    num_bars = _beats_in(times, beat) // 4 + 2
    on_the_spot = tuple(move for move in moves if move != "walk")
    if on_the_spot == moves:
        bars, start = _bars_on_the_spot(num_bars, moves, rng), (0.0, 0.0)
    else:
        bars, start = _bars_with_walks(num_bars, on_the_spot, rng), (0.0, -_REACH)
    return perform(bars, times, start=start, beat=beat, rng=rng)


def perform(
    bars: tuple[Bar, ...],
    times: Float[np.ndarray, " frames"],
    *,
    start: tuple[float, float],
    beat: float,
    rng: np.random.Generator,
) -> Motion:
    """Dance the bars, again and again.

    Args:
        start: where the first bar begins, x and z in leg lengths.
        beat: seconds from one beat to the next.
    """
    num_beats = _beats_in(times, beat)
    curves = {name: np.zeros(len(times)) for name in ANGLES}
    steps = plan_steps(bars, times, start=start, beat=beat, num_beats=num_beats, rng=rng)
    curves |= _trunk(steps.turn, times, beat=beat, rng=rng)
    curves |= _arms(times, beat=beat, num_beats=num_beats, rng=rng)
    curves |= leg_angles(steps, {name: curves[f"root_{name}"] for name in ("pitch", "yaw", "roll")})
    return Motion(
        angles=np.stack([curves[name] for name in ANGLES], axis=1),
        actions=_face(times, beat=beat, rng=rng),
        path=steps.hips[:, :2],
        lift=steps.lift,
        beat_seconds=beat,
    )


def strike(
    free: Motion,
    dance: Motion,
    frames: Sequence[int],
    *,
    place: tuple[float, float],
    change_frames: int,
    hold_frames: int,
) -> Motion:
    """A free dance whose beginning is poses of another dance, each held, then changed to the next.

    The face goes on as in the free dance, but for blinks: in each pose the eyes are seen once.
    After the last pose so does the body.

    Args:
        place: where they are struck, x and z in leg lengths.
    """
    each = hold_frames + change_frames
    num_frames = len(frames) * each
    knots = [start + held for start in range(0, num_frames, each) for held in (0, hold_frames)]

    def begun(own: np.ndarray, struck: np.ndarray) -> np.ndarray:
        values = np.concatenate([np.repeat(struck, 2, axis=0), own[[num_frames]]])
        curve = PchipInterpolator([*knots, num_frames], values)
        return np.concatenate([curve(np.arange(num_frames)), own[num_frames:]])

    actions = free.actions.copy()
    actions[:num_frames, [name.startswith("eyeBlink") for name in ACTIONS]] = 0.0
    return replace(
        free,
        actions=actions,
        angles=begun(free.angles, dance.angles[frames]),
        path=begun(free.path, np.tile(np.array(place), (len(frames), 1))),
        lift=begun(free.lift, dance.lift[frames]),
    )


def _beats_in(times: Float[np.ndarray, " frames"], beat: float) -> int:
    return int(np.ceil(times[-1] / beat)) + 2


def _bars_with_walks(
    num_bars: int, moves: tuple[Move, ...], rng: np.random.Generator
) -> tuple[Bar, ...]:
    """Walk near, far, somewhere between, near, and so on; after each walk, one of the moves."""
    bars: list[Bar] = []
    upcoming = _in_any_order(moves, rng)
    for index in range(num_bars):
        if index % 2:
            bars.append(Bar(to=bars[-1].to, move=next(upcoming)))
        else:
            depth = (_REACH, -_REACH, float(rng.uniform(-0.3, 0.3)))[index // 2 % 3]
            bars.append(Bar(to=(float(rng.uniform(-0.32, 0.32)), depth), move="walk"))
    return tuple(bars)


def _bars_on_the_spot(
    num_bars: int, moves: tuple[Move, ...], rng: np.random.Generator
) -> tuple[Bar, ...]:
    upcoming = _in_any_order(moves, rng)
    return tuple(Bar(to=(0.0, 0.0), move=next(upcoming)) for _ in range(num_bars))


def _in_any_order(moves: tuple[Move, ...], rng: np.random.Generator) -> Iterator[Move]:
    """Yield all moves, and again, each time in another order."""
    while True:
        yield from [moves[index] for index in rng.permutation(len(moves))][::-1]


def _curve(knots: np.ndarray, values: np.ndarray, times: np.ndarray, blur: float) -> np.ndarray:
    """Through values at knots, flat at extremes, with corners rounded over `blur` seconds."""
    rate = 1.0 / max(times[1] - times[0], 1e-9)
    return gaussian_filter1d(
        PchipInterpolator(knots, values, extrapolate=True)(times), blur * rate, mode="nearest"
    )


def _wobble(times: np.ndarray, size: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """A slow restlessness: three sinusoids of random phase."""
    phases = rng.uniform(0, 2 * np.pi, 3)
    rates = 2 * np.pi / (seconds * np.array([1.0, 0.63, 0.41]))
    return size * sum(
        np.sin(rate * times + phase) / (index + 1)
        for index, (rate, phase) in enumerate(zip(rates, phases, strict=True))
    )


def _trunk(
    turn: np.ndarray, times: np.ndarray, *, beat: float, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    pulse = np.cos(2 * np.pi * times / beat)
    sway = np.sin(np.pi * times / beat)
    curves = {
        "root_yaw": 0.45 * turn,
        "root_pitch": 0.03 + _wobble(times, 0.02, 3.1, rng),
        "root_roll": 0.035 * sway + _wobble(times, 0.015, 4.3, rng),
        "spine_yaw": 0.55 * turn + 0.06 * sway + _wobble(times, 0.05, 3.7, rng),
        "spine_pitch": 0.06 - 0.02 * pulse + _wobble(times, 0.05, 4.9, rng),
        "spine_roll": -0.06 * sway + _wobble(times, 0.06, 4.1, rng),
    }
    trunk_yaw = curves["root_yaw"] + curves["spine_yaw"]
    curves["neck_yaw"] = -0.72 * trunk_yaw + _wobble(times, 0.16, 3.3, rng)
    curves["neck_pitch"] = -0.05 + 0.03 * pulse + _wobble(times, 0.07, 2.9, rng)
    curves["neck_roll"] = 0.04 * sway + _wobble(times, 0.05, 3.9, rng)
    curves["gaze_yaw"] = np.clip(-0.5 * (trunk_yaw + curves["neck_yaw"]), -0.35, 0.35)
    curves["gaze_pitch"] = _wobble(times, 0.05, 2.3, rng)
    return curves


def _arms(
    times: np.ndarray, *, beat: float, num_beats: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    sequence = arm_sequence(num_beats, rng)
    curves = {}
    for side, column in (("left", 1), ("right", 2)):
        knots, values = [], []
        for index, move in enumerate(sequence):
            pose = np.array(ARM_POSES[str(move[column])])
            hold = (
                0.55 * (sequence[index + 1][0] - move[0] - 1) if index + 1 < len(sequence) else 0.0
            )
            jitter = rng.normal(0.0, 0.06, len(pose))
            for delay in (0.0, hold) if hold > 0 else (0.0,):
                knots.append((move[0] + delay) * beat)
                values.append(pose + jitter * (1.0 + delay))
        table = np.array(values)
        for name, column_values in zip(ARM_ANGLES, table.T, strict=True):
            curves[f"{side}_{name}"] = _curve(np.array(knots), column_values, times, 0.07)
        high = np.clip(curves[f"{side}_shoulder_spread"] - 1.7, 0, 0.5) / 0.5
        curves[f"{side}_elbow"] += 0.35 * high * np.sin(2 * np.pi * times / beat)
        curves[f"{side}_elbow"] = np.clip(curves[f"{side}_elbow"], 0.08, 2.2)
        fidget = _wobble(times, 0.22, 1.9, rng)
        curves[f"{side}_curl"] = np.clip(curves[f"{side}_curl"] + fidget, 0.02, 1.4)
        curves[f"{side}_thumb_curl"] = 0.15 + 0.55 * curves[f"{side}_curl"]
        curves[f"{side}_finger_spread"] = 0.10 * np.clip(1.0 - curves[f"{side}_curl"], 0, 1)
        curves[f"{side}_wrist_side"] = _wobble(times, 0.10, 1.7, rng)
    return curves


def _face(
    times: np.ndarray, *, beat: float, rng: np.random.Generator
) -> Float[np.ndarray, "frames actions"]:
    num = int(np.ceil(times[-1] / beat)) + 3
    knots = np.arange(num) * beat

    def pulses(chance: float, low: float, high: float) -> np.ndarray:
        values = np.where(rng.random(num) < chance, rng.uniform(low, high, num), 0.0)
        return np.clip(_curve(knots, values, times, 0.06), 0.0, 1.0)

    jaw, pucker = pulses(0.30, 0.2, 0.55), pulses(0.12, 0.5, 0.9)
    smile = np.clip(0.38 + _wobble(times, 0.35, 4.0, rng), 0.0, 0.9) * (1 - 0.8 * pucker)
    brows_up, brows_down = pulses(0.30, 0.5, 1.0), pulses(0.15, 0.4, 0.8)
    blinks = np.zeros_like(times)
    at = rng.uniform(0.8, 2.0)
    while at < times[-1]:
        blinks = np.maximum(blinks, np.exp(-(((times - at) / 0.07) ** 2)))
        at += rng.uniform(1.6, 3.6)
    by_name = {
        "jawOpen": jaw * (1 - 0.7 * pucker),
        "mouthPucker": pucker,
        **dict.fromkeys(("mouthSmileLeft", "mouthSmileRight"), smile),
        **dict.fromkeys(("browInnerUp", "browOuterUpLeft", "browOuterUpRight"), brows_up),
        **dict.fromkeys(("browDownLeft", "browDownRight"), brows_down * (1 - brows_up)),
        **dict.fromkeys(("eyeBlinkLeft", "eyeBlinkRight"), blinks),
    }
    return np.stack([by_name[name] for name in ACTIONS], axis=1)
