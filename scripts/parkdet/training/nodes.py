"""The machines of a training that runs on several, from the usual environment variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from parkdet.errors import UserError

PORT = 29500


@dataclass(frozen=True)
class Nodes:
    """The machines that train together.

    Attributes:
        rank: this machine's number, from 0.
        address: name or address of machine 0, which all must be able to reach.
    """

    count: int = 1
    rank: int = 0
    address: str = "localhost"
    port: int = PORT


def read_nodes(environment: Mapping[str, str] = os.environ) -> Nodes:
    """Reads the machines from NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT.

    Raises:
        UserError: one is missing, is not a number or does not fit the others.
    """
    count = _whole(environment, "NNODES", "1", least=1)
    if count == 1:
        return Nodes()
    missing = [name for name in ("NODE_RANK", "MASTER_ADDR") if not environment.get(name)]
    if missing:
        raise UserError(
            f"NNODES={count} asks for a training on {count} machines, but {' and '.join(missing)} "
            "is not set. Set NODE_RANK (0 on the first machine) and MASTER_ADDR (the first "
            "machine's name) on each, or unset NNODES."
        )
    rank = _whole(environment, "NODE_RANK", "0", least=0)
    if rank >= count:
        raise UserError(f"NODE_RANK={rank} must be less than NNODES={count}; the first is 0.")
    port = _whole(environment, "MASTER_PORT", str(PORT), least=1)
    return Nodes(count, rank, environment["MASTER_ADDR"], port)


def _whole(environment: Mapping[str, str], name: str, default: str, least: int) -> int:
    text = environment.get(name) or default
    if not text.isdecimal() or int(text) < least:
        raise UserError(f"{name}={text} must be a whole number of at least {least}.")
    return int(text)
