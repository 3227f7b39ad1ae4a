"""What to mend in a video before it is computed with, in sentences that say what to do.

Hides from where on a fault of the file or of the picture is worth a word. What is known from the
pose has the words of `motiontransfer.pose.quality_verdict`.
"""

import math
from collections.abc import Iterator

from motiontransfer.pose.quality_verdict import NOTHING_TO_MEND
from motiontransfer.pose.quality_verdict import verdict as pose_verdict
from motiontransfer.workspace.video_check import Picture, VideoCheck

_SLOW = 15  # frames a second: below, arms are elsewhere from one frame to the next
_SHORT_TARGET_SECONDS = 60.0
_MOVED = 0.02  # of the picture's width, from one glance to another
# The person's box, 256 px high, of the demo's clips and two real ones: 0.39 to 0.81 as filmed, 0.13
# to 0.25 behind a Gaussian blur of 1 px, below 0.1 behind one of 2 px.
_BLURRED = 0.15
_DARK = 45  # of 255
_BLOWN_OUT = 0.3  # of the trunk


def video_verdict(check: VideoCheck, *, is_target: bool) -> list[str]:
    """Sentences to act on, what stops the pipeline first; `NOTHING_TO_MEND` if there are none.

    Args:
        is_target: whether the subject is to be learnt from it.
    """
    return [
        *_damage(check),
        *_pose(check),
        *_moved(check),
        *(text for _, text in picture_faults(check.picture)),
        *_time(check, is_target=is_target),
    ] or [NOTHING_TO_MEND]


def _damage(check: VideoCheck) -> Iterator[str]:
    if check.damage is not None:
        yield (
            f"the file is damaged: {check.damage}: copy or export it again, or set "
            f"decode.on_damage: truncate to keep the {check.num_frames} frames before"
        )


def _pose(check: VideoCheck) -> Iterator[str]:
    if not check.quality.somebody.any():
        yield (
            f"nobody is found in any of the {len(check.people)} frames looked at: film one person "
            "from head to feet, more than half as tall as the picture"
        )
        return
    yield from (line for line in pose_verdict(check.quality) if line != NOTHING_TO_MEND)


def _moved(check: VideoCheck) -> Iterator[str]:
    if check.farthest_move is None:
        return
    share, before, after = check.farthest_move
    if math.isinf(share):
        yield (
            f"the picture becomes another between {before:.1f} s and {after:.1f} s: a cut, or a "
            "camera that turns; keep one piece, filmed from one place"
        )
    elif share > _MOVED:
        yield (
            f"the background lies {100 * share:.0f} % of the picture's width elsewhere at "
            f"{after:.1f} s than at {before:.1f} s: film from a tripod, without zooming"
        )


def picture_faults(picture: Picture | None) -> Iterator[tuple[str, str]]:
    """What is wrong with light and sharpness, in a word and in a sentence.

    Args:
        picture: None where nobody was found.
    """
    if picture is None:
        return
    if picture.brightness < _DARK:
        yield (
            "dark",
            f"the person is dark, {picture.brightness:.0f} of 255: light them from the front, with "
            "the window behind the camera",
        )
    if picture.blown_out > _BLOWN_OUT:
        yield (
            "blown out",
            f"{100 * picture.blown_out:.0f} % of the person's trunk is pure white, without folds "
            "or colour to learn: expose for the person, or wear something darker",
        )
    if picture.sharpness < _BLURRED:
        yield (
            "blurred",
            "the picture is blurred where the person is: focus on them, clean the lens, and film "
            "with more light",
        )


def _time(check: VideoCheck, *, is_target: bool) -> Iterator[str]:
    rate = float(check.facts.frame_rate)
    if rate < _SLOW:
        yield (
            f"{rate:g} frames a second are few: fast arms are elsewhere in the next frame; film "
            "with 25 to 60"
        )
    if is_target and check.seconds < _SHORT_TARGET_SECONDS:
        yield (
            f"{check.seconds:.0f} s show few poses of someone who is to be learnt; film a few "
            "minutes, with all that the dancer does in them"
        )
