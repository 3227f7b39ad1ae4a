"""Appearance of a target: training frames chosen as references and cut into body parts."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO

import cv2
import numpy as np
from jaxtyping import Bool, Complex128, Float, Float64, Int64, UInt8
from PIL import Image

from motiontransfer.core.errors import TrainingError
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import resize_points
from motiontransfer.pose.skeleton import Skeleton
from motiontransfer.puppet.appearance import Appearance, Patch, covered_area
from motiontransfer.puppet.background import Background
from motiontransfer.puppet.foreign import foreign_share, small_copy
from motiontransfer.puppet.matting import person_matte
from motiontransfer.puppet.parts import (
    BodyPart,
    BodyPoses,
    Map,
    body_parts,
    body_scales,
    full_lengths,
    part_map,
    part_shapes,
)
from motiontransfer.puppet.silhouette import (
    Mask,
    Silhouette,
    cores,
    fit_radii,
    part_distances,
    part_masks,
    read_masks,
    shows_skirt,
    silhouette,
)
from motiontransfer.puppet.target_clips import FullSizeFrames
from motiontransfer.video.color import Frame

_NUM_FILLS = 3  # references from which what is hidden of a part is filled
_NUM_CANDIDATES = 40  # among which they are looked for, the most alike
_NUM_WITNESSES = 16  # references with which a part is compared
_LEAST_FILL = 0.4  # of the hidden places, which another reference must show
_LEAST_HIDDEN = 0.005  # of a patch's pixels; less is not filled
_NUM_PLACES = 64  # at which that is looked up
_LARGE = 3_000_000  # pixels of a person; more are encoded in a third of the time, a seventh larger
_COVERAGE_STEP = 17  # of 255: edges are smooth, and finer levels would take a tenth of the file


def target_appearance(
    frames: FullSizeFrames, background: Background, *, num_references: int
) -> Appearance:
    """About so many reference frames, evenly spread over the clips.

    Raises:
        TrainingError: no training frame shows a trunk or a limb.
    """
    clips, size = frames.clips, frames.size
    image_size = clips[0].keypoints.image_size
    zoom = np.array([size[1] / image_size[1], size[0] / image_size[0]])
    masks = [read_masks(clip.masks_file) for clip in clips]
    chosen: list[tuple[int, int]] = []
    for number, clip in enumerate(clips):
        keypoints = clip.training_keypoints
        poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
        has_scale = np.isfinite(body_scales(poses, full_lengths(poses)))
        masked = masks[number].frames_of(clip.training[:: frames.steps[number]])
        shown = [(number, frame) for frame in masked if has_scale[frame]]
        chosen += evenly_spaced(shown, count=math.ceil(num_references / len(clips)))
    if not chosen:
        raise TrainingError(
            "no training frame shows a trunk or a limb of the target; see the coverage in "
            "artifacts/quality"
        )
    heights = [body_height_px(clips[it].training_keypoints) for it in {c for c, _ in chosen}]
    return fit_appearance(
        clips[0].keypoints.skeleton,
        [(resize_points(clip.keypoints.points, zoom), clip.keypoints.score) for clip in clips],
        map(frames.__getitem__, chosen),
        {(clip, frame): masks[clip][frame] for clip, frame in chosen},
        background=background,
        height_px=float(np.median(heights) * zoom[1]),
        coarse_size=(min(size[0], 2 * image_size[0]), min(size[1], 2 * image_size[1])),
    )


def fit_appearance(
    skeleton: Skeleton,
    clips: Sequence[tuple[Float[np.ndarray, "_ joints 2"], Float[np.ndarray, "_ joints"]]],
    frames: Iterable[Frame],
    masks: Mapping[tuple[int, int], UInt8[np.ndarray, "_ _"]],
    *,
    background: Background,
    height_px: float,
    coarse_size: tuple[int, int] | None = None,
) -> Appearance:
    """Cut reference frames into body parts.

    Args:
        clips: points and scores of each clip.
        frames: the references, one for each mask.
        masks: of the person, in any size, by clip and frame_index.
        height_px: of the upright body.
        coarse_size: (height, width) of the image in which distances are computed; None: that of
            the frames.
    """
    points = np.stack([clips[clip][0][frame] for clip, frame in masks])
    score = np.stack([clips[clip][1][frame] for clip, frame in masks])
    poses, parts = BodyPoses(skeleton, points, score), body_parts(skeleton)
    full = full_lengths(poses)
    scales = body_scales(poses, full)
    size = background.image.shape[:2]
    coarse = coarse_size or size
    zoom = np.array(size[::-1]) / coarse[::-1]
    coarse_poses = BodyPoses(skeleton, resize_points(points, 1 / zoom), score)

    def people() -> Iterator[Silhouette]:
        for index, mask in enumerate(masks.values()):
            yield silhouette(
                coarse_poses,
                index,
                mask,
                height_px=height_px * float(scales[index]) / zoom[1],
                coarse_size=coarse,
                frame_size=size,
            )

    has_skirt = shows_skirt(parts, people())
    parts = fit_radii(body_parts(skeleton, has_skirt=has_skirt), people())
    frames = track(frames, "cutting body parts", total=len(masks))
    with TemporaryFile() as file:
        persons, cut = [], []
        for of_reference in map(partial(cut_parts, parts, background), people(), frames):
            persons.append(_whole_person(of_reference))
            cut.append([part and _StoredPart(part, file) for part in of_reference])
        patches = fill_hidden(parts, poses, scales, cut, persons)
    return Appearance(
        skeleton=skeleton,
        points=points,
        score=score,
        frames=np.array(list(masks)),
        full_lengths=full,
        height_px=height_px,
        has_skirt=has_skirt,
        patches=patches,
        background=background.image,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPart:
    """A body part in a reference frame, and where something before it hides it."""

    corner: tuple[int, int]
    """(x, y) of its first pixel in the frame."""
    colors: Frame
    coverage: Mask
    hidden: Mask

    def hidden_places(self) -> Int64[np.ndarray, "places 2"]:
        """(x, y) of some pixels that are hidden; none where few are."""
        rows, columns = np.nonzero(self.hidden > 127)
        if len(rows) < _LEAST_HIDDEN * self.hidden.size:
            return np.zeros((0, 2), np.int64)
        chosen = np.linspace(0, len(rows) - 1, _NUM_PLACES).round().astype(np.int64)
        return np.stack([columns[chosen], rows[chosen]], axis=1)

    def covered_share(
        self, matrix: Float64[np.ndarray, "2 3"], places: Int64[np.ndarray, "places 2"]
    ) -> float:
        """Mean coverage, 0 to 1, at places (x, y) of the image to which it is mapped."""
        inverse = cv2.invertAffineTransform(matrix)
        x, y = np.rint(inverse[:, :2] @ places.T + inverse[:, 2:]).astype(np.int64)
        height, width = self.coverage.shape
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return float(self.coverage[y[inside], x[inside]].sum()) / 255 / len(places)

    def filled(self, source: "CutPart", matrix: Float64[np.ndarray, "2 3"]) -> "CutPart":
        """Show where it is hidden what another reference shows there.

        Args:
            matrix: map from that reference's part to this one.
        """
        place = covered_box(self.hidden)
        hidden = self.hidden[place].astype(np.float32)
        size = place[1].stop, place[0].stop
        there = cv2.warpAffine(source.coverage, matrix, size)[place]
        shown = hidden * there / np.float32(255)
        covered = self.coverage[place] + shown
        share = (shown / np.maximum(covered, 1))[..., None]
        parts = [self.colors.copy(), self.coverage.copy(), self.hidden.copy()]
        under = self.colors[place].astype(np.float32)
        under += share * (cv2.warpAffine(source.colors, matrix, size)[place] - under)
        for whole, part in zip(parts, (under, covered, hidden - shown), strict=True):
            whole[place] = part.round()
        colors, coverage, hidden = parts
        return replace(self, colors=colors, coverage=coverage, hidden=hidden)


def covered_box(mask: Mask) -> tuple[slice, slice]:
    """The rows and columns from the first to the last that is not 0 everywhere."""
    x, y, width, height = cv2.boundingRect(mask)
    return np.s_[y : y + height, x : x + width]


def cut_parts(
    parts: Sequence[BodyPart], background: Background, person: Silhouette, frame: Frame
) -> list[CutPart | None]:
    distances = part_distances(parts, person)
    box = person.place()
    small = cv2.resize(frame[box], person.coverage.shape[::-1], interpolation=cv2.INTER_AREA)
    alpha, colors = person_matte(
        frame[box],
        background.image[box],
        person.coverage,
        cores(parts, distances, person),
        small=small,
        is_known=~background.is_filled[box],
        height_px=person.height_px,
    )
    cut: list[CutPart | None] = []
    for place, *masks in part_masks(parts, distances, person, small):
        cut.append(None)
        if not masks[0].size:
            continue
        y, x = (it.start - of.start for it, of in zip(place, box, strict=True))
        height, width = masks[0].shape
        there = np.s_[y : y + height, x : x + width]
        mask, hidden = (cv2.multiply(it, alpha[there], scale=1 / 255) for it in masks)
        if mask.any():
            inside = covered_box(cv2.max(mask, hidden))
            cut[-1] = CutPart(
                corner=(place[1].start + inside[1].start, place[0].start + inside[0].start),
                # Not views, which would hold the whole box.
                colors=colors[there][inside].copy(),
                coverage=mask[inside].copy(),
                hidden=hidden[inside].copy(),
            )
    return cut


def _whole_person(cut: Sequence[CutPart | None]) -> Patch | None:
    """All colors that the parts of a reference show or hide, each once though they overlap."""
    parts = [part for part in cut if part is not None]
    if not parts:
        return None
    corners = np.array([part.corner for part in parts])
    ends = corners + [part.hidden.shape[::-1] for part in parts]
    x0, y0, x1, y1 = *corners.min(axis=0).tolist(), *ends.max(axis=0).tolist()
    colors = np.zeros((y1 - y0, x1 - x0, 3), np.uint8)
    for part, (x, y) in zip(parts, corners.tolist(), strict=True):
        kept = _near((part.coverage >= _COVERAGE_STEP) | (part.hidden > 0))
        height, width = kept.shape
        cv2.copyTo(part.colors, kept, colors[y - y0 :, x - x0 :][:height, :width])
    size = y1 - y0, x1 - x0
    area = math.prod(size)
    encoded = _encoded(colors, method=0 if area > _LARGE else 1)
    return Patch(corner=(x0, y0), size=size, encoded=encoded, area=float(area))


def _near(covered: Bool[np.ndarray, "height width"]) -> Mask:
    """With the pixels beside, of whose colors interpolation takes a share."""
    return cv2.dilate(covered.astype(np.uint8), np.ones((3, 3), np.uint8))


class _StoredPart:
    """A part that waits in a temporary file: all of all references would need much memory."""

    def __init__(self, part: CutPart, file: IO[bytes]) -> None:
        self._corner, self._shape, self._file = part.corner, part.hidden.shape, file
        self._position = file.tell()
        for array in (part.colors, part.coverage, part.hidden):
            file.write(array.data)

    def read(self) -> CutPart:
        height, width = self._shape
        self._file.seek(self._position)
        content = np.frombuffer(self._file.read(5 * height * width), np.uint8)
        colors, coverage, hidden = np.split(content, [3 * height * width, 4 * height * width])
        return CutPart(
            corner=self._corner,
            colors=colors.reshape(height, width, 3),
            coverage=coverage.reshape(height, width),
            hidden=hidden.reshape(height, width),
        )


@dataclass(frozen=True, kw_only=True)
class _Views:
    """One part in all references."""

    part: BodyPart
    poses: BodyPoses
    scales: Float64[np.ndarray, " references"]
    cut: Mapping[int, CutPart]
    """In the references that show it."""

    @cached_property
    def _shapes(
        self,
    ) -> tuple[Complex128[np.ndarray, "references joints"], Bool[np.ndarray, "references joints"]]:
        return part_shapes(self.part, self.poses, self.scales)

    def alike(self, reference: int) -> list[int]:
        """The other references that show the part, from the most alike on."""
        shapes, found = self._shapes
        both = found & found[reference]
        shared = both.sum(axis=1)
        square = (np.square(np.abs(shapes - shapes[reference])) * both).sum(axis=1)
        unlike = np.where(shared < self.part.min_joints, np.inf, square / np.maximum(shared, 1))
        order = np.argsort(unlike, kind="stable")[: np.isfinite(unlike).sum()].tolist()
        return [other for other in order if other in self.cut and other != reference]

    def map(self, other: int, reference: int) -> Map:
        """Map from another reference's part to that of a reference."""
        source, own = self.cut[other], self.cut[reference]
        (points, _), (_, found) = self.poses.joints(self.part.joints), self._shapes
        both = found[other] & found[reference]
        a, b = points[other, both] - source.corner, points[reference, both] - own.corner
        scale = float(self.scales[reference] / self.scales[other])
        return part_map(self.part, a, b, scale=scale)

    def without_foreign(self) -> "_Views":
        """What is before the part is hidden.

        A trunk is compared with the third most alike: those that show the same side.
        """
        small = {n: small_copy(it.colors, it.coverage) for n, it in self.cut.items()}
        cut = dict(self.cut)
        for reference, own in self.cut.items():
            alike = self.alike(reference)
            alike = alike[: len(alike) // 3] if self.part.is_solid else alike
            others = evenly_spaced(alike, count=_NUM_WITNESSES)
            witnesses = ((small[other], self.map(other, reference)) for other in others)
            share = foreign_share(small[reference], witnesses)
            if share.any():
                share = cv2.resize(share, own.coverage.shape[::-1])
                gone = (own.coverage * share).round().astype(np.uint8)
                hidden = cv2.add(own.hidden, gone)
                cut[reference] = replace(own, coverage=own.coverage - gone, hidden=hidden)
        return replace(self, cut=cut)


def fill_hidden(
    parts: Sequence[BodyPart],
    poses: BodyPoses,
    scales: Float64[np.ndarray, " references"],
    stored: Sequence[Sequence[_StoredPart | None]],
    persons: Sequence[Patch | None],
) -> list[list[Patch | None]]:
    """Fill what hides some of a part from references that show it and look most alike.

    Args:
        persons: the whole person in each reference, in the colors of the cut parts.
    """
    patches: list[list[Patch | None]] = [[] for _ in stored]
    trunk = [part.name for part in parts].index("torso")
    for number, part in enumerate(track(parts, "filling what is hidden", total=len(parts))):
        waiting = ((reference, of[number]) for reference, of in enumerate(stored))
        cut = {reference: it.read() for reference, it in waiting if it is not None}
        views = _Views(part=part, poses=poses, scales=scales, cut=cut)
        if number <= trunk:  # head and arms turn: a sleeve or an elbow is nothing foreign
            views = views.without_foreign()
        for reference, of_parts in enumerate(patches):
            own = views.cut.get(reference)
            if own is None:
                of_parts.append(None)
                continue
            filled, num_fills, places = own, 0, own.hidden_places()
            for other in views.alike(reference)[:_NUM_CANDIDATES] if len(places) else ():
                if not len(places) or num_fills == _NUM_FILLS:
                    break
                source, matrix = views.cut[other], views.map(other, reference)
                if source.covered_share(matrix, places) >= _LEAST_FILL:
                    filled = filled.filled(source, matrix)
                    num_fills, places = num_fills + 1, filled.hidden_places()
            coverage = filled.coverage // _COVERAGE_STEP * _COVERAGE_STEP
            pixels = cv2.merge([filled.colors - own.colors, coverage])
            of_parts.append(encode_patch(own.corner, pixels, persons[reference]))
    return patches


def encode_patch(
    corner: tuple[int, int],
    pixels: UInt8[np.ndarray, "height width 4"],
    person: Patch | None = None,
) -> Patch:
    """Keep what is covered, and beside it.

    Args:
        pixels: RGB, less that of the person where there is one, modulo 256, and coverage.
        person: the whole person, of whom this is a part.
    """
    kept = cv2.copyTo(pixels, _near(pixels[..., 3] > 0))
    return Patch(
        corner=corner,
        size=kept.shape[:2],
        encoded=_encoded(kept, method=0),  # little but coverage: more effort saves little
        area=covered_area(kept[..., 3]),
        person=person,
    )


def _encoded(
    pixels: UInt8[np.ndarray, "height width channels"], *, method: int
) -> UInt8[np.ndarray, " bytes"]:
    """Encode RGB, or RGB and coverage, as lossless WebP, with libwebp's effort from 0 to 6."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, exact=True, method=method, quality=0)
    return np.frombuffer(file.getbuffer(), np.uint8)
