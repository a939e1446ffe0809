"""PyTorch's checkpoint archives: a zip of one pickle and the raw bytes of each tensor storage."""

import zipfile
from pathlib import Path
from types import TracebackType

from parkdet.errors import UserError


class Archive:
    """An opened checkpoint whose members can be read without surprises.

    PyTorch stores members uncompressed. Holding on to that, and to members together being no
    larger than the file, means that no small file can unfold into a huge one. Members are read
    into memory by name, nothing is unpacked to disk.

    Raises:
        UserError: missing, not such an archive, damaged, or made to unfold.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.size = path.stat().st_size
            if not path.is_file():  # opening a pipe would wait for ever
                raise OSError(None, "it is not a file")
            self._zip = zipfile.ZipFile(path)
        except OSError as error:
            raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise UserError(
                f"{path} is not a checkpoint as PyTorch 1.6 or newer writes them: {error}. "
                "If it was downloaded, fetch it again."
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
        names = [member.filename for member in members]
        if len(names) != len(set(names)):
            raise self.refusal("it has two members of one name")
        pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise self.refusal("it has no single data.pkl")
        prefix = pickles[0].removesuffix("data.pkl")
        if f"{prefix}byteorder" in names and self._zip.read(f"{prefix}byteorder") != b"little":
            raise self.refusal("it was written on a big-endian machine")
        return prefix

    def read(self, name: str) -> bytes:
        """The content of a member such as ``data.pkl`` or ``data/17``.

        Raises:
            UserError: no such member, or it is damaged.
        """
        try:
            return self._zip.read(f"{self._prefix}{name}")
        except (KeyError, OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
            raise self.refusal(f"its member {name!r:.60} cannot be read ({error})") from error
        except EOFError as error:
            raise self.refusal(f"its member {name!r:.60} is cut short") from error

    def refusal(self, reason: str) -> UserError:
        """The error to raise when this file is not used, and why."""
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
