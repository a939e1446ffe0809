"""What starts anew: only what was named, or everything."""

import pytest

from parkdet.forced import forced_variables

BASELINE = {"PARKDET_FORCED_train_baseline": "--retrain"}
VAL = {"PARKDET_FORCED_infer_val": "--anew"}


@pytest.mark.parametrize(
    ("forced", "variables"),
    [
        (set(), {}),
        ({"conf_cut", "results/other/weights/tune_best.pt"}, {}),
        ({"train_baseline"}, BASELINE),
        ({"results/demo/weights/baseline_best.pt"}, BASELINE),
        ({"results/demo/metrics/baseline.csv"}, BASELINE),
        ({"results/demo/predictions/val_preds.json"}, VAL),
        ({"train_baseline", "infer_val"}, BASELINE | VAL),
    ],
)
def test_a_rule_or_an_output_that_is_named_starts_anew(forced, variables):
    assert forced_variables("results/demo", forced, everything=False) == variables


def test_everything_starts_anew():
    found = forced_variables("results/demo", set(), everything=True)
    assert len(found) == 6
    assert set(found.values()) == {"--retrain", "--anew"}
