"""The moving average of the weights, which is what training delivers."""

import math
from copy import deepcopy

import torch
from torch import nn

DECAY = 0.9999
RAMP = 2000  # updates; early averages forget faster


class MovingAverage:
    """Exponential moving average of all floating-point parameters and buffers, in fp32."""

    def __init__(self, model: nn.Module) -> None:
        self.model = deepcopy(model).eval().requires_grad_(False)
        self.updates = 0
        self._followed: nn.Module | None = None

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Moves the average towards ``model``; the decay is 0.9999 (1 - exp(-updates / 2000)).

        After the first update a model's tensors must stay where they are.
        """
        self.updates += 1
        decay = DECAY * (1 - math.exp(-self.updates / RAMP))
        if self._followed is not model:  # collecting the tensors takes longer than moving them
            self._followed, self._tensors = model, (_floats(self.model), _floats(model))
        torch._foreach_lerp_(*self._tensors, 1 - decay)

    def half(self) -> dict[str, torch.Tensor]:
        """A copy of the average on the CPU, rounded to fp16."""
        return {
            name: (value.detach().half() if value.is_floating_point() else value.detach()).to(
                "cpu", copy=True, memory_format=torch.contiguous_format
            )
            for name, value in self.model.state_dict().items()
        }


def _floats(model: nn.Module) -> list[torch.Tensor]:
    return [value for value in model.state_dict().values() if value.is_floating_point()]
