"""Trainings and inferences that a user forces; otherwise they would reuse what is finished."""

from collections.abc import Set

TRAININGS = {"train_baseline": "baseline", "finetune": "tune"}
INFERENCES = {"infer": "best", "infer_shard": "best", "infer_val": "val", "infer_start": "start"}


def forced_variables(results: str, forced: Set[str], everything: bool) -> dict[str, str]:
    """PARKDET_FORCED_{rule} = the option that starts over, for each rule that is forced.

    Args:
        results: the run's folder.
        forced: rules and files named after --forcerun, or as targets of --force.
        everything: whether --forceall was given.
    """
    found = {}
    for rule, stage in TRAININGS.items():
        outputs = {f"{results}/weights/{stage}_{end}.pt" for end in ("last", "best")}
        if everything or forced & {rule, f"{results}/metrics/{stage}.csv", *outputs}:
            found[f"PARKDET_FORCED_{rule}"] = "--retrain"
    for rule, name in INFERENCES.items():
        if everything or forced & {rule, f"{results}/predictions/{name}_preds.json"}:
            found[f"PARKDET_FORCED_{rule}"] = "--anew"
    return found
