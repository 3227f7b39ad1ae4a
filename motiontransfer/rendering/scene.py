"""A person in the dancer's own film: frames without the dancer, the person, and what is before.

A frame stays wherever the dancer is not. Where they were it is the plate, as bright as the frame
beside them, with their shadow, soft. The person's colors pass over to the dancer's light (Reinhard
et al. 2001, *Color Transfer between Images*), measured on the skin of both.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame, Mask, MaskedFrame
from motiontransfer.core.parallel import map_ahead
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.core.tensor_files import read_arrays, read_described
from motiontransfer.plate.scene import Scene, face_pixels, light_of_film, skin_color
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.draw.warping import Puppet, PuppetClip
from motiontransfer.rendering.backgrounds import cut_out
from motiontransfer.rendering.compositing import num_threads, over_background
from motiontransfer.retargeting.film_place import FilmPlace
from motiontransfer.video.clip import Clip, film_frames
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import enclosing_box, resize
from motiontransfer.video.isolation import iterate_isolated

_MARGIN = 0.3  # around the joints, share of their extent: hair, shoes, a skirt

_NUM_FACES = 8  # of which skin is measured
_MILD = 0.5  # share of the whole transfer: people differ, too
_MOST = 1.45  # times as light; at 1.6 bright cloth is without folds
_HUE_SHIFT = 3.0  # at most, of a and b, levels of 255; 6 make a white shirt pink on a darker skin

Skin = Float32[np.ndarray, "3"]
SkinLight = Float32[np.ndarray, "3"]
"""Times as much red, green and blue."""
PersonImage = UInt8[np.ndarray, "rows columns 4"]
"""Colors times coverage, and coverage, in a box of a frame."""


class Room(NamedTuple):
    """A frame of the film."""

    empty: Frame
    """Without the dancer."""
    before: Mask
    """255 where the film is before the person."""


class InRoom(NamedTuple):
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
        scene, framing = Scene(**read_arrays(folder / layout.SCENE_FILE)), source.framing
        (self.path,) = folder.glob(f"{layout.FILM_OF_SCENE}.*")
        self._levels = folder / layout.LEVELS_FILE
        self._source, self.size, self.skin = source, size, scene.skin
        self._rotate = int(scene.rotate)
        zoom = np.divide(size, framing.source_size)[::-1]
        x0, y0, x1, y1 = np.rint(np.array(framing.crop) * np.tile(zoom, 2)).astype(int).tolist()
        self._box, self._crop = np.s_[y0:y1, x0:x1], (y1 - y0, x1 - x0)
        self._plate = scene.plate if len(scene.maps) else resize(scene.plate, self._crop)
        self._small_plate = cache(lambda size: resize(self._plate, size))
        self._to_frame = np.diag((*zoom, 1.0)) @ np.linalg.inv(scene.maps)
        self._before = np.full(size, 255, np.uint8)
        left, top, right, bottom = np.rint(scene.picture * np.tile(zoom, 2)).astype(int)
        self._before[top:bottom, left:right] = 0
        in_crop = self._before[self._box]
        in_crop[:] = cv2.max(in_crop, cv2.resize(scene.before, self._crop[::-1]))

    def frames(self) -> Iterator[Frame]:
        return iterate_isolated(film_frames, self.path, self._source, self.size, self._rotate)

    def rooms(self) -> Iterator[Room]:
        """Each frame, in threads."""
        with FrameStore(self._levels) as store:
            shown = zip(count(), self.frames(), store.frames(), strict=False)
            yield from map_ahead(lambda each: self._room(*each), shown, num_threads=num_threads())

    def _plates_of(self, index: int, size: tuple[int, int]) -> tuple[Frame, Frame]:
        """The plate in a frame, and smaller."""
        if not len(self._to_frame):
            return self._plate, self._small_plate(size)
        plate = cv2.warpPerspective(self._plate, self._to_frame[index], self._crop[::-1])
        return plate, resize(plate, size)

    def _room(self, index: int, film: Frame, levels: UInt8[np.ndarray, "rows columns 3"]) -> Room:
        empty, before, crop = film.copy(), self._before.copy(), film[self._box]
        removed, light, written = (cv2.resize(it, self._crop[::-1]) for it in cv2.split(levels))
        before[self._box] = cv2.max(before[self._box], written)
        left, top, width, height = cv2.boundingRect(removed)
        if width:
            box = np.s_[top : top + height, left : left + width]
            plate, small_plate = self._plates_of(index, levels.shape[:2])
            apart = light_of_film(resize(crop, levels.shape[:2]), small_plate, levels[..., 0])
            brighter, darker = (
                cv2.resize(cv2.convertScaleAbs(part), self._crop[::-1])[box]
                for part in (apart.clip(0, None), apart.clip(None, 0))
            )
            behind = cv2.subtract(cv2.add(plate[box], brighter), darker)
            behind = cv2.multiply(behind, cv2.merge([light[box]] * 3), scale=1 / 255)
            share = cv2.multiply(removed[box], 255 - before[self._box][box], scale=1 / 255)
            there = empty[self._box][box]
            parts = zip((behind, there), (share, 255 - share), strict=True)
            plate, rest = (cv2.multiply(it, cv2.merge([of] * 3), scale=1 / 255) for it, of in parts)
            there[:] = cv2.add(plate, rest)
        return Room(empty, before)


def is_in_film(transfer: str) -> bool:
    """Whether a transfer's scene is the dancer's film."""
    return layout.place_file(transfer).exists()


def place_of(transfer: str) -> FilmPlace:
    """Where a transfer's poses are in the dancer's film."""
    return FilmPlace(**read_arrays(layout.place_file(transfer)))


def with_scene(assertion: Mapping[str, object], transfer: str) -> Mapping[str, object]:
    """A manifest's assertion, which tells where someone was replaced in a film."""
    if not is_in_film(transfer):
        return assertion
    file = layout.place_file(transfer)
    digests = read_described(file, "scene", dict)
    target = read_described(file, "target", list)
    (film,) = (each for name, each in digests.items() if Path(name).stem == layout.FILM_OF_SCENE)
    scene = {"person": "replaced", "film_sha256": film, "target_sha256": target}
    return {**assertion, "scene": scene}


def shown_poses(transfer: str) -> Keypoints:
    """A transfer's poses where its result shows them, in a working image."""
    poses = read_keypoints(layout.poses_file(transfer))
    if not is_in_film(transfer):
        return poses
    placed, rows = place_of(transfer).placed(poses), poses.image_size[0]
    height, width = placed.image_size
    return placed.resized((rows, 2 * round(rows * width / height / 2)))


def film_size(source: Clip) -> tuple[int, int]:
    """(height, width) of the dancer's film, even."""
    height, width = source.framing.source_size
    return height // 2 * 2, width // 2 * 2


def puppet_in_film(
    appearance: Appearance, film: DancersFilm, placed: Keypoints, *, match_light: bool
) -> Iterator[InRoom]:
    """The puppet alone in each frame of the film; in threads.

    Args:
        placed: its poses in the film.
    """
    poses = placed.resized(film.size)
    zoom = np.tile(np.divide(placed.image_size, film.size), 2)
    clip = _clip_alone(appearance, placed)
    light = _light(clip, placed, film) if match_light else None

    def draw(numbered: tuple[int, Room]) -> InRoom:
        index, room = numbered
        joints = poses.points[index][poses.score[index] > 0]
        box = enclosing_box(joints, margin=_MARGIN, image_size=poses.image_size)
        if box is None:
            return InRoom(with_person(room, np.zeros((1, 1, 4), np.uint8), (0, 0)), room)
        x0, y0, x1, y1 = box
        of_film = tuple((np.array(box) * zoom[::-1]).tolist())
        person = clip.draw(index, box=of_film, size=(y1 - y0, x1 - x0))
        return InRoom(with_person(room, person, (y0, x0), light), room)

    yield from map_ahead(draw, enumerate(film.rooms()), num_threads=num_threads())


def networks_in_film(
    home: Iterable[MaskedFrame],
    poses: Keypoints,
    appearance: Appearance,
    film: DancersFilm,
    place: FilmPlace,
    *,
    match_light: bool,
) -> Iterator[InRoom]:
    """What networks drew of each pose in the target's room, moved into the film; in threads.

    Args:
        home: with masks, in the size of the target's film.
        poses: normalized, in the target's working image.
    """
    room_at_home, placed = appearance.background, place.placed(poses)
    to_home = np.divide(room_at_home.shape[1::-1], poses.image_size[::-1])
    to_result = np.divide(film.size, placed.image_size)[::-1]
    light = _light(_clip_alone(appearance, placed), placed, film) if match_light else None

    def move(numbered: tuple[int, tuple[MaskedFrame, Room]]) -> InRoom:
        index, (frame, room) = numbered
        person = cut_out(frame, room_at_home)
        whole = np.zeros((*room_at_home.shape[:2], 4), np.float32)
        whole[person.box] = np.dstack([person.color, 255 * person.share])
        zoom = place.scale[index] * to_result / to_home
        matrix = np.column_stack([np.diag(zoom), place.shift[index] * to_result])
        moved = cv2.warpAffine(whole, matrix, film.size[::-1], flags=cv2.INTER_LINEAR)
        moved = moved.round().clip(0, 255).astype(np.uint8)
        return InRoom(with_person(room, moved, (0, 0), light), room)

    both = enumerate(zip(home, film.rooms(), strict=True))
    yield from map_ahead(move, both, num_threads=num_threads())


def _clip_alone(appearance: Appearance, poses: Keypoints) -> PuppetClip:
    """The puppet without a room."""
    no_room = np.zeros((*poses.image_size, 3), np.uint8)
    alone = replace(appearance, background=no_room, overlay=None)
    return Puppet(alone, poses.image_size).follow(poses)


def _light(clip: PuppetClip, poses: Keypoints, film: DancersFilm) -> SkinLight | None:
    """How the puppet's colors pass over to the dancer's light; None where a face is not seen."""
    height, width = poses.image_size
    resized, faces = poses.resized((max(height // 4, 1), max(width // 4, 1))), []
    for index in evenly_spaced(range(poses.num_frames), count=_NUM_FACES):
        texture = clip.draw(index, box=(0, 0, width, height), size=resized.image_size)
        person = np.ascontiguousarray(texture[..., :3])
        faces.append(face_pixels(resized, index, person, texture[..., 3] == 255))
    return light_between(skin_color(faces), film.skin)


def light_between(own: Skin, scene: Skin) -> SkinLight | None:
    """Mild transfer of means between the skins of two people.

    None where one of them is not known. The hue of a skin is mostly the person's, its lightness
    mostly the lamp's. Black clothes stay black.
    """
    if not (own.any() and scene.any()):
        return None
    lighter = np.clip(1 + _MILD * (scene[0] / max(own[0], 1) - 1), 1 / _MOST, _MOST)
    hue = own[1:] + (_MILD * (scene - own)[1:]).clip(-_HUE_SHIFT, _HUE_SHIFT)
    lab = np.array([[own, (lighter * own[0], *hue)]]).round().clip(0, 255).astype(np.uint8)
    before, after = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)[0].astype(np.float32)
    return after / np.maximum(before, 1)


def in_light(person: PersonImage, light: SkinLight | None) -> PersonImage:
    """A person in other light."""
    if light is None:
        return person
    lit = cv2.transform(person, np.diag(np.append(light, np.float32(1))))
    return cv2.min(lit, cv2.merge([person[..., 3]] * 4))  # no color is more than its coverage


def with_person(
    room: Room, person: PersonImage, corner: tuple[int, int], light: SkinLight | None = None
) -> MaskedFrame:
    """A person in a room, in its light, behind what is before them; with their coverage."""
    frame = cv2.merge([*cv2.split(room.empty), np.zeros_like(room.before)])
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(person[..., 3]))
    if not width:
        return frame
    person = in_light(np.ascontiguousarray(person[top:, left:][:height, :width]), light)
    top, left = corner[0] + top, corner[1] + left
    box = np.s_[top : top + height, left : left + width]
    before = room.before[box]
    seen = cv2.multiply(person, cv2.merge([255 - before] * 4), scale=1 / 255)
    frame[box] = over_background(seen, room.empty[box])
    return frame
