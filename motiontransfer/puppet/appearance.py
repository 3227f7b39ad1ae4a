"""Appearance of a person: reference frames cut into body parts, and the background image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

    @property
    def pixels(self) -> UInt8[np.ndarray, "height width 4"]:
        """RGB and coverage, decoded anew each time."""
        return _decoded(self.encoded)


def _decoded(encoded: UInt8[np.ndarray, " bytes"]) -> UInt8[np.ndarray, "height width 4"]:
    """Decode WebP to RGB and coverage."""
    image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("expected WebP images of the background and of the patches")
    # What is covered everywhere is decoded without coverage.
    is_opaque = image.shape[2] == 3
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGBA if is_opaque else cv2.COLOR_BGRA2RGBA)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedAppearance:
    """All of an appearance but its arrays."""

    groups: list[tuple[str, list[str]]]
    height_px: float
    has_skirt: bool = False


def pack_appearance(appearance: Appearance) -> tuple[dict[str, np.ndarray], PackedAppearance]:
    boxes = np.zeros((len(appearance.patches), len(appearance.parts), 4), np.int32)
    lengths, pixels = np.zeros(boxes.shape[:2], np.int32), [np.zeros(0, np.uint8)]
    measures = np.zeros((*boxes.shape[:2], 2), np.float32)
    for reference, patches in enumerate(appearance.patches):
        for column, patch in enumerate(patches):
            if patch is not None:
                boxes[reference, column] = *patch.corner, *patch.size
                lengths[reference, column] = len(patch.encoded)
                measures[reference, column] = patch.shown, patch.sharpness
                pixels.append(patch.encoded)
    arrays = {
        "points": appearance.points,
        "score": appearance.score,
        "frames": appearance.frames,
        "full_lengths": appearance.full_lengths,
        "patch_boxes": boxes,
        "patch_bytes": lengths,
        "patch_measures": measures,
        "patch_pixels": np.concatenate(pixels),
        "patch_differences": appearance.differences,
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
        "patch_differences": (columns, rows, rows),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name}: expected an array {shape}, got {arrays[name].shape}")
    if not rows or not packed.height_px > 0:
        raise ValueError(f"expected a reference and a height, got {rows}, {packed.height_px} px")
    encoded = iter(np.split(arrays["patch_pixels"], np.cumsum(lengths)[:-1]))
    of_rows = zip(arrays["patch_boxes"].tolist(), arrays["patch_measures"].tolist(), strict=True)
    patches = [
        [_read_patch(*one, next(encoded)) for one in zip(*row, strict=True)] for row in of_rows
    ]
    background, overlay = _decoded(arrays["background"])[..., :3], arrays.get("overlay")
    if overlay is not None:
        overlay = Patch(corner=(0, 0), size=background.shape[:2], encoded=overlay)
    return Appearance(
        skeleton=skeleton,
        points=arrays["points"],
        score=arrays["score"],
        frames=arrays["frames"],
        full_lengths=arrays["full_lengths"],
        height_px=packed.height_px,
        has_skirt=packed.has_skirt,
        patches=patches,
        differences=arrays["patch_differences"],
        background=np.ascontiguousarray(background),
        overlay=overlay,
        shadow=arrays.get("shadow"),
    )


def _read_patch(
    box: Sequence[int], measures: Sequence[float], encoded: UInt8[np.ndarray, " bytes"]
) -> Patch | None:
    """A patch; None without any bytes."""
    if not len(encoded):
        return None
    (x, y, height, width), (shown, sharpness) = box, measures
    return Patch(
        corner=(x, y), size=(height, width), encoded=encoded, shown=shown, sharpness=sharpness
    )
