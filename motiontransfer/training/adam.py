"""Adam (Kingma and Ba 2015) by PyTorch's fused kernel.

`torch.optim.Adam` imports PyTorch's compiler, which takes longer than a short training.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

_EPSILON = 1e-8


class Adam:
    """Adam without weight decay; the learning rate is the schedule's."""

    def __init__(self, parameters: Iterable[Tensor], *, betas: tuple[float, float]) -> None:
        self._parameters, self._betas = list(parameters), betas
        self._state = [
            {
                "step": torch.zeros((), device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
            for parameter in self._parameters
        ]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], *, learning_rate: float) -> None:
        """Change the parameters by their gradients."""
        pairs = zip(self._parameters, gradients, strict=True)
        adam(
            self._parameters,
            [laid_out_like(parameter, gradient) for parameter, gradient in pairs],
            [moments["exp_avg"] for moments in self._state],
            [moments["exp_avg_sq"] for moments in self._state],
            [],
            [moments["step"] for moments in self._state],
            fused=True,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=learning_rate,
            weight_decay=0.0,
            eps=_EPSILON,
            maximize=False,
        )

    def state(self, prefix: str) -> dict[str, Tensor]:
        """Moments and step counts by name."""
        return {
            f"{prefix}.{index}.{name}": value
            for index, moments in enumerate(self._state)
            for name, value in moments.items()
        }

    def load_state(self, prefix: str, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        for name, value in self.state(prefix).items():
            value.copy_(state[name])


def laid_out_like(parameter: Tensor, values: Tensor) -> Tensor:
    """Return values in a parameter's memory format, which the kernel takes for granted."""
    if values.stride() == parameter.stride():
        return values
    return torch.empty_like(parameter).copy_(values)
