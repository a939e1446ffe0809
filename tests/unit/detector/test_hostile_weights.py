"""Files that would run code, exhaust memory or crash a trusting reader."""

import builtins
import collections
import io
import os
import pickle
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
import torch

from parkdet.detector.build import build_model
from parkdet.detector.checkpoints import load_checkpoint
from parkdet.errors import UserError


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Stateful:
    """Pickles as an allowed class with a state of its own."""

    def __init__(self, new, state):
        self.new, self.state = new, state

    def __reduce__(self):
        return self.new, (), self.state


def _archive(path, data, members=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", data)
        file.writestr("archive/version", "3\n")
        for name, content in members:
            file.writestr(name, content)
    return path


def _pickled(value):
    return pickle.dumps({"ema": None, "model": value}, protocol=2)


def _assembled(*globals_and_opcodes):
    return b"\x80\x02" + b"".join(globals_and_opcodes) + b"."


MARK = "touch ran"
CODE = "import pathlib; pathlib.Path('ran').touch()"

CALLS = {
    "os.system": Call(os.system, MARK),
    "posix.system by name": b"cposix\nsystem\n(X\x09\x00\x00\x00touch rantR",
    "subprocess.Popen": Call(subprocess.Popen, ["touch", "ran"]),
    "subprocess.check_output": Call(subprocess.check_output, ["touch", "ran"]),
    "eval": Call(builtins.eval, "__import__('os').system('touch ran')"),
    "exec": Call(builtins.exec, CODE),
    "compile": Call(builtins.compile, CODE, "a", "exec"),
    "import": Call(builtins.__import__, "antigravity"),
    "getattr": Call(builtins.getattr, 1, "real"),
    "open": Call(builtins.open, "ran", "w"),
    "torch.hub.load": Call(torch.hub.load, "a/b", "c"),
    "torch.load": Call(torch.load, "ran"),
    "torch.storage._load_from_bytes": Call(torch.storage._load_from_bytes, b"x"),
    "nested reduce": Call(collections.OrderedDict, [("a", Call(os.system, MARK))]),
    "dotted name": b"cmodels.yolo\nModel.__init__.__globals__\n",
    "pickle.loads": Call(pickle.loads, pickle.dumps(Call(os.system, MARK))),
    "pathlib.Path.touch": Call(Path.touch, Path("ran")),
    "numpy load": b"cnumpy\nload\n(X\x03\x00\x00\x00rantR",
    "yolov5's own code": b"cmodels.yolo\nparse_model\n",
    "yolov5's downloader": b"cyolov5.utils.downloads\nattempt_download\n(X\x03\x00\x00\x00rantR",
}


@pytest.mark.parametrize("name", CALLS)
def test_no_call_in_a_file_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile = CALLS[name]
    data = _assembled(hostile) if isinstance(hostile, bytes) else _pickled(hostile)
    with pytest.raises(UserError) as raised:
        load_checkpoint(_archive(tmp_path / "a.pt", data))
    assert "which no yolov5 checkpoint needs" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "ran").exists()


def _record(state):
    """Bytes of a pickled ``models.yolo.Model`` with this state."""
    body = pickle.dumps(state, protocol=2)[2:-1]
    return b"cmodels.yolo\nModel\n)\x81" + body + b"b"


def _checkpoint(state):
    return _assembled(b"}X\x05\x00\x00\x00model", _record(state), b"s")


STATES = {
    "no fields": {},
    "state is a list": [1, 2],
    "fields of other types": {"yaml": 3, "names": 4, "_modules": 5},
    "modules are text": {
        "yaml": {},
        "names": [],
        "_parameters": "x",
        "_buffers": {},
        "_modules": {},
    },
    "dunder names": {"__class__": "x", "__dict__": {}, "__setstate__": "y"},
    "more values than memory": None,
}


def _unfolding():
    value = [0] * 10
    for _ in range(30):
        value = [value] * 10
    return {"yaml": {"backbone": value}, "names": []}


@pytest.mark.parametrize("name", STATES)
def test_hostile_state_is_a_clear_error(name, tmp_path):
    state = STATES[name] if STATES[name] is not None else _unfolding()
    with pytest.raises(UserError, match="does not read as a yolov5 detector"):
        load_checkpoint(_archive(tmp_path / "a.pt", _checkpoint(state)))


def test_state_set_on_a_class_itself_reaches_nothing(tmp_path):
    data = _assembled(b"cmodels.yolo\nModel\n", pickle.dumps({"a": 1}, 2)[2:-1], b"b")
    with pytest.raises(UserError):
        load_checkpoint(_archive(tmp_path / "a.pt", data))


def _with_tensor(shape, stride=(1,), offset=0, member="0", storage="FloatStorage"):
    """A model whose only weight is a tensor with these numbers."""
    identity = (
        pickle.dumps("storage", 2)[2:-1]
        + f"ctorch\n{storage}\n".encode()
        + b"".join(pickle.dumps(part, 2)[2:-1] for part in (member, "cpu", 4))
    )
    arguments = b"".join(pickle.dumps(part, 2)[2:-1] for part in (offset, shape, stride, False, {}))
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((" + identity + b"tQ" + arguments + b"tR"
    fields = {"yaml": {}, "names": [], "_buffers": {}, "_modules": {}}
    body = pickle.dumps(fields, 2)[2:-1] + b"X\x0b\x00\x00\x00_parameters}X\x01\x00\x00\x00w"
    body += tensor + b"ss"
    return _assembled(b"}X\x05\x00\x00\x00modelcmodels.yolo\nModel\n)\x81", body, b"bs")


TENSORS = {
    "beyond its storage": {"shape": (5,)},
    "offset beyond": {"shape": (1,), "offset": 4},
    "negative offset": {"shape": (1,), "offset": -1},
    "negative stride": {"shape": (2,), "stride": (-1,)},
    "stride zero, huge": {"shape": (10**12,), "stride": (0,)},
    "text for a number": {"shape": ("a",)},
    "missing member": {"shape": (1,), "member": "7"},
    "member outside the archive": {"shape": (1,), "member": "../../../../etc/passwd"},
    "rank and stride differ": {"shape": (2, 2), "stride": (1,)},
}


@pytest.mark.parametrize("name", TENSORS)
def test_hostile_tensor_is_a_clear_error(name, tmp_path):
    path = tmp_path / "a.pt"
    _archive(path, _with_tensor(**TENSORS[name]), [("archive/data/0", b"\0" * 16)])
    with pytest.raises(UserError, match="not used as weights"):
        load_checkpoint(path)


def test_the_sound_twin_of_the_hostile_tensors_reads(tmp_path):
    path = tmp_path / "a.pt"
    _archive(path, _with_tensor((4,)), [("archive/data/0", struct.pack("4f", 1, 2, 3, 4))])
    assert load_checkpoint(path).state["w"].tolist() == [1, 2, 3, 4]


def test_compressed_archives_are_refused_before_unfolding(tmp_path):
    path = _archive(
        tmp_path / "a.pt",
        _pickled(1),
        [("archive/data/0", b"\0" * 10**7)],
        zipfile.ZIP_DEFLATED,
    )
    with pytest.raises(UserError, match="compressed"):
        load_checkpoint(path)


def test_members_larger_than_the_file_are_refused(tmp_path):
    path = _archive(tmp_path / "a.pt", _pickled(1), [("archive/data/0", b"\0" * 100)])
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<II", 100, 100), struct.pack("<II", 100, 10**9)))
    with pytest.raises(UserError, match=r"claim more bytes|not used as weights"):
        load_checkpoint(path)


def test_two_members_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.pt"
    with pytest.warns(UserWarning, match="Duplicate"):
        _archive(path, _pickled(1), [("archive/data.pkl", b"\x80\x02N.")])
    with pytest.raises(UserError, match="two members"):
        load_checkpoint(path)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x80\x02}.", b"version https://git-lfs"])
def test_files_that_are_no_archive_are_a_clear_error(data, tmp_path):
    path = tmp_path / "a.pt"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"is not a checkpoint as PyTorch"):
        load_checkpoint(path)


def test_truncated_checkpoint_is_a_clear_error(tmp_path):
    buffer = io.BytesIO()
    torch.save({"model": build_model("yolov5n", 2)}, buffer)
    (tmp_path / "a.pt").write_bytes(buffer.getvalue()[:-1000])
    with pytest.raises(UserError):
        load_checkpoint(tmp_path / "a.pt")


def test_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match=r"Cannot read .*nothing\.pt"):
        load_checkpoint(tmp_path / "nothing.pt")
    os.mkfifo(tmp_path / "pipe.pt")
    for path in (tmp_path, tmp_path / "pipe.pt"):
        with pytest.raises(UserError, match="it is not a file"):
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
