import copy
import logging
import os
import platform

import pytest
import torch
from torch import nn

from parkdet.detector import compiled, norm_silu
from parkdet.detector.build import build_model
from parkdet.detector.norm_silu import NormSiLU, fuse_norm_silu

# With fewer channels than a vector holds, with whole vectors, and with some channels left over.
SHAPES = [(2, 8, 5, 7), (3, 16, 1, 1), (2, 40, 33, 21), (1, 4, 300, 301)]


@pytest.fixture(autouse=True)
def compiler_present():
    assert norm_silu.load_compiled(norm_silu.SOURCE), "these tests need a C++ compiler: g++"


def images_of(shape, kind=torch.float32, mean=3.0):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))) * 2 + mean
    return values.to(kind).contiguous(memory_format=torch.channels_last).requires_grad_()


def layers_of(channels):
    """The same layer plain and fused."""
    plain = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03)
    generator = torch.Generator().manual_seed(channels)
    for tensor in (plain.weight, plain.bias, plain.running_mean):
        tensor.data.normal_(generator=generator)
    fused = copy.deepcopy(plain)
    fused.__class__ = NormSiLU
    return plain, fused


def run(layer, images, gradient):
    """Everything that a step computes: output, gradients, running statistics."""
    output = layer(images)
    if not isinstance(layer, NormSiLU):
        output = nn.functional.silu(output)
    found = torch.autograd.grad(output, [images, layer.weight, layer.bias], gradient.to(output))
    return [output.detach(), *found, layer.running_mean.clone(), layer.running_var.clone()]


@pytest.mark.parametrize("shape", SHAPES)
def test_float_equals_double_precision(shape):
    images, (plain, fused) = images_of(shape), layers_of(shape[1])
    gradient = torch.randn(shape).contiguous(memory_format=torch.channels_last)
    exact = run(plain.double(), images.detach().double().requires_grad_(), gradient.double())
    for ours, expected in zip(run(fused, images, gradient), exact, strict=True):
        scale = expected.abs().max().item()
        torch.testing.assert_close(ours.double(), expected, rtol=1e-5, atol=3e-6 * scale)


@pytest.mark.parametrize("shape", SHAPES[2:])
def test_bfloat16_is_as_near_to_the_truth_as_torch(shape):
    images, (plain, fused) = images_of(shape, torch.bfloat16), layers_of(shape[1])
    gradient = torch.randn(shape).contiguous(memory_format=torch.channels_last)
    exact = run(
        copy.deepcopy(plain).double(),
        images.detach().double().requires_grad_(),
        gradient.bfloat16().double(),
    )
    ours, torchs = run(fused, images, gradient), run(plain, images, gradient)
    for our, their, expected in zip(ours[:4], torchs[:4], exact[:4], strict=True):
        error, allowed = ((found.double() - expected).abs().mean() for found in (our, their))
        assert error <= 1.1 * allowed
    for our, expected in zip(ours[4:], exact[4:], strict=True):
        torch.testing.assert_close(our.double(), expected, rtol=3e-6, atol=3e-7)


def test_statistics_survive_a_mean_far_from_zero():
    images, (plain, fused) = images_of((4, 16, 40, 40), mean=5000.0), layers_of(16)
    gradient = torch.ones(4, 16, 40, 40)
    exact = run(plain.double(), images.detach().double().requires_grad_(), gradient.double())
    ours = run(fused, images, gradient)
    torch.testing.assert_close(ours[5].double(), exact[5], rtol=1e-5, atol=0)


def test_saturated_values_are_as_in_torch():
    images, (plain, fused) = images_of((2, 1, 5, 7)), layers_of(1)
    gradient = torch.ones(2, 1, 5, 7)
    for layer in (plain, fused):
        layer.weight.data.fill_(1000.0)  # makes sigmoid 0 or 1 almost everywhere
    for ours, theirs in zip(
        run(fused, images, gradient), run(plain, images, gradient), strict=True
    ):
        assert ours.isfinite().all()
        scale = theirs.abs().max().item()
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * scale)


def test_nan_is_not_hidden():
    images = torch.tensor([1.0, float("nan"), 2.0]).reshape(1, 1, 1, 3)
    layer = layers_of(1)[1]
    for kind in (torch.float32, torch.bfloat16):
        assert layer(images.to(kind).contiguous(memory_format=torch.channels_last)).isnan().all()


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_bits_depend_on_neither_run_nor_threads(kind):
    images, fused = images_of((4, 48, 64, 64), kind), layers_of(48)[1]
    gradient = torch.randn(images.shape).contiguous(memory_format=torch.channels_last)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 1, 2, 3):
            torch.set_num_threads(threads)
            results.append(run(copy.deepcopy(fused), images, gradient))
    finally:
        torch.set_num_threads(before)
    for result in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(result, results[0], strict=True))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the option is x86's")
def test_every_cpu_rounds_to_the_same_bits(monkeypatch):
    monkeypatch.setenv("CXX", f"{os.environ.get('CXX', 'c++')} -mno-avx512bf16")
    compiled_plainly = compiled.load_compiled.__wrapped__(norm_silu.SOURCE)
    # So many values that some lie halfway between two bfloat16 numbers.
    images, fused = images_of((1, 16, 300, 301), torch.bfloat16), layers_of(16)[1]
    gradient = torch.randn(images.shape).contiguous(memory_format=torch.channels_last)
    expected = run(copy.deepcopy(fused), images, gradient)
    monkeypatch.setattr(norm_silu, "_operation", norm_silu._operation.__wrapped__)
    monkeypatch.setattr(norm_silu, "load_compiled", lambda _: compiled_plainly)
    found = run(fused, images, gradient)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_gradient_that_is_a_part_of_a_wider_tensor():
    images, fused = images_of((2, 16, 6, 5)), layers_of(16)[1]
    wide = torch.randn(2, 40, 6, 5).contiguous(memory_format=torch.channels_last)
    part = wide[:, 8:24]
    assert not part.is_contiguous(memory_format=torch.channels_last)
    expected = run(copy.deepcopy(fused), images, part.clone(memory_format=torch.channels_last))
    for given in (part, part.contiguous()):
        found = run(copy.deepcopy(fused), images, given)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_detector_keeps_its_names_and_its_loss():
    model = build_model("yolov5n", classes=2, seed=0).to(memory_format=torch.channels_last)
    fused = copy.deepcopy(model)
    fuse_norm_silu(fused)
    assert sum(isinstance(module, NormSiLU) for module in fused.modules()) == 57
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    for found, expected in zip(fused(images), model(images), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(fused.state_dict()[name], value, msg=name)
    fused.eval(), model.eval()
    model.load_state_dict(fused.state_dict())
    assert torch.equal(fused(images)[0], model(images)[0])


def test_without_a_compiler_the_model_stays_as_it_is(monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(norm_silu, "load_compiled", compiled.load_compiled.__wrapped__)
    logging.getLogger("parkdet").propagate = True
    caplog.set_level(logging.INFO, "parkdet")
    model = build_model("yolov5n", classes=2, seed=0)
    fuse_norm_silu(model)
    assert not any(isinstance(module, NormSiLU) for module in model.modules())
    assert "no C++ compiler was found" in caplog.text


def test_a_compiler_that_fails_is_reported_and_stops_nothing(monkeypatch, caplog, tmp_path):
    broken = tmp_path / "c++"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && exit\necho "no room" >&2\nexit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    logging.getLogger("parkdet").propagate = True
    assert compiled.load_compiled.__wrapped__(norm_silu.SOURCE) is None
    assert "could not be compiled, so a CPU is slower: no room" in " ".join(caplog.text.split())


def test_a_folder_that_cannot_be_written_costs_only_time(monkeypatch):
    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr(compiled.shutil, "copyfile", refuse)
    monkeypatch.setattr(compiled, "_identity", lambda *_: "elsewhere")
    library, identity = compiled.load_compiled.__wrapped__(norm_silu.SOURCE)
    assert identity == "elsewhere"
    assert library.norm_silu_forward_float32
