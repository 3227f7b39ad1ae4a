"""Appearance of a target: training frames chosen as references and cut into body parts."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from motiontransfer.body.parts import BodyPart, BodyPoses, body_parts, body_scales, full_lengths
from motiontransfer.core.arrays import Frame, Mask, MaskedFrame
from motiontransfer.core.errors import TrainingError
from motiontransfer.core.parallel import run_parallel
from motiontransfer.core.progress import track
from motiontransfer.filming.coverage import covering_frames
from motiontransfer.plate.background import BACKGROUND_FRAMES, Background, median_background
from motiontransfer.plate.full_size import FullSizeFrames, ImagesOnDisk
from motiontransfer.plate.overlays import behind_overlays
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Keypoints, resize_points
from motiontransfer.pose.shown import HALF, what_is_shown
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.draw.occlusion import parts_by_depth
from motiontransfer.puppet.fit.cutting import StoredPart, cut_parts, encode_patch
from motiontransfer.puppet.fit.edges import (
    NO_MARGIN,
    ContinuedFrame,
    continued_parts,
    margin_of,
    within_film,
)
from motiontransfer.puppet.fit.filling import fill_hidden
from motiontransfer.puppet.fit.held import held_by_hands, hidden_by_held
from motiontransfer.puppet.fit.photo import photo_background
from motiontransfer.puppet.fit.silhouette import NOTHING_HELD, Silhouette, shows_skirt, silhouette

_OF_LEG = ("thigh", "shin", "foot")
_DRESS = 2.0  # reach of a photo's legs, times a film's: a dress and a coat hang far at them
_SHARE = 5  # references that a worker cuts at once: it ends them before it stops


def fit_target(
    frames: FullSizeFrames,
    *,
    num_references: int,
    num_frames: int = BACKGROUND_FRAMES,
    num_workers: int | None = 0,
) -> tuple[Appearance, Background]:
    """Choose reference frames of a target, and cut them into body parts.

    Args:
        num_frames: of which the background image is the median.
        num_workers: see `run_parallel`.

    Raises:
        TrainingError: no training frame shows the target.
    """
    chosen = choose_references(frames, count=num_references)
    if frames.clips[0].is_photo:
        background = photo_background(frames)
    else:
        background = median_background(frames, among=chosen, num_frames=num_frames)
    appearance = target_appearance(frames, background, chosen, num_workers=num_workers)
    return appearance, background


def target_appearance(
    frames: FullSizeFrames,
    background: Background,
    chosen: Sequence[tuple[int, int]],
    *,
    num_workers: int | None = 0,
) -> Appearance:
    """The target as reference frames show them, (clip, frame_index)."""
    clips, size = frames.clips, frames.size
    poses = [clip.keypoints for clip in clips]
    image_size = poses[0].image_size
    for _ in track(frames.read(chosen), "reading references", total=len(chosen)):
        pass
    heights = [body_height_px(clips[clip].training_keypoints) for clip in {c for c, _ in chosen}]
    height_px = float(np.median(heights) * size[0] / image_size[0])
    is_cut = any(it.completed is not None and what_is_shown(it) in HALF for it in poses)
    margin = margin_of(height_px) if is_cut else NO_MARGIN
    coarse = margin.scaled(min(1.0, 2 * image_size[0] / size[0]))
    appearance = fit_appearance(
        [margin.placed(keypoints.resized(size)) for keypoints in poses],
        [ContinuedFrame(frames.reader(key), margin) for key in chosen],
        {
            (clip, frame): margin.scaled(len(mask) / size[0]).around(
                behind_overlays(background.overlays, frames[clip, frame][..., :3], mask)
            )
            for (clip, frame), mask in ((key, _mask_of(frames, key)) for key in chosen)
        },
        background=background._replace(
            image=margin.around(background.image),
            is_filled=margin.around(background.is_filled),
            overlays=[
                one._replace(place=margin.around(one.place), colors=margin.around(one.colors))
                for one in background.overlays
            ],
        ),
        height_px=height_px,
        coarse_size=(
            min(size[0], 2 * image_size[0]) + coarse.bottom,
            min(size[1], 2 * image_size[1]) + 2 * coarse.side,
        ),
        num_workers=num_workers,
    )
    appearance = within_film(appearance, margin, background.image)
    if not (staying := [one.place for one in background.overlays if one.stays]):
        return appearance
    coverage = 255 * np.any(staying, axis=0).astype(np.uint8)
    overlay = encode_patch((0, 0), np.dstack([background.image, coverage]))
    return replace(appearance, overlay=overlay)


def _mask_of(frames: FullSizeFrames, key: tuple[int, int]) -> Mask:
    """Mask of a frame; of a photo its matte."""
    clip, index = key
    return frames[key][..., 3] if frames.clips[clip].is_photo else frames.masks[clip][index]


def choose_references(frames: FullSizeFrames, *, count: int) -> list[tuple[int, int]]:
    """(clip, frame_index) of those training frames with a mask that cover all others best.

    The body's scale is known in them.

    Raises:
        TrainingError: no training frame shows a trunk or a limb.
    """
    masked, usable = [], []
    for clip, masks in zip(frames.clips, frames.masks, strict=True):
        keypoints = clip.training_keypoints
        poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
        has_scale = np.isfinite(body_scales(poses, full_lengths(poses)))
        masked.append(masks.frames_of(clip.training))
        usable.append([frame for frame in masked[-1] if has_scale[frame]])
    if any(masked) and not any(usable):
        raise TrainingError(
            "no training frame shows a trunk or a limb of the target; see the coverage in "
            "artifacts/quality"
        )
    training = [clip.keypoints.part(clip.training) for clip in frames.clips]
    return covering_frames(training, usable, count=count)


def fit_appearance(
    clips: Sequence[Keypoints],
    frames: Sequence[Callable[[], Frame | MaskedFrame]],
    masks: Mapping[tuple[int, int], UInt8[np.ndarray, "_ _"]],
    *,
    background: Background,
    height_px: float,
    coarse_size: tuple[int, int] | None = None,
    num_workers: int | None = 0,
) -> Appearance:
    """Cut reference frames into body parts.

    Args:
        clips: in pixels of the frames.
        frames: functions that read the references in any process, one for each mask.
        masks: of the person, in any size, by clip and frame_index.
        height_px: of the upright body.
        coarse_size: (height, width) of the image in which distances are computed; None: that of
            the frames.
        num_workers: see `run_parallel`; a photo is short.
    """
    skeleton = clips[0].skeleton
    points = np.stack([clips[clip].points[frame] for clip, frame in masks])
    score = np.stack([clips[clip].score[frame] for clip, frame in masks])
    poses = BodyPoses(skeleton, points, score)
    full = full_lengths(poses)
    scales = body_scales(poses, full)
    size = background.image.shape[:2]
    coarse_size = coarse_size or size
    zoom = np.array(size[::-1]) / coarse_size[::-1]
    small = BodyPoses(skeleton, resize_points(points, 1 / zoom), score)
    small_heights_px = height_px * scales / zoom[1]
    people = [
        partial(
            silhouette,
            small[slice(number, number + 1)],
            mask,
            height_px=float(small_heights_px[number]),
            coarse_size=coarse_size,
            frame_size=size,
        )
        for number, mask in enumerate(masks.values())
    ]
    has_skirt = shows_skirt(body_parts(skeleton), (person() for person in people))
    parts = body_parts(skeleton, has_skirt=has_skirt)
    orders = []
    for clip in clips:
        of_clip = BodyPoses(skeleton, clip.points, clip.score)
        heights_px = height_px * body_scales(of_clip, full)
        orders.append(parts_by_depth(parts, of_clip, heights_px, clip.depth))
    by_depth = [orders[clip][frame].tolist() for clip, frame in masks]
    held: Sequence[float] = NOTHING_HELD
    if not background.of_photo:  # whose wide dress is taken for a bag, as few frames tell
        held = held_by_hands(parts, (person() for person in people))
        people = [partial(person, held=held) for person in people]
    references = [_Reference(*one) for one in zip(people, frames, by_depth, strict=True)]
    cut_by = tuple(map(_with_dress, parts)) if background.of_photo else parts
    with TemporaryDirectory(prefix="motiontransfer-") as folder:
        shares = [
            _Share(references[first : first + _SHARE], Path(folder) / f"references from {first} on")
            for first in range(0, len(masks), _SHARE)
        ]
        num_workers = None if background.of_photo else num_workers
        cut = run_parallel(partial(_cut, cut_by, background), shares, num_workers=num_workers)
        cut = chain.from_iterable(track(cut, "cutting body parts", total=len(shares)))
        patches, differences = fill_hidden(
            parts,
            poses,
            scales,
            [*cut],
            height_px=height_px,
            num_workers=num_workers,
            of_photos=background.of_photo,
        )
    hidden = hidden_by_held(parts, poses, height_px * scales, held)
    for row, shares in zip(patches, hidden.tolist(), strict=True):
        row[:] = [
            patch and replace(patch, shown=(1 - share) * patch.shown)
            for patch, share in zip(row, shares, strict=True)
        ]
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
        shadow=background.shadow,
    )


def _with_dress(part: BodyPart) -> BodyPart:
    """A leg with a dress or a coat that hangs far at it; other parts stay as they are."""
    is_of_leg = part.name.endswith(_OF_LEG)
    return replace(part, reach=_DRESS * part.reach) if is_of_leg else part


class _Reference(NamedTuple):
    """A reference frame, which is read where it is cut."""

    person: Callable[[], Silhouette]
    frame: Callable[[], Frame | MaskedFrame]
    by_depth: Sequence[int]
    """Parts, from the farthest to the nearest."""


class _Share(NamedTuple):
    """References that one worker cuts."""

    references: Sequence[_Reference]
    file: Path
    """For the images of cut parts."""

    def __str__(self) -> str:
        return self.file.name


def _cut(
    parts: Sequence[BodyPart], background: Background, share: _Share
) -> list[list[StoredPart | None]]:
    """Parts of each reference."""
    found = []
    with closing(ImagesOnDisk(share.file)) as file:
        for person, read, by_depth in share.references:
            frame = read()
            cut = cut_parts(parts, background, person(), frame, by_depth)
            if isinstance(read, ContinuedFrame) and read.margin:
                cut = continued_parts(parts, cut, read.margin, frame.shape[:2])
            for overlay in (one for one in background.overlays if one.is_in(frame)):
                cut = [part and part.behind(overlay.over(part.place)) for part in cut]
            found.append([None if part is None else part.stored(file) for part in cut])
    return found
