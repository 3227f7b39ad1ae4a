"""What `add-video` tells of a video: what it is and what was seen in it."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from motiontransfer.pose.quality_verdict import NOTHING_TO_MEND
from motiontransfer.workspace.amounts import clock_text
from motiontransfer.workspace.background_motion import STILL_SPEED
from motiontransfer.workspace.entries import Role
from motiontransfer.workspace.video_check import VideoCheck
from motiontransfer.workspace.video_verdict import picture_faults, video_verdict


def facts_lines(check: VideoCheck) -> list[str]:
    """What the file is, in one line."""
    facts = check.facts
    height, width = facts.size
    turned = 90 * facts.orientation.quarter_turns
    told = [
        clock_text(check.seconds),
        f"{width}x{height} px",
        f"{_rate(facts.frame_rate)} frames a second"
        + (", variable: made constant" if check.variable_rate else ""),
        {"h264": "H.264", "hevc": "H.265"}.get(facts.codec, facts.codec.upper()),
        *([f"stored turned by {turned}°"] if turned else []),
        *(["stored mirrored"] if facts.orientation.mirrored else []),
        "with sound" if facts.has_sound else "without sound",
        *(["damaged"] if check.damage else []),
    ]
    return [f"{facts.path.name}: {', '.join(told)}"]


def seen_lines(check: VideoCheck, *, role: Role) -> list[str]:
    """What was seen at some moments, and what to mend."""
    verdict = video_verdict(check, is_target=role == "target")
    return [
        f"seen in {len(check.people)} frames of it:",
        *(f"  {name:<12} {value}" for name, value in _seen(check)),
        *([NOTHING_TO_MEND] if verdict == [NOTHING_TO_MEND] else ["to mend:"]),
        *(f"  - {line}" for line in verdict if line != NOTHING_TO_MEND),
    ]


def _seen(check: VideoCheck) -> Iterator[tuple[str, str]]:
    yield "people", _people(np.array(check.people))
    somebody = check.quality.somebody
    if somebody.any():
        inside = [
            f"{part} {100 * (1 - frames[somebody].mean()):.0f} %"
            for part, frames in check.quality.outside.items()
        ]
        yield "in view", f"{', '.join(inside)} of frames"
        height = check.quality.body_height_px
        yield "height", f"{height:.0f} px of {check.framing.size[0]} in the working image"
    yield "camera", _camera(check)
    if check.picture is not None:
        faults = ", ".join(word for word, _ in picture_faults(check.picture))
        yield "picture", faults or "well lit and sharp"


def _people(counts: np.ndarray) -> str:
    if not counts.any():
        return "nobody"
    if (counts == counts[0]).all():
        return f"{counts[0]} in each"
    return f"{counts.min()} to {counts.max()}, {np.median(counts):.0f} in most"


def _camera(check: VideoCheck) -> str:
    speed = check.quality.camera_speed
    if speed is None:
        return "not known: the background is too plain"
    if speed <= STILL_SPEED:
        return "still"
    return f"moves, {100 * speed:.0f} % of the picture's width a second"


def _rate(rate: Fraction) -> str:
    return f"{float(rate):.2f}".rstrip("0").rstrip(".")
