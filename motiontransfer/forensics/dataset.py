"""What the detector is trained on: pairs of consecutive frames of twins, as a viewer may get them.

Real and fake come from the same moment of the same clip and go through the same view, so neither
person, pose, background nor codec tells them apart. All that is drawn for an item is drawn from its
index: the loop resumes to the same bytes, and it does not matter who reads which.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.forensics.stretches import Frames, Stretch
from motiontransfer.forensics.views import draw_view
from motiontransfer.media.tensors import frames_to_tensor
from motiontransfer.training.frame_cache import FrameCache

_DRAWS_OF_EACH = 1000  # before chance repeats itself
_ENCODED_FRAMES = 6  # some of which are predicted from others, as in any video
_PAIRS_OF_EACH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """The same second twice: as it was filmed, and rendered from its poses."""

    real: Stretch
    fake: Stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinBatch:
    """Pairs of consecutive frames; those at the same place are twins."""

    real: Float[Tensor, "pairs 2 3 crop_size crop_size"]
    fake: Float[Tensor, "pairs 2 3 crop_size crop_size"]

    def to(self, device: torch.device) -> "TwinBatch":
        """Copy to a device; from pinned memory it goes on by itself."""
        return TwinBatch(
            real=self.real.to(device, non_blocking=True),
            fake=self.fake.to(device, non_blocking=True),
        )


class TwinDataset:
    """Every second of the twins many times over, seen differently each time."""

    def __init__(self, twins: Sequence[Twins], *, crop_size: int, seed: int) -> None:
        self._twins, self._crop_size, self._seed = list(twins), crop_size, seed
        paths = sorted({each.path for pair in twins for each in (pair.real, pair.fake)})
        self._store_of = {path: index for index, path in enumerate(paths)}
        self._frames = FrameCache(paths)

    def __len__(self) -> int:
        return len(self._twins) * _DRAWS_OF_EACH

    def batch(self, indices: Iterable[int]) -> TwinBatch:
        """Read the items with these indices; each gives the same number of pairs."""
        items = [self._item(index) for index in indices]
        return TwinBatch(
            real=torch.cat([real for real, _ in items]),
            fake=torch.cat([fake for _, fake in items]),
        )

    def _item(self, index: int) -> tuple[Tensor, Tensor]:
        draws = np.random.default_rng([self._seed, index])
        twins = self._twins[index % len(self._twins)]
        num_frames = len(twins.real.frames)
        count = min(num_frames, _ENCODED_FRAMES)
        first = int(draws.integers(num_frames - count + 1))
        real = self._read(twins.real, first, count)
        fake = self._read(twins.fake, first, count)
        view = draw_view(real, fake, crop_size=self._crop_size, draws=draws)
        starts = draws.choice(count - 1, _PAIRS_OF_EACH, replace=count <= _PAIRS_OF_EACH).tolist()
        return _pairs(view.of(real), starts), _pairs(view.of(fake), starts)

    def _read(self, stretch: Stretch, first: int, count: int) -> Frames:
        store = self._store_of[stretch.path]
        chosen = stretch.frames[first : first + count]
        return np.stack([self._frames[store, index] for index in chosen])


def _pairs(frames: Frames, starts: Sequence[int]) -> Float[Tensor, "pairs 2 3 height width"]:
    tensor = frames_to_tensor(list(frames))
    return torch.stack([tensor[start : start + 2] for start in starts])
