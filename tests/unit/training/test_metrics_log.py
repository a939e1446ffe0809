import torch

from parkdet.training.metrics_log import COLUMNS, describe, describe_course, write_csv
from parkdet.training.state import TrainingState

ROW = {
    "epoch": 1,
    **dict.fromkeys(("lr_bias", "lr_decay", "lr_norm"), 0.0123456789),
    **dict.fromkeys(("box_loss", "obj_loss", "cls_loss"), 0.05),
    "images_per_s": 12.3456,
    "seconds": 61.0,
}
SCORED = ROW | {
    "epoch": 2,
    **dict.fromkeys(("precision", "recall", "ap50", "ap75", "ap", "fitness"), 0.25),
}


def test_csv_leaves_figures_of_unvalidated_epochs_empty(tmp_path):
    write_csv(tmp_path / "m.csv", [ROW, SCORED])
    header, first, second = (tmp_path / "m.csv").read_text().splitlines()
    assert header.split(",") == list(COLUMNS)
    assert first == "1,0.0123457,0.0123457,0.0123457,0.05,0.05,0.05,,,,,,,12.35,61.000"
    assert second.split(",")[7:13] == ["0.25"] * 6


def test_the_line_has_scores_only_if_there_are_some():
    assert "AP" not in describe(ROW, "tune", 3)
    line = describe(SCORED, "tune", 4)
    assert line.startswith("tune 2/4: loss box 0.0500 obj 0.0500 cls 0.0500, AP50 0.250 AP 0.250")
    assert line.endswith("12.3 images/s, 61.0 s, 2 min left")


def test_the_course_has_losses_scores_and_the_end_of_the_whole_training():
    """Half of the first of ten epochs took an hour, so 19 such halves are left."""
    state = TrainingState(
        None, None, None, None, torch.tensor([0.5, 0.25, 0.125]), epochs=10, batch=50, seconds=3600
    )
    losses = "loss box 0.5000 obj 0.2500 cls 0.1250"
    assert describe_course(state, 100) == f"training ends in 19.0 h, {losses}"
    state.epoch, state.history = 2, [SCORED, ROW]
    assert describe_course(state, 100).endswith(f"{losses}, AP50 0.250 AP 0.250 after epoch 2")
