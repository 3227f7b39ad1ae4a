"""Pose coverage: kinds of poses that a dance has and a target's films lack, by 2-D joints alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from motiontransfer.pose.boxes import across_body, body_height_px
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.time_series import Series

# Limits, in heights of the upright body.
WIDTH_FROM_FRONT = 0.32  # of shoulders and hips together
_TURNED = 0.1  # of these widths
_FRONT_WIDTH = 0.2  # of these widths, of whom the camera sees both sides
_BENT = 0.15  # of the drop from hip to knee, which is .27 of someone who stands

BACK_SECONDS = 0.5  # of film from behind that show a back; wrong detections are shorter
_RARE = 0.02  # share of the target's frames: fewer are of no use
_FREQUENT = 0.05  # share of the dance's frames
_SIDES = ("left", "right")
_COMPARED = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")

_FRONT, _BEHIND, _SIDE = "seen from the front", "seen from behind", "seen from the side"
_RAISED, _DEEP = "raising a hand over the face", "deep in the knees"
_WHAT_TO_FILM = {
    _FRONT: "face the camera while you film",
    _BEHIND: "you will face the camera there; film one turn to turn",
    _SIDE: "turn to both sides while you film",
    _RAISED: "raise both arms high while you film",
    _DEEP: "squat a few times while you film",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A kind of pose that a target's films lack."""

    kind: str
    advice: str
    """How much of the dance it is, and what to film."""
    frame_index: int
    """The dance's frame that shows it most."""
    nearest: tuple[int, int]
    """The target's clip, and the frame in it whose pose is nearest to that one."""


def pose_gaps(dance: Keypoints, target: Sequence[Keypoints]) -> list[Gap]:
    """Kinds of poses that are frequent in a dance and rare in a target's clips."""
    theirs, ours = _kinds(dance), [_kinds(clip) for clip in target]
    poses, gaps = _poses(dance), list[Gap]()
    for kind, margin in theirs.items():
        filmed = np.concatenate([kinds[kind] for kinds in ours])
        filmed = filmed[np.isfinite(filmed)] > 0
        share = float((margin > 0).sum() / max(np.isfinite(margin).sum(), 1))
        turns_anyway = kind == _SIDE and any(gap.kind == _BEHIND for gap in gaps)
        if share < _FREQUENT or not filmed.size or filmed.mean() >= _RARE or turns_anyway:
            continue
        if kind == _BEHIND and seconds_from_behind(target) >= BACK_SECONDS:
            continue
        frame_index = int(np.nanargmax(margin))
        gaps.append(
            Gap(
                kind=kind,
                advice=f"the dancer is {kind} in {100 * share:.0f} % of frames, you in "
                f"{filmed.sum() or 'none'} of {filmed.size}: {_WHAT_TO_FILM[kind]}",
                frame_index=frame_index,
                nearest=_nearest(poses[frame_index], [_poses(clip) for clip in target]),
            )
        )
    return gaps


def seconds_from_behind(clips: Sequence[Keypoints]) -> float:
    """For how long clips show someone's back."""
    return sum((float((_kinds(clip)[_BEHIND] > 0).sum() / clip.frame_rate) for clip in clips), 0.0)


def _kinds(keypoints: Keypoints) -> Mapping[str, Series]:
    """How far each frame is past the limit of each kind, body heights; NaN where not known."""
    height = body_height_px(keypoints) or np.nan
    places = _places(keypoints, "nose", *_COMPARED) / height @ (1, 1j)
    nose, shoulder, _, wrist, hip, knee, ankle = range(len(_COMPARED) + 1)
    across = across_body((places[:, shoulder] - places[:, ankle]).mean(axis=1))
    upright = places * across.conj()[:, None, None]
    x, y = upright.real, upright.imag
    facing = (x[:, shoulder] + x[:, hip]) @ np.array((1, -1))
    return {
        _FRONT: facing - _FRONT_WIDTH,
        _BEHIND: -facing - _TURNED,
        _SIDE: _TURNED - np.abs(facing),
        _RAISED: np.fmax(*(y[:, nose] - y[:, wrist]).T),
        _DEEP: _BENT - np.max(y[:, knee] - y[:, hip], axis=1),
    }


def _poses(keypoints: Keypoints) -> Float64[np.ndarray, "frames joints 2"]:
    """Joints around the middle of the hips, in body heights; NaN where missing."""
    places = _places(keypoints, *_COMPARED)
    middle = places[:, [_COMPARED.index("hip")]].mean(axis=2, keepdims=True)
    around = (places - middle) / (body_height_px(keypoints) or np.nan)
    return around.reshape(len(places), -1, 2)


def _places(keypoints: Keypoints, *names: str) -> Float64[np.ndarray, "frames names sides 2"]:
    """(x, y) of joints on the left and on the right, pixels; NaN where missing."""
    columns = []
    for name in names:
        for side in _SIDES:
            points, score = keypoints.joint(name if name == "nose" else f"{side}_{name}")
            columns.append(np.where(score[:, None] > 0, points.astype(np.float64), np.nan))
    return np.stack(columns, axis=1).reshape(keypoints.num_frames, len(names), len(_SIDES), 2)


def _nearest(
    pose: Float64[np.ndarray, "joints 2"], clips: Sequence[Float64[np.ndarray, "_ joints 2"]]
) -> tuple[int, int]:
    """Clip and frame of the pose with the least mean distance of the joints that both have."""
    distances = np.linalg.norm(np.concatenate(clips) - pose, axis=2)
    count = np.isfinite(distances).sum(axis=1)
    mean = np.nansum(distances, axis=1) / np.maximum(count, 1)
    index = int(np.where(count > 0, mean, np.inf).argmin())
    starts = np.cumsum([0, *map(len, clips)])
    clip = int(np.searchsorted(starts, index, side="right")) - 1
    return clip, index - int(starts[clip])
