"""Zip archives that would fill memory, point elsewhere or crash a trusting reader."""

import io
import os
import random
import struct
import tarfile
import warnings
import zipfile

import pytest
import torch

from crafted import assembled, body, little_memory, model_of, module_with, tensor, write_archive
from parkdet.detector.build import build_model
from parkdet.detector.checkpoints import load_checkpoint
from parkdet.errors import UserError

SOUND = model_of(module_with({"w": tensor()}))
DATA = ("archive/data/0", bytes(16))


def _with_members(*members, **options):
    return lambda path: write_archive(path, SOUND, [DATA, *members], **options)


def _patched(old, new):
    """The sound archive with some bytes replaced."""

    def write(path):
        content = write_archive(path, SOUND, [DATA]).read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new))

    return write


def _overlapping(path):
    """Both data members' entries point at the same bytes."""
    names = [("archive/data/1", bytes(10**5)), ("archive/data/2", bytes(10**5))]
    content = bytearray(write_archive(path, SOUND, [DATA, *names]).read_bytes())
    for name in (b"archive/data/1", b"archive/data/2"):
        entry = content.rindex(name) - 46
        content[entry + 42 : entry + 46] = struct.pack("<I", 0)
    path.write_bytes(content)


def _with_directory(length):
    def write(path):
        content = bytearray(write_archive(path, SOUND, [DATA]).read_bytes())
        content[-10:-6] = struct.pack("<I", length)
        path.write_bytes(content)

    return write


def _with_large_directory(path):
    """The 64-bit form of the same, which PyTorch writes."""
    content = write_archive(path, SOUND, [DATA]).read_bytes()
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 4, 4, 2**40, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(content) - 22, 1)
    path.write_bytes(content[:-22] + record + locator + content[-22:])


def _tar(path):
    with tarfile.open(path, "w") as file:
        entry = tarfile.TarInfo("pickle")
        entry.size = 4
        file.addfile(entry, io.BytesIO(b"\x80\x02N."))


ARCHIVES = {
    "compressed to a hundredth": (
        _with_members(("archive/data/1", bytes(10**7)), compression=zipfile.ZIP_DEFLATED),
        "compressed",
    ),
    "claims a gigabyte": (
        _patched(struct.pack("<II", 16, 16), struct.pack("<II", 16, 10**9)),
        "claim more bytes",
    ),
    "members overlap": (_overlapping, "its members overlap"),
    "list of members of 2 GB": (_with_directory(2**31), "list of members is too long"),
    "list of members of 1 TB": (_with_large_directory, "list of members is too long"),
    "comment at the end": (
        lambda path: _with_members()(path).open("ab").write(b"x"),
        "does not end as a zip",
    ),
    "path upwards": (_with_members(("archive/../../ran", "x")), "outside of its folder"),
    "path upwards at once": (_with_members(("../ran", "x")), "outside of its folder"),
    "absolute path": (_with_members(("/tmp/ran", "x")), "outside of its folder"),
    "backslashes": (_with_members(("archive/..\\..\\ran", "x")), "outside of its folder"),
    "another folder": (_with_members(("other/data/0", "x")), "outside of its folder"),
    "two pickles": (_with_members(("other/data.pkl", "N.")), "no single data.pkl"),
    "one member twice": (_with_members(("archive/data.pkl", "N.")), "two members of one name"),
    "no pickle": (_patched(b"data.pkl", b"data.pki"), "no single data.pkl"),
    "big-endian": (_with_members(("archive/byteorder", "big")), "big-endian"),
    "encrypted": (_patched(b"\x14\0\0\0\0\0", b"\x14\0\1\0\0\0"), "cannot be read"),
    "wrong checksum": (_patched(bytes(16), b"\1" + bytes(15)), "Bad CRC-32"),
    "script of PyTorch": (
        lambda path: write_archive(path, assembled(b"c__torch__\nModel\n)\x81")),
        "which no yolov5 checkpoint needs",
    ),
    "weights alone": (
        lambda path: torch.save({"model.0.conv.weight": torch.zeros(1)}, path),
        "does not read as a yolov5 detector",
    ),
    "tar": (_tar, "is not a checkpoint as PyTorch"),
    "before PyTorch 1.6": (
        lambda path: torch.save({"model": 1}, path, _use_new_zipfile_serialization=False),
        "is not a checkpoint as PyTorch",
    ),
    "pickle alone": (lambda path: path.write_bytes(assembled(body({}))), "is not a checkpoint"),
    "empty": (lambda path: path.write_bytes(b""), "is not a checkpoint"),
    "four bytes": (lambda path: path.write_bytes(b"PK\5\6"), "is not a checkpoint"),
    "pointer of git": (lambda path: path.write_bytes(b"version https://git-lfs"), "fetch it again"),
    "a folder": (lambda path: path.mkdir(), "There are no weights at"),
    "a pipe": (os.mkfifo, "There are no weights at"),
    "nothing": (lambda path: None, "There are no weights at"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_hostile_archive_is_a_clear_error(name, tmp_path, refusal):
    write, expected = ARCHIVES[name]
    path = tmp_path / "a.pt"
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # zipfile's, of twins
        write(path)
    assert expected in refusal(path)


def test_archives_cut_short_or_damaged_anywhere_are_clear_errors(tmp_path):
    """Seeded damage may go unnoticed, but leads to nothing other than a clear error."""
    path = tmp_path / "a.pt"
    sound = write_archive(path, SOUND, [DATA]).read_bytes()
    choice = random.Random(1)
    refused = 0
    for _ in range(400):
        content = bytearray(sound[: choice.choice((len(sound), choice.randrange(len(sound))))])
        for _ in range(choice.randrange(1, 4)):
            content[choice.randrange(len(content))] = choice.randrange(256)
        path.write_bytes(content)
        try:
            with little_memory():
                load_checkpoint(path)
        except UserError as error:
            refused += 1
            assert "\n" not in str(error) and "MemoryError" not in str(error)
    assert refused > 300


def test_what_is_not_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    for path in (tmp_path, tmp_path / "pipe.pt"):
        with pytest.raises(UserError, match=r"it is not a file|Is a directory"):
            load_checkpoint(path)


def test_architecture_of_a_foreign_file_cannot_run_code(tmp_path, monkeypatch):
    from parkdet.detector.checkpoints import model_from_checkpoint

    monkeypatch.chdir(tmp_path)
    model = build_model("yolov5n", 2).half()
    model.yaml["backbone"][0][2] = "__import__('pathlib').Path('ran').touch() or Conv"
    torch.save({"model": model}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="is not allowed"):
        model_from_checkpoint(load_checkpoint(tmp_path / "a.pt"))
    assert not (tmp_path / "ran").exists()
