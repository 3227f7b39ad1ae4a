"""What the networks are trained on: pairs of consecutive frames of one subject, with their poses.

Hides how a pair is found on disk, which pairs are left out and why, and in which order pairs are
seen. The order is a function of seed and step alone, so a resumed run sees exactly what an
uninterrupted one would have.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.errors import TrainingError
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.media.tensors import Frame, frames_to_tensor
from motiontransfer.training.target_clips import TargetClip

_CACHED_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PairBatch:
    """Consecutive frames t and t+1 with their poses; axis 1 is time."""

    points: Float[Tensor, "batch 2 joints 2"]
    score: Float[Tensor, "batch 2 joints"]
    frames: Float[Tensor, "batch 2 3 height width"]

    def to(self, device: torch.device) -> "PairBatch":
        """Copy to a device."""
        return PairBatch(
            points=self.points.to(device),
            score=self.score.to(device),
            frames=self.frames.to(device),
        )


class PairDataset:
    """Every pair of consecutive training frames in which a body was found in both."""

    def __init__(self, clips: Sequence[TargetClip]) -> None:
        self.clips = list(clips)
        self.pairs: list[tuple[int, int]] = []
        """(clip, frame_index of the pair's first frame)."""
        self.num_pairs_without_body = 0
        """Pairs left out because no body was found in one of the two frames."""
        for index, clip in enumerate(self.clips):
            body = clip.keypoints.score[:, clip.keypoints.skeleton.slice("body")]
            found: np.ndarray = np.any(body > 0, axis=1)
            for first in clip.training[:-1]:
                if found[first] and found[first + 1]:
                    self.pairs.append((index, first))
                else:
                    self.num_pairs_without_body += 1
        if not self.pairs:
            raise TrainingError(
                f"no two consecutive frames with a body among {len(self.clips)} clips; "
                "see the coverage in artifacts/metrics/detect_keypoints"
            )
        self._stores = [FrameStore(clip.frames) for clip in self.clips]
        height, width = self.clips[0].keypoints.image_size
        # Short clips stay in memory: decoding would take cores from training.
        self._frame = lru_cache(_CACHED_BYTES // (height * width * 3))(self._decode_frame)

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, indices: Iterable[int]) -> PairBatch:
        """Read the pairs with these indices."""
        chosen = [self.pairs[index] for index in indices]
        points = [self.clips[c].keypoints.points[t : t + 2] for c, t in chosen]
        score = [self.clips[c].keypoints.score[t : t + 2] for c, t in chosen]
        frames = [frames_to_tensor([self._frame(c, t), self._frame(c, t + 1)]) for c, t in chosen]
        return PairBatch(
            points=torch.from_numpy(np.stack(points)),
            score=torch.from_numpy(np.stack(score)),
            frames=torch.stack(frames),
        )

    def _decode_frame(self, clip: int, frame_index: int) -> Frame:
        return self._stores[clip][frame_index]


Batch = TypeVar("Batch", covariant=True)


@runtime_checkable
class Dataset(Protocol[Batch]):
    """Items that can be read in batches."""

    def __len__(self) -> int: ...

    def batch(self, indices: Iterable[int]) -> Batch:
        """Read the items with these indices."""
        ...


def batches_ahead(
    dataset: Dataset[Batch], *, start_step: int, num_steps: int, batch_size: int, seed: int
) -> Iterator[Batch]:
    """Yield the batches of steps `start_step` to `num_steps`, reading one ahead of its use."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        pending = None
        for step in range(start_step, num_steps):
            indices = batch_indices(step, num_items=len(dataset), batch_size=batch_size, seed=seed)
            following = reader.submit(dataset.batch, indices)
            if pending is not None:
                yield pending.result()
            pending = following
        if pending is not None:
            yield pending.result()


def batch_indices(step: int, *, num_items: int, batch_size: int, seed: int) -> list[int]:
    """Items of one step: epoch after epoch, each a permutation drawn from (seed, epoch)."""
    first = step * batch_size
    return [
        int(_permutation(num_items, seed, place // num_items)[place % num_items])
        for place in range(first, first + batch_size)
    ]


@lru_cache(maxsize=4)
def _permutation(num_items: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(num_items)
