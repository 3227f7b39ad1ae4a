"""Films of turning actors (turning.yaml): a dance, the target's own films, and the truth.

The target is filmed in clothes whose sides differ and, by the same rays, in the suit of suit.py.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from jaxtyping import Float, Int
from pydantic import TypeAdapter
from scipy.interpolate import PchipInterpolator

from benchmarks.transfer.suit import COLORS, THINGS
from demo.actors.appearance import (
    CLOTH,
    HAIR,
    SHIRT_HEM,
    SKIN,
    TROUSER_HEM,
    Outfit,
    above_hairline,
    display,
    linear,
)
from demo.actors.choreography import Motion, compose
from demo.actors.clothes import DressedBody
from demo.actors.posing import ANGLES
from demo.actors.renderer import (
    Actor,
    in_place_of,
    make_actor,
    pose_actor,
    shoot_paints,
    true_keypoints,
)
from demo.actors.scenes import Room, draw_plate
from motiontransfer.core.arrays import Frame
from motiontransfer.core.parallel import run_parallel
from motiontransfer.core.progress import track
from motiontransfer.core.storage import write_json
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import write_keypoints
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.video.writer import video_writer

DEFINITION = Path("benchmarks/transfer/turning.yaml")
SUFFIXES = {"clothes": "", "suit": "_suit"}
"""Of the names of films, by what is worn in them."""

Shown = Literal["dance", "own", "truth"]
"""The dancer's dance; the target's own; the target in the dancer's, in their own room."""

_KNEE = 0.52  # of the hips' height
_ARM = 0.05  # along the arm, where it leaves the trunk
_FACE_MM = -62.0, -112.0  # depth and height from which on skin is of the face
_HAND_MM = -500.0  # height below which it is of a hand: see DressedBody
_LIKE_SKIN = 0.3  # cheeks are redder by less, lips and brows by more
_BIN = 0.02  # meters of height in which the trunk has one middle


def read_definition() -> dict[str, Any]:
    return yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))


def film_file(folder: Path, pair: str, shown: str, worn: str) -> Path:
    """A video of a pair.

    Args:
        shown: dance, truth, or one of the target's films.
    """
    return folder / "films" / f"{pair}_{shown}{SUFFIXES[worn]}.mp4"


def joints_file(folder: Path, pair: str, shown: Shown) -> Path:
    """True joints, of the target's own dance as a whole."""
    return folder / "films" / f"{pair}_{shown}.parquet"


def film_pairs(folder: Path, *, num_workers: int) -> None:
    """Film what is not there by today's definition."""
    definition = read_definition()
    of = [(pair, shown) for pair in definition["pairs"] for shown in ("dance", "own", "truth")]
    filmed = run_parallel(partial(_film, folder, definition), of, num_workers=num_workers)
    for _ in track(filmed, "films", total=len(of)):
        pass


def _film(folder: Path, definition: dict[str, Any], of: tuple[str, Shown]) -> None:
    pair, shown = of
    entry, film = definition["pairs"][pair], definition["film"]
    who = entry["dancer" if shown == "dance" else "target"]
    by = {**definition, "pairs": entry, "actors": definition["actors"][who]}
    used = [by, COLORS.tolist(), "joints with depth"]
    digest = hashlib.sha256(json.dumps(used).encode()).hexdigest()
    stamp = joints_file(folder, pair, shown).with_suffix(".json")
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == digest:
        return
    worn = ("clothes",) if shown == "dance" else tuple(SUFFIXES)
    actor = _actor(definition, who, worn)
    motion = turning_motion(definition, pair, "own" if shown == "own" else "dance")
    if shown == "truth":
        motion = in_place_of(motion, turning_motion(definition, pair, "own"), actor)
    rate = film["frame_rate"]
    seconds = {name: definition["films"][name] for name in entry["films"]}
    ranges = seconds if shown == "own" else {shown: (0, definition["dance_seconds"])}
    joints = []
    with ExitStack() as stack:
        writers = {
            (name, wear): stack.enter_context(
                video_writer(
                    film_file(folder, pair, name, wear), frame_rate=Fraction(rate), crf=film["crf"]
                )
            )
            for name in ranges
            for wear in worn
        }
        noise = np.random.default_rng(entry["seed"])
        for index, (frames, places) in enumerate(_shots(actor, motion)):
            joints.append(places)
            grain = noise.normal(0, film["noise"], frames.shape[1:])
            noisy = np.clip(np.rint(frames + grain), 0, 255).astype(np.uint8)
            for (name, wear), write in writers.items():
                start, end = ranges[name]
                if start * rate <= index < end * rate:
                    write(noisy[worn.index(wear)])
    poses = _seen(actor, np.array(joints), frame_rate=Fraction(rate))
    write_keypoints(joints_file(folder, pair, shown), poses)
    write_json(stamp, digest)


def _seen(
    actor: Actor, places: Float[np.ndarray, "frames joints 3"], *, frame_rate: Fraction
) -> Keypoints:
    """Joints in the room as the camera sees them, with their depth."""
    camera, size = actor.film.room.camera, actor.film.size
    poses = true_keypoints(camera.project(places, size), size=size, frame_rate=frame_rate)
    away = places @ camera.axes()[2] / np.ptp(actor.film.dressed.points[:, 1])
    hips = [HOLISTIC.index(f"{side}_hip") for side in ("left", "right")]
    depth = np.zeros(poses.score.shape, np.float32)
    body = HOLISTIC.slice("body")
    depth[:, body] = (away - away[:, hips].mean(axis=1, keepdims=True))[:, body]
    return replace(poses, depth=depth)


def _shots(actor: Actor, motion: Motion) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Frames in each paint, and joints in the room."""
    for index in range(len(motion.angles)):
        points, places = pose_actor(actor, motion, index)
        yield shoot_paints(actor.film, points)[0], places


def empty_room(definition: Mapping[str, Any], pair: str) -> Frame:
    """The target's room, with nobody in it."""
    side = definition["film"]["size"]
    plate = draw_plate(_room(definition, definition["pairs"][pair]["target"]), (side, side))
    return np.rint(display(plate.lit)).astype(np.uint8)


def _room(definition: Mapping[str, Any], name: str) -> Room:
    return TypeAdapter(Room).validate_python(definition["actors"][name]["room"])


def _actor(definition: Mapping[str, Any], name: str, worn: tuple[str, ...]) -> Actor:
    entry, film = definition["actors"][name], definition["film"]
    paints = {"clothes": patterned, "suit": suited}
    return make_actor(
        entry["phenotype"],
        TypeAdapter(Outfit).validate_python(entry["outfit"]),
        _room(definition, name),
        size=(film["size"], film["size"]),
        samples=film["samples"],
        paints=tuple(paints[wear] for wear in worn),
    )


def turning_motion(
    definition: Mapping[str, Any], pair: str, whose: Literal["own", "dance"]
) -> Motion:
    """A dance that turns about the upright beside its own moves."""
    entry, film = definition["pairs"][pair], definition["film"]
    is_own = whose == "own"
    seconds = definition["target_seconds" if is_own else "dance_seconds"]
    motion = compose(
        round(seconds * film["frame_rate"]),
        frame_rate=float(film["frame_rate"]),
        beats_per_minute=float(film["beats_per_minute"]),
        seed=entry["own_seed" if is_own else "seed"],
        moves=tuple(definition["own_moves"] if is_own else entry["moves"]),
    )
    knots = np.array(definition["own_turn"] if is_own else entry["turn"], float)
    times = np.arange(len(motion.angles)) / film["frame_rate"]
    angles = motion.angles.copy()
    angles[:, ANGLES.index("root_yaw")] += np.radians(PchipInterpolator(*knots.T)(times))
    return replace(motion, angles=angles)


def patterned(
    body: DressedBody,
    part: Int[np.ndarray, " places"],
    coordinates: Float[np.ndarray, "places 7"],
    colors: Float[np.ndarray, "places 3"],
) -> Float[np.ndarray, "places 3"]:
    """The outfit with checks on the shirt, stripes down the legs, and sides that differ."""
    arm, inside_collar, up, over_ankle, x, y, _ = coordinates.T
    outfit = body.outfit
    is_bare = (arm > outfit.sleeve_end) | (inside_collar > -outfit.collar_drop)
    is_cloth = (part == CLOTH) & ~is_bare & (over_ankle > TROUSER_HEM)
    check = 1 + 0.22 * (np.sin(95 * x) > 0.2) - 0.25 * (np.sin(80 * y) > 0.4)
    of_shirt = np.stack([check, check, check], axis=1) * np.where(
        x[:, None] > 0, [1, 1, 0.75], [0.72, 1, 1]
    )
    of_legs = (1 + 0.3 * (np.sin(140 * x) > 0.3)) * np.where(x > 0, 1.1, 0.55)
    is_leg = (up < SHIRT_HEM) & (arm <= 0)
    factor = np.where(is_leg[:, None], of_legs[:, None], of_shirt)
    return np.where(is_cloth[:, None], np.clip(colors * factor, 0, 1), colors)


def suited(
    body: DressedBody,
    part: Int[np.ndarray, " places"],
    coordinates: Float[np.ndarray, "places 7"],
    colors: Float[np.ndarray, "places 3"],
) -> Float[np.ndarray, "places 3"]:
    """A color for each part; eyes, lips, brows, ears and neck stay as they are."""
    arm, _, up, over_ankle, x, y, z = coordinates.T
    is_cloth, is_skin, (height, depth) = part == CLOTH, part == SKIN, coordinates[:, 1:3].T
    is_leg = is_cloth & (up < SHIRT_HEM) & (arm <= _ARM)
    knee = _KNEE * body.rig.body.heads[body.rig.body.bones.index("upperleg01.L"), 1]
    is_hair = (part == HAIR) | (is_skin & (above_hairline(coordinates[:, :3]) > 0))
    is_face = is_skin & (depth > _FACE_MM[0]) & (height > _FACE_MM[1])
    is_face &= np.abs(colors / linear(body.outfit.skin) - 1).max(axis=1) < _LIKE_SKIN
    conditions = {
        "hand": is_skin & (height < _HAND_MM),
        "head": is_hair | is_face,
        "foot": is_cloth & (over_ankle < TROUSER_HEM),
        "shin": is_leg & (y < knee),
        "thigh": is_leg,
        "forearm": is_cloth & (arm > 1),
        "upper_arm": is_cloth & (arm > _ARM),
        "trunk": is_cloth,
    }
    thing = np.select(list(conditions.values()), [THINGS.index(name) for name in conditions], -1)
    is_second = np.where(thing == THINGS.index("head"), is_hair, x <= 0)
    is_trunk = thing == THINGS.index("trunk")
    is_second[is_trunk] = z[is_trunk] < _middle_of_trunk(body, y[is_trunk])
    return np.where(thing[:, None] < 0, colors, COLORS[2 * thing + is_second])


def _middle_of_trunk(
    body: DressedBody, heights: Float[np.ndarray, " places"]
) -> Float[np.ndarray, " places"]:
    """Depth between the trunk's front and back at some heights, in the rest pose."""
    cloth = body.coordinates[np.unique(body.faces[body.part == CLOTH])]
    arm, up = cloth[:, 0], cloth[:, 2]
    y, z = cloth[(arm <= _ARM) & (up > SHIRT_HEM), 5:].T
    bins = np.round(y / _BIN).astype(int)
    levels = np.unique(bins)
    middles = [(z[bins == level].min() + z[bins == level].max()) / 2 for level in levels]
    return np.interp(heights, levels * _BIN, middles)
