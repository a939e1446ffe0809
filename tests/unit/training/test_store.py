import hashlib
import io
import os
import random
import resource

import pytest
import torch

from parkdet import files
from parkdet.errors import UserError
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
    assert [path.name for path in store.files()] == [
        "epoch-000011-batch-000000.pt",
        "epoch-000010-batch-000000.pt",
    ]


def two_saved(folder):
    store = StateStore(folder)
    for number in (1, 2):
        store.save(state(number), number)
    return store


def test_a_flipped_bit_anywhere_falls_back_to_the_state_before(tmp_path, messages):
    newest = two_saved(tmp_path).files()[0]
    whole = newest.read_bytes()
    draw = random.Random(1)
    places = {0, len(whole) - 33, len(whole) - 32, len(whole) - 1}
    places |= {draw.randrange(len(whole)) for _ in range(100)}
    for place in places:
        content = bytearray(whole)
        content[place] ^= 1 << draw.randrange(8)
        newest.write_bytes(content)
        assert StateStore(tmp_path).load()["number"] == 1
    assert messages.text.count("batch-000000.pt is damaged (its checksum differs)") == len(places)


@pytest.mark.parametrize("size", [0, 10, 31, 32, 33, 500, -1])
def test_a_truncated_state_falls_back(tmp_path, size):
    store = two_saved(tmp_path)
    newest = store.files()[0]
    os.truncate(newest, size % newest.stat().st_size)
    assert store.load()["number"] == 1


def test_appended_bytes_are_damage_too(tmp_path):
    store = two_saved(tmp_path)
    with store.files()[0].open("ab") as file:
        file.write(b"\0")
    assert store.load()["number"] == 1


def test_an_intact_newest_state_needs_no_intact_one_before(tmp_path, messages):
    store = two_saved(tmp_path)
    store.files()[1].write_bytes(random.Random(1).randbytes(1000))
    assert store.load()["number"] == 2
    assert not messages.text


def test_if_all_states_are_damaged_it_starts_anew_and_says_so(tmp_path, messages):
    store = two_saved(tmp_path)
    for path in store.files():
        os.truncate(path, 100)
    assert store.load() is None
    assert messages.text.count("is damaged") == 2
    assert f"no state in {tmp_path} can be used: the training starts anew" in messages.text


def sealed(content):
    return content + hashlib.sha256(content).digest()


def packed(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"garbage", "torch cannot load it"),
        (b"", "torch cannot load it"),
        (packed({"format": 0}), "its format is not"),
        (packed([1, 2]), "its format is not"),
    ],
    ids=["garbage", "nothing", "another format", "no state"],
)
def test_a_state_of_another_version_is_neither_passed_over_nor_removed(tmp_path, content, reason):
    store = two_saved(tmp_path)
    store.files()[0].write_bytes(sealed(content))
    with pytest.raises(UserError, match=f"intact, but .*{reason}.*remove {tmp_path}"):
        store.load()
    assert len(store.files()) == 2


def test_a_state_that_cannot_be_read_is_passed_over_and_kept(tmp_path, messages):
    store = two_saved(tmp_path)
    newest = store.files()[0]
    newest.unlink()
    newest.mkdir()  # reading it fails, for root, too
    assert store.load()["number"] == 1
    assert f"{newest} cannot be read (" in messages.text
    assert newest.exists()


def test_batches_order_within_an_epoch(tmp_path):
    store = StateStore(tmp_path)
    for number, place in enumerate([(1, 999), (2, 0), (2, 7), (2, 12)]):
        store.save(state(number), *place)
    assert [path.name for path in store.files()] == [
        "epoch-000002-batch-000012.pt",
        "epoch-000002-batch-000007.pt",
    ]
    assert store.load()["number"] == 3


def test_a_damaged_state_does_not_take_the_place_of_an_intact_one(tmp_path):
    store = StateStore(tmp_path)
    for number in (4, 5):
        store.save(state(number), number)
    os.truncate(store.files()[0], 100)
    again = StateStore(tmp_path)
    again.load()
    assert len(again.files()) == 2  # nothing is removed before something is saved
    again.save(state(4.5), 4, 5)
    names = ["epoch-000004-batch-000005.pt", "epoch-000004-batch-000000.pt"]
    assert [path.name for path in again.files()] == names


def test_only_leftovers_of_killed_saves_are_tidied_away(tmp_path):
    store = StateStore(tmp_path)
    saved = store.save(state(1), 1)
    others = [tmp_path / name for name in ("notes.txt", ".hidden", "epoch-1.pt", ".epoch-1.pt.x")]
    for path in others:
        path.touch()
    (tmp_path / f".{saved.name}.a1b2c3d4").touch()
    store.tidy()
    assert sorted(tmp_path.iterdir()) == sorted([saved, *others])


def test_the_temporary_file_of_a_save_has_a_name_that_is_tidied(tmp_path, monkeypatch):
    store = StateStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", lambda *_: None)
        patch.setattr(files.os, "unlink", lambda *_: None)
        store.save(state(1), 1)  # its temporary file stays, as if the process were killed there
    (left,) = tmp_path.iterdir()
    store.tidy()
    assert not left.exists()


@pytest.mark.parametrize("bytes_left", [0, 300, 50_000])
def test_a_full_disk_is_a_clear_error_and_costs_no_state(tmp_path, bytes_left):
    store = StateStore(tmp_path)
    store.save(state(1), 1)
    before = store.files()[0].read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, limit[1]))  # like a full disk to writers
    try:
        with pytest.raises(
            UserError, match=r"Cannot write .*epoch-000002.*disk not full.*continue"
        ):
            store.save({"weights": torch.zeros(100_000)}, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]
    assert store.load()["number"] == 1


def test_the_identity_stays_and_is_made_anew_where_it_is_damaged(tmp_path):
    identity = StateStore(tmp_path).identity()
    assert StateStore(tmp_path).identity() == identity
    (tmp_path / "identity.json").write_text("half a fi")
    anew = StateStore(tmp_path).identity()
    assert anew != identity
    assert StateStore(tmp_path).identity() == anew


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
def test_what_auto_resolved_to_is_named(tmp_path, messages, automatic, said):
    for precision in ("bf16", "fp32"):
        decisive = {"precision": precision, "seed": 0}
        open_store(tmp_path, fingerprint(decisive), decisive, automatic)
    assert messages.text.rstrip().endswith(f"precision was bf16, {said}")


def test_differences_name_missing_keys():
    assert differences({"a": 1, "b": 2}, {"b": 2, "c": None}) == [
        "a was 1, is not there",
        "c was not there, is None",
    ]


def test_the_fingerprint_ignores_the_order_of_keys():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert len(fingerprint({})) == 16
