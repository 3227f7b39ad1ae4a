"""What stands for MediaPipe in the check of films: a person in the middle of each frame."""

from collections.abc import Callable

from motiontransfer.project import video_check
from tests.films import MIDDLE
from tests.people import detects, everyone, person


def see_somebody(replace: Callable[[object, str, object], object]) -> None:
    """Replace the detectors of this process by `setattr`, or by monkeypatch's."""
    replace(video_check, "_detect_people", detects(MIDDLE))
    replace(video_check, "_detect_person", detects(MIDDLE))
    replace(video_check, "_detect_in_picture", lambda *_, **__: everyone(person()))
