"""Finding the pose again in a finished video.

Hides which detector judges: the pipeline's own with its default settings, whatever the section
`detect_keypoints` says, so that results of runs with different detection settings can be compared.
Being the pipeline's own it may favour what it was trained to see in the generator's mistakes.
"""

from dataclasses import replace
from pathlib import Path

from motiontransfer.keypoints import Keypoints
from motiontransfer.parallel import Compute
from motiontransfer.pose.detection import detect_person
from motiontransfer.pose.detectors.registry import default_detector

_SEGMENT_FRAMES = 100
_WARMUP_FRAMES = 10


def redetect(video: Path, *, size: tuple[int, int], compute: Compute) -> Keypoints:
    """Detect the pose in every frame of a video.

    Args:
        size: (height, width) of the working image, which a video for players may exceed by a pixel.
    """
    found = detect_person(
        video,
        detector=default_detector(),
        segment_frames=_SEGMENT_FRAMES,
        warmup_frames=_WARMUP_FRAMES,
        compute=compute,
    )
    return replace(found, image_size=size)
