"""The room of a dancer's film without the dancer: what goes with them, and what is before them.

The frames of a fixed camera are compared with the background image (clean plate). Removed with the
dancer are their mask, differences from the plate beside it (hair, fingers, cloth), their
reflection, and their shadow. The shadow's darkening is kept. All other pixels stay.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from motiontransfer.core.arrays import Box, Frame, Mask, PixelMask, Vector
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.plate.background import (
    Background,
    beside_person,
    median_background,
    room_behind,
)
from motiontransfer.plate.camera import CameraPath, camera_path
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.masks import CORE, MASK_ERROR, PersonMasks, disc_of, touching, write_masks
from motiontransfer.plate.overlays import Overlay, difference, find_captions
from motiontransfer.plate.scene import DIFFERENT, Scene, face_pixels, skin_color
from motiontransfer.plate.segmentation import drawn_person, segment_person
from motiontransfer.plate.shadow import SHADOW_OFFSET, is_shadow
from motiontransfer.plate.target_clips import TargetClip
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Detections, Keypoints
from motiontransfer.video.clip import DETECTION_SCALE, detection_frames
from motiontransfer.video.film import Film
from motiontransfer.video.frame_store import FrameStore, write_frames
from motiontransfer.video.geometry import Framing, resize

# Shares of the body's height.
_BESIDE = 0.07  # from the mask, within which what differs from the plate is the dancer's
_AROUND = 0.3  # from the mask, where the light is compared
_SHADOW_REACH = 0.5  # from the mask, of a shadow
_REFLECTION = 0.1, 0.35  # beside and below the feet
_SPECK = 0.006  # of what differs: smaller pieces are noise
_SOFT = 0.02  # of a shadow's edge, as it is kept
_OTHER = 0.15  # between the joints of two people

_NUM_FRAMES = 80  # of which the plate is made; more take longer
_NUM_FACES = 20  # of which skin is measured
_LEAST_PERSON = 64  # level of 255 of a mask, from which it shows the dancer
_BEFORE = 0.8  # of the frames in which a part is there, that show the plate
_LEAST_BEFORE = 0.1  # side of a square as large as it has to be, of the height
_LEAST_SECONDS = 0.5  # of those frames, to tell what is before the dancer

Levels = UInt8[np.ndarray, "height width 3"]
"""Share of each pixel that goes with the dancer, what is left of the light in their shadow, and
captions before the dancer, of 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dancer:
    """Whom a scene is without, in the size of the masks."""

    keypoints: Keypoints
    people: Detections
    """Everyone in view."""

    def others(self, index: int, height_px: float) -> Mask:
        """Where other people's parts are in a frame."""
        own, found = self.keypoints.points[index], self.keypoints.score[index] > 0
        place = np.zeros(self.keypoints.image_size, np.uint8)
        for row in np.flatnonzero(self.people.frame_index == index).tolist():
            both = found & (self.people.score[row] > 0)
            apart = np.linalg.norm(self.people.points[row][both] - own[both], axis=1)
            if not both.any() or np.median(apart) > _OTHER * height_px:
                place |= drawn_person(self.people, row, height_px=height_px)
        return place


def fit_scene(
    clip: TargetClip, framing: Framing, people: Detections, levels_file: Path, picture: Box
) -> tuple[Scene, dict[str, float]]:
    """Find what is the same in all frames, and write the levels of each; count what is not known.

    Args:
        clip: of the dancer; masks are written to its `masks_file`.
        framing: of its working image in the film.
        picture: of the film, without black bars.
    """
    with FrameStore(detection_frames(clip.frames.parent)) as store:
        size, num_frames = store.size, clip.keypoints.num_frames
        dancer = Dancer(keypoints=clip.keypoints.resized(size), people=people.resized(size))
        frames = track(store.frames(), "segmenting the dancer", total=num_frames)
        halves: list[Frame] = []
        faces: list[np.ndarray] = []
        found = segment_person(dancer.keypoints, _noted(frames, dancer.keypoints, halves, faces))
        masks = np.zeros((num_frames, *size), np.uint8)
        masks[found.frame_index] = found.masks
        path = camera_path(store.frames(), [*masks])
        found_in = dict(zip(range(num_frames), masks, strict=True))
        captions = find_captions(halves, found_in, dancer.keypoints)
        captions = [caption.resized(size) for caption in captions]
        background, zoom = _background(clip, dancer, found, path, captions)
        room = resize(background.image, path.size)
        before = Before(dancer, None if path.moves else room)
        detected = framing.enlarged(DETECTION_SCALE) or framing
        frames = track(store.frames(), "what goes with the dancer", total=num_frames)
        plates = (path.to_frame(room, index, size) for index in range(num_frames))
        overlays = [one.resized(size) for one in background.overlays]
        levels = scene_levels(
            frames, masks, plates, dancer, before, captions=captions, overlays=overlays
        )
        shown = (_part(each, size, detected.content) for each in levels)
        write_frames(levels_file, shown, frame_rate=clip.keypoints.frame_rate)
    plate = background.image
    if not path.moves:
        x0, y0, x1, y1 = framing.crop
        plate = resize(_part(plate, size, detected.content), (y1 - y0, x1 - x0))
    scene = Scene(
        picture=np.array(picture, np.int64),
        plate=plate,
        maps=np.diag((*zoom[::-1], 1.0)) @ path.maps @ _to_detected(detected),
        before=_part(before.place(), size, detected.content),
        skin=skin_color(faces),
    )
    return scene, {
        "background_never_seen": float(background.is_filled.mean()),
        "frames_without_dancer": num_frames - len(found.masks),
        "frames_with_unsure_background": int((~path.is_sure).sum()),
        "overlays": len(captions) + len(overlays),
        "before_the_dancer": float((scene.before > 127).mean()),
    }


def _to_detected(framing: Framing) -> Float64[np.ndarray, "3 3"]:
    """From pixels of the film's crop to those of the image."""
    (across, down), (left, top, *_) = framing.scale, framing.content
    return np.array([[across, 0, left], [0, down, top], [0, 0, 1]])


def _noted(
    frames: Iterable[Frame], keypoints: Keypoints, halves: list[Frame], faces: list[np.ndarray]
) -> Iterator[tuple[int, Frame]]:
    """Yield frames, numbered; note them in half the size, and some of their faces' pixels."""
    height, width = keypoints.image_size
    seen = np.flatnonzero((keypoints.score > 0).any(axis=1)).tolist()
    measured = evenly_spaced(seen, count=_NUM_FACES)
    for index, frame in enumerate(frames):
        halves.append(resize(frame, (height // 2, width // 2)))
        if index in measured:
            faces.append(face_pixels(keypoints, index, frame))
        yield index, frame


def _background(
    clip: TargetClip,
    dancer: Dancer,
    found: PersonMasks,
    path: CameraPath,
    captions: Sequence[Overlay],
) -> tuple[Background, Vector]:
    """The room in the image of the camera's path, and that image's size relative to the masks'."""
    with FullSizeFrames([clip]) as full:
        zoom = np.divide(full.size, found.masks.shape[1:])
        if path.moves:
            return _of_moving(clip, full, found, path, body_height_px(dancer.keypoints)), zoom
        hidden = found.masks.copy()
        for caption in captions:
            hidden[caption.is_there[found.frame_index][:, None, None] & caption.place] = 255
        write_masks(clip.masks_file, replace(found, masks=hidden))
        background = median_background(full, num_frames=_NUM_FRAMES, shows_overlays=False)
        return background, zoom


def _of_moving(
    clip: TargetClip, full: FullSizeFrames, found: PersonMasks, path: CameraPath, height_px: float
) -> Background:
    """The room in the image of the camera's path."""
    large = path.scaled(np.divide(full.size, found.masks.shape[1:]))
    chosen = evenly_spaced(found.frame_index.tolist(), count=_NUM_FRAMES)
    for index, frame in zip(chosen, Film(clip.frames.parent).read(chosen), strict=True):
        full.kept.append(large.to_room(clip.framed(frame, full.size), index))
    masks = (path.to_room(found[index], index, beyond=255) for index in chosen)
    is_free = np.stack([beside_person(mask, height_px) for mask in masks])
    image, is_filled = room_behind(full.kept, is_free, large.size, height_px)
    return Background(image, is_filled)


def _part(image: np.ndarray, size: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    """A box, of an image of some size, of the same image in any size."""
    zoom = np.divide(image.shape[:2], size)
    x0, y0, x1, y1 = np.rint(np.array(box) * np.tile(zoom[::-1], 2)).astype(int).tolist()
    return image[y0:y1, x0:x1]


class Before:
    """What lies before the dancer all the time, as furniture: a part is there, and not seen."""

    def __init__(self, dancer: Dancer, plate: Frame | None) -> None:
        """Take the plate in the size of the masks; None where the camera moves: nothing is told."""
        self._dancer, self._plate = dancer, plate
        self._height_px = body_height_px(dancer.keypoints)
        self._there, self._hidden = np.zeros((2, *dancer.keypoints.image_size), np.uint16)

    def add(self, index: int, frame: Frame, mask: Mask) -> None:
        if self._plate is None:
            return
        height_px = self._height_px
        core = drawn_person(self._dancer.keypoints, index, height_px=height_px, share=CORE) > 0
        alike = difference(frame, self._plate) < DIFFERENT
        self._there += core
        self._hidden += core & alike & (mask < _LEAST_PERSON)

    def place(self) -> Mask:
        """255 where it is, with soft edges."""
        least = max(_LEAST_SECONDS * float(self._dancer.keypoints.frame_rate), 3)
        place = (self._hidden >= least) & (self._hidden > _BEFORE * self._there)
        disc = disc_of(_SPECK * self._height_px)
        solid = cv2.morphologyEx(place.astype(np.uint8), cv2.MORPH_OPEN, disc)
        solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, disc)
        return cv2.blur(255 * _large(solid, _LEAST_BEFORE * self._height_px), (3, 3))


def scene_levels(
    frames: Iterable[Frame],
    masks: Iterable[Mask],
    plates: Iterable[Frame],
    dancer: Dancer,
    before: Before,
    *,
    captions: Sequence[Overlay] = (),
    overlays: Sequence[Overlay] = (),
) -> Iterator[Levels]:
    """Of each frame of a clip; all is of one size.

    Args:
        masks: one for each frame; 0 where nobody was found.
        plates: the room without the dancer in each frame.
        before: gets each frame.
        captions: in some of these frames.
        overlays: stickers before the dancer, which may come and go.
    """
    height_px = body_height_px(dancer.keypoints)
    nowhere = np.zeros(dancer.keypoints.image_size, bool)
    shown = enumerate(zip(frames, masks, plates, strict=True))
    for index, (frame, mask, plate) in shown:
        before.add(index, frame, mask)
        text = np.any([nowhere, *(it.place for it in captions if it.is_there[index])], axis=0)
        others = dancer.others(index, height_px)
        gone = _with_dancer(frame, plate, mask, text, others, height_px=height_px)
        stuck = np.any([nowhere, *(it.place for it in overlays if it.is_in(frame))], axis=0)
        yield np.dstack([*gone, np.uint8(255) * stuck])


def _large(place: Mask, side_px: float) -> Mask:
    """Pieces of a place that are as large as a square."""
    _, pieces, boxes, _ = cv2.connectedComponentsWithStats(place)
    is_large = boxes[:, cv2.CC_STAT_AREA] >= side_px**2
    return np.where(np.isin(pieces, np.flatnonzero(is_large)), place, np.uint8(0))


def _with_dancer(
    frame: Frame, plate: Frame, mask: Mask, text: PixelMask, others: Mask, *, height_px: float
) -> tuple[Mask, Mask]:
    """What goes with the dancer, and what is left of the light."""
    light = np.full(mask.shape, 255, np.uint8)
    person = mask >= _LEAST_PERSON
    if not person.any():
        return np.zeros_like(mask), light
    away = cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    away = away / np.float32(height_px)
    plate = _at_light_of(frame, plate, ~person & (away < _AROUND))
    kept = (others > 0) & ~person
    differs = (difference(frame, plate) > DIFFERENT) & ~kept
    hers = away <= MASK_ERROR
    beside = (away <= _BESIDE) | _floor(person, height_px)
    text = text & (away > 3 * MASK_ERROR)  # the dancer's own outline has corners, too
    hers = touching(differs & beside & ~text, hers)
    dark = differs & (away < _SHADOW_REACH)
    dark[dark] = is_shadow(frame[dark][None], plate[dark][None])[0]
    speck = disc_of(_SPECK * height_px)
    shadow = cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_OPEN, speck) > 0
    shadow = touching(shadow, hers) & ~hers
    removed = cv2.dilate(np.uint8(255) * ((hers | shadow) & ~kept), speck)
    side = 2 * max(round(_SPECK * height_px), 1) + 1
    if shadow.any():
        light = _softened(frame, plate, shadow, ~hers, height_px)
    return cv2.blur(removed, (side, side)), light


def _at_light_of(frame: Frame, plate: Frame, beside: PixelMask) -> Frame:
    """The plate as bright as a frame is beside the person, for lamps and exposure that change."""
    apart = frame[beside].astype(np.int16) - plate[beside]
    alike = apart[np.abs(apart).max(axis=1) < 2 * DIFFERENT]
    if not len(alike):
        return plate
    by = np.median(alike, axis=0).round().astype(np.int16)
    return np.clip(plate + by, 0, 255).astype(np.uint8)


def _floor(person: PixelMask, height_px: float) -> PixelMask:
    """Where the floor may mirror someone: about the lower end of the mask, and below."""
    x, y, width, height = cv2.boundingRect(person.astype(np.uint8))
    beside, below = (round(share * height_px) for share in _REFLECTION)
    place, foot = np.zeros(person.shape, bool), y + height
    place[max(foot - beside, 0) : foot + below, max(x - beside, 0) : x + width + beside] = True
    return place


def _softened(
    frame: Frame, plate: Frame, shadow: PixelMask, is_known: PixelMask, height_px: float
) -> Mask:
    """Share of the plate's light in a shadow, of 255, soft; under the person as nearby."""
    bright, dark = (
        image.mean(axis=2, dtype=np.float32) + SHADOW_OFFSET for image in (plate, frame)
    )
    share = np.where(shadow, np.minimum(dark / bright, 1), np.float32(1))
    weight = is_known.astype(np.float32)
    reach = (0, 0), _SOFT * height_px
    total = cv2.GaussianBlur(weight, *reach)
    soft = cv2.GaussianBlur(share * weight, *reach) / np.maximum(total, 1e-3)
    soft = np.where(total > 1e-3, soft, 1).astype(np.float32)
    return cv2.convertScaleAbs(soft, alpha=255)
