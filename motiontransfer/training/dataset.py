"""Training data set: windows of consecutive frames of one subject, with their poses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.errors import TrainingError
from motiontransfer.training.frame_cache import FrameCache
from motiontransfer.training.target_clips import TargetClip
from motiontransfer.video.tensors import frames_to_tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowBatch:
    """Consecutive frames with their poses, and maybe poses before the first; axis 1 is time."""

    points: Float[Tensor, "batch poses joints 2"]
    score: Float[Tensor, "batch poses joints"]
    frames: Float[Tensor, "batch time 3 height width"]

    def to(self, device: torch.device) -> "WindowBatch":
        """Copy to a device."""
        return WindowBatch(
            points=self.points.to(device, non_blocking=True),
            score=self.score.to(device, non_blocking=True),
            frames=self.frames.to(device, non_blocking=True),
        )


class WindowDataset:
    """Every window of consecutive training frames in all of which a body was found."""

    def __init__(
        self, clips: Sequence[TargetClip], *, window_frames: int = 2, conditioning_poses: int = 1
    ) -> None:
        """Find the windows.

        Args:
            conditioning_poses: poses that the generator is shown for one frame, its own and those
                before; before the first training frame there are none, and they come as missing.
        """
        self.clips = list(clips)
        self._window_frames, self._poses_before = window_frames, conditioning_poses - 1
        self.windows: list[tuple[int, int]] = []
        """(clip, frame_index of the window's first frame)."""
        self.num_windows_without_body = 0
        """Windows left out because no body was found in one of their frames."""
        for index, clip in enumerate(self.clips):
            body = clip.keypoints.score[:, clip.keypoints.skeleton.slice("body")]
            found: np.ndarray = np.any(body > 0, axis=1)
            for first in clip.training[: max(len(clip.training) - window_frames + 1, 0)]:
                if found[first : first + window_frames].all():
                    self.windows.append((index, first))
                else:
                    self.num_windows_without_body += 1
        if not self.windows:
            raise TrainingError(
                f"no {window_frames} consecutive frames with a body among {len(self.clips)} clips; "
                "see the coverage in artifacts/metrics/detect_keypoints"
            )
        self._frames = FrameCache([clip.frames for clip in self.clips])

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, indices: Iterable[int]) -> WindowBatch:
        """Read the windows with these indices."""
        chosen = [self.windows[index] for index in indices]
        poses = [self._poses(clip, first) for clip, first in chosen]
        frames = [
            frames_to_tensor([self._frames[clip, first + t] for t in range(self._window_frames)])
            for clip, first in chosen
        ]
        return WindowBatch(
            points=torch.from_numpy(np.stack([points for points, _ in poses])),
            score=torch.from_numpy(np.stack([score for _, score in poses])),
            frames=torch.stack(frames),
        )

    def _poses(self, clip_index: int, first: int) -> tuple[np.ndarray, np.ndarray]:
        clip = self.clips[clip_index]
        start = max(first - self._poses_before, clip.training.start)
        lacking = self._poses_before - (first - start)
        poses = slice(start, first + self._window_frames)
        padded = [
            np.concatenate([np.zeros((lacking, *values.shape[1:]), values.dtype), values[poses]])
            for values in (clip.keypoints.points, clip.keypoints.score)
        ]
        return padded[0], padded[1]
