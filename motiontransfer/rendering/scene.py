"""A person in the dancer's own film: frames without the dancer, the person, and what is before.

A frame stays wherever the dancer is not. Where they were it is the plate, as bright as the frame
beside them, with their shadow, soft. The person's colors pass over to the dancer's light (Reinhard
et al. 2001, *Color Transfer between Images*), measured on the skin of both.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from motiontransfer.core import layout
from motiontransfer.core.parallel import map_ahead
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.core.storage import sha256_of
from motiontransfer.pose.keypoints import Keypoints, read_keypoints
from motiontransfer.pose.time_series import Series
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.masks import Mask
from motiontransfer.puppet.scene import face_pixels, light_of_film, read_scene, skin_colors
from motiontransfer.puppet.warping import Puppet, PuppetClip
from motiontransfer.rendering.backgrounds import cut_out
from motiontransfer.rendering.compositing import num_threads, over_background
from motiontransfer.video.clip import Clip, film_frames
from motiontransfer.video.color import Frame, MaskedFrame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize
from motiontransfer.video.isolation import iterate_isolated

_MARGIN = 0.3  # around the joints, share of their extent: hair, shoes, a skirt

_NUM_FACES = 8  # of which skin is measured
_MILD = 0.5  # share of the whole transfer: people differ, too
_GAINS = 0.8, 1.25  # of deviations
_SHIFTS = np.array((25.0, 6.0, 6.0))  # at most, of L, a and b, levels of 255

Skin = Float32[np.ndarray, "2 3"]
Light = UInt8[np.ndarray, "256 1 3"]
"""Levels of L, a and b by those before."""
Person = UInt8[np.ndarray, "rows columns 4"]
"""Colors times coverage, and coverage, in a box of a frame."""


class Room(NamedTuple):
    """A frame of the film."""

    film: Frame
    empty: Frame
    """Without the dancer."""
    before: Mask
    """255 where the film is before the person."""


class Shown(NamedTuple):
    frame: MaskedFrame
    room: Room


class DancersFilm:
    """The film of a dance, in the size of a result."""

    def __init__(self, folder: Path, source: Clip, *, size: tuple[int, int]) -> None:
        """Read what `fit_scene` found.

        Args:
            folder: of the scene.
            source: clip of the dance.
            size: (height, width) of results, at most the film's.
        """
        scene, framing = read_scene(folder / layout.SCENE_FILE), source.framing
        (self._path,) = folder.glob(f"{layout.FILM_OF_SCENE}.*")
        self.poses = read_keypoints(folder / layout.POSES_IN_FILM_FILE)
        """In pixels of the film."""
        self._levels = folder / layout.LEVELS_FILE
        self._source, self.size = source, size
        zoom = np.divide(size, framing.source_size)
        x0, y0, x1, y1 = np.rint(np.array(framing.crop) * np.tile(zoom[::-1], 2)).astype(int)
        self._box, crop = np.s_[y0:y1, x0:x1], (int(y1 - y0), int(x1 - x0))
        self.skin, self._crop = scene.skin, crop
        self._plate = scene.plate if len(scene.maps) else resize(scene.plate, crop)
        larger = np.diag((*zoom[::-1], 1.0))
        self._to_frame = larger @ np.linalg.inv(scene.maps)
        self._overlays = [
            one._replace(
                place=cv2.resize(one.place.astype(np.uint8), crop[::-1]) > 0,
                colors=resize(one.colors, crop),
            )
            for one in scene.overlays
        ]
        self._before = np.full(size, 255, np.uint8)
        left, top, right, bottom = np.rint(scene.picture * np.tile(zoom[::-1], 2)).astype(int)
        self._before[top:bottom, left:right] = 0
        in_crop = self._before[self._box]
        in_crop[:] = cv2.max(in_crop, cv2.resize(scene.before, crop[::-1]))

    def rooms(self) -> Iterator[Room]:
        """Each frame, in threads."""
        films = iterate_isolated(film_frames, self._path, self._source)
        with FrameStore(self._levels) as store:
            shown = zip(count(), films, store.frames(), strict=False)
            yield from map_ahead(lambda each: self._room(*each), shown, num_threads=num_threads())

    def _plate_of(self, index: int) -> Frame:
        if not len(self._to_frame):
            return self._plate
        size = self._crop[::-1]
        return cv2.warpPerspective(self._plate, self._to_frame[index], size)

    def _room(self, index: int, film: Frame, levels: UInt8[np.ndarray, "rows columns 3"]) -> Room:
        film, empty = (image := resize(film, self.size)), image.copy()
        crop = film[self._box]
        whole = self._before.copy()
        before = whole[self._box]
        for overlay in (one for one in self._overlays if one.is_in(crop)):
            before[overlay.place] = 255
        removed = levels[..., 0]
        left, top, width, height = cv2.boundingRect(removed)
        shape = np.array(crop.shape[:2]), np.array(removed.shape)
        if width:
            first = np.floor(np.multiply((top, left), shape[0] / shape[1])).astype(int)
            last = np.ceil(np.multiply((top + height, left + width), shape[0] / shape[1]))
            box = tuple(map(slice, first.tolist(), last.astype(int).tolist()))
            plate = self._plate_of(index)
            small, small_plate = (resize(image, removed.shape) for image in (crop, plate))
            apart = light_of_film(small, small_plate, removed)
            fields = np.dstack([levels[..., :2].astype(np.float32), apart])
            share, light, *apart = cv2.split(cv2.resize(fields, crop.shape[1::-1])[box])
            behind = (plate[box] + cv2.merge(apart)) * (light / 255)[..., None]
            share = (share * (255 - before[box]) / 255**2)[..., None]
            there = empty[self._box][box]
            there[:] = (there + share * (behind - there)).round().clip(0, 255)
        return Room(film, empty, whole)


def is_in_film(transfer: str) -> bool:
    """Whether a transfer's scene is the dancer's film."""
    return (layout.scene_folder(transfer) / layout.SCENE_FILE).exists()


def with_scene(assertion: Mapping[str, object], transfer: str) -> Mapping[str, object]:
    """A manifest's assertion, which tells where someone was replaced in a film."""
    if not is_in_film(transfer):
        return assertion
    (film,) = layout.scene_folder(transfer).glob(f"{layout.FILM_OF_SCENE}.*")
    return {**assertion, "scene": {"person": "replaced", "film_sha256": sha256_of(film)}}


def shown_poses(transfer: str) -> Keypoints:
    """A transfer's poses where its result shows them, in a working image."""
    poses = read_keypoints(layout.poses_file(transfer))
    if not is_in_film(transfer):
        return poses
    placed = read_keypoints(layout.scene_folder(transfer) / layout.POSES_IN_FILM_FILE)
    height, width = placed.image_size
    return placed.resized(
        (poses.image_size[0], 2 * round(poses.image_size[0] * width / height / 2))
    )


def film_size(source: Clip) -> tuple[int, int]:
    """(height, width) of the dancer's film, even."""
    height, width = source.framing.source_size
    return height // 2 * 2, width // 2 * 2


def puppet_in_film(
    appearance: Appearance, film: DancersFilm, *, match_light: bool
) -> Iterator[Shown]:
    """The puppet alone in each frame of the film; in threads."""
    poses = film.poses
    no_room = np.zeros((*poses.image_size, 3), np.uint8)
    puppet = Puppet(replace(appearance, background=no_room, overlay=None), poses.image_size)
    clip, zoom = puppet.follow(poses), np.divide(film.size, poses.image_size)
    light = _light(clip, film) if match_light else None

    def draw(numbered: tuple[int, Room]) -> Shown:
        index, room = numbered
        (x0, y0, x1, y1), (top, left, bottom, right) = _boxes(poses, index, zoom)
        person = np.zeros((0, 0, 4), np.uint8)
        if x1 > x0 and y1 > y0:
            size = bottom - top, right - left
            person = clip.draw(index, box=(x0, y0, x1, y1), size=size)[..., :4]
        return Shown(with_person(room, in_light(person, light), (top, left)), room)

    yield from map_ahead(draw, enumerate(film.rooms()), num_threads=num_threads())


def networks_in_film(
    home: Iterable[MaskedFrame],
    poses: Keypoints,
    appearance: Appearance,
    film: DancersFilm,
    *,
    match_light: bool,
) -> Iterator[Shown]:
    """What networks drew of each pose in the target's room, moved into the film; in threads.

    Args:
        home: with masks, in the size of the target's film.
        poses: normalized, in the target's working image.
    """
    room_at_home = appearance.background
    scale, shift = similarities(poses, film.poses)
    to_home = np.divide(room_at_home.shape[1::-1], poses.image_size[::-1])
    to_result = np.divide(film.size[::-1], film.poses.image_size[::-1])
    light = None
    if match_light:
        no_room = np.zeros((*film.poses.image_size, 3), np.uint8)
        bare = replace(appearance, background=no_room, overlay=None)
        light = _light(Puppet(bare, film.poses.image_size).follow(film.poses), film)

    def move(numbered: tuple[int, tuple[MaskedFrame, Room]]) -> Shown:
        index, (frame, room) = numbered
        person = cut_out(frame, room_at_home)
        whole = np.zeros((*room_at_home.shape[:2], 4), np.float32)
        whole[person.box] = np.dstack([person.color, 255 * person.share])
        zoom = scale[index] * to_result / to_home
        matrix = np.column_stack([np.diag(zoom), shift[index] * to_result])
        moved = cv2.warpAffine(whole, matrix, film.size[::-1], flags=cv2.INTER_LINEAR)
        person = moved.round().clip(0, 255).astype(np.uint8)
        return Shown(with_person(room, in_light(person, light), (0, 0)), room)

    both = enumerate(zip(home, film.rooms(), strict=True))
    yield from map_ahead(move, both, num_threads=num_threads())


def similarities(
    poses: Keypoints, placed: Keypoints
) -> tuple[Series, Float64[np.ndarray, "frames 2"]]:
    """Scale and shift of each frame between poses and the same ones placed."""
    found = (poses.score > 0)[..., None]
    count = np.maximum(found.sum(axis=1), 1)
    means, spreads = [], []
    for points in (poses.points.astype(np.float64), placed.points.astype(np.float64)):
        mean = (points * found).sum(axis=1) / count
        means.append(mean)
        spreads.append(np.sqrt((((points - mean[:, None]) * found) ** 2).sum(axis=(1, 2))))
    scale = spreads[1] / np.maximum(spreads[0], 1e-9)
    return scale, means[1] - scale[:, None] * means[0]


def _light(clip: PuppetClip, film: DancersFilm) -> Light | None:
    """How the puppet's colors pass over to the dancer's light; None where a face is not seen."""
    poses, faces = film.poses, []
    height, width = poses.image_size
    whole, small = (0, 0, width, height), np.maximum(np.array((height, width)) // 4, 1)
    resized = poses.resized((int(small[0]), int(small[1])))
    for index in evenly_spaced(range(poses.num_frames), count=_NUM_FACES):
        texture = clip.draw(index, box=whole, size=resized.image_size)
        person = np.ascontiguousarray(texture[..., :3])
        faces.append(face_pixels(resized, index, person, texture[..., 3] == 255))
    return light_between(skin_colors(faces), film.skin)


def light_between(own: Skin, scene: Skin) -> Light | None:
    """Mild transfer of means and deviations between the skins of two people.

    None where one of them is not known. The hue of a skin is mostly the person's, its lightness
    mostly the lamp's.
    """
    if not (own[1].any() and scene[1].any()):
        return None
    gain = (scene[1] / np.maximum(own[1], 1)).clip(*_GAINS)
    gain = 1 + _MILD * (gain - 1) * np.array((1, 0, 0))
    shift = (_MILD * (scene[0] - own[0])).clip(-_SHIFTS, _SHIFTS)
    levels = np.arange(256)[:, None]
    moved = own[0] + shift + gain * (levels - own[0])
    return moved.round().clip(0, 255).astype(np.uint8)[:, None]


def in_light(person: Person, light: Light | None) -> Person:
    """A person in other light."""
    if light is None or not person.size:
        return person
    coverage = np.ascontiguousarray(person[..., 3])
    left, top, width, height = cv2.boundingRect(coverage)
    box = np.s_[top : top + height, left : left + width]
    result, share = person.copy(), np.maximum(coverage[box], 1)[..., None] / np.float32(255)
    straight = (person[box][..., :3] / share).round().clip(0, 255).astype(np.uint8)
    lab = cv2.LUT(cv2.cvtColor(straight, cv2.COLOR_RGB2LAB), light.reshape(1, 256, 3))
    lit = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * (coverage[box] / np.float32(255))[..., None]
    result[box][..., :3] = lit.round()
    return result


def _boxes(
    poses: Keypoints, index: int, zoom: Float64[np.ndarray, "2"]
) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
    """Box around a pose (x0, y0, x1, y1) in its image, and (top, left, bottom, right) in a result.

    Its corners are pixels of both.
    """
    joints = poses.points[index][poses.score[index] > 0].astype(np.float64)
    if not len(joints):
        return (0, 0, 0, 0), (0, 0, 0, 0)
    margin, limit = _MARGIN * np.ptp(joints, axis=0).max(), np.array(poses.image_size[::-1])
    low = (joints.min(axis=0) - margin).clip(0, limit)
    high = (joints.max(axis=0) + margin).clip(0, limit)
    step = 1 / zoom[::-1] if (zoom <= 1).all() else np.ones(2)
    low, high = np.floor(low / step) * step, np.minimum(np.ceil(high / step) * step, limit)
    (x0, y0), (x1, y1) = low.round().astype(int).tolist(), high.round().astype(int).tolist()
    left, top = np.rint(low * zoom[::-1]).astype(int).tolist()
    right, bottom = np.rint(high * zoom[::-1]).astype(int).tolist()
    return (x0, y0, x1, y1), (top, left, bottom, right)


def with_person(room: Room, person: Person, corner: tuple[int, int]) -> MaskedFrame:
    """A person in a room, behind what is before them; with their coverage."""
    frame = np.dstack([room.empty, np.zeros(room.before.shape, np.uint8)])
    if not person.size:
        return frame
    top, left = corner
    box = np.s_[top : top + person.shape[0], left : left + person.shape[1]]
    before = room.before[box]
    seen = cv2.multiply(person, cv2.merge([255 - before] * 4), scale=1 / 255)
    frame[box] = over_background(seen, room.empty[box])
    return frame
