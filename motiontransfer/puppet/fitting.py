"""Appearance of a target from its training frames."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from motiontransfer.errors import TrainingError
from motiontransfer.keypoints import resize_points
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.progress import track
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.parts import BodyPoses, body_parts, body_scales, full_lengths
from motiontransfer.puppet.silhouette import Crop, crop_person, cut_parts, fill_hidden, fit_radii
from motiontransfer.skeleton import Skeleton
from motiontransfer.target_clips import TargetClip, spread
from motiontransfer.video.clip import full_size_frames
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize


def target_appearance(
    clips: Sequence[TargetClip],
    background: UInt8[np.ndarray, "height width 3"],
    *,
    num_references: int,
) -> Appearance:
    """About so many reference frames, evenly spread over the clips, in the background's size.

    Raises:
        TrainingError: no training frame shows a trunk or a limb.
    """
    size, image_size = background.shape[:2], clips[0].keypoints.image_size
    zoom = np.array([size[1] / image_size[1], size[0] / image_size[0]])
    chosen: list[tuple[int, int]] = []
    with ExitStack() as stack:
        stores = []
        for number, clip in enumerate(clips):
            keypoints = clip.training_keypoints
            poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
            has_scale = np.isfinite(body_scales(poses, full_lengths(poses)))
            path, step = full_size_frames(clip.frames, keypoints.frame_rate)
            stores.append((stack.enter_context(FrameStore(path)), step))
            shown = [(number, frame) for frame in clip.training[::step] if has_scale[frame]]
            chosen += spread(shown, count=math.ceil(num_references / len(clips)))
        if not chosen:
            raise TrainingError(
                "no training frame shows a trunk or a limb of the target; see the coverage in "
                "artifacts/quality"
            )
        heights = [body_height_px(clips[it].training_keypoints) for it in {c for c, _ in chosen}]
        return fit_appearance(
            clips[0].keypoints.skeleton,
            [(resize_points(clip.keypoints.points, zoom), clip.keypoints.score) for clip in clips],
            _Frames(chosen, stores, size),
            background=background,
            height_px=float(np.median(heights) * zoom[1]),
            coarse_size=(min(size[0], 2 * image_size[0]), min(size[1], 2 * image_size[1])),
        )


@dataclass(frozen=True, slots=True)
class _Frames(Mapping[tuple[int, int], Frame]):
    """Frames by clip and frame_index, read when they are asked for."""

    chosen: Sequence[tuple[int, int]]
    stores: Sequence[tuple[FrameStore, int]]
    """Each clip's, and how many frames lie between two of it."""
    size: tuple[int, int]

    def __getitem__(self, key: tuple[int, int]) -> Frame:
        store, step = self.stores[key[0]]
        return resize(store[key[1] // step], self.size)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self.chosen)

    def __len__(self) -> int:
        return len(self.chosen)


def fit_appearance(
    skeleton: Skeleton,
    clips: Sequence[tuple[Float[np.ndarray, "_ joints 2"], Float[np.ndarray, "_ joints"]]],
    references: Mapping[tuple[int, int], UInt8[np.ndarray, "height width 3"]],
    *,
    background: UInt8[np.ndarray, "height width 3"],
    height_px: float,
    coarse_size: tuple[int, int] | None = None,
) -> Appearance:
    """Cut reference frames into body parts.

    Args:
        clips: points and scores of each clip.
        references: (clip, frame_index) -> frame; each is asked for twice.
        height_px: of the upright body.
        coarse_size: (height, width) of the image in which distances are computed; None: that of
            the frames.
    """
    points = np.stack([clips[clip][0][frame] for clip, frame in references])
    score = np.stack([clips[clip][1][frame] for clip, frame in references])
    poses, parts = BodyPoses(skeleton, points, score), body_parts(skeleton)
    full = full_lengths(poses)
    scales = body_scales(poses, full)
    coarse = coarse_size or background.shape[:2]
    zoom = np.array(background.shape[1::-1]) / coarse[::-1]
    coarse_poses = BodyPoses(skeleton, resize_points(points, 1 / zoom), score)

    def crops(description: str) -> Iterator[Crop]:
        frames = track(references.values(), description, total=len(references))
        for index, frame in enumerate(frames):
            yield crop_person(
                coarse_poses,
                index,
                frame,
                background,
                height_px=height_px * float(scales[index]) / zoom[1],
                coarse_size=coarse,
            )

    parts = fit_radii(parts, crops("measuring body parts"))
    cut = [cut_parts(parts, crop) for crop in crops("cutting body parts")]
    patches = fill_hidden(parts, poses, scales, cut)
    return Appearance(
        skeleton=skeleton,
        points=points,
        score=score,
        frames=np.array(list(references)),
        full_lengths=full,
        height_px=height_px,
        patches=patches,
        background=background,
    )
