"""Translations of earlier steps, which a judge sees half of the time instead of the latest.

Shrivastava et al. 2017, sec. 2.3, as Zhu et al. 2017 use it against oscillation. Hides what is kept
and what is shown: both are functions of seed, step and a face's place in its step's batch. Each
place has images of its own, so that processes which share a batch see together what one would have
seen.
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
            pool_size: how many are kept, rounded up to as many for each place of a batch.
        """
        self._num_slots = -(-pool_size // batch_size)
        self._seed = seed
        self._images = torch.zeros(
            (batch_size, self._num_slots, 3, crop_size, crop_size), device=device
        )

    def shown(
        self, images: Float[Tensor, "items 3 height width"], places: range, *, step: int
    ) -> Float[Tensor, "items 3 height width"]:
        """Return for each image itself or, half of the time, one of its place's earlier ones."""
        slots = self._slots(places, step)
        earlier = step >= self._num_slots
        return torch.stack(
            [
                image if slot is None or not earlier else self._images[place, slot]
                for image, place, slot in zip(images.detach(), places, slots, strict=True)
            ]
        )

    def keep(self, images: Float[Tensor, "batch 3 height width"], *, step: int) -> None:
        """Put the images of a step's whole batch in the places of those that were shown."""
        for place, slot in enumerate(self._slots(range(len(images)), step)):
            if slot is not None:
                self._images[place, slot] = images[place].detach()

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        return {"images": self._images}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        self._images.copy_(state["images"])

    def _slots(self, places: range, step: int) -> list[int | None]:
        """Where the image of each place is kept; None where it is not."""
        if step < self._num_slots:
            return [step] * len(places)
        draws = draw_uniform(places, seed=self._seed, step=step).tolist()
        return [
            int(draw / _EARLIER_SHARE * self._num_slots)
            if self._num_slots and draw < _EARLIER_SHARE
            else None
            for draw in draws
        ]
