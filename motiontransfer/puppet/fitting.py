"""Appearance of a target: training frames chosen as references and cut into body parts."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial

import numpy as np
from jaxtyping import Float, UInt8

from motiontransfer.core.errors import TrainingError
from motiontransfer.core.parallel import map_ahead
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import resize_points
from motiontransfer.pose.skeleton import Skeleton
from motiontransfer.pose.time_series import Series
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.background import Background
from motiontransfer.puppet.cutting import CutPart, StoredPart, cut_parts, whole_person
from motiontransfer.puppet.filling import fill_hidden
from motiontransfer.puppet.full_size import FullSizeFrames, ImagesOnDisk
from motiontransfer.puppet.masks import Mask, PersonMasks, read_masks
from motiontransfer.puppet.parts import BodyPoses, body_parts, body_scales, full_lengths
from motiontransfer.puppet.silhouette import Silhouette, fit_radii, shows_skirt, silhouette
from motiontransfer.video.color import Frame


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
    chosen = _choose_references(frames, masks, num_references)
    heights = [body_height_px(clips[clip].training_keypoints) for clip in {c for c, _ in chosen}]
    return fit_appearance(
        clips[0].keypoints.skeleton,
        [(resize_points(clip.keypoints.points, zoom), clip.keypoints.score) for clip in clips],
        map(frames.__getitem__, chosen),
        {(clip, frame): masks[clip][frame] for clip, frame in chosen},
        background=background,
        height_px=float(np.median(heights) * zoom[1]),
        coarse_size=(min(size[0], 2 * image_size[0]), min(size[1], 2 * image_size[1])),
    )


def _choose_references(
    frames: FullSizeFrames, masks: Sequence[PersonMasks], num_references: int
) -> list[tuple[int, int]]:
    """(clip, frame_index) of training frames with a mask in which the body's scale is known."""
    chosen: list[tuple[int, int]] = []
    for number, clip in enumerate(frames.clips):
        keypoints = clip.training_keypoints
        poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
        has_scale = np.isfinite(body_scales(poses, full_lengths(poses)))
        masked = masks[number].frames_of(clip.training[:: frames.steps[number]])
        shown = [(number, frame) for frame in masked if has_scale[frame]]
        chosen += evenly_spaced(shown, count=math.ceil(num_references / len(frames.clips)))
    if not chosen:
        raise TrainingError(
            "no training frame shows a trunk or a limb of the target; see the coverage in "
            "artifacts/quality"
        )
    return chosen


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
    poses = BodyPoses(skeleton, points, score)
    full = full_lengths(poses)
    scales = body_scales(poses, full)
    size = background.image.shape[:2]
    coarse_size = coarse_size or size
    zoom = np.array(size[::-1]) / coarse_size[::-1]
    people = partial(
        _silhouettes,
        BodyPoses(skeleton, resize_points(points, 1 / zoom), score),
        list(masks.values()),
        heights_px=height_px * scales / zoom[1],
        coarse_size=coarse_size,
        frame_size=size,
    )
    has_skirt = shows_skirt(body_parts(skeleton), people())
    parts = fit_radii(body_parts(skeleton, has_skirt=has_skirt), people())
    frames = track(frames, "cutting body parts", total=len(masks))
    stored: list[list[StoredPart | None]] = []

    def cut_out(file: ImagesOnDisk) -> Iterator[list[CutPart | None]]:
        for person, frame in zip(people(), frames, strict=True):
            cut = cut_parts(parts, background, person, frame)
            stored.append([None if part is None else part.stored(file) for part in cut])
            yield cut

    with closing(ImagesOnDisk()) as file:
        persons = [*map_ahead(whole_person, cut_out(file), num_threads=1)]  # they are encoded
        patches, differences = fill_hidden(parts, poses, scales, stored, persons)
    return Appearance(
        skeleton=skeleton,
        points=points,
        score=score,
        frames=np.array(list(masks)),
        full_lengths=full,
        height_px=height_px,
        has_skirt=has_skirt,
        patches=patches,
        differences=differences,
        background=background.image,
    )


def _silhouettes(
    poses: BodyPoses,
    masks: Sequence[Mask],
    *,
    heights_px: Series,
    coarse_size: tuple[int, int],
    frame_size: tuple[int, int],
) -> Iterator[Silhouette]:
    """The person in each reference.

    Args:
        poses: in the coarse image.
        heights_px: of the upright body in the coarse image.
    """
    for index, (mask, height_px) in enumerate(zip(masks, heights_px.tolist(), strict=True)):
        sizes = {"coarse_size": coarse_size, "frame_size": frame_size}
        yield silhouette(poses, index, mask, height_px=height_px, **sizes)
