"""Image pool of earlier translations for the discriminator (Shrivastava et al. 2017, sec. 2.3).

As Zhu et al. 2017 use it against oscillation: half of the time an earlier translation reindices the
latest. Each index in a batch has its own images, and all draws follow from seed, step and index, so
the result does not depend on the number of ranks.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.training.batches import draw_uniform

_EARLIER_SHARE = 0.5


class ImagePool:
    """Images of one kind, from many steps."""

    def __init__(
        self, *, pool_size: int, batch_size: int, crop_size: int, seed: int, device: torch.device
    ) -> None:
        """Begin without images.

        Args:
            pool_size: number of images, rounded up to a multiple of `batch_size`.
        """
        self._num_slots = -(-pool_size // batch_size)
        self._seed = seed
        self._images = torch.zeros(
            (batch_size, self._num_slots, 3, crop_size, crop_size), device=device
        )

    def sample(
        self, images: Float[Tensor, "items 3 height width"], indices: range, *, step: int
    ) -> Float[Tensor, "items 3 height width"]:
        """Replace each image, half of the time, by an earlier one of its index."""
        slots = self._slots(indices, step)
        earlier = step >= self._num_slots
        return torch.stack(
            [
                image if slot is None or not earlier else self._images[index, slot]
                for image, index, slot in zip(images.detach(), indices, slots, strict=True)
            ]
        )

    def keep(self, images: Float[Tensor, "batch 3 height width"], *, step: int) -> None:
        """Store the images of a step's whole batch in the slots of those that were replaced."""
        for index, slot in enumerate(self._slots(range(len(images)), step)):
            if slot is not None:
                self._images[index, slot] = images[index].detach()

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        return {"images": self._images}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        self._images.copy_(state["images"])

    def _slots(self, indices: range, step: int) -> list[int | None]:
        """Slot of each index's image; None where it is not stored."""
        if step < self._num_slots:
            return [step] * len(indices)
        draws = draw_uniform(indices, seed=self._seed, step=step).tolist()
        return [
            int(draw / _EARLIER_SHARE * self._num_slots)
            if self._num_slots and draw < _EARLIER_SHARE
            else None
            for draw in draws
        ]
