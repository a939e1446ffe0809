import dataclasses
import sys

import pytest
import torch

from parkdet.detector.build import build_model
from parkdet.detector.checkpoints import (
    Checkpoint,
    checkpoint_of,
    load_checkpoint,
    model_from_checkpoint,
    save_checkpoint,
    transfer_weights,
)
from parkdet.errors import UserError

NAMES = ["car", "bus"]


@pytest.fixture(scope="module")
def checkpoint():
    return checkpoint_of(build_model("yolov5n", 2, seed=1), NAMES, [3, 9], 64, {"epoch": 4})


@pytest.fixture(scope="module")
def saved(checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "a.pt"
    save_checkpoint(path, checkpoint)
    return path


def _without_head(checkpoint):
    state = {
        name: tensor
        for name, tensor in checkpoint.state.items()
        if not name.startswith(checkpoint.head_prefix)
    }
    return dataclasses.replace(checkpoint, state=state)


def test_what_is_saved_is_loaded(checkpoint, saved):
    loaded = load_checkpoint(saved)
    assert (loaded.names, loaded.category_ids, loaded.imgsz) == (NAMES, [3, 9], 64)
    assert loaded.meta == {"epoch": 4}
    assert loaded.architecture == checkpoint.architecture
    for name, tensor in checkpoint.state.items():
        expected = tensor.half() if tensor.is_floating_point() else tensor
        assert torch.equal(loaded.state[name], expected)
        assert loaded.state[name].dtype == expected.dtype


def test_equal_checkpoints_are_equal_bytes_under_any_name(checkpoint, saved, tmp_path):
    again = tmp_path / "another-name.pt"
    save_checkpoint(again, checkpoint)
    reloaded = tmp_path / "reloaded.pt"
    save_checkpoint(reloaded, load_checkpoint(saved))
    rebuilt = tmp_path / "rebuilt.pt"
    model = build_model("yolov5n", 2, seed=1).to(memory_format=torch.channels_last)
    save_checkpoint(rebuilt, checkpoint_of(model, list(NAMES), [3, 9], 64, {"epoch": 4}))
    assert saved.read_bytes() == again.read_bytes()
    assert saved.read_bytes() == reloaded.read_bytes()
    assert saved.read_bytes() == rebuilt.read_bytes()


def test_loads_with_weights_only_and_pytorch_alone(saved):
    torch.serialization.clear_safe_globals()
    assert torch.load(saved, weights_only=True)["format"] == "parkdet"


def test_reads_what_torch_reads(saved):
    content = torch.load(saved, weights_only=True)
    loaded = load_checkpoint(saved)
    assert vars(loaded).keys() <= content.keys()
    assert content["names"] == loaded.names
    assert list(content["state"]) == list(loaded.state)
    for name, tensor in content["state"].items():
        assert torch.equal(loaded.state[name], tensor)
        assert loaded.state[name].dtype == tensor.dtype


def test_values_that_are_not_plain_are_not_saved(checkpoint, tmp_path):
    with pytest.raises(TypeError, match="set"):
        save_checkpoint(tmp_path / "a.pt", dataclasses.replace(checkpoint, meta={"a": {1}}))
    assert list(tmp_path.iterdir()) == []


def test_model_of_a_checkpoint_computes_what_the_saved_one_did(saved):
    model = model_from_checkpoint(load_checkpoint(saved))
    expected = build_model("yolov5n", 2, seed=1).half().float().eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(image)[0], expected(image)[0])


def test_head_may_be_missing_but_not_for_inference(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "a.pt", _without_head(checkpoint))
    loaded = load_checkpoint(tmp_path / "a.pt")
    assert not loaded.has_head
    with pytest.raises(UserError, match="no detection head"):
        model_from_checkpoint(loaded)


def test_weights_of_another_shape_are_a_clear_error(checkpoint):
    wider = dataclasses.replace(checkpoint, names=["a", "b", "c"])
    with pytest.raises(UserError, match=r"do not fit.*size mismatch"):
        model_from_checkpoint(wider)


def test_transfer_takes_what_fits_by_name_and_shape(checkpoint):
    model = build_model("yolov5n", 5, seed=2)
    head = model.model[-1].m[0].weight.clone()
    moved, total = transfer_weights(model, checkpoint)
    own = model.state_dict()
    assert total == len(own)
    assert moved == total - 6  # weight and bias of three output layers
    assert torch.equal(own["model.0.conv.weight"], checkpoint.state["model.0.conv.weight"])
    assert torch.equal(model.model[-1].m[0].weight, head)


def test_transfer_can_leave_out_the_anchors(checkpoint):
    changed = {**checkpoint.state, "model.24.anchors": torch.ones(3, 3, 2)}
    model = build_model("yolov5n", 2)
    transfer_weights(model, dataclasses.replace(checkpoint, state=changed), exclude=["anchors"])
    assert not (model.model[-1].anchors == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "not read as a yolov5 detector"),
        ({"version": 2}, "another version"),
        ({"names": 3}, "field is missing or wrong"),
        ({"names": [3, 4]}, "wrong type"),
        ({"category_ids": ["a"]}, "wrong type"),
        ({"category_ids": list(range(100))}, "wrong type or length"),
        ({"imgsz": "640"}, "wrong type"),
        ({"state": {"a": 3}}, "where a tensor should be"),
        ({"architecture": {}}, "field is missing or wrong"),
    ],
)
def test_wrong_fields_are_named(change, message, saved, tmp_path):
    content = torch.load(saved, weights_only=True)
    torch.save({**content, **change}, tmp_path / "wrong.pt")
    with pytest.raises(UserError, match=message):
        load_checkpoint(tmp_path / "wrong.pt")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_of_a_training_that_diverged_are_refused(value, checkpoint, tmp_path):
    name = next(name for name in checkpoint.state if name.endswith("conv.weight"))
    tensor = checkpoint.state[name].clone()
    tensor[0, 0] = value
    diverged = dataclasses.replace(checkpoint, state={**checkpoint.state, name: tensor})
    save_checkpoint(tmp_path / "a.pt", diverged)
    with pytest.raises(UserError, match=r"a\.pt .*NaN or infinite weights"):
        load_checkpoint(tmp_path / "a.pt")


def test_yolov5_checkpoint_reads_as_a_trusting_load_does(shared_data, monkeypatch):
    path = shared_data / "weights" / "yolov5n.pt"
    loaded = load_checkpoint(path)
    for name in ("models", "models.yolo", "models.common"):
        monkeypatch.setitem(sys.modules, name, sys.modules[f"yolov5.{name}"])
    content = torch.load(path, map_location="cpu", weights_only=False)
    model = content.get("ema") or content["model"]
    expected = model.state_dict()
    assert list(loaded.state) == list(expected)
    assert all(torch.equal(loaded.state[name], expected[name]) for name in expected)
    assert loaded.names == list(getattr(model.names, "values", lambda: model.names)())
    assert loaded.names[2] == "car"
    assert loaded.category_ids == []
    image = torch.rand(1, 3, 64, 64)
    del model.model[-1].anchor_grid  # as yolov5 does with files of before v6.1
    model.model[-1].anchor_grid = [torch.zeros(1)] * 3
    with torch.no_grad():
        ours = model_from_checkpoint(loaded)(image)[0]
        torch.testing.assert_close(ours, model.float().eval()(image)[0])


def _foreign(path, **content):
    """A checkpoint pickled as yolov5's train does."""
    torch.save({"epoch": -1, "optimizer": None, **content}, path)
    return path


def test_moving_average_is_preferred(tmp_path):
    model, average = (build_model("yolov5n", 2, seed=seed).half() for seed in (1, 2))
    loaded = load_checkpoint(_foreign(tmp_path / "a.pt", model=model, ema=average))
    name = "model.0.conv.weight"
    assert torch.equal(loaded.state[name], average.state_dict()[name])


def test_v5_checkpoints_with_stored_anchor_grid_and_named_classes(tmp_path):
    model = build_model("yolov5n", 2, seed=1).half()
    model.model[-1].anchor_grid = None
    del model.model[-1].anchor_grid
    model.model[-1].register_buffer("anchor_grid", torch.zeros(3, 1, 3, 1, 1, 2))
    model.names = {0: "car", 1: "bus"}
    path = _foreign(tmp_path / "a.pt", model=model, ema=None, opt={"imgsz": 320})
    loaded = load_checkpoint(path)
    assert (loaded.names, loaded.imgsz) == (NAMES, 320)
    assert model_from_checkpoint(loaded).model[-1].nc == 2


def test_foreign_checkpoint_survives_being_saved_as_ours(tmp_path):
    model = build_model("yolov5n", 2, seed=1).half()
    loaded = load_checkpoint(_foreign(tmp_path / "a.pt", model=model))
    save_checkpoint(tmp_path / "b.pt", loaded)
    again = load_checkpoint(tmp_path / "b.pt")
    assert isinstance(again, Checkpoint)
    assert all(torch.equal(again.state[name], loaded.state[name]) for name in loaded.state)
