"""What the owner of a clip should know of its keypoints, in sentences that say what to do.

Hides from where on a fault is worth a word: what is rarer than one frame in fifty is not.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from motiontransfer.pose.quality import MISSING, Quality
from motiontransfer.pose.runs import runs_of

_WORTH_A_WORD = 0.02  # of the frames
_ENOUGH_OF_HANDS = 0.8  # of the frames; they are hidden now and then in any dance
_ENOUGH_OF_FACE = 0.5  # dancers turn round
# MediaPipe on the demo's actors, filmed at several sizes: hands are found in 74-89 % of frames at
# 160-180 px of body height, in 41-76 % at 120-130 px, in 13-54 % at 80-90 px.
_TALL_ENOUGH_PX = 140
_STILL_CAMERA = 0.015  # widths of the image a second; noise alone reaches half of it

NOTHING_TO_MEND = "nothing to mend"


def verdict(quality: Quality) -> list[str]:
    """Sentences to act on, the gravest first; `NOTHING_TO_MEND` alone if there are none."""
    return [
        *_frames_without_person(quality),
        *_ends_outside(quality),
        *_other_people(quality),
        *_too_small(quality),
        *_hands_and_face(quality),
        *_limbs(quality),
        *_jumps(quality),
        *_camera(quality),
    ] or [NOTHING_TO_MEND]


def _frames_without_person(quality: Quality) -> Iterator[str]:
    nobody = ~quality.somebody
    if nobody.mean() > _WORTH_A_WORD:
        start, stop = max(runs_of(nobody), key=lambda run: run[1] - run[0])
        yield (
            f"nobody is found in {_percent(nobody)} of frames, the longest time from "
            f"{start / quality.frame_rate:.1f} s to {stop / quality.frame_rate:.1f} s: cut that "
            "out of the video if nobody dances there"
        )


def _ends_outside(quality: Quality) -> Iterator[str]:
    for end, frames in quality.outside.items():
        if frames.mean() > _WORTH_A_WORD:
            verb = "is" if end == "head" else "are"
            yield (
                f"{end} {verb} beyond the frame's edge in {_percent(frames)} of frames: film from "
                "farther away, or give the video a wider crop (none: the whole picture)"
            )


def _other_people(quality: Quality) -> Iterator[str]:
    if quality.possible_switches:
        yield (
            f"who was followed may have changed {_times(quality.possible_switches)}: look at the "
            "preview of detect_keypoints, and set the video's person to the numbers of one person"
        )
    elif quality.with_others.mean() > _WORTH_A_WORD:
        yield (
            f"others are in view in {_percent(quality.with_others)} of frames: look at the preview "
            "of detect_keypoints; if the wrong one was followed, set the video's person to the "
            "number of the right one"
        )


def _too_small(quality: Quality) -> Iterator[str]:
    if 0 < quality.body_height_px < _TALL_ENOUGH_PX:
        yield (
            f"the person is about {quality.body_height_px:.0f} px tall; below "
            f"{_TALL_ENOUGH_PX} px hands and face are often not found: set the video's crop: auto, "
            "or raise decode.size"
        )


def _hands_and_face(quality: Quality) -> Iterator[str]:
    left, right = (quality.of_part(f"{side} hand") != MISSING for side in ("left", "right"))
    if min(left.mean(), right.mean()) < _ENOUGH_OF_HANDS:
        yield (
            f"the left hand is known in {_percent(left)}, the right in {_percent(right)} of "
            "frames: fast hands blur; film with more light and a shorter exposure, and nearer"
        )
    face = quality.of_part("face") != MISSING
    if face.mean() < _ENOUGH_OF_FACE:
        yield (
            f"the face is known in {_percent(face)} of frames: only those teach the face "
            "generator; film with light from the front, and nearer, looking at the camera"
        )


def _limbs(quality: Quality) -> Iterator[str]:
    for limb, end in (("arm", "hands"), ("leg", "feet")):
        left, right = (quality.of_part(f"{side} {limb}") == MISSING for side in ("left", "right"))
        lost = quality.somebody & (left | right) & ~quality.outside[end]
        if lost.mean() > _WORTH_A_WORD:
            yield (
                f"one {limb} or both are not found in {_percent(lost)} of frames though they "
                "should be in view: if not hidden, wear what stands out from the background"
            )


def _jumps(quality: Quality) -> Iterator[str]:
    if quality.too_fast.mean() > _WORTH_A_WORD:
        first = int(np.argmax(quality.too_fast))
        yield (
            f"joints jump in {_percent(quality.too_fast)} of frames, first at "
            f"{first / quality.frame_rate:.1f} s: look there for a cut, for someone else, or for "
            "blur, and cut it out of the video"
        )


def _camera(quality: Quality) -> Iterator[str]:
    if quality.camera_speed is not None and quality.camera_speed > _STILL_CAMERA:
        yield (
            f"the camera moves, by {100 * quality.camera_speed:.1f} % of the picture's width a "
            "second: put it on something firm; motion is read as the person's own"
        )


def _percent(frames: Bool[np.ndarray, " frames"]) -> str:
    return f"{100 * frames.mean():.0f} %"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
