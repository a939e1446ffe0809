import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parkdet.errors import UserError
from parkdet.submission.cut import cut_file
from parkdet.submission.cut_report import describe

# Scores on the grid and off it, with many ties.
SCORES = st.one_of(
    st.integers(0, 20).map(lambda k: k / 1000),
    st.integers(0, 1000).map(lambda k: k / 1000),
    st.floats(0, 1).map(lambda score: round(score, 4)),
    st.floats(0, 1),
)
RECORDS = st.lists(
    st.builds(
        lambda image, category, box, score, more: {
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "score": score,
            "segmentation": [],
            **more,
        },
        st.integers(0, 10**6),
        st.integers(1, 14),
        st.lists(st.floats(0, 2000).map(lambda x: round(x, 1)), min_size=4, max_size=4),
        SCORES,
        st.dictionaries(st.just("이름"), st.text(max_size=5)),  # a key that is in no format
    ),
    max_size=12,
)
LIMITS = st.integers(3, 1600)
KEYS = ("image_id", "category_id", "bbox", "score", "segmentation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cut")


def cut(folder, records, max_bytes, method):
    (folder / "in.json").write_bytes(msgspec.json.encode(records))
    report = cut_file(folder / "in.json", folder / "out.json", max_bytes, method)
    return report, (folder / "out.json").read_bytes()


def compact(records):
    return msgspec.json.encode([{key: record[key] for key in KEYS} for record in records])


def search_by_steps(records, max_bytes):
    """Finds the threshold by rewriting the file: up by 0.01, one step back, up by 0.001."""

    def dumped(step):
        return json.dumps([r for r in records if r["score"] >= step / 1000]).encode()

    step = 0
    while len(dumped(step)) >= max_bytes:
        step += 10
    step = max(0, step - 10)
    while len(dumped(step)) >= max_bytes:
        step += 1
    return step / 1000, dumped(step)


@settings(max_examples=120, deadline=None)
@given(records=RECORDS, max_bytes=LIMITS)
def test_threshold_equals_the_search_by_steps_to_the_byte(folder, records, max_bytes):
    report, content = cut(folder, records, max_bytes, "threshold")
    assert (report.threshold, content) == search_by_steps(records, max_bytes)


@settings(max_examples=120, deadline=None)
@given(records=RECORDS, max_bytes=LIMITS)
def test_global_keeps_all_that_fits_in_score_order(folder, records, max_bytes):
    report, content = cut(folder, records, max_bytes, "global")
    best_first = sorted(range(len(records)), key=lambda i: (-records[i]["score"], i))
    files = []
    for count in range(len(records) + 1):
        kept = sorted(best_first[:count])
        files.append(compact([records[i] for i in kept]))
    fitting = [file for file in files if len(file) < max_bytes]
    assert content == fitting[-1]
    assert report.bytes == len(content)


@settings(max_examples=80, deadline=None)
@given(records=RECORDS, max_bytes=LIMITS, method=st.sampled_from(["global", "threshold"]))
def test_report_counts_what_the_file_holds(folder, records, max_bytes, method):
    report, content = cut(folder, records, max_bytes, method)
    kept = json.loads(content)
    left = records if method == "threshold" else json.loads(compact(records))
    left = list(left)
    for record in kept:
        left.remove(record)  # fails if it is not in the input
    counts = report.detections
    assert (counts.total, counts.kept, counts.left_out) == (len(records), len(kept), len(left))
    for row in report.per_class:
        assert row.kept == sum(r["category_id"] == row.category_id for r in kept)
        assert row.left_out == sum(r["category_id"] == row.category_id for r in left)
    least = min((r["score"] for r in kept), default=None)
    assert report.ties_dropped == sum(r["score"] == least for r in left)
    if method == "global":
        assert report.threshold == least
    else:
        assert all(r["score"] >= report.threshold for r in kept)
        assert report.ties_dropped == 0


def record(score, image_id=1, **more):
    return {
        "image_id": image_id,
        "category_id": 2,
        "bbox": [1.0, 2.0, 30.5, 4.0],
        "score": score,
        "segmentation": [],
        **more,
    }


def test_of_equal_scores_those_earlier_in_the_file_are_kept(tmp_path):
    records = [record(0.5, image_id=i) for i in range(1, 6)]
    limit = len(compact(records[:3])) + 1
    report, content = cut(tmp_path, records, limit, "global")
    assert [r["image_id"] for r in json.loads(content)] == [1, 2, 3]
    assert (report.threshold, report.ties_dropped) == (0.5, 2)
    assert "2 of equal rank left out" in describe(report)


def test_kept_records_stay_in_the_order_of_the_input(tmp_path):
    records = [record(s) for s in (0.2, 0.9, 0.1, 0.6)]
    limit = len(compact(records)) - 1
    _, content = cut(tmp_path, records, limit, "global")
    assert [r["score"] for r in json.loads(content)] == [0.2, 0.9, 0.6]


@pytest.mark.parametrize(("method", "write"), [("global", compact), ("threshold", json.dumps)])
def test_file_as_large_as_the_limit_is_too_large(tmp_path, method, write):
    records = [record(0.9), record(0.8)]
    size = len(write(records))
    assert cut(tmp_path, records, size, method)[0].detections.kept == 1
    assert cut(tmp_path, records, size + 1, method)[0].detections.kept == 2


@pytest.mark.parametrize("method", ["global", "threshold"])
def test_limit_smaller_than_one_record_leaves_an_empty_list(tmp_path, method):
    report, content = cut(tmp_path, [record(0.9)], 50, method)
    assert content == b"[]"
    assert (report.detections.kept, report.detections.left_out) == (0, 1)


@pytest.mark.parametrize("method", ["global", "threshold"])
def test_no_detections_give_an_empty_list(tmp_path, method):
    report, content = cut(tmp_path, [], 3, method)
    assert content == b"[]"
    assert report.detections.total == 0


@pytest.mark.parametrize("method", ["global", "threshold"])
def test_long_lists_are_cut_like_short_ones(tmp_path, method):
    """More records than are decoded at once; many of them tie."""
    generator = np.random.default_rng(0)
    scores = np.where(generator.random(15_000) < 0.3, 0.25, generator.random(15_000))
    records = [record(float(s), image_id=i) for i, s in enumerate(scores)]
    limit = 1_150_000
    best_first = sorted(range(len(records)), key=lambda i: (-records[i]["score"], i))
    if method == "threshold":
        expected = search_by_steps(records, limit)[1]
    else:
        sizes = np.cumsum([1 + len(compact([records[i]])) - 2 for i in best_first])
        fitting = int((1 + sizes < limit).sum())  # the brackets, less the first comma
        expected = compact([records[i] for i in sorted(best_first[:fitting])])
    assert cut(tmp_path, records, limit, method)[1] == expected


def test_limit_too_small_for_an_empty_list_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="2 bytes"):
        cut(tmp_path, [], 2, "global")
    assert not (tmp_path / "out.json").exists()


def test_threshold_keeps_records_as_they_are_read(tmp_path):
    text = '[{"score":0.00001,"주차":"차","category_id":1,"bbox":[1,2,3,1e22],"image_id":4}]'
    (tmp_path / "in.json").write_text(text)
    cut_file(tmp_path / "in.json", tmp_path / "out.json", 1000, "threshold")
    assert (tmp_path / "out.json").read_text() == json.dumps(json.loads(text))


def test_global_writes_only_the_keys_of_the_format(tmp_path):
    _, content = cut(tmp_path, [record(0.5, area=12.0)], 1000, "global")
    assert content == compact([record(0.5)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"category_id": 1}]', "score"),
        ("[1]", r"\$\[0\]"),
        ("not JSON", "malformed"),
        ("", "truncated"),
        (f'[{{"category_id": {2**63}, "score": 0.5}}]', "category_id"),
        (f'[{{"category_id": 1, "score": 0.5, "segmentation": {"[" * 10_000}', "recursion"),
        (json.dumps([record(0.5), record(1.5)]), "record 2 has a score of 1.5"),
        ('[{"category_id": 1, "score": 0.5}]', "record 1: .*image_id"),
    ],
)
def test_unusable_detections_are_a_clear_error(tmp_path, text, message):
    (tmp_path / "in.json").write_text(text)
    with pytest.raises(UserError, match=message):
        cut_file(tmp_path / "in.json", tmp_path / "out.json", 1000, "global")
    assert not (tmp_path / "out.json").exists()


def test_text_that_is_not_utf8_is_a_clear_error(tmp_path):
    fields = b'"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5'
    (tmp_path / "in.json").write_bytes(b'[{"name": "\xc1\xd6", ' + fields + b"}]")
    with pytest.raises(UserError, match=r"in\.json"):
        cut_file(tmp_path / "in.json", tmp_path / "out.json", 1000, "threshold")
