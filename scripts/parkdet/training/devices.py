"""What `--device` and `--processes` ask for, before torch is imported."""

from parkdet.errors import UserError


def split_device(device: str) -> list[str]:
    """``cuda:0,1`` -> ``["cuda:0", "cuda:1"]``; any other value names one device."""
    kind, _, numbers = device.partition(":")
    return [f"{kind}:{number}" for number in numbers.split(",")] if numbers else [device]


def count_processes(device: str, processes: int) -> int:
    """Processes on this machine: one for each GPU that is named, else ``processes``.

    Raises:
        UserError: a GPU is named twice, or the two contradict each other.
    """
    named = len(split_device(device))
    if named > len(set(split_device(device))):
        raise UserError(f"--device {device} names a GPU twice: each process needs its own.")
    if named > 1 and processes not in (1, named):
        raise UserError(
            f"--device {device} asks for {named} processes, --processes for {processes}: leave "
            "--processes out."
        )
    if named == 1 < processes and device.startswith("cuda"):
        raise UserError(
            f"--processes {processes} on --device {device}: each process needs a GPU of its own, "
            "so name them, for example --device cuda:0,1."
        )
    return max(named, processes)


def device_of_rank(device: str, rank: int, gpus: int) -> str:
    """The device of one of several processes on this machine.

    Args:
        device: as requested; ``auto`` gives each process a GPU if the machine has any.
        rank: the process's number on this machine.
        gpus: how many this machine has.
    """
    if device == "auto":
        return f"cuda:{rank}" if gpus else "cpu"
    named = split_device(device)
    return named[rank] if len(named) > 1 else device
