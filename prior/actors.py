"""Random actors: body, clothes, room, camera and dance, each a function of a whole number.

Clothes are the demo's, and beside them a skirt or a coat (a surface round both legs, whose weights
are blended between pelvis and thighs), a hat, longer hair, shorts, a beard, patterns, and folds
that move. Lengths are metres unless said otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import ndimage, sparse

from demo.actors.appearance import CLOTH, HAIR, SKIN, TROUSER_HEM, Outfit, linear, surface_colours
from demo.actors.body import FaceFrame, face_frame, landmarks
from demo.actors.choreography import ACTIONS, Motion, compose
from demo.actors.clothes import DressedBody, dress
from demo.actors.mesh import Surface, join, triangles, vertex_normals
from demo.actors.posing import Rig, load_rig
from demo.actors.renderer import Actor, load_film
from demo.actors.scenes import Camera, Plate, Room, draw_plate

Color = tuple[int, int, int]
Paint = Callable[[np.ndarray], np.ndarray]
"""Factor of the albedo (points x 3) at rest positions (points x 3)."""

SKIRT, _HAT = 6, 7  # parts beside those of demo.actors.appearance
_MOVES = ("crouch", "turn_left", "touch", "turn_right", "cross_left", "jump", "cross_right")
_LIGHT_SKIN, _DARK_SKIN = (240, 200, 174), (92, 60, 44)
_LIGHT_HAIR = (214, 176, 128)
_HEAD_AXIS_MM = -76.0  # depth of the head's middle in the face frame


class RandomActor(NamedTuple):
    """Who is filmed, what they dance, and how the camera's picture is spoiled."""

    actor: Actor
    motion: Motion
    noise: float
    """Standard deviation, levels of 255."""
    blur: float
    """Standard deviation, pixels."""
    crf: int
    """x264's."""
    fold_depth: float
    """Depth of the folds that move, metres."""


@dataclass(frozen=True, kw_only=True)
class _Clothes:
    """What an outfit does not know."""

    top: Paint
    bottom: Paint
    shorts_end: float
    """Height above which the legs are dressed, in heights of the ankle; 0: down to the shoes."""
    has_beard: bool
    skirt: Color
    skirt_hem: float
    """Height down to which what pokes through the skirt is painted like it."""
    hat: Color


@dataclass(frozen=True, kw_only=True)
class _DressedBody(DressedBody):
    """With rest positions behind its coordinates, for patterns."""

    clothes: _Clothes

    def colours(
        self, face: np.ndarray, coordinates: np.ndarray
    ) -> tuple[Float[np.ndarray, "places 3"], Float[np.ndarray, " places"]]:
        """Albedo and shine, with patterns."""
        part, at, rest = self.part[face], coordinates[:, :4], coordinates[:, 4:]
        outfit, clothes = self.outfit, self.clothes
        colours, shine = surface_colours(outfit, part, at)
        for key, colour, paint in (
            (SKIRT, clothes.skirt, clothes.bottom),
            (_HAT, clothes.hat, None),
        ):
            its = part == key
            colours[its], shine[its] = linear(colour), 0.02
            if paint is not None:
                colours[its] *= paint(rest[its])
        cloth = part == CLOTH
        arm, inside_collar, up, over_ankle = at[cloth].T
        legs = (up < -0.02) & (arm <= 0)
        dressed = (arm < outfit.sleeve_end) & (inside_collar < -outfit.collar_drop)
        dressed &= over_ankle > TROUSER_HEM
        painted = colours[cloth]
        painted[dressed & ~legs] *= clothes.top(rest[cloth][dressed & ~legs])
        painted[dressed & legs] *= clothes.bottom(rest[cloth][dressed & legs])
        bare = legs & (over_ankle > TROUSER_HEM) & (over_ankle < clothes.shorts_end)
        painted[bare] = linear(outfit.skin)
        under = legs & (rest[cloth][:, 1] > clothes.skirt_hem)
        painted[under] = linear(clothes.skirt) * clothes.bottom(rest[cloth][under])
        colours[cloth] = painted
        if clothes.has_beard:
            x, y, z = np.abs(at[:, 0]), at[:, 1], at[:, 2]
            lips = (x < 27) & (y < -61) & (y > -88)
            beard = (part == SKIN) & (y < -48 - 0.004 * (60 - x) ** 2) & (y > -128) & (z > -75)
            colours[beard & ~lips] = linear(outfit.hair)
        return np.clip(colours, 0, 1), shine


def random_actor(
    seed: int, *, num_frames: int, frame_rate: int, size: int, samples: int
) -> RandomActor:
    """Draw an actor and their dance; size is the image's height and width in pixels."""
    rng = np.random.default_rng((20, seed))
    rig = load_rig(_phenotype(rng), ACTIONS)
    outfit = _outfit(rng)
    room = _room(rng)
    dressed = _dressed(rig, outfit, rng)
    plate = _cluttered(draw_plate(room, (size, size)), rng)
    marks = list(landmarks(rig.body).values())
    still = np.zeros(3)
    of_actions = [
        [still if mark.vertex is None else rig.body.actions[action][mark.vertex] for mark in marks]
        for action in ACTIONS
    ]
    actor = Actor(
        film=load_film(room, plate, dressed, samples=samples),
        joints=np.array([mark.rest for mark in marks]),
        joint_weights=sparse.csr_array(np.array([mark.weights for mark in marks])),
        joint_actions=np.array(of_actions),
    )
    walk = ("walk",) if rng.random() < 0.5 else ()
    motion = compose(
        num_frames,
        frame_rate=float(frame_rate),
        beats_per_minute=float(rng.uniform(95, 130)),
        seed=int(rng.integers(1 << 30)),
        moves=(*walk, *rng.permutation(_MOVES).tolist()),
    )
    return RandomActor(
        actor=actor,
        motion=motion,
        noise=float(rng.uniform(0, 4)),
        blur=float(rng.choice([0.0, 0.0, 0.5, 0.8])),
        crf=int(rng.integers(12, 25)),
        fold_depth=outfit.looseness * rng.uniform(0, 0.4),
    )


def moved_folds(points: np.ndarray, drawn: RandomActor, seconds: float) -> np.ndarray:
    """The points with folds in the cloth that no pose explains, metres."""
    dressed = drawn.actor.film.dressed
    cloth = np.unique(dressed.faces[np.isin(dressed.part, (CLOTH, SKIRT))])
    x, y, z = dressed.points[cloth].T
    waves = np.sin(43 * y + 19 * x + 3.1 * seconds + 2 * np.sin(1.7 * seconds)) * np.sin(
        37 * x + 29 * z - 2.3 * seconds
    )
    high = np.clip((dressed.coordinates[cloth, 3] - 1.5), 0, 1)  # not on shoes
    normals = vertex_normals(points, dressed.faces, drawn.actor.film.sums)[cloth]
    moved = points.copy()
    moved[cloth] += (drawn.fold_depth * waves * high)[:, None] * normals
    return moved


def _colour(rng: np.random.Generator, low: float = 15, high: float = 245) -> Color:
    """A color, most often a dull one."""
    gray, share = rng.uniform(low, high), 0.9 * rng.random()
    red, green, blue = (gray + share * (rng.uniform(low, high, 3) - gray)).astype(int).tolist()
    return red, green, blue


def _phenotype(rng: np.random.Generator) -> dict[str, float]:
    race = rng.dirichlet([0.5, 0.5, 0.5])
    return {
        "gender": float(rng.random() < 0.5) * 0.9 + rng.uniform(0, 0.1),
        **{"age": rng.uniform(0.58, 0.88), "muscle": rng.uniform(0.35, 0.8)},
        **{"weight": rng.uniform(0.25, 0.95), "height": rng.uniform(0.25, 0.6)},
        **{"proportions": rng.uniform(0.3, 0.8), "cupsize": rng.uniform(0.3, 0.6)},
        **{"firmness": rng.uniform(0.5, 0.8), "caucasian": race[0], "asian": race[1]},
        "african": race[2],
    }


def _outfit(rng: np.random.Generator) -> Outfit:
    tone = rng.random()
    mixed = np.array(_LIGHT_SKIN) * (1 - tone) + np.array(_DARK_SKIN) * tone
    skin = tuple(np.clip(mixed + rng.normal(0, 6, 3), 0, 255).astype(int).tolist())
    dark = rng.uniform(0.1, 1.0) ** 2
    hair = tuple((dark * np.array(_LIGHT_HAIR) + rng.uniform(0, 12, 3)).astype(int).tolist())
    shirt = _colour(rng)
    return Outfit(
        skin=skin,
        lips=tuple((np.array(skin) * [0.8, 0.5, 0.5]).astype(int).tolist()),
        brows=tuple((np.array(hair) // 2).tolist()),
        iris=_colour(rng, 20, 130),
        hair=hair,
        hair_style="bob" if rng.random() < 0.5 else "cropped",
        brow_width_mm=rng.uniform(2.5, 4),
        shirt=shirt,
        shirt_band=shirt if rng.random() < 0.6 else _colour(rng),
        sleeve_end=float(rng.choice([0.15, 0.5, 0.72, 0.85, 1.3, 1.95])),
        collar_drop=rng.uniform(0, 0.03),
        trousers=_colour(rng, 15, 230),
        shoes=_colour(rng),
        soles=_colour(rng),
        looseness=rng.uniform(0.006, 0.030),
    )


def _room(rng: np.random.Generator) -> Room:
    away = rng.uniform(4.9, 8.6)
    seen = 1.9 * rng.uniform(1.0, 1.3)  # metres from top to bottom where the actor stands
    return Room(
        camera=Camera(
            position=(rng.uniform(-0.6, 0.6), rng.uniform(0.9, 1.9), away),
            target=(0.0, rng.uniform(0.88, 0.98), 0.0),
            focal_length=0.97 * (away - 0.5) / seen,
        ),
        light=(
            rng.choice([-1, 1]) * rng.uniform(0.3, 1.1),
            rng.uniform(0.9, 1.5),
            rng.uniform(0.6, 1.1),
        ),
        key=rng.uniform(0.5, 1.15),
        sky=rng.uniform(0.4, 0.8),
        wall_depth=rng.uniform(1.2, 3.0),
        wall=_colour(rng, 50, 235),
        floor=_colour(rng, 50, 225),
        floor_pattern="planks" if rng.random() < 0.5 else "tiles",
        furniture="picture_and_plant" if rng.random() < 0.5 else "shelf_and_lamp",
        home=(rng.uniform(-0.1, 0.1), 0.0),
    )


def _cluttered(plate: Plate, rng: np.random.Generator) -> Plate:
    """With rectangles and blotches of other brightness and hue at the wall."""
    height, width, _ = plate.lit.shape
    factor = np.ones(plate.lit.shape)
    for _ in range(rng.integers(0, 9)):
        x, y = (rng.uniform(0, 0.9, 2) * [width, height]).astype(int)
        columns, rows = (rng.uniform(0.04, 0.35, 2) * [width, height]).astype(int)
        factor[y : min(y + rows, int(0.8 * height)), x : x + columns] *= rng.uniform(0.35, 1.6, 3)
    blotches = ndimage.gaussian_filter(rng.normal(size=(height, width, 1)), (6, 6, 0))
    factor *= np.clip(1 + 20 * rng.uniform(0, 0.12) * blotches, 0.5, 1.6)
    lit, unlit = (np.clip(image * factor, 0, 1.2) for image in (plate.lit, plate.unlit))
    return replace(plate, lit=lit, unlit=unlit)


def _pattern(rng: np.random.Generator) -> Paint:
    kinds = ("plain", "stripes", "plaid", "dots", "blotches", "print")
    kind = str(rng.choice(kinds, p=[0.3, 0.15, 0.15, 0.1, 0.15, 0.15]))
    strength, tint = rng.uniform(0.2, 0.9), rng.uniform(0.2, 1.8, 3)
    frequency, threshold = rng.uniform(50, 260), rng.uniform(-0.3, 0.7)
    across = rng.normal(size=3)
    across /= np.linalg.norm(across)
    waves, phases = rng.normal(size=(6, 3)) * rng.uniform(20, 120), rng.uniform(0, 6, 6)
    middle = np.array([rng.uniform(-0.06, 0.06), rng.uniform(1.05, 1.3)])
    half = rng.uniform(0.04, 0.11, 2)

    def amount(rest: np.ndarray) -> np.ndarray:
        x, y, z = rest.T
        if kind == "stripes":
            return np.sin(frequency * (rest @ across)) > threshold
        if kind == "plaid":
            return 0.5 * (np.sin(frequency * y) > 0.3) + 0.5 * (np.sin(frequency * x) > 0.3)
        if kind == "dots":
            rows = np.sin(frequency * x) * np.sin(frequency * y) + 0.3 * np.sin(frequency * z)
            return rows > 0.55
        swirls = np.sin(rest @ waves.T + phases).sum(axis=1) / 4 + 0.5
        if kind == "blotches":
            return np.clip(swirls, 0, 1)
        if kind == "print":
            inside = (np.abs(np.stack([x, y], axis=1) - middle) < half).all(axis=1) & (z > 0)
            return inside * (0.4 + 0.6 * (swirls > 0.5))
        return np.zeros(len(rest))

    return lambda rest: 1 + strength * np.asarray(amount(rest), float)[:, None] * (tint - 1)


def _dressed(rig: Rig, outfit: Outfit, rng: np.random.Generator) -> _DressedBody:
    body = dress(rig, outfit)
    frame = face_frame(rig.body)
    kind = str(rng.choice(["trousers", "shorts", "skirt", "coat"], p=[0.4, 0.17, 0.25, 0.18]))
    surfaces: dict[int, Surface] = {}
    if kind in ("skirt", "coat"):
        surfaces[SKIRT] = _skirt(rig, body, rng, is_coat=kind == "coat")
    hat = rng.random() < 0.25
    if hat:
        surfaces[_HAT] = _hat(rig, frame, has_round_brim=rng.random() < 0.5)
    if outfit.hair_style == "bob" and rng.random() < 0.6:
        body = _with_long_hair(body, frame, factor=rng.uniform(1.2, 2.4))
    bare = {"shorts": rng.uniform(4.0, 8.0), "skirt": 99.0 if rng.random() < 0.7 else 0.0}
    top = _pattern(rng)
    clothes = _Clothes(
        top=top,
        bottom=top if kind == "coat" else _pattern(rng),
        shorts_end=bare.get(kind, 0.0),
        has_beard=outfit.hair_style == "cropped" and rng.random() < 0.35,
        skirt_hem=surfaces[SKIRT].points[:, 1].min() + 0.02 if kind == "skirt" else np.inf,
        skirt=outfit.shirt if kind == "coat" or rng.random() < 0.3 else _colour(rng),
        hat=_colour(rng),
    )
    own = {field.name: getattr(body, field.name) for field in fields(DressedBody)}
    if surfaces:
        added, part = join(surfaces)
        own["faces"] = np.concatenate([own["faces"], added.faces + len(own["points"])])
        own["part"] = np.concatenate([own["part"], part])
        own["points"] = np.concatenate([own["points"], added.points])
        own["coordinates"] = np.concatenate([own["coordinates"], added.coordinates])
        own["weights"] = sparse.csr_array(
            sparse.vstack([own["weights"], sparse.csr_array(added.weights)])
        )
        own["actions"] = {
            name: np.concatenate([offsets, added.actions[name]])
            for name, offsets in own["actions"].items()
        }
    own["coordinates"] = np.concatenate([own["coordinates"], own["points"]], axis=1)
    return _DressedBody(**own, clothes=clothes)


def _surface(rig: Rig, rings: Float[np.ndarray, "rings around 3"], weights: np.ndarray) -> Surface:
    """A grid of points as a surface; its first and last columns are not joined."""
    rows, columns, _ = rings.shape
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    quads = np.stack([corner, corner + columns, corner + columns + 1, corner + 1], axis=1)
    points = rings.reshape(-1, 3)
    coordinates = np.zeros((len(points), 4))
    coordinates[:, 3] = 99.0  # no sole
    return Surface(
        points=points,
        faces=triangles(quads),
        coordinates=coordinates,
        weights=weights,
        actions={name: np.zeros_like(points) for name in rig.body.actions},
    )


def _skirt(rig: Rig, body: DressedBody, rng: np.random.Generator, *, is_coat: bool) -> Surface:
    """A surface from the waist, or the chest, to a hem; a coat is open in front."""
    bones = {name: i for i, name in enumerate(rig.body.bones)}
    hip, knee = (rig.body.heads[bones[f"{bone}.L"]] for bone in ("upperleg01", "lowerleg01"))
    neck = rig.body.heads[bones["neck01"]]
    top = hip[1] + (neck[1] - hip[1]) * (0.12 if is_coat else rng.uniform(0.05, 0.3))
    thigh = hip[1] - knee[1]
    hem = hip[1] - thigh * rng.uniform(0.45, 1.35)
    flare = rng.uniform(0.0, 0.18)
    opening = rng.uniform(0.08, 0.4) if is_coat else 0.0
    heights, angle = np.linspace(top, hem, 26), np.linspace(opening, 2 * np.pi - opening, 65)
    torso = np.abs(body.points[:, 0]) < 0.3
    used = np.unique(body.faces[body.part == CLOTH])
    cloth = body.points[used[(body.coordinates[used, 0] <= 0) & torso[used]]]
    rings = []
    widest = np.zeros(2)
    for height in heights:
        near = cloth[np.abs(cloth[:, 1] - height) < 0.03]
        middle = (near[:, 2].max() + near[:, 2].min()) / 2 if len(near) else 0.0
        reach = (
            np.array([np.abs(near[:, 0]).max(), np.ptp(near[:, 2]) / 2]) if len(near) else widest
        )
        below = max(hip[1] - height, 0.0)
        widest = np.maximum(reach, widest if height < hip[1] + 0.08 else 0.0)
        x, z = widest * (1.03 if height > hip[1] else 1.06) + 0.012 + flare * below
        folds = 1 + 0.05 * min(below / thigh, 1.0) * np.sin(9 * angle + 1.0)
        rings.append(
            np.stack(
                [
                    x * folds * np.sin(angle),
                    np.full(len(angle), height),
                    middle + z * folds * np.cos(angle),
                ],
                axis=1,
            )
        )
    grid = np.array(rings)
    weights = np.zeros((grid.shape[0] * grid.shape[1], len(bones)))
    down = np.clip((hip[1] + 0.04 - grid[..., 1]) / (0.9 * thigh), 0, 1).reshape(-1)
    left = np.clip(0.5 + grid[..., 0] / (2.4 * widest[0]), 0, 1).reshape(-1)
    of_thighs = 0.85 * down * down * (3 - 2 * down)
    above = np.clip((grid[..., 1].reshape(-1) - hip[1]) / (neck[1] - hip[1]) / 0.3, 0, 1)
    weights[:, bones["spine04"]] = (1 - of_thighs) * above
    weights[:, bones["root"]] = (1 - of_thighs) * (1 - above)
    weights[:, bones["upperleg01.L"]] = of_thighs * left
    weights[:, bones["upperleg01.R"]] = of_thighs * (1 - left)
    return _surface(rig, grid, weights)


def _hat(rig: Rig, frame: FaceFrame, *, has_round_brim: bool) -> Surface:
    """A crown above the hairline with a brim, all round or in front."""
    angle = np.linspace(0, 2 * np.pi, 49)
    front = np.ones_like(angle) if has_round_brim else np.clip(np.cos(angle) * 1.6 - 0.5, 0, 1)
    profile = (
        (46.0, 1.0),
        (56.0, 0.0),
        (90.0, -0.01),
        (122.0, -0.08),
        (142.0, -0.3),
        (150.0, -0.99),
    )
    brim = 0.55 if has_round_brim else 0.8
    rings = []
    for height, out in profile:
        reach = 1 + (brim * front * out if out > 0 else out)
        rings.append(
            np.stack(
                [
                    97 * reach * np.sin(angle),
                    height + (56.0 - height) * (1 - front) * (out > 0),
                    _HEAD_AXIS_MM + 120 * reach * np.cos(angle),
                ],
                axis=1,
            )
        )
    grid = np.array(rings)
    weights = np.zeros((grid.shape[0] * grid.shape[1], len(rig.body.bones)))
    weights[:, rig.body.bones.index("head")] = 1.0
    return _surface(rig, frame.to_metres(grid.reshape(-1, 3)).reshape(grid.shape), weights)


def _with_long_hair(body: DressedBody, frame: FaceFrame, *, factor: float) -> DressedBody:
    """The hair below the eyes made longer."""
    hair = np.unique(body.faces[body.part == HAIR])
    points = body.points.copy()
    at = frame.to_millimetres(points[hair])
    at[:, 1] = np.where(at[:, 1] < 0, factor * at[:, 1], at[:, 1])
    points[hair] = frame.to_metres(at)
    return replace(body, points=points)
