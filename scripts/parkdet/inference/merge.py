"""Merges the shards of an inference."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from parkdet.errors import UserError
from parkdet.submission.records import Detection, read_detections


def merged(shards: Sequence[Path]) -> Iterator[Detection]:
    """The records of all shards, one shard after another; only one at a time is in memory.

    Raises:
        UserError: a file cannot be read, or two have records of the same image.
    """
    earlier: set[int] = set()
    for path in shards:
        records = read_detections(path)
        images = {record.image_id for record in records}
        if twice := images & earlier:
            raise UserError(
                f"{path} has detections on image {min(twice)}, as does an earlier shard: give each "
                "shard of one inference once."
            )
        earlier |= images
        yield from records
