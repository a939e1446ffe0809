"""Devices, and the precision that suits them."""

import logging
from contextlib import AbstractContextManager, nullcontext

import torch

from parkdet.errors import UserError

log = logging.getLogger("parkdet")

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_device(name: str) -> torch.device:
    """``auto`` is the first GPU if there is one, else the CPU.

    Raises:
        UserError: this machine has no such device; the message lists those it has.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if gpus else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"Unknown device `{name}`: use auto, cpu, or cuda:0 and so on.") from error
    present = device.type == "cpu" or (device.type == "cuda" and (device.index or 0) < gpus)
    if not present:
        found = ", ".join(["cpu", *(f"cuda:{index}" for index in range(gpus))])
        raise UserError(f"There is no device `{name}` here; this machine has: {found}.")
    return device


def resolve_precision(requested: str, device: torch.device, training: bool) -> str:
    """What ``auto`` means on ``device``, logged with the reason.

    On a GPU, bf16 if it supports that, else fp16. On a CPU, bf16 if it has instructions for that,
    else fp32.

    Returns:
        ``fp32``, ``bf16`` or ``fp16``.

    Raises:
        UserError: unknown, or training in fp16 on a CPU (gradients would underflow).
    """
    if requested not in ("auto", "fp32", *TYPES):
        raise UserError(f"Unknown precision `{requested}`: use auto, fp32, bf16 or fp16.")
    if requested == "fp16" and device.type == "cpu" and training:
        raise UserError("Precision fp16 is not for training on a CPU: use auto, fp32 or bf16.")
    if requested != "auto":
        return requested
    chosen, reason = _fastest(device)
    log.info("precision: %s, because %s", chosen, reason)
    return chosen


def _fastest(device: torch.device) -> tuple[str, str]:
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "this GPU supports it"
        return "fp16", "this GPU does not support bf16"
    abilities = torch.cpu.get_capabilities()
    for name in ("amx_bf16", "avx512_bf16"):
        if abilities.get(name):
            return "bf16", f"this CPU has {name}"
    return "fp32", "this CPU has no bf16 instructions"


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """The context in which a model computes in ``precision``; its weights stay fp32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=TYPES[precision])


def input_type(precision: str) -> torch.dtype:
    """The type that :func:`autocast` wants a model's input in, so that no copy is needed.

    Whole numbers up to 255 are exact in all of them.
    """
    return TYPES.get(precision, torch.float32)
