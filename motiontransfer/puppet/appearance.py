"""Appearance of a person: reference frames cut into body parts, and the background image."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float64, Int64, UInt8

from motiontransfer.core.storage import write_arrays
from motiontransfer.pose.skeleton import Skeleton, mirrored
from motiontransfer.puppet.parts import SCALE_LINES, BodyPart, BodyPoses, body_parts, body_scales

_PERSONS_KEPT = 8  # decoded: a frame shows parts of about five references


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patch:
    """What was cut out of a reference frame, as lossless WebP: a person, or a body part of one."""

    corner: tuple[int, int]
    """(x, y) of its first pixel in the frame."""
    size: tuple[int, int]
    encoded: UInt8[np.ndarray, " bytes"]
    area: float
    person: "Patch | None" = None
    """The whole person, of whom this is a part: its colors are stored less theirs, modulo 256."""

    @property
    def pixels(self) -> UInt8[np.ndarray, "height width 4"]:
        """RGB and coverage, decoded anew each time."""
        pixels = _decoded("patch_pixels", self.encoded, self.size)
        if self.person is not None:
            (x, y), (height, width) = np.subtract(self.corner, self.person.corner), self.size
            pixels[..., :3] += _person_pixels(self.person)[y : y + height, x : x + width, :3]
        return pixels


@lru_cache(_PERSONS_KEPT)
def _person_pixels(person: Patch) -> UInt8[np.ndarray, "height width 4"]:
    return person.pixels


def _decoded(
    name: str, encoded: UInt8[np.ndarray, " bytes"], size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "height width 4"]:
    """Decode lossless WebP to RGB and coverage.

    Raises:
        ValueError: it is no such image, or not of this size.
    """
    # Checked in the header (RFC 9649), before memory is taken: width and height less 1, 14 bits.
    bits = int.from_bytes(encoded[21:25].tobytes(), "little")
    got = (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    image = None
    if encoded[8:16].tobytes() == b"WEBPVP8L" and got == (size or got):
        image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    if image is None or image.shape[:2] != got:
        raise ValueError(f"{name}: expected a lossless WebP image of {size or 'some'} pixels")
    # What is covered everywhere is decoded without coverage.
    is_opaque = image.shape[2] == 3
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGBA if is_opaque else cv2.COLOR_BGRA2RGBA)


def _read_patch(
    box: Sequence[int], encoded: UInt8[np.ndarray, " bytes"], person: Patch | None
) -> Patch | None:
    """A patch whose bytes may come from anywhere, None without any; raises as `_decoded`."""
    if not len(encoded):
        return None
    x, y, height, width = box
    area = covered_area(_decoded("patch_pixels", encoded, (height, width))[..., 3])
    return Patch(corner=(x, y), size=(height, width), encoded=encoded, area=area, person=person)


def covered_area(coverage: UInt8[np.ndarray, "height width"]) -> float:
    return float(coverage.sum()) / 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """Reference frames of a person, cut into body parts, and the scene without them."""

    skeleton: Skeleton
    points: Float[np.ndarray, "references joints 2"]
    score: Float[np.ndarray, "references joints"]
    frames: Int64[np.ndarray, "references 2"]
    """(clip, frame_index) of each reference."""
    full_lengths: Float64[np.ndarray, " lines"]
    height_px: float
    """Height of the upright body at scale 1."""
    has_skirt: bool
    patches: Sequence[Sequence[Patch | None]]
    """Patches by reference and part; None where the part was not seen."""
    background: UInt8[np.ndarray, "height width 3"]

    @property
    def parts(self) -> tuple[BodyPart, ...]:
        return body_parts(self.skeleton, has_skirt=self.has_skirt)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedAppearance:
    """All of an appearance but its arrays."""

    groups: list[tuple[str, list[str]]]
    height_px: float
    has_skirt: bool = False


def pack_appearance(appearance: Appearance) -> tuple[dict[str, np.ndarray], PackedAppearance]:
    num_columns = 1 + len(appearance.parts)  # the whole person, and the parts
    boxes = np.zeros((len(appearance.patches), num_columns, 4), np.int32)
    lengths, pixels = np.zeros(boxes.shape[:2], np.int32), [np.zeros(0, np.uint8)]
    for reference, patches in enumerate(appearance.patches):
        person = next((patch.person for patch in patches if patch is not None), None)
        for column, patch in enumerate((person, *patches)):
            if patch is not None:
                boxes[reference, column] = *patch.corner, *patch.size
                lengths[reference, column] = len(patch.encoded)
                pixels.append(patch.encoded)
    arrays = {
        "points": appearance.points,
        "score": appearance.score,
        "frames": appearance.frames,
        "full_lengths": appearance.full_lengths,
        "patch_boxes": boxes,
        "patch_bytes": lengths,
        "patch_pixels": np.concatenate(pixels),
        "background": _lossless(appearance.background),
    }
    groups = [(name, list(joints)) for name, joints in appearance.skeleton.groups]
    packed = PackedAppearance(
        groups=groups, height_px=appearance.height_px, has_skirt=appearance.has_skirt
    )
    return arrays, packed


def _lossless(image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, " bytes"]:
    """Encode as WebP; OpenCV would lose colors where there is no coverage."""
    above_all = (cv2.IMWRITE_WEBP_QUALITY, 101)
    return cv2.imencode(".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), above_all)[1]


def write_appearance(path: Path, appearance: Appearance) -> None:
    """Write how a target looks; without PyTorch, which takes as much memory as the rest."""
    arrays, packed = pack_appearance(appearance)
    write_arrays(path, arrays, description={"appearance": asdict(packed)})


def unpack_appearance(arrays: Mapping[str, np.ndarray], packed: PackedAppearance) -> Appearance:
    """Inverse of `pack_appearance`; refuses what no puppet can be drawn from.

    Raises:
        ValueError: the arrays do not fit together, or hold what no person's pose is.
        KeyError: one is missing, or the skeleton lacks a joint.
    """

    def array(name: str, kind: str, *shape: int) -> np.ndarray:
        got = arrays[name].dtype.name, arrays[name].shape
        if got != (kind, shape):
            raise ValueError(f"{name}: expected {(kind, shape)}, got {got}")
        return arrays[name]

    skeleton = Skeleton(groups=tuple((name, tuple(joints)) for name, joints in packed.groups))
    parts = body_parts(skeleton, has_skirt=packed.has_skirt)
    num_joints = len(skeleton.joints)
    if one_sided := {mirrored(joint) for joint in skeleton.joints} - {*skeleton.joints}:
        raise ValueError(f"groups: expected both sides of each joint, without {sorted(one_sided)}")
    background = _decoded("background", array("background", "uint8", arrays["background"].size))
    (num_references, *_), (height, width, _) = arrays["points"].shape, background.shape
    boxes = array("patch_boxes", "int32", num_references, 1 + len(parts), 4).astype(np.int64)
    low, high = boxes[..., :2], boxes[..., :2] + boxes[..., :1:-1]
    if (boxes < 0).any() or (high > (width, height)).any():
        raise ValueError(f"patch_boxes: expected boxes in {width}x{height} pixels")
    lengths = array("patch_bytes", "int32", num_references, 1 + len(parts)).astype(np.int64)
    if (lengths < 0).any():
        raise ValueError("patch_bytes: expected no negative numbers")
    is_outside = ((low < low[:, :1]) | (high > high[:, :1])).any(axis=2)
    if (is_outside & (lengths > 0) & (lengths[:, :1] > 0)).any():
        raise ValueError("patch_boxes: expected each part inside its person")
    pixels = array("patch_pixels", "uint8", int(lengths.sum()))
    encoded = iter(np.split(pixels, np.cumsum(lengths)[:-1]))
    patches: list[list[Patch | None]] = []
    for person_box, *part_boxes in boxes.tolist():
        person = _read_patch(person_box, next(encoded), None)
        patches.append([_read_patch(box, next(encoded), person) for box in part_boxes])
    appearance = Appearance(
        skeleton=skeleton,
        points=array("points", "float32", num_references, num_joints, 2),
        score=array("score", "float32", num_references, num_joints),
        frames=array("frames", "int64", num_references, 2),
        full_lengths=array("full_lengths", "float64", len(SCALE_LINES)),
        height_px=packed.height_px,
        has_skirt=packed.has_skirt,
        patches=patches,
        background=np.ascontiguousarray(background[..., :3]),
    )
    poses = BodyPoses(skeleton, appearance.points, appearance.score)
    for part in parts:
        poses.joints((*part.joints, *part.ends))
    is_finite = np.isfinite(appearance.points).all() and np.isfinite(appearance.score).all()
    if not num_references or not is_finite:
        raise ValueError("points and score: expected finite numbers of at least one reference")
    full = appearance.full_lengths
    if (full <= 0).any() or np.isinf(full).any() or not 0 < packed.height_px < math.inf:
        raise ValueError("full_lengths and height_px: expected lengths above 0")
    if not np.isfinite(body_scales(poses, full)).all():
        raise ValueError("points: expected a trunk or a limb in each reference")
    return appearance
