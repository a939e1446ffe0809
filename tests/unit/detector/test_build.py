import pytest
import torch
from yolov5.models.common import Conv

from parkdet.detector.build import (
    architecture_names,
    build_model,
    check_architecture,
    largest_stride,
    read_architecture,
)
from parkdet.errors import UserError


def _equal(one, two):
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_seed_alone_decides_the_initial_weights():
    first = build_model("yolov5n", 14, seed=3)
    torch.rand(5)
    assert _equal(first, build_model("yolov5n", 14, seed=3))
    assert not _equal(first, build_model("yolov5n", 14, seed=4))


def test_global_generator_is_left_alone():
    before = torch.get_rng_state()
    build_model("yolov5n", 2, seed=1)
    assert torch.equal(before, torch.get_rng_state())


def test_number_of_classes_replaces_the_architectures():
    model = build_model("yolov5n", 14)
    assert model.model[-1].nc == 14
    assert model.yaml["nc"] == 14


def test_given_architecture_is_not_changed():
    layers = read_architecture("yolov5n")
    build_model(layers, 3)
    assert layers == read_architecture("yolov5n")


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match=r"`yolov9`.*yolov5n, .*yolov5x6"):
        build_model("yolov9", 3)


@pytest.mark.parametrize("name", architecture_names())
def test_all_shipped_architectures_pass_the_check(name):
    check_architecture(read_architecture(name))


def test_stride_of_p6_architectures_is_64():
    assert largest_stride(build_model("yolov5n", 2)) == 32
    assert largest_stride(build_model("yolov5n6", 2)) == 64


HOSTILE = "__import__('pathlib').Path('hostile').touch()"


@pytest.mark.parametrize(
    "change",
    [
        lambda layers: layers["backbone"].insert(0, [-1, 1, HOSTILE, [64]]),
        lambda layers: layers["backbone"][0].__setitem__(3, [HOSTILE]),
        lambda layers: layers["head"][-1].__setitem__(3, ["nc", [[HOSTILE]]]),
        lambda layers: layers.update(activation=HOSTILE),
        lambda layers: layers.update(activation=f"nn.SiLU() or {HOSTILE}"),
        lambda layers: layers.update(depth_multiple=HOSTILE),
        lambda layers: layers["backbone"][0].__setitem__(2, "torch.hub.load"),
        lambda layers: layers.pop("head"),
        lambda layers: layers.update(head=3),
    ],
)
def test_architecture_with_code_in_it_is_refused(change, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layers = read_architecture("yolov5n")
    change(layers)
    with pytest.raises(UserError, match="architecture"):
        build_model(layers, 3)
    assert not (tmp_path / "hostile").exists()


def test_layers_that_do_not_fit_are_a_clear_error():
    layers = read_architecture("yolov5n")
    layers["head"][-1] = [[17, 200], 1, "Detect", ["nc", "anchors"]]
    with pytest.raises(UserError, match="cannot be built"):
        build_model(layers, 3)


def test_activation_of_one_model_does_not_reach_the_next():
    before = Conv.default_act
    build_model("yolov5s-LeakyReLU", 2)
    assert Conv.default_act is before
