"""PyTorch's checkpoint archives: zip files of a pickle and the raw bytes of each tensor storage."""

import struct
import zipfile
from itertools import pairwise
from pathlib import Path
from types import TracebackType

from parkdet.errors import UserError

END, END64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q")
LOCATOR64_BYTES = 20
LARGEST_DIRECTORY = 16_000_000
"""Bytes of the list of members: some 150,000 members; a checkpoint has hundreds or thousands."""


class Archive:
    """An opened checkpoint whose members can be read without surprises.

    PyTorch stores members uncompressed. Insisting on that, and on members that together are no
    larger than the file, means that no small file can unpack into a huge one. Members are read
    into memory by name; nothing is unpacked to disk.

    Raises:
        UserError: missing, not such an archive, damaged, or a zip bomb.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.size = path.stat().st_size
            if not path.is_file():  # opening a pipe would wait forever
                raise OSError(None, "it is not a file")
            _check_directory(path, self.size)
            self._zip = zipfile.ZipFile(path)
        except OSError as error:
            raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
            raise UserError(
                f"{path} is not a checkpoint as PyTorch 1.6 or newer writes them: "
                f"{printable(error)}. If it was downloaded, fetch it again."
            ) from error
        try:
            self._prefix = self._checked_prefix()
        except BaseException:
            self._zip.close()
            raise

    def _checked_prefix(self) -> str:
        members = self._zip.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise self.refusal("its members are compressed, which PyTorch never does")
        if sum(member.file_size for member in members) > self.size:
            raise self.refusal("its members claim more bytes than the file has")
        places = sorted((m.header_offset, m.header_offset + m.file_size) for m in members)
        if any(end > start for (_, end), (start, _) in pairwise(places)):
            raise self.refusal("its members overlap")
        names = [member.filename for member in members]
        if len(names) != len(set(names)):
            raise self.refusal("it has two members of one name")
        pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise self.refusal("it has no single data.pkl")
        prefix = pickles[0].removesuffix("data.pkl")
        if not all(_is_inside(prefix, name) for name in names):
            raise self.refusal("it has a member outside of its folder")
        if f"{prefix}byteorder" in names and self.read_member(f"{prefix}byteorder") != b"little":
            raise self.refusal("it was written on a big-endian machine")
        return prefix

    def read(self, name: str) -> bytes:
        """The content of a member such as ``data.pkl`` or ``data/17``.

        Raises:
            UserError: no such member, or it is damaged.
        """
        return self.read_member(f"{self._prefix}{name}")

    def read_member(self, name: str) -> bytes:
        """The content of a member by its full name; otherwise like `read`."""
        try:
            return self._zip.read(name)
        except EOFError as error:
            raise self.refusal(f"its member {name!a:.60} is cut short") from error
        except Exception as error:  # a damaged file can make reading fail in any way
            reason = f"its member {name!a:.60} cannot be read ({printable(error)})"
            raise self.refusal(reason) from error

    def refusal(self, reason: str) -> UserError:
        """The error that says why this file is not used, to be raised."""
        return UserError(
            f"{self.path} is not used as weights: {reason}. "
            "Use a file from a source you trust, or train from scratch."
        )

    def __enter__(self) -> "Archive":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()


def printable(error: object) -> str:
    """At most 100 printable characters on one line: an error's text can come from the file."""
    text = " ".join(str(error).split())[:100]
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _is_inside(folder: str, name: str) -> bool:
    odd = {"", ".", ".."}.intersection(name.split("/"))
    return name.startswith(folder) and "\\" not in name and not odd


def _check_directory(path: Path, size: int) -> None:
    """Checks the list of members, which `ZipFile` reads into memory before anything else.

    Raises:
        ValueError: not a zip archive, or one with a comment or too long a list of members.
    """
    with path.open("rb") as file:
        file.seek(max(0, size - END.size - LOCATOR64_BYTES - END64.size))
        tail = file.read()
    if tail[-END.size :][:4] != b"PK\5\6":
        raise ValueError("it does not end as a zip archive")
    is_large_format = tail[:4] == b"PK\6\6"  # the one that PyTorch writes
    length = END64.unpack(tail[: END64.size])[8] if is_large_format else END.unpack(tail[-22:])[5]
    if length > LARGEST_DIRECTORY:
        raise ValueError("its list of members is too long")
