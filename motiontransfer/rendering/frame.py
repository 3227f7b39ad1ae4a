"""Rendering of poses by a target's networks: whole clips, or poses as they arrive.

The main generator rolls out on its own frames, and the face model's face is blended into what is
shown. Where the face generator was trained so, the rollout goes on from the frames with faces. Of
a drawn target the networks generate the room with shadows, over which the puppet is drawn.

A face model, residual (Chan et al. 2019, sec. 3.2) or CycleGAN (Zhu et al. 2017), makes a patch for
each frame. `feather` mixes frame and patch by the patch's weight; `poisson` is Poisson image
editing where the weight is at least a half.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from motiontransfer.core.arrays import Box, Frame, MaskedFrame
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.pose.drawing import display_style
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.draw.warping import Puppet, PuppetFollower
from motiontransfer.rendering.compositing import (
    FaceBlending,
    PendingFrame,
    blend_poisson,
    draw_puppet,
    enlarged_room,
    face_box_weight,
    puppet_frames,
    size_of_height,
    without_mask,
)
from motiontransfer.rendering.rollout import (
    BATCH_FRAMES,
    Array,
    FramePose,
    GeneratedFrame,
    Image,
    Networks,
    PoseMap,
    Rollout,
    rooms,
    view_of,
)
from motiontransfer.video.geometry import resize

_Shown = TypeVar("_Shown")
_MOST_LIVE_PX = 540  # height of a puppet alone, which takes time by its pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class FacePatch:
    """Face and blending weight for one frame."""

    image: Image
    """The frame with the face in its place; only pixels of the box count."""
    box: Box
    weight: Float[Array, "*_ box_height box_width"]
    """Blending weight in the box: 1 inside the face, falling smoothly to 0."""


MakePatch = Callable[[Image, FramePose], FacePatch]
Patches = Iterator[MakePatch | None]
"""Functions that make the patch of each frame of a clip; None where no face is visible."""


@runtime_checkable
class FaceModel(Protocol):
    @property
    def carries_faces(self) -> bool:
        """True if the rollout goes on from the frames with faces, as in the networks' training."""
        ...

    def patches(self, keypoints: Keypoints) -> Patches: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualFaces:
    """The face generator of a target: adds a residual to the pixels of the face box."""

    networks: Networks
    crop_size: int
    """Side of the face generator's square crop, pixels."""
    carries_faces: bool = False

    def patches(self, keypoints: Keypoints, frames: range | None = None) -> Patches:
        """Yield the patches of a clip's frames, or of a range of them."""
        frames = range(keypoints.num_frames) if frames is None else frames
        boxes, valid = face_boxes(keypoints)
        for start in frames[::BATCH_FRAMES]:
            batch = np.arange(start, min(start + BATCH_FRAMES, frames.stop))
            shown = batch[valid[batch]]
            faces = iter(self._prepare(keypoints, shown, boxes[shown]) if len(shown) else ())
            for is_shown in valid[batch].tolist():
                yield partial(self._patch, *next(faces)) if is_shown else None

    def _prepare(
        self,
        keypoints: Keypoints,
        shown: Int[np.ndarray, " faces"],
        boxes: Int[np.ndarray, "faces 4"],
    ) -> Iterable[tuple[Box, PoseMap, Float[Array, "_ _"]]]:
        """Box, pose map and blending weight of each face, drawn and uploaded together."""
        drawer = self.networks.drawer(keypoints.skeleton)
        places = list(map(tuple, boxes.tolist()))
        weights = [face_box_weight((y1 - y0, x1 - x0)) for x0, y0, x1, y1 in places]
        points, score = keypoints.points[shown], keypoints.score[shown]
        with self.networks.computing():
            crops = drawer.draw_crops(points, score, boxes, crop_size=self.crop_size)
            uploaded = self.networks.upload(weights)
        each = (crops[index : index + 1] for index in range(len(shown)))
        return zip(places, each, uploaded, strict=True)

    def _patch(
        self,
        box: Box,
        pose_crop: Float[Array, "1 _ crop_size crop_size"],
        weight: Float[Array, "_ _"],
        image: Image,
        _: FramePose,
    ) -> FacePatch:
        networks, view, (x0, y0, x1, y1) = self.networks, view_of(box), box
        with networks.computing():
            face = networks.resize(image[view], (self.crop_size, self.crop_size))
            residual = networks.face_residual(pose_crop, face)
            residual = networks.resize(residual, (y1 - y0, x1 - x0))
            corrected = image.clip(-1, 1)
            corrected[view] = (image[view] + residual).clip(-1, 1)
            return FacePatch(image=corrected, box=box, weight=weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """Networks of one target, and how faces are made."""

    networks: Networks
    face: FaceModel | None = None
    """None where faces are left as the main generator makes them."""
    face_blending: FaceBlending = "feather"

    def start_frame(self, image: Image, make_patch: Callable[[], FacePatch] | None) -> PendingFrame:
        """Blend the face into a generated image, and begin to copy the result to the CPU."""
        networks = self.networks
        if make_patch is None:
            read = networks.start_reading(image)
            return lambda: read()[0]
        patch = make_patch()
        if self.face_blending == "feather":
            read = networks.start_reading(blend_feathered(image, patch))
            return lambda: read()[0]
        mask = networks.zeros(image.shape) - 1
        mask[view_of(patch.box)] = (patch.weight >= 0.5) * 2 - 1
        read = networks.start_reading(networks.concatenate([image, patch.image, mask]))

        def finish() -> Frame:
            frame, face, levels = read()
            return blend_poisson(frame, face, levels[..., 0] > 0)

        return finish

    def start_masked(
        self, step: GeneratedFrame, box: Box, make_patch: Callable[[], FacePatch] | None
    ) -> Callable[[], Frame | MaskedFrame]:
        """As `start_frame`, with the person's mask where the networks tell it."""
        finish, networks = self.start_frame(step.image, make_patch), self.networks
        if step.mask is None:
            return finish
        with networks.computing():
            levels = networks.zeros(step.image.shape) - 1
            levels[view_of(box)] = 2 * step.mask - 1
        read = networks.start_reading(levels)
        return lambda: np.dstack([finish(), read()[0][..., 0]])


def blend_feathered(image: Image, patch: FacePatch) -> Image:
    """Mix image and patch by the patch's weight; values are clipped to [-1, 1] outside its box."""
    view, blended = view_of(patch.box), image.clip(-1, 1)
    blended[view] = image[view] + patch.weight * (patch.image[view] - image[view])
    return blended


def render_poses(
    renderer: Renderer, keypoints: Keypoints, *, size: tuple[int, int] | None = None
) -> Iterator[Frame]:
    """Return one frame for every pose; the poses are those of the target's image.

    Args:
        size: (height, width) of the frames, see `result_size`; None: as they are generated.

    Raises:
        KeypointsError: the poses are for images of another size, or not those of the clip whose
            faces are laid over the frames.
    """
    networks = renderer.networks
    if (puppet := networks.puppet) is not None:
        drawn = puppet_frames(
            puppet, keypoints, size=size or keypoints.image_size, rooms=rooms(networks, keypoints)
        )
        return map(without_mask, drawn)
    return _one_later(
        renderer.start_frame(step.image, make_patch)
        for step, _, make_patch in _generate(renderer, keypoints)
    )


def render_masked(renderer: Renderer, keypoints: Keypoints) -> Iterator[Frame | MaskedFrame]:
    """As `render_poses` of a learned target, with masks where the networks tell them.

    Raises:
        KeypointsError: as there.
    """
    return _one_later(
        renderer.start_masked(*generated) for generated in _generate(renderer, keypoints)
    )


def _generate(
    renderer: Renderer, keypoints: Keypoints
) -> Iterator[tuple[GeneratedFrame, Box, Callable[[], FacePatch] | None]]:
    """What the networks make of each pose, its viewport, and what makes its face."""
    rollout, face, previous = Rollout(renderer.networks), renderer.face, None
    patches = repeat(None, keypoints.num_frames) if face is None else face.patches(keypoints)
    for pose, make_patch in zip(rollout.draw(keypoints), patches, strict=True):
        step = rollout.step(pose, previous)
        previous = step.image
        patch = None if make_patch is None else partial(make_patch, step.image, pose)
        if face is not None and face.carries_faces:
            previous, patch = _carried(step.image, patch)
        yield step, pose.box, patch


def _carried(
    image: Image, make_patch: Callable[[], FacePatch] | None
) -> tuple[Image, Callable[[], FacePatch] | None]:
    """The image with its face, from which the rollout goes on, and its patch."""
    if make_patch is None:
        return image, None
    patch = make_patch()
    return patch.image, lambda: patch


def _one_later(pending: Iterable[Callable[[], _Shown]]) -> Iterator[_Shown]:
    """Yield each frame once the next has been started, which a GPU computes meanwhile."""
    waiting = None
    for finish in pending:
        if waiting is not None:
            yield waiting()
        waiting = finish
    if waiting is not None:
        yield waiting()


class LiveGenerator:
    """Renders poses as they arrive."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer, networks = renderer, renderer.networks
        self.size, self.style = networks.size, networks.style
        self.background = networks.background()
        """Shown where nobody is in view."""
        self.restart()

    def restart(self) -> None:
        """Forget the frames before."""
        self._rollout = Rollout(self._renderer.networks)
        self._previous: Image | None = None

    def generate(self, poses: Keypoints) -> PendingFrame:
        """The next frame, but for its face; of the poses the last is shown.

        Raises:
            KeypointsError: the poses are for images of another size.
        """
        last = range(poses.num_frames - 1, poses.num_frames)
        (pose,) = self._rollout.draw(poses.part(last))
        image = self._previous = self._rollout.step(pose, self._previous).image
        face, patch = self._renderer.face, None
        if isinstance(face, ResidualFaces):
            (make_patch,) = face.patches(poses, last)
            patch = None if make_patch is None else partial(make_patch, image, pose)
            if face.carries_faces:
                self._previous, patch = _carried(image, patch)
        start = partial(self._renderer.start_frame, image, patch)
        if self._renderer.networks.is_asynchronous:
            return start()  # before the kernels of the next frame
        return lambda: start()()  # beside the generation of the next frame


class LivePuppet:
    """Draws a target by the puppet, in poses as they arrive."""

    def __init__(
        self, appearance: Appearance, size: tuple[int, int], networks: Networks | None = None
    ) -> None:
        """Take the (height, width) of the poses' image; frames may be larger.

        Args:
            networks: generate the shadows; None: there are none.
        """
        self._networks, self._small_room = networks, resize(appearance.background, size)
        self._puppet, self.size = Puppet(appearance, size), size
        self.style = display_style(size[0])
        height, width = appearance.background.shape[:2]
        share = min(_MOST_LIVE_PX / height, 1.0)
        shown = round(share * height), 2 * round(share * width / 2)
        self.background = resize(appearance.background, shown)
        """Shown where nobody is in view."""
        self.restart()

    def restart(self) -> None:
        """Forget the frames before."""
        self._follower = PuppetFollower(self._puppet)

    def generate(self, poses: Keypoints) -> PendingFrame:
        """The next frame, drawn where it is shown; of the poses the last counts.

        Raises:
            KeypointsError: the poses are for images of another size.
        """
        last = poses.part(range(poses.num_frames - 1, poses.num_frames))
        room = self.background
        if self._networks is not None:
            (small,) = rooms(self._networks, last)
            room = enlarged_room(small, self._small_room, room)
        frame = draw_puppet(self._follower.follow(last), 0, self.size, room)
        return lambda: frame[..., :3]


def live_generator(renderer: Renderer) -> LiveGenerator | LivePuppet:
    """What renders poses as they arrive: drawn or, of a learned target, generated."""
    networks = renderer.networks
    if networks.puppet is None:
        return LiveGenerator(renderer)
    return LivePuppet(networks.puppet.appearance, networks.size, networks)


def result_size(renderer: Renderer, *, height: int | None) -> tuple[int, int]:
    """(height, width) of a target's results; see `size_of_height`."""
    return size_of_height(renderer.networks.size, full_size(renderer), height=height)


def full_size(renderer: Renderer) -> tuple[int, int]:
    """(height, width) of the target's video, or without texture of the working image."""
    puppet = renderer.networks.puppet
    return renderer.networks.size if puppet is None else puppet.appearance.background.shape[:2]
