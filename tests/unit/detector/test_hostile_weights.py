"""Pickles that would run code, exhaust memory or crash a trusting reader."""

import builtins
import collections
import importlib
import os
import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from crafted import assembled, body, model_of, module_with, tensor, write_archive
from parkdet.detector import foreign
from parkdet.detector.checkpoints import load_checkpoint


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _pickled(value):
    return pickle.dumps({"ema": None, "model": value}, protocol=2)


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
    "array of objects": np.array([Call(os.system, MARK)], dtype=object),
    "dotted name": b"cmodels.yolo\nModel.__init__.__globals__\n",
    "name with a newline's twin": b"cmodels.yolo\r\nModel\n",
    "pickle.loads": Call(pickle.loads, pickle.dumps(Call(os.system, MARK))),
    "pathlib.Path.touch": Call(Path.touch, Path("ran")),
    "numpy load": b"cnumpy\nload\n(X\x03\x00\x00\x00rantR",
    "yolov5's own code": b"cmodels.yolo\nparse_model\n",
    "yolov5's downloader": b"cyolov5.utils.downloads\nattempt_download\n(X\x03\x00\x00\x00rantR",
    "storage of another kind": model_of(module_with({"w": tensor(storage="torch\nQInt8Storage")})),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_call_in_a_file_runs(name, tmp_path, refusal):
    hostile = CALLS[name]
    data = hostile if isinstance(hostile, bytes) else _pickled(hostile)
    data = data if data.startswith(b"\x80") else assembled(data)
    message = refusal(write_archive(tmp_path / "a.pt", data))
    assert "which no yolov5 checkpoint needs" in message


def test_each_layer_that_may_be_named_is_one_of_yolov5_or_pytorch():
    moved = {"yolo.Model", "experimental.CrossConv"}  # moved since v5, which had them here
    moved |= {"experimental.GhostBottleneck", "experimental.GhostConv"}
    tables = {"yolov5.models": foreign.MODULES, "torch.nn.modules": foreign.LAYERS}
    for package, table in tables.items():
        for module, names in table.items():
            layers = vars(importlib.import_module(f"{package}.{module}"))
            unknown = {f"{module}.{name}" for name in names if name not in layers}
            assert unknown <= moved


MODEL = b"cmodels.yolo\nModel\n"
INSTRUCTIONS = {
    "INST": b"(" + body(MARK) + b"ios\nsystem\n",
    "OBJ": b"(" + MODEL + b"o",
    "STACK_GLOBAL": body("os") + body("system") + b"\x93" + body((MARK,)) + b"R",
    "NEWOBJ_EX": MODEL + b")}\x92",
    "EXT1": b"\x82\x01",
    "EXT2": b"\x83\x01\x00",
    "EXT4": b"\x84\x01\x00\x00\x00",
    "PERSID": b"Pa\n",
    "FRAME": b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f",
    "BYTEARRAY8": b"\x96\x01\x00\x00\x00\x00\x00\x00\x00a",
    "NEXT_BUFFER": b"\x97",
    "SHORT_BINBYTES": b"C\x01a",
    "STRING": b"S'a'\n",
    "DUP": b"N2",
    "POP": b"N0",
    "LONG4": b"\x8b\x01\x00\x00\x00\x01",
    "PROTO": b"\x80\x04",
}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_only_the_instructions_of_torch_save_are_executed(name, tmp_path, refusal):
    path = write_archive(tmp_path / "a.pt", assembled(INSTRUCTIONS[name]))
    assert f"its pickle has a {name} instruction" in refusal(path)


def _unfolding(levels):
    value = [0] * 10
    for _ in range(levels):
        value = [value] * 10
    return value


def _module(levels):
    """The instructions for a module that holds another twice, which holds another, and so on."""
    if levels == 0:
        return MODEL + b")\x81" + body({"_parameters": {}, "_buffers": {}, "_modules": {}}) + b"b"
    memo = bytes([100 + levels])
    twice = body("a") + _module(levels - 1) + b"q" + memo + b"s" + body("b") + b"h" + memo + b"s"
    fields = body({"_parameters": {}, "_buffers": {}, "yaml": {}, "names": []})
    return MODEL + b")\x81" + fields + body("_modules") + b"}" + twice + b"sb"


SOUND = {"yaml": {}, "names": [], "_parameters": {}, "_buffers": {}, "_modules": {}}
STATES = {
    "no fields": (model_of(body({})), "KeyError: 'yaml'"),
    "a list": (model_of(body([1, 2])), "TypeError"),
    "other types": (model_of(body({"yaml": 3, "names": 4, "_modules": 5})), "TypeError"),
    "modules of text": (model_of(body({**SOUND, "_modules": "x"})), "AttributeError"),
    "a module of text": (model_of(body({**SOUND, "_modules": {"a": "x"}})), "AttributeError"),
    "a newline and an escape": (
        model_of(body({"yaml": {}, "names": {"\n\x1b[2J": 1}})),
        "KeyError",
    ),
    "slots": (model_of(body(({}, {"__class__": 1, "__dict__": {}}))), "TypeError"),
    "dunder names": (model_of(body({"__class__": 1, "__setstate__": 2})), "KeyError: 'yaml'"),
    "given twice": (model_of(body(SOUND) + b"b" + body(SOUND)), "sets the state of something"),
    "of a class": (
        assembled(MODEL, body({"__setstate__": 1}), b"b"),
        "sets the state of something",
    ),
    "of a dict": (assembled(b"}", body({"get": 1}), b"b"), "sets the state of something"),
    "call of a value": (assembled(b"}", b")R"), "calls something that is not a name"),
    "call of an object": (assembled(MODEL, b")\x81)R"), "calls something that is not a name"),
    "item of a text": (assembled(body("a"), body("k"), b"Ns"), "sets an item of something"),
    "append to a tuple": (assembled(b")Na"), "appends to something that is not a list"),
    "key of a tuple": (assembled(b"})Ns"), "sets an item of something, or by a key"),
    "number of a kilobit": (assembled(b"\x8a\x80" + b"\x01" * 128), "more than 64 bits"),
    "nothing left": (b"\x80\x02.", "ValueError"),
    "no end": (b"\x80\x02}", "pickle exhausted before seeing STOP"),
    "not a pickle": (b"\xff\xfe", "opcode"),
    "not a mapping": (assembled(b"]"), "AttributeError"),
    "memo of 64 GB": (b"\x80\x02Nr\xff\xff\xff\x7f.", "AttributeError"),
    "text of 4 GB": (b"\x80\x02X\xff\xff\xff\xff.", "ValueError"),
    "key nested 300,000 deep": (b"\x80\x02})" + b"\x85" * 300_000 + b"Ns.", "or by a key"),
    "calls nested 50,000 deep": (
        assembled(MODEL, b"q\x00)R", b"q\x01h\x00h\x01\x85R" * 50_000),
        "ValueError",
    ),
    "a million instructions": (b"\x80\x02" + b"N" * 1_100_000 + b".", "1000000 instructions"),
    "17 MB of instructions": (b"\x80\x02" + b"N" * 17_000_000 + b".", "16000000 bytes"),
    "more values than memory": (
        model_of(body({**SOUND, "yaml": {"backbone": _unfolding(30)}})),
        "more than 100000 values",
    ),
    "2 ** 39 modules": (
        assembled(b"}", body("model"), _module(39), b"s"),
        "nested too deeply, or too many",
    ),
    "modules nested 60 deep": (
        assembled(b"}", body("model"), _module(60), b"s"),
        "nested too deeply, or too many",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_hostile_state_is_a_clear_error(name, tmp_path, refusal):
    data, expected = STATES[name]
    path = write_archive(tmp_path / "a.pt", data)
    assert expected in refusal(path)


TENSORS = {
    "beyond its storage": ({"shape": (5,)}, "larger than its storage"),
    "offset beyond": ({"shape": (1,), "offset": 4}, "larger than its storage"),
    "negative offset": ({"shape": (1,), "offset": -1}, "impossible shape"),
    "negative stride": ({"shape": (2,), "stride": (-1,)}, "impossible shape"),
    "stride zero, huge": ({"shape": (10**12,), "stride": (0,)}, "larger than its storage"),
    "product beyond 64 bits": ({"shape": (2**40,) * 4, "stride": (0,) * 4}, "larger than"),
    "no element, huge side": ({"shape": (2**62, 2**62, 0), "stride": (1, 1, 1)}, "Error"),
    "a hundred sides": ({"shape": (1,) * 100, "stride": (1,) * 100}, "impossible shape"),
    "text for a number": ({"shape": ("a",)}, "impossible shape"),
    "a side that is true": ({"shape": (True,)}, "impossible shape"),
    "missing member": ({"member": "7"}, "cannot be read"),
    "member outside": ({"member": "../../../../etc/passwd"}, "cannot be read"),
    "rank and stride differ": ({"shape": (2, 2)}, "impossible shape"),
    "fewer bytes than it says": ({"elements": 5}, "another size than it says"),
    "more bytes than it says": ({"elements": 3}, "another size than it says"),
    "another type": ({"storage": "torch\nDoubleStorage"}, "another size than it says"),
    "negative size": ({"elements": -1}, "another size than it says"),
    "class for a storage": ({"storage": "models.yolo\nModel"}, "a storage of the kind"),
    "number for a name": ({"member": 0}, "not a storage of numbers"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_hostile_tensor_is_a_clear_error(name, tmp_path, refusal):
    numbers, expected = TENSORS[name]
    data = model_of(module_with({"w": tensor(**numbers)}))
    path = write_archive(tmp_path / "a.pt", data, [("archive/data/0", b"\0" * 16)])
    assert expected in refusal(path)


def test_one_storage_described_a_thousand_times_does_not_fill_the_memory(tmp_path, refusal):
    whole = {"shape": (10**6,), "elements": 10**6}
    data = model_of(module_with({f"w{index}": tensor(**whole) for index in range(1000)}))
    path = write_archive(tmp_path / "a.pt", data, [("archive/data/0", bytes(4 * 10**6))])
    assert "together are larger than the file" in refusal(path)


def test_the_sound_twin_of_the_hostile_tensors_reads(tmp_path):
    content = np.array([1, 2, 3, 4], dtype=np.float32).tobytes()
    data = model_of(module_with({"w": tensor()}))
    path = write_archive(tmp_path / "a.pt", data, [("archive/data/0", content)])
    assert load_checkpoint(path).state["w"].tolist() == [1, 2, 3, 4]
