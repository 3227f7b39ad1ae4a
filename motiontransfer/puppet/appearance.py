"""Appearance of a person: reference frames cut into body parts, and the background image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, Float64, Int64, UInt8

from motiontransfer.body.parts import SCALE_LINES, BodyPart, body_parts
from motiontransfer.plate.shadow import Light
from motiontransfer.pose.skeleton import Skeleton


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patch:
    """A body part cut out of a reference frame."""

    corner: tuple[int, int]
    """(x, y) of its first pixel in the frame."""
    size: tuple[int, int]
    encoded: UInt8[np.ndarray, " bytes"]
    """Lossless WebP of its pixels."""
    shown: float = 1.0
    """Share of it that was shown before hidden pixels were filled; see `puppet.visibility`."""
    sharpness: float = 1.0
    """Relative to the sharpest of other references in similar poses; see `puppet.sharpness`."""
    is_mirrored: bool = False
    """It is a limb of the other side."""

    @property
    def pixels(self) -> UInt8[np.ndarray, "height width 4"]:
        """RGB and coverage, decoded anew each time."""
        pixels = _decoded(self.encoded)
        return np.ascontiguousarray(pixels[:, ::-1]) if self.is_mirrored else pixels

    def mirrored(self, frame_width: int) -> "Patch":
        """The same in the mirrored frame."""
        x, y = self.corner
        return replace(self, corner=(frame_width - x - self.size[1], y), is_mirrored=True)


def _decoded(encoded: UInt8[np.ndarray, " bytes"]) -> UInt8[np.ndarray, "height width 4"]:
    """Decode WebP to RGB and coverage."""
    image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("expected WebP images of the background and of the patches")
    # What is covered everywhere is decoded without coverage.
    is_opaque = image.shape[2] == 3
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGBA if is_opaque else cv2.COLOR_BGRA2RGBA)


_NOT_SEEN = Patch(
    corner=(0, 0), size=(0, 0), encoded=np.zeros(0, np.uint8), shown=0.0, sharpness=0.0
)
"""How a part is stored that a reference does not show."""


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
    differences: UInt8[np.ndarray, "parts references references"]
    """Levels by which a part looks different in two references; 255 where one does not show it."""
    background: UInt8[np.ndarray, "height width 3"]
    overlay: Patch | None = None
    """What stays before the person, at its place in the picture."""
    shadow: Light | None = None
    """Of the first reference on the background."""

    @property
    def parts(self) -> tuple[BodyPart, ...]:
        return body_parts(self.skeleton, has_skirt=self.has_skirt)


_ARRAYS = "points", "score", "frames", "full_lengths", "differences"
"""Fields that are stored as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedAppearance:
    """All of an appearance but its arrays."""

    groups: list[tuple[str, list[str]]]
    height_px: float
    has_skirt: bool = False


def pack_appearance(appearance: Appearance) -> tuple[dict[str, np.ndarray], PackedAppearance]:
    shape = len(appearance.patches), len(appearance.parts)
    patches = [patch or _NOT_SEEN for row in appearance.patches for patch in row]
    boxes = [(*patch.corner, *patch.size) for patch in patches]
    measures = [(patch.shown, patch.sharpness) for patch in patches]
    pixels = [patch.encoded for patch in patches]
    arrays = {name: getattr(appearance, name) for name in _ARRAYS} | {
        "patch_boxes": np.array(boxes, np.int32).reshape(*shape, 4),
        "patch_bytes": np.array([*map(len, pixels)], np.int32).reshape(shape),
        "patch_measures": np.array(measures, np.float32).reshape(*shape, 2),
        "patch_pixels": np.concatenate(pixels),
        "background": _lossless(appearance.background),
    }
    if appearance.overlay is not None:
        arrays["overlay"] = appearance.overlay.encoded
    if appearance.shadow is not None:
        arrays["shadow"] = appearance.shadow
    groups = [(name, list(joints)) for name, joints in appearance.skeleton.groups]
    packed = PackedAppearance(
        groups=groups, height_px=appearance.height_px, has_skirt=appearance.has_skirt
    )
    return arrays, packed


def _lossless(image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, " bytes"]:
    """Encode as lossless WebP, which is OpenCV's quality above 100."""
    above_all = (cv2.IMWRITE_WEBP_QUALITY, 101)
    return cv2.imencode(".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), above_all)[1]


def unpack_appearance(arrays: Mapping[str, np.ndarray], packed: PackedAppearance) -> Appearance:
    """Inverse of `pack_appearance`.

    Raises:
        ValueError: the arrays do not fit together.
        KeyError: one is missing.
    """
    skeleton = Skeleton(groups=tuple((name, tuple(joints)) for name, joints in packed.groups))
    parts = body_parts(skeleton, has_skirt=packed.has_skirt)
    rows, columns, lengths = len(arrays["points"]), len(parts), arrays["patch_bytes"]
    shapes = {
        "points": (rows, len(skeleton.joints), 2),
        "score": (rows, len(skeleton.joints)),
        "frames": (rows, 2),
        "full_lengths": (len(SCALE_LINES),),
        "patch_boxes": (rows, columns, 4),
        "patch_bytes": (rows, columns),
        "patch_measures": (rows, columns, 2),
        "patch_pixels": (int(lengths.sum()),),
        "differences": (columns, rows, rows),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name}: expected an array {shape}, got {arrays[name].shape}")
    if not rows or not packed.height_px > 0:
        raise ValueError(f"expected a reference and a height, got {rows}, {packed.height_px} px")
    patches: list[Patch | None] = []
    for (x, y, height, width), (shown, sharpness), encoded in zip(
        arrays["patch_boxes"].reshape(-1, 4).tolist(),
        arrays["patch_measures"].reshape(-1, 2).tolist(),
        np.split(arrays["patch_pixels"], np.cumsum(lengths)[:-1]),
        strict=True,
    ):
        patch = Patch(
            corner=(x, y), size=(height, width), encoded=encoded, shown=shown, sharpness=sharpness
        )
        patches.append(patch if len(encoded) else None)
    background, overlay = _decoded(arrays["background"])[..., :3], arrays.get("overlay")
    if overlay is not None:
        overlay = Patch(corner=(0, 0), size=background.shape[:2], encoded=overlay)
    return Appearance(
        skeleton=skeleton,
        height_px=packed.height_px,
        has_skirt=packed.has_skirt,
        patches=[patches[first : first + columns] for first in range(0, len(patches), columns)],
        background=np.ascontiguousarray(background),
        overlay=overlay,
        shadow=arrays.get("shadow"),
        **{name: arrays[name] for name in _ARRAYS},
    )
