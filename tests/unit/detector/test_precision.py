import pytest
import torch

from parkdet.detector.precision import autocast, resolve_device, resolve_precision
from parkdet.errors import UserError

CPU = torch.device("cpu")


@pytest.mark.parametrize("requested", ["fp32", "bf16"])
def test_a_requested_precision_is_used(requested):
    assert resolve_precision(requested, CPU, training=True) == requested


@pytest.mark.parametrize(
    ("abilities", "expected"),
    [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32")],
)
def test_auto_on_a_cpu_follows_its_instructions(abilities, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    assert resolve_precision("auto", CPU, training=True) == expected


def test_training_in_fp16_on_a_cpu_is_refused():
    with pytest.raises(UserError, match="fp16"):
        resolve_precision("fp16", CPU, training=True)
    assert resolve_precision("fp16", CPU, training=False) == "fp16"


def test_unknown_precision_is_refused():
    with pytest.raises(UserError, match="auto, fp32, bf16 or fp16"):
        resolve_precision("int8", CPU, training=False)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_autocast_decides_the_type(precision, dtype):
    layer = torch.nn.Linear(4, 4)
    with autocast(precision, CPU):
        assert layer(torch.ones(1, 4)).dtype == dtype


def test_device_names():
    assert resolve_device("cpu") == CPU
    with pytest.raises(UserError, match="cuda:99"):
        resolve_device("cuda:99")
    with pytest.raises(UserError, match="Unknown device"):
        resolve_device("gpu")
