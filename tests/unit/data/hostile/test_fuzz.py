"""Random annotation files and names, put through the whole of prepare_dataset.py.

Each run succeeds with every image and box accounted for, or ends with one message; nothing is ever
written outside the output folder. PARKDET_FUZZ=N tries N of each, drawn anew (`make fuzz`).
"""

import contextlib
import io
import json
import os
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hostile.accounts import check_accounts
from hostile.runner import is_one_paragraph, run_prepare, tree

EXAMPLES = int(os.environ.get("PARKDET_FUZZ", "0"))
fuzz = settings(
    max_examples=EXAMPLES or 100,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

SOUND = [{"id": k, "file_name": f"a_{k}.png", "width": 40, "height": 20} for k in range(1, 7)]
BOXES = [
    {"id": k, "image_id": k, "category_id": 3, "bbox": [3, 4, 10, 8], "iscrowd": 0}
    for k in range(1, 7)
]
CATEGORIES = [{"id": 3, "name": "car"}, {"id": 7, "name": "cart"}]
SOUND_TEXT = json.dumps(
    {"images": SOUND, "annotations": BOXES, "categories": CATEGORIES}, ensure_ascii=False
).encode()


@pytest.fixture(scope="module", autouse=True)
def _no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="module")
def picture():
    file = io.BytesIO()
    Image.new("RGB", (40, 20)).save(file, "png")
    return file.getvalue()


def check(train_json: bytes, names: list[str], picture: bytes) -> int:
    """Prepares a set with this Train.json and files of these names; returns the exit code."""
    with tempfile.TemporaryDirectory() as place:
        root, out = Path(place, "root"), Path(place, "out")
        folder = root / "train/images"
        folder.mkdir(parents=True)
        for name in names:
            with contextlib.suppress(OSError, ValueError):  # no file can have such a name
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(picture)
        (root / "train/label").mkdir()
        (root / "train/label/Train.json").write_bytes(train_json)
        before, messages = tree(Path(place)), io.StringIO()
        with contextlib.redirect_stderr(messages):
            done = run_prepare(root, out, ["--link=copy"])
        after = {
            name: what for name, what in tree(Path(place)).items() if name.split("/")[0] != "out"
        }
        assert done.strays == [] and after == before
        if done.code == 0:
            check_accounts(root, out)
        else:
            assert done.code == 2 and is_one_paragraph(messages.getvalue()), messages.getvalue()
            assert not out.exists()
        return done.code


pieces = st.one_of(
    st.binary(max_size=4),
    st.sampled_from(
        [b"NaN", b"-Infinity", b"1e999", b"9" * 5000, b"null", b"{}", b"[[", b"]", b'"']
    ),
    st.sampled_from([b"\xff", b"\xef\xbb\xbf", b"\\ud800", b"\\u0000", b"\x00", b"../", b","]),
)
edits = st.lists(
    st.tuples(st.integers(0, len(SOUND_TEXT)), st.integers(0, 12), pieces), min_size=1, max_size=6
)


@fuzz
@given(edits)
def test_damaged_json(picture, edits):
    text = SOUND_TEXT
    for start, removed, piece in edits:
        text = text[:start] + piece + text[start + removed :]
    check(text, [image["file_name"] for image in SOUND], picture)


small = st.integers(-1, 8)
numbers = st.one_of(
    small, st.integers(), st.floats(), st.sampled_from([2**63, -(2**63), 10**400, 40, 1e308])
)
anything = st.recursive(
    st.one_of(numbers, st.none(), st.booleans(), st.text(max_size=6)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
names_listed = st.sampled_from([*(image["file_name"] for image in SOUND), "b_7.png", "b_8.png"])


def entries(**values):
    """Lists of objects that lack some keys and now and then have values of any kind."""
    keys = {key: value | anything for key, value in values.items()}
    return st.lists(st.fixed_dictionaries({}, optional=keys), max_size=5)


contents = st.fixed_dictionaries(
    {
        "images": entries(id=small, file_name=names_listed, width=numbers, height=numbers),
        "annotations": entries(
            id=small,
            image_id=small,
            category_id=st.sampled_from([3, 7]),
            bbox=st.lists(numbers, min_size=4, max_size=4),
            iscrowd=st.integers(0, 1),
        ),
        "categories": st.just([]) | entries(id=small, name=st.text(max_size=4)),
    }
)


@fuzz
@given(contents)
def test_values_of_any_kind(picture, content):
    content["images"] = SOUND + content["images"]
    content["annotations"] = BOXES + content["annotations"]
    content["categories"] = CATEGORIES + content["categories"]
    names = [image["file_name"] for image in SOUND]
    check(json.dumps(content).encode(), [*names, "b_7.png"], picture)


name_pieces = st.one_of(
    st.sampled_from(["..", ".", "/", "/", "images", "labels", "train", "a", "A", "가", "~", "-"]),
    st.sampled_from(["\0", "\n", "\u2028", "\ud800", "\x1b[2J", " ", "\\", "$(id)", ";", "'", '"']),
    st.sampled_from(
        [".txt", ".png", ".PNG", ".json", "x" * 240, "é", unicodedata.normalize("NFD", "각é")]
    ),
    st.text(max_size=3),
)
names = st.builds(
    lambda stem, suffix: "".join(stem) + suffix,
    st.lists(name_pieces, min_size=1, max_size=5),
    st.sampled_from([".png", ".png", ".PNG", ".jpg", ".txt", ""]),
)


@fuzz
@given(st.lists(names, min_size=1, max_size=4))
def test_no_name_makes_the_rest_of_the_set_unusable(picture, names):
    listed = [{"id": 10 + k, "file_name": name} for k, name in enumerate(names)]
    boxes = [{**BOXES[0], "id": 10 + k, "image_id": 10 + k} for k in range(len(names))]
    content = {
        "images": SOUND + listed,
        "annotations": BOXES + boxes,
        "categories": CATEGORIES,
    }
    inside = [name for name in names if ".." not in name and not name.startswith("/")]
    files = [image["file_name"] for image in SOUND] + inside
    assert check(json.dumps(content).encode(), files, picture) == 0
