"""What every detector of keypoints in frames offers."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from motiontransfer.keypoints import People
from motiontransfer.skeleton import Skeleton
from motiontransfer.video.color import AnyFrame

Detector = Callable[[Sequence[AnyFrame]], list[People]]
"""Gives the people in each of the next frames; it may remember the frames before."""


@runtime_checkable
class DetectorConfig(Protocol):
    """Settings of a detector; can be sent to another process."""

    @property
    def skeleton(self) -> Skeleton:
        """Joints along the joint axis."""

    @property
    def label(self) -> str:
        """Name, version and model."""

    @property
    def batch_frames(self) -> int:
        """Preferred number of frames a call."""

    def open(self) -> AbstractContextManager[Detector]:
        """A detector with no memory of any frame."""
