"""Footwork: trajectories of feet and hips on the beat, and inverse kinematics of the legs.

Lengths are in leg lengths (hip to ankle); x to the actor's left, z towards the camera, y up
from the ankles' height. Thigh and shank are taken as equally long, which they are within a
hundredth on these bodies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

_HALF_HIPS = 0.13
_HALF_STANCE = 0.15
_SWING = 0.84  # of a beat; for the rest both feet stand
_TALLEST = 0.985
_SHARE = 0.5  # thigh and shank, of the leg


_FLIGHT_SECONDS = 0.42
_JUMP = 0.25  # how high, which is what such a flight takes with a leg of 0.86 m
_LANDING = 2.6  # beats into the bar

Move = Literal[
    "walk",
    "touch",
    "crouch",
    "turn_left",
    "turn_right",
    "cross_left",
    "cross_right",
    "jump",
    "stand",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Four beats of footwork."""

    to: tuple[float, float]
    """Where on the floor the bar ends: x and z."""
    move: Move
    """Walk there; step from side to side; crouch; turn the trunk; put that foot across the other,
    in front of it; leave the ground; stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Feet and hips over time."""

    feet: Mapping[str, Float[np.ndarray, "frames 3"]]
    """Ankle of each side, x, z and lift."""
    foot_yaw: Mapping[str, Float[np.ndarray, " frames"]]
    """Direction of each foot, radians to the actor's left."""
    hips: Float[np.ndarray, "frames 3"]
    """Middle of the hips, x, z and height."""
    turn: Float[np.ndarray, " frames"]
    """How far the trunk is turned, radians to the actor's left."""
    lift: Float[np.ndarray, " frames"]
    """How high all of it is in the air."""


def plan_steps(
    bars: tuple[Bar, ...],
    times: Float[np.ndarray, " frames"],
    *,
    start: tuple[float, float],
    beat: float,
    num_beats: int,
    rng: np.random.Generator,
) -> Steps:
    """Lay the bars out in time, and the feet on the floor."""
    rate = 1.0 / (times[1] - times[0])
    places, moves = _lay_out(bars, start, num_beats)
    feet = {side: np.zeros((len(times), 3)) for side in ("left", "right")}
    foot_yaw = {side: np.zeros(len(times)) for side in ("left", "right")}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _lay_feet(feet[side], times, places, moves, sign=sign, beat=beat)
        foot_yaw[side] += sign * 0.16
    middle = (feet["left"][:, :2] + feet["right"][:, :2]) / 2
    lift = (feet["left"][:, 2] - feet["right"][:, 2])[:, None]
    lean = (feet["right"][:, :2] - feet["left"][:, :2]) * np.clip(2.2 * lift, -0.28, 0.28)
    hips_xz = gaussian_filter1d(middle + lean, 0.16 * rate, axis=0, mode="nearest")
    beats = np.arange(len(moves)) * beat
    crouch = _through(beats, _shape(moves, "crouch", (0.10, 0.85, 1.0, 0.15), rng), times, rate)
    turns = _shape(moves, "turn_left", (0.55, 1.0, 0.9, 0.1), rng) - _shape(
        moves, "turn_right", (0.55, 1.0, 0.9, 0.1), rng
    )
    turn = 1.05 * _through(beats, turns, times, rate)
    dip = [(0.55, 0.0, 0.5, 0.0)[(i - 1) % 4] if m == "jump" else 0.0 for i, m in enumerate(moves)]
    crouch += _through(beats, np.array(dip), times, rate)
    height = _TALLEST - 0.012 * (1 - np.cos(2 * np.pi * times / beat)) - 0.34 * crouch
    for side, sign in (("left", 1.0), ("right", -1.0)):
        apart = feet[side][:, :2] - hips_xz - [sign * _HALF_HIPS, 0.0]
        reach = np.sqrt(np.maximum(0.992**2 - (apart**2).sum(axis=1), 0.04)) + feet[side][:, 2]
        height = np.minimum(height, reach)
    height = gaussian_filter1d(height, 0.05 * rate, mode="nearest")
    hips = np.concatenate([hips_xz, height[:, None]], axis=1)
    lift = _lift(moves, times, beat)
    return Steps(feet=feet, foot_yaw=foot_yaw, hips=hips, turn=turn, lift=lift)


def _lay_out(
    bars: tuple[Bar, ...], start: tuple[float, float], num_beats: int
) -> tuple[np.ndarray, list[str]]:
    """Where the actor is and what they do, for each beat."""
    here = np.array(start, float)
    places, moves = [here], ["stand"]
    while len(places) < num_beats + 5:
        bar = bars[((len(places) - 1) // 4) % len(bars)]
        there = np.array(bar.to, float)
        places += [here + (there - here) * min(1.0, (i + 1) / 4) for i in range(4)]
        moves += [bar.move] * 4
        here = there
    return np.array(places), moves


def _lay_feet(
    foot: np.ndarray,
    times: np.ndarray,
    places: np.ndarray,
    moves: list[str],
    *,
    sign: float,
    beat: float,
) -> None:
    """Fill in one foot's path: it swings on every second beat, when there is somewhere to go."""

    def stance(index: int) -> np.ndarray:
        wide = {"touch": 0.08, "crouch": 0.07, "jump": 0.05}.get(moves[index], 0.02)
        return places[index] + [sign * (_HALF_STANCE + wide), 0.0]

    at = stance(0)
    parity, crossing = (0, "cross_left") if sign > 0 else (1, "cross_right")
    foot[:, :2] = at
    for index in range(1, len(places)):
        if index % 2 != parity:
            continue
        goal = stance(min(index + 1, len(places) - 1)) if moves[index] == "walk" else stance(index)
        if moves[index] == "touch":
            goal += np.array([sign * 0.16, 0.06]) * (index // 2 % 2)
        if moves[index] == crossing:
            goal += np.array([-sign * 0.46, 0.14]) * (index // 2 % 2)
        far = float(np.linalg.norm(goal - at))
        if far < 0.02:
            continue
        u = np.clip((times - (index - 1) * beat) / (_SWING * beat), 0.0, 1.0)
        eased = u**3 * (10 - 15 * u + 6 * u * u)
        moving = times >= (index - 1) * beat
        foot[moving, :2] = (at + eased[:, None] * (goal - at))[moving]
        foot[:, 2] += (0.045 + 0.11 * min(far, 0.5)) * np.sin(np.pi * eased) ** 2
        at = goal


def _lift(
    moves: list[str], times: Float[np.ndarray, " frames"], beat: float
) -> Float[np.ndarray, " frames"]:
    """Height in the air: a parabola for each bar of jumping, as anything that is thrown."""
    lift = np.zeros(len(times))
    for index, move in enumerate(moves):
        if move == "jump" and (index - 1) % 4 == 0:
            landing = (index - 1 + _LANDING) * beat
            u = np.clip((times - landing) / _FLIGHT_SECONDS + 1, 0.0, 1.0)
            lift += _JUMP * 4 * u * (1 - u)
    return lift


def _shape(
    moves: list[str], name: str, values: tuple[float, ...], rng: np.random.Generator
) -> Float[np.ndarray, " beats"]:
    strength = rng.uniform(0.85, 1.0, len(moves))
    return np.array(
        [
            values[(index - 1) % 4] * strength[(index - 1) // 4] if move == name else 0.0
            for index, move in enumerate(moves)
        ]
    )


def _through(knots: np.ndarray, values: np.ndarray, times: np.ndarray, rate: float) -> np.ndarray:
    return gaussian_filter1d(PchipInterpolator(knots, values)(times), 0.09 * rate, mode="nearest")


def leg_angles(
    steps: Steps, root: Mapping[str, Float[np.ndarray, " frames"]]
) -> dict[str, Float[np.ndarray, " frames"]]:
    """Joint angles of both legs that put the ankles where the steps want them, soles flat.

    Args:
        root: pitch, yaw and roll of the hips.
    """
    turned = Rotation.from_euler(
        "YXZ", np.stack([root["yaw"], root["pitch"], root["roll"]], axis=1)
    )
    angles: dict[str, np.ndarray] = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        foot, yaw = steps.feet[side], steps.foot_yaw[side]
        ankle = np.stack([foot[:, 0], foot[:, 2], foot[:, 1]], axis=1)
        middle = np.stack([steps.hips[:, 0], steps.hips[:, 2], steps.hips[:, 1]], axis=1)
        vector = turned.inv().apply(ankle - middle) - [sign * _HALF_HIPS, 0.0, 0.0]
        twist = 0.6 * (yaw - root["yaw"])
        swing, knee = _swing_and_knee(vector, twist)
        pitch = 0.9 * foot[:, 2]  # the toes hang a little while a foot is in the air
        wanted = Rotation.from_euler("YX", np.stack([yaw, pitch], axis=1))
        shank = (
            turned
            * swing
            * Rotation.from_euler("Y", twist[:, None])
            * Rotation.from_euler("X", knee[:, None])
        )
        ankle_turn = (shank.inv() * wanted).as_euler("YXZ")
        vectors = swing.as_rotvec()
        own = {
            "hip_raise": -vectors[:, 0],
            "hip_spread": sign * vectors[:, 2],
            "hip_twist": sign * twist,
            "knee": knee,
            "ankle_yaw": sign * ankle_turn[:, 0],
            "ankle_pitch": ankle_turn[:, 1],
            "ankle_roll": sign * ankle_turn[:, 2],
        }
        angles |= {f"{side}_{name}": values for name, values in own.items()}
    return angles


def _swing_and_knee(
    vector: Float[np.ndarray, "frames 3"], twist: Float[np.ndarray, " frames"]
) -> tuple[Rotation, Float[np.ndarray, " frames"]]:
    """The hip's rotation about level axes and the knee's bend that take the ankle to `vector`."""
    reach = np.clip(np.linalg.norm(vector, axis=1), 0.3, 0.9995)
    knee = np.pi - 2 * np.arcsin(reach / (2 * _SHARE))
    straight = np.stack(
        [np.zeros_like(knee), -_SHARE * (1 + np.cos(knee)), -_SHARE * np.sin(knee)], axis=1
    )
    bent = Rotation.from_euler("Y", twist[:, None]).apply(straight)
    bent /= np.linalg.norm(bent, axis=1, keepdims=True)
    goal = vector / np.linalg.norm(vector, axis=1, keepdims=True)
    turn = np.zeros((len(vector), 2))
    for _ in range(12):  # Gauss-Newton on two angles; converges in five or six
        base = _level(turn).apply(bent)
        columns = [(_level(turn + step).apply(bent) - base) / 1e-5 for step in 1e-5 * np.eye(2)]
        slope = np.stack(columns, axis=2)
        turn += (np.linalg.pinv(slope) @ (goal - base)[:, :, None])[:, :, 0]
    return _level(turn), knee


def _level(turn: Float[np.ndarray, "frames 2"]) -> Rotation:
    return Rotation.from_rotvec(np.stack([turn[:, 0], np.zeros(len(turn)), turn[:, 1]], axis=1))
