"""The optimizer, with yolov5's three parameter groups, and frozen layers."""

import torch
from torch import nn

from parkdet.hyperparameters import Hyperparameters

GROUPS = ("bias", "decay", "norm")  # in the optimizer's order
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def parameter_groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Sorts parameters into biases, weights with decay, and weights of normalisation layers."""
    groups: dict[str, list[nn.Parameter]] = {name: [] for name in GROUPS}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if name == "bias":
                groups["bias"].append(parameter)
            elif name == "weight" and isinstance(module, NORMS):
                groups["norm"].append(parameter)
            else:
                groups["decay"].append(parameter)
    return groups


def build_optimizer(
    model: nn.Module, name: str, hyp: Hyperparameters, batch_size: int, nominal_batch: int
) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, Adam or AdamW; only the group ``decay`` has weight decay.

    The decay is meant for the nominal batch and is scaled to the images a step actually sums.
    """
    groups = parameter_groups(model)
    on_cpu = next(model.parameters()).device.type == "cpu"
    options = {"lr": hyp.lr0, "fused" if on_cpu else "foreach": True}
    match name:
        case "SGD":
            options |= {"momentum": hyp.momentum, "nesterov": True}
            kind = torch.optim.SGD
        case "Adam":
            options |= {"betas": (hyp.momentum, 0.999)}
            kind = torch.optim.Adam
        case "AdamW":
            options |= {"betas": (hyp.momentum, 0.999)}
            kind = torch.optim.AdamW
        case _:
            raise ValueError(f"unknown optimizer {name}")
    decay = hyp.weight_decay * batch_size * batches_a_step(batch_size, nominal_batch)
    decays = {"bias": 0.0, "decay": decay / nominal_batch, "norm": 0.0}
    return kind(
        [{"params": groups[group], "weight_decay": decays[group]} for group in GROUPS], **options
    )


def batches_a_step(batch_size: int, nominal_batch: int) -> int:
    """Batches whose gradients are summed before a step, after the warm-up."""
    return max(round(nominal_batch / batch_size), 1)


def freeze(model: nn.Module, layers: int) -> None:
    """Freezes the first ``layers`` layers of a yolov5 model.

    Their batch norms keep collecting statistics, as in yolov5.
    """
    for layer in model.model[:layers]:
        layer.requires_grad_(False)
