"""Finds, measures and hashes image files, many at a time. They are only ever read."""

import hashlib
import logging
import os
import stat
import unicodedata
import warnings
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import PIL.Image

from parkdet.data.threads import map_in_threads
from parkdet.files import write_json

log = logging.getLogger("parkdet")

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
ORIENTATION, LYING = 0x0112, (5, 6, 7, 8)  # EXIF: the tag, and its values for a turn by 90 degrees
CACHE_VERSION = 2
ENDS = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}  # how a file ends that is not cut short


class ImageFacts(NamedTuple):
    """What is known about an image file; if there is a ``problem``, the rest is meaningless.

    ``width`` and ``height`` are those of the image as OpenCV reads it, turned as EXIF says.
    """

    width: int = 0
    height: int = 0
    sha256: str = ""
    several_frames: bool = False
    problem: str = ""


class _CacheEntry(NamedTuple):
    size: int
    modified_ns: int
    decoded: bool
    width: int
    height: int
    sha256: str
    several_frames: bool


class _CacheFile(msgspec.Struct):
    version: int
    files: dict[str, _CacheEntry]


class ImageFolder:
    """Finds images by their names in the annotations.

    A name whose Unicode form differs on disk (macOS writes Korean names decomposed) is found, too.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder.absolute())
        self._inside = f"{os.path.realpath(folder)}/"
        self._links: set[str] = set()
        self._names = set(self._walk())
        self._by_composed = {
            unicodedata.normalize("NFC", found): found for found in sorted(self._names)
        }

    def path(self, name: str) -> tuple[str, list[str]]:
        """Path of the image ``name``, which need not exist, and remarks on where it lies."""
        found, remarks = name, []
        if name not in self._names:
            other_form = self._by_composed.get(unicodedata.normalize("NFC", name))
            if other_form is not None:
                found = other_form
                remarks.append("file_name is on disk in another Unicode form")
        path = f"{self.folder}/{found}"
        if (found in self._links or found not in self._names) and self._leads_out(path):
            remarks.append("image lies outside its folder, behind a link")
        return path, remarks

    def _leads_out(self, path: str) -> bool:
        # os.path: pathlib's is_file and resolve raise on overlong names and circular links
        return os.path.isfile(path) and not os.path.realpath(path).startswith(self._inside)  # noqa: PTH113

    def _walk(self) -> Iterator[str]:
        """Names of files below the folder; folders that are links are not entered."""
        prefixes = [""]
        for prefix in prefixes:  # grows while it is read
            with suppress(OSError), os.scandir(f"{self.folder}/{prefix}") as entries:
                for entry in entries:
                    name = f"{prefix}{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        prefixes.append(f"{name}/")
                        continue
                    if entry.is_symlink():
                        self._links.add(name)
                    yield name


def examine_images(
    paths: Sequence[str], decode: Container[str] = (), cache_path: Path | None = None
) -> list[ImageFacts]:
    """Measures and hashes image files in threads; one result per path, in order.

    Args:
        decode: paths whose pixels are decoded, too, which finds damage behind an intact header.
        cache_path: file that keeps results by path, size and modification time; unchanged images
            are not opened again. Created if missing.
    """
    known = _read_cache(cache_path) if cache_path else {}
    fresh: dict[str, _CacheEntry] = {}
    facts = []
    PIL.Image.init()  # once, instead of in every thread at the same time
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata; what matters is raised as an exception
        warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
        results = map_in_threads(
            lambda path: _examine(path, path in decode, known.get(path)), paths, "checking images"
        )
        for path, (fact, entry) in zip(paths, results, strict=True):
            facts.append(fact)
            if entry is not None:
                fresh[path] = entry
    if cache_path and fresh != known:
        write_json(cache_path, _CacheFile(CACHE_VERSION, fresh))
    return facts


def _examine(
    path: str, decode: bool, known: _CacheEntry | None
) -> tuple[ImageFacts, _CacheEntry | None]:
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            return ImageFacts(problem="image is not a regular file"), None
        if status.st_size == 0:
            return ImageFacts(problem="image file is empty"), None
        if (
            known is not None
            and known[:2] == (status.st_size, status.st_mtime_ns)
            and known.decoded >= decode
        ):
            return _facts(known), known
        with open(path, "rb") as file:
            width, height, several_frames = _measure(file, decode)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ImageFacts(problem="image file is missing"), None
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        return ImageFacts(problem=f"image has more than {PIL.Image.MAX_IMAGE_PIXELS} pixels"), None
    except Exception:  # a damaged file can make an image library raise nearly anything
        return ImageFacts(problem="image file cannot be read"), None
    size, modified_ns = status.st_size, status.st_mtime_ns
    entry = _CacheEntry(size, modified_ns, decode, width, height, sha256, several_frames)
    return _facts(entry), entry


def _facts(entry: _CacheEntry) -> ImageFacts:
    return ImageFacts(entry.width, entry.height, entry.sha256, entry.several_frames)


def _measure(file: BinaryIO, decode: bool) -> tuple[int, int, bool]:
    """Width and height, turned as OpenCV's imread turns the image; whether it has several frames.

    A file that does not end as usual in its format is decoded, too: it may be cut short.
    """
    with PIL.Image.open(file, formats=FORMATS) as image:
        width, height = image.size
        # MPO: a JPEG with a preview or a brightness map, as many cameras write it
        several_frames = image.format != "MPO" and getattr(image, "is_animated", False)
        turned = is_turned(image)
        if image.format == "TIFF" and image.getexif().get(ORIENTATION, 1) != 1:
            raise ValueError("OpenCV 4.14 cannot read a TIFF with an orientation")
        if decode or not _ends_well(file, image.format):
            image.load()
    if width < 1 or height < 1:
        raise ValueError("no pixels")
    return (height, width, several_frames) if turned else (width, height, several_frames)


def is_turned(image: PIL.Image.Image) -> bool:
    """Whether OpenCV's imread swaps width and height, as EXIF says."""
    return "exif" in image.info and image.getexif().get(ORIENTATION) in LYING


def _ends_well(file: BinaryIO, image_format: str | None) -> bool:
    end = ENDS.get("JPEG" if image_format == "MPO" else image_format or "")
    if end is None:
        return False
    position = file.tell()
    file.seek(-len(end), os.SEEK_END)
    found = file.read()
    file.seek(position)  # where the image library expects it
    return found == end


def _read_cache(path: Path) -> dict[str, _CacheEntry]:
    try:
        cache = msgspec.json.decode(path.read_bytes(), type=_CacheFile)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("Cannot read the hash cache %s (%s): all images are read again.", path, error)
        return {}
    return cache.files if cache.version == CACHE_VERSION else {}
