"""Appearance of a target from its training frames."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from motiontransfer.errors import TrainingError
from motiontransfer.keypoints import resize_points
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.parts import BodyPoses, body_parts, body_scales, full_lengths
from motiontransfer.puppet.silhouette import crop_person, cut_parts, fill_hidden, fit_radii
from motiontransfer.skeleton import Skeleton
from motiontransfer.target_clips import TargetClip, spread
from motiontransfer.video.clip import full_size_frames
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
    frames = {}
    for number, clip in enumerate(clips):
        keypoints = clip.training_keypoints
        poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
        has_scale = np.isfinite(body_scales(poses, full_lengths(poses)))
        path, step = full_size_frames(clip.frames, keypoints.frame_rate)
        found = [index for index in clip.training[::step] if has_scale[index]]
        with FrameStore(path) as store:
            for place in spread(range(len(found)), count=-(-num_references // len(clips))):
                frames[number, found[place]] = resize(store[found[place] // step], size)
    if not frames:
        raise TrainingError(
            "no training frame shows a trunk or a limb of the target; see the coverage in "
            "artifacts/quality"
        )
    heights = [
        body_height_px(clips[number].training_keypoints) for number in {c for c, _ in frames}
    ]
    return fit_appearance(
        clips[0].keypoints.skeleton,
        [(resize_points(clip.keypoints.points, zoom), clip.keypoints.score) for clip in clips],
        frames,
        background=background,
        height_px=float(np.median(heights) * zoom[1]),
    )


def fit_appearance(
    skeleton: Skeleton,
    clips: Sequence[tuple[Float[np.ndarray, "_ joints 2"], Float[np.ndarray, "_ joints"]]],
    references: Mapping[tuple[int, int], UInt8[np.ndarray, "height width 3"]],
    *,
    background: UInt8[np.ndarray, "height width 3"],
    height_px: float,
) -> Appearance:
    """Cut reference frames into body parts.

    Args:
        clips: points and scores of each clip.
        references: (clip, frame_index) -> frame.
        height_px: of the upright body.
    """
    points = np.stack([clips[clip][0][frame] for clip, frame in references])
    score = np.stack([clips[clip][1][frame] for clip, frame in references])
    poses, parts = BodyPoses(skeleton, points, score), body_parts(skeleton)
    full = full_lengths(poses)
    scales = body_scales(poses, full)
    crops = [
        crop_person(poses, index, frame, background, height_px=height_px * scale)
        for index, (frame, scale) in enumerate(
            zip(references.values(), scales.tolist(), strict=True)
        )
    ]
    parts = fit_radii(parts, crops)
    patches = fill_hidden(parts, poses, scales, [cut_parts(parts, crop) for crop in crops])
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
