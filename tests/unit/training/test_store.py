import os

import pytest
import torch

from parkdet.training.fingerprint import fingerprint
from parkdet.training.store import StateStore, differences, open_store


def state(number):
    return {"weights": torch.full((100,), float(number)), "number": number}


def test_the_newest_state_is_loaded(tmp_path):
    store = StateStore(tmp_path)
    assert store.load() is None
    for number in (1, 2):
        store.save(state(number), number)
    loaded = store.load()
    assert loaded["number"] == 2
    assert torch.equal(loaded["weights"], state(2)["weights"])


def test_the_two_newest_are_kept(tmp_path):
    store = StateStore(tmp_path)
    for number in (8, 9, 10, 11):
        store.save(state(number), number)
    assert [path.name for path in store.files()] == ["epoch-000011.pt", "epoch-000010.pt"]


@pytest.mark.parametrize("place", [0, 0.3, 0.7, 0.999])
def test_a_damaged_state_falls_back_to_the_one_before(tmp_path, messages, place):
    store = StateStore(tmp_path)
    for number in (1, 2):
        store.save(state(number), number)
    newest = store.files()[0]
    content = bytearray(newest.read_bytes())
    content[int(place * len(content))] ^= 1
    newest.write_bytes(content)
    assert store.load()["number"] == 1
    assert "epoch-000002.pt is damaged" in messages.text


@pytest.mark.parametrize("size", [0, 10, 31, 32, 33, 500])
def test_a_truncated_state_falls_back(tmp_path, size):
    store = StateStore(tmp_path)
    for number in (1, 2):
        store.save(state(number), number)
    os.truncate(store.files()[0], size)
    assert store.load()["number"] == 1


def test_all_damaged_is_a_fresh_start(tmp_path):
    store = StateStore(tmp_path)
    store.save(state(1), 1)
    os.truncate(store.files()[0], 100)
    assert store.load() is None


def test_clear_removes_all_states(tmp_path):
    store = StateStore(tmp_path)
    store.save(state(1), 1)
    store.clear()
    assert store.load() is None


def test_other_settings_start_another_folder_and_the_log_says_what_differs(tmp_path, messages):
    old, new = {"seed": 0, "epochs": 3}, {"seed": 1, "epochs": 3}
    first = open_store(tmp_path, fingerprint(old), old)
    assert "other settings" not in messages.text
    second = open_store(tmp_path, fingerprint(new), new)
    assert first.folder != second.folder
    assert f"{first.folder} holds a training with other settings: seed was 0, is 1" in messages.text
    assert messages.records[-1].levelname == "WARNING"
    messages.clear()
    open_store(tmp_path, fingerprint(new), new)
    assert not messages.text


@pytest.mark.parametrize(
    ("automatic", "said"), [(("precision",), "is fp32 (auto here)"), ((), "is fp32")]
)
def test_what_auto_came_to_is_named(tmp_path, messages, automatic, said):
    for precision in ("bf16", "fp32"):
        decisive = {"precision": precision, "seed": 0}
        open_store(tmp_path, fingerprint(decisive), decisive, automatic)
    assert messages.text.rstrip().endswith(f"precision was bf16, {said}")


def test_differences_name_missing_keys():
    assert differences({"a": 1, "b": 2}, {"b": 2, "c": 3}) == [
        "a was 1, is None",
        "c was None, is 3",
    ]


def test_the_fingerprint_ignores_the_order_of_keys():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert len(fingerprint({})) == 16
