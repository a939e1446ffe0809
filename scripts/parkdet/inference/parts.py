"""Finished detections on disk, from which a failed or killed inference resumes."""

import hashlib
import logging
import re
import shutil
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

import msgspec

from parkdet.errors import UserError
from parkdet.files import atomic_write, read_bytes
from parkdet.submission.records import Detection

log = logging.getLogger("parkdet")

_RANGE = re.compile(r"^\.?(?:part|delivered)-(\d+)-(\d+)")


class ImageRecords(msgspec.Struct, array_like=True, gc=False):
    """The records of an image.

    Attributes:
        equal: how many were left out because they equal another once clipped and rounded.
    """

    records: list[Detection]
    equal: int = 0


class _Part(msgspec.Struct):
    code: str
    environment: dict[str, Any]
    images: list[ImageRecords]


class PartStore:
    """Records of images, kept by position in the whole list, whichever shard the images are in.

    A part, ``{folder}/part-0000032-0000048.json``, has those of 16 consecutive images: a line with
    the SHA-256 of the rest, then JSON. Several processes may write to the folder: a part appears
    whole or not at all, and parts that overlap hold the same records.

    Args:
        code: hash of the code. Parts written by other code are not used, since no single version
            of the code would give the resulting file.
        environment: what may change the last bits. Parts from elsewhere are used with a warning.
    """

    def __init__(self, folder: Path, code: str, environment: dict[str, Any]) -> None:
        self.folder = folder
        self._code, self._environment = code, environment

    def save(self, first: int, images: list[ImageRecords]) -> None:
        """Writes a part, the records of consecutive images, which no longer count as delivered.

        Args:
            first: position of the first image.

        Raises:
            UserError: the part cannot be written.
        """
        content = msgspec.json.encode(_Part(self._code, self._environment, images))
        path = self.folder / f"part-{first:07d}-{first + len(images):07d}.json"
        with atomic_write(path) as file:
            file.write(f"{hashlib.sha256(content).hexdigest()}\n".encode())
            file.write(content)
        for mark, _ in self._files("delivered", range(first, first + len(images))):
            mark.unlink(missing_ok=True)

    def places(self, wanted: range) -> set[int]:
        """Which of the wanted images have records; removes and logs parts that cannot be used.

        Raises:
            UserError: a part cannot be read.
        """
        found: set[int] = set()
        foreign, differences = 0, set()
        for path, places in self._files("part", wanted):
            try:
                part = _read(path)
            except ValueError as error:
                log.warning("%s is damaged (%s): its images are processed again", path, error)
                path.unlink(missing_ok=True)
                continue
            if part.code != self._code:
                foreign += len(places)
                path.unlink(missing_ok=True)
                continue
            differences |= self._differences(part)
            found.update(places)
        if foreign:
            log.info("%d images were processed by other code: they are processed again", foreign)
        if differences:
            log.warning(
                "the inference continues, not bit-identical: %s", "; ".join(sorted(differences))
            )
        return found.intersection(wanted)

    def read(self, wanted: range, without: Container[int] = ()) -> Iterator[ImageRecords]:
        """The records of the wanted images, in order; one part at a time is in memory.

        Args:
            without: positions of images that may be missing.

        Raises:
            UserError: any other image is missing, or a part cannot be read.
        """
        following = wanted.start
        for path, places in self._files("part", wanted):
            begin, end = max(following, places.start), min(wanted.stop, places.stop)
            self._require(range(following, begin), without)
            if begin < end:
                try:
                    images = _read(path).images
                except ValueError as error:
                    raise self._vanished(f"{path.name}: {error}") from error
                yield from images[begin - places.start : end - places.start]
            following = max(following, end)
        self._require(range(following, wanted.stop), without)

    def deliver(self, wanted: range) -> None:
        """Marks these images as delivered: their records are in the output file.

        Removes what was delivered under other settings, so the parent folder keeps only the latest
        finished inference.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"delivered-{wanted.start:07d}-{wanted.stop:07d}").touch()
        for half_written in self.folder.glob(".part-*"):
            if (places := _places(half_written)) and places.start in wanted:
                half_written.unlink(missing_ok=True)
        for other in self.folder.parent.glob("*/delivered-*"):
            if other.parent != self.folder:
                shutil.rmtree(other.parent, ignore_errors=True)

    def forget_delivered(self, wanted: range) -> None:
        """Removes the parts with these images if any of them was delivered."""
        delivered = self._files("delivered", wanted)
        for path, _ in [*delivered, *(self._files("part", wanted) if delivered else [])]:
            path.unlink(missing_ok=True)

    def _files(self, kind: str, wanted: range) -> list[tuple[Path, range]]:
        """Files of a kind that cover any of the wanted images, in order of their first image."""
        named = [(path, _places(path)) for path in sorted(self.folder.glob(f"{kind}-*"))]
        return [
            (path, places)
            for path, places in named
            if places and places.start < wanted.stop and places.stop > wanted.start
        ]

    def _differences(self, part: _Part) -> set[str]:
        return {
            f"{key} was {part.environment.get(key)}, is {value}"
            for key, value in self._environment.items()
            if part.environment.get(key) != value
        }

    def _require(self, places: range, without: Container[int]) -> None:
        missing = [place for place in places if place not in without]
        if missing:
            raise self._vanished(f"image {missing[0] + 1} of the list has no records")

    def _vanished(self, what: str) -> UserError:
        return UserError(
            f"Parts in {self.folder} were removed or damaged during the run ({what}), maybe by "
            "another run of this command that has since ended. Run it again."
        )


def _places(path: Path) -> range | None:
    found = _RANGE.search(path.name)
    return range(int(found[1]), int(found[2])) if found else None


def _read(path: Path) -> _Part:
    """Reads a part.

    Raises:
        ValueError: it is damaged, or from another version.
        UserError: the file cannot be read.
    """
    checksum, _, content = read_bytes(path).partition(b"\n")
    if hashlib.sha256(content).hexdigest().encode() != checksum:
        raise ValueError("its checksum differs")
    try:
        return msgspec.json.decode(content, type=_Part)
    except msgspec.DecodeError as error:
        raise ValueError(f"another version wrote it: {error}") from error
