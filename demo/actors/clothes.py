"""Mesh of a dressed body: the base mesh's tights, subdivided and offset along their normals.

Which garment a point belongs to is decided where a ray hits, from rest-pose coordinates
interpolated over the triangle. So a border is a sharp line that is fixed to the body.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from demo.actors.appearance import (
    CLOTH,
    EYE,
    HAIR,
    LASH,
    SHIRT_HEM,
    SKIN,
    SOLE_TOP,
    TEETH,
    TROUSER_HEM,
    Outfit,
    bob_shell,
    scalp_thickness,
    surface_colors,
)
from demo.actors.body import FaceFrame, face_frame
from demo.actors.mesh import Surface, join, split_quads, triangles, vertex_normals
from demo.actors.posing import Rig

_NECK_RADIUS = 0.145
"""Radius of the narrowest neckline, in lengths of the torso."""

Paint = Callable[
    [
        "DressedBody",
        Int[np.ndarray, " places"],
        Float[np.ndarray, "places 7"],
        Float[np.ndarray, "places 3"],
    ],
    Float[np.ndarray, "places 3"],
]
"""Other colors of places on a body: of the body, their parts, coordinates and the outfit's colors.

After the body's coordinates come x, y, z in the rest pose, meters. Colors are linear light.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DressedBody:
    """The mesh that is filmed."""

    rig: Rig
    """The body inside."""
    outfit: Outfit
    """What it wears."""
    points: Float[np.ndarray, "points 3"]
    """Rest positions, meters."""
    faces: Int[np.ndarray, "faces 3"]
    """Indices of points."""
    part: Int[np.ndarray, " faces"]
    """One of SKIN, CLOTH, … for each face."""
    coordinates: Float[np.ndarray, "points _"]
    """Where a point is on its part; of a body with paints its rest position, too.

    SKIN, HAIR: face frame x, y, z (mm) and 0. EYE: offset from the eye's center over its radius.
    CLOTH: along the arm (1 elbow, 2 wrist), inside the collar (m), up the torso (0 hip, 1 neck),
    height over the ankle's.
    """
    weights: sparse.csr_array
    """Skinning weights, points by bones."""
    actions: Mapping[str, Float[np.ndarray, "points 3"]]
    """Offsets of the facial actions."""
    sole_points: Int[np.ndarray, " soles"]
    """Points of the shoes, the lowest of which touches the floor."""
    paints: tuple[Paint, ...] = ()
    """Each is filmed in the same pass, in place of the outfit's colors."""

    def colors(
        self, face: Int[np.ndarray, " places"], coordinates: Float[np.ndarray, "places _"]
    ) -> tuple[Float[np.ndarray, "places channels"], Float[np.ndarray, " places"]]:
        """Albedo and shine of places on these faces, by their coordinates.

        Three channels of albedo for each paint, or those of the outfit.
        """
        part = self.part[face]
        colors, shine = surface_colors(self.outfit, part, coordinates[:, :4])
        painted = [paint(self, part, coordinates, colors) for paint in self.paints]
        return np.hstack(painted or [colors]), shine


def dress(rig: Rig, outfit: Outfit, paints: tuple[Paint, ...] = ()) -> DressedBody:
    """Build the mesh of a dressed body."""
    frame = face_frame(rig.body)
    surfaces = {
        SKIN: _skin(rig, outfit, frame),
        CLOTH: _cloth(rig, outfit),
        EYE: _eyes(rig),
        LASH: _part(
            rig,
            "helper-l-eyelashes-1",
            "helper-r-eyelashes-1",
            "helper-l-eyelashes-2",
            "helper-r-eyelashes-2",
        ),
        TEETH: _part(rig, "helper-upper-teeth", "helper-lower-teeth"),
    }
    if outfit.hair_style == "bob":
        surfaces[HAIR] = bob_shell(rig, frame)
    surface, part = join(surfaces)
    soles = np.flatnonzero(
        np.isin(np.arange(len(surface.points)), surface.faces[part == CLOTH])
        & (surface.coordinates[:, 3] < 1.0)
    )
    return DressedBody(
        rig=rig,
        outfit=outfit,
        points=surface.points,
        faces=surface.faces,
        part=part,
        coordinates=np.hstack([surface.coordinates, surface.points])
        if paints
        else surface.coordinates,
        weights=sparse.csr_array(surface.weights),
        actions=surface.actions,
        sole_points=soles,
        paints=paints,
    )


def _part(rig: Rig, *names: str) -> Surface:
    """Parts of the base mesh as they are."""
    quads = np.concatenate([rig.body.quads[name] for name in names])
    used, local = np.unique(quads, return_inverse=True)
    return Surface(
        points=rig.body.vertices[used],
        faces=triangles(local.reshape(quads.shape)),
        coordinates=np.zeros((len(used), 4)),
        weights=rig.body.weights[used],
        actions={name: offsets[used] for name, offsets in rig.body.actions.items()},
    )


def _bone_weight(rig: Rig, *stems: str) -> Float[np.ndarray, " vertices"]:
    columns = [i for i, name in enumerate(rig.body.bones) if name.startswith(stems)]
    return rig.body.weights[:, columns].sum(axis=1)


def _skin(rig: Rig, outfit: Outfit, frame: FaceFrame) -> Surface:
    """Head, neck and hands; the rest is under the tights."""
    hands = _bone_weight(rig, "wrist", "finger", "metacarpal")
    above_neck = rig.body.vertices[:, 1] > rig.body.heads[rig.body.bones.index("neck01"), 1] - 0.01
    shown = (hands > 0.3) | above_neck
    quads = rig.body.quads["body"]
    whole = _part(rig, "body")
    used = np.unique(quads)
    keep = shown[used][whole.faces].all(axis=1)
    coordinates = np.zeros((len(used), 4))
    coordinates[:, :3] = frame.to_millimeters(whole.points)
    hands_used = hands[used] > 0.3
    coordinates[hands_used, :3] = (0.0, -1000.0, 0.0)  # far from the face's paint
    thickness = scalp_thickness(coordinates[:, :3], outfit.hair_style)
    points = whole.points + thickness[:, None] * vertex_normals(whole.points, whole.faces)
    seen, faces = np.unique(whole.faces[keep], return_inverse=True)
    return Surface(
        points=points[seen],
        faces=faces.reshape(-1, 3),
        coordinates=coordinates[seen],
        weights=whole.weights[seen],
        actions={name: offsets[seen] for name, offsets in whole.actions.items()},
    )


def _eyes(rig: Rig) -> Surface:
    eyes = _part(rig, "helper-l-eye", "helper-r-eye")
    coordinates = np.zeros((len(eyes.points), 4))
    for side in (eyes.points[:, 0] > 0, eyes.points[:, 0] <= 0):
        points = eyes.points[side]
        center = (points.min(axis=0) + points.max(axis=0)) / 2
        radius = np.ptp(points[:, 1]) / 2
        coordinates[side, :3] = (points - center) / radius
    return Surface(
        points=eyes.points,
        faces=eyes.faces,
        coordinates=coordinates,
        weights=eyes.weights,
        actions=eyes.actions,
    )


def _cloth(rig: Rig, outfit: Outfit) -> Surface:
    quads = rig.body.quads["helper-tights"]
    used, local = np.unique(quads, return_inverse=True)
    weights = rig.body.weights[used]
    packed = np.concatenate([rig.body.vertices[used], weights], axis=1)
    fine, fine_quads = split_quads(packed, local.reshape(quads.shape))
    points, weights = fine[:, :3], fine[:, 3:]
    faces = triangles(fine_quads)
    coordinates = _cloth_coordinates(rig, points, weights)
    normals = vertex_normals(points, faces)
    thickness = _thickness(outfit, coordinates) + _folds(outfit, points, coordinates)
    points = points + thickness[:, None] * normals
    still = {name: np.zeros_like(points) for name in rig.body.actions}
    return Surface(
        points=points, faces=faces, coordinates=coordinates, weights=weights, actions=still
    )


def _cloth_coordinates(
    rig: Rig, points: np.ndarray, weights: np.ndarray
) -> Float[np.ndarray, "points 4"]:
    heads = dict(zip(rig.body.bones, rig.body.heads, strict=True))
    columns = [
        i
        for i, name in enumerate(rig.body.bones)
        if name.startswith(("upperarm", "lowerarm", "wrist", "finger", "metacarpal"))
    ]
    on_arm = weights[:, columns].sum(axis=1) > 0.35
    arm = np.zeros(len(points))
    for side, is_side in (("L", points[:, 0] > 0), ("R", points[:, 0] <= 0)):
        chain = [heads[f"{bone}.{side}"] for bone in ("upperarm01", "lowerarm01", "wrist")]
        along = _along_chain(points, np.array(chain))
        arm = np.where(is_side & on_arm, along, arm)
    neck, hip = heads["neck01"], heads["upperleg01.L"]
    torso = neck[1] - hip[1]
    throat = neck + torso * np.array([0.0, 0.02, 0.045])
    inside_collar = np.maximum(
        _NECK_RADIUS * torso - np.linalg.norm(points - throat, axis=1),
        points[:, 1] - (throat[1] + 0.02 * torso),
    )
    up = (points[:, 1] - hip[1]) / (neck[1] - hip[1])
    over_ankle = points[:, 1] / heads["foot.L"][1]
    return np.stack([arm, inside_collar, up, over_ankle], axis=1)


def _along_chain(points: np.ndarray, chain: np.ndarray) -> Float[np.ndarray, " points"]:
    """0 at the shoulder, 1 at the elbow, 2 at the wrist, beyond it more."""
    best = np.full(len(points), np.inf)
    along = np.zeros(len(points))
    for index, (start, end) in enumerate(itertools.pairwise(chain)):
        axis = end - start
        t = (points - start) @ axis / (axis @ axis)
        last = index == len(chain) - 2
        t = np.clip(t, 0.0, 2.0 if last else 1.0)
        distance = np.linalg.norm(points - start - t[:, None] * axis, axis=1)
        along = np.where(distance < best, index + t, along)
        best = np.minimum(best, distance)
    return along


def _thickness(outfit: Outfit, coordinates: np.ndarray) -> Float[np.ndarray, " points"]:
    arm, inside_collar, up, over_ankle = coordinates.T
    loose = outfit.looseness
    shirt = loose * (
        1.0 + 0.6 * np.clip(1 - up * 2.5, 0, 1) + 0.5 * np.clip(arm / outfit.sleeve_end, 0, 1)
    )
    trousers = loose * (0.5 + 0.9 * np.clip((0.1 - up) / 0.6, 0, 1))
    bare = (arm > outfit.sleeve_end) | (inside_collar > -outfit.collar_drop)
    thickness = np.where(up > SHIRT_HEM, shirt, trousers)
    thickness = np.where(over_ankle < TROUSER_HEM, 0.006, thickness)
    thickness = np.where(over_ankle < SOLE_TOP, 0.010, thickness)
    under_skin = (arm > 1.93) & bare  # so that no seam shows where the hand's own mesh begins
    return np.where(under_skin, -0.003, np.where(bare, 0.001, thickness))


def _folds(
    outfit: Outfit, points: np.ndarray, coordinates: np.ndarray
) -> Float[np.ndarray, " points"]:
    """Folds that hang in the cloth, a quarter as deep as it is loose; none on skin and shoes."""
    arm, inside_collar, up, over_ankle = coordinates.T
    x, y, z = points.T
    slack = np.clip(1.4 - 1.6 * up, 0.25, 1.0) + 0.6 * (np.abs(arm - 1) < 0.3)
    waves = np.sin(52 * y + 26 * np.abs(x) + 5 * np.sin(17 * z)) + np.sin(
        71 * x + 31 * z + 4 * np.sin(9 * y)
    )
    cloth = (arm < outfit.sleeve_end) & (inside_collar < -0.03) & (over_ankle > TROUSER_HEM + 0.2)
    return np.where(cloth, 0.13 * outfit.looseness * slack * waves, 0.0)
