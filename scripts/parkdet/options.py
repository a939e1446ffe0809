"""From the checked config to the options of each command: only those that decide the result."""

import math
from shlex import join, quote

from parkdet.config import Config, Stage
from parkdet.config_values import Section
from parkdet.data.sources import Layout
from parkdet.plan import Plan


def in_shell(text: str) -> str:
    """One word of a rule's shell command; single braces would be placeholders to Snakemake."""
    return quote(text).replace("{", "{{").replace("}", "}}")


def _flags(section: Section, names: dict[str, str]) -> list[str]:
    """``{"imgsz": "--imgsz"}`` -> ``["--imgsz", "640"]``; None and False are left out."""
    flags = []
    for name, flag in names.items():
        value = getattr(section, name)
        if value is True:
            flags.append(flag)
        elif value is not None and value is not False:
            text = ",".join(value) if isinstance(value, list) else str(value)
            # A separate word that starts with a dash would be taken for an option.
            flags += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    return flags


def demo_options(config: Config) -> list[str]:
    """Options of demo_data.py."""
    return ["--seed", str(config.data.demo_seed)]


def prepare_options(plan: Plan) -> list[str]:
    """Options of prepare_dataset.py."""
    names = (*Layout._fields, "split", "val_images", "group_pattern", "seed", "backgrounds")
    names += ("names", "link", "on_bad", "verify", "near_duplicates")
    flags = _flags(plan.config.data, {name: f"--{name.replace('_', '-')}" for name in names})
    if plan.has_test_set:
        flags += ["--on-bad-test", plan.config.infer.on_bad]
    return [*flags, *(word for path in plan.val_json for word in ("--val-json", path))]


def pretrained_options(plan: Plan) -> list[str]:
    """Options of pretrained.py."""
    names = {"arch": "--arch", "seed": "--seed", "pretrained_sha256": "--sha256"}
    return ["--source", plan.pretrained or "none", *_flags(plan.config.training, names)]


def training_options(config: Config, stage: Stage) -> list[str]:
    """Options of train.py that decide its result."""
    shared = ("imgsz", "batch_size", "seed", "precision", "nominal_batch", "warmup_bias_group")
    shared += ("fitness", "val_batch_size", "sync_bn")
    own = ("epochs", "epoch_parts", "image_weights", "optimizer", "schedule", "val_period")
    own += ("patience", "close_mosaic", "freeze")
    clip, processes = config.training.clip_grad_norm, config.training.world_size
    return [
        *_flags(config.training, {name: f"--{name.replace('_', '-')}" for name in shared}),
        *_flags(stage, {name: f"--{name.replace('_', '-')}" for name in own}),
        *_time_budget(config, stage),
        *("--clip-grad-norm", "none" if clip is None else str(clip)),
        *("--hyp", stage.hyp.model_dump_json()),
        *(("--processes", str(processes)) if processes > 1 else ()),
    ]


def _time_budget(config: Config, stage: Stage) -> list[str]:
    """A stage's share of the hours for both, by how many passes it makes over the images."""
    if config.training.total_hours is None:
        return []
    passes = [each.epochs / each.epoch_parts for each in (config.baseline, config.finetune)]
    hours = config.training.total_hours * stage.epochs / stage.epoch_parts / sum(passes)
    return ["--time-budget", str(math.floor(1e6 * hours) / 1e6)]  # together never more


def machine_options(config: Config) -> str:
    """Options of train.py that do not decide its result; for the shell, never a param."""
    names = ("device", "workers", "checkpoint_minutes")
    flags = _flags(config.training, {name: f"--{name.replace('_', '-')}" for name in names})
    return join(flags + ["--no-deterministic"] * (not config.training.deterministic))


def tracking_options(plan: Plan) -> str:
    """Options of train.py for trackers; for the shell, never a param."""
    names, folder = plan.config.training.tracking, f"{plan.results}/tracking"
    flags = ["--tracking", ",".join(names), "--tracking-dir", folder]
    return join([*flags, "--run-name", plan.config.run]) if names else ""


def inference_options(config: Config) -> list[str]:
    """Options of infer.py that decide its result."""
    names = {"imgsz": "--imgsz", "batch_size": "--batch-size", "confidence": "--conf"}
    names |= {"iou": "--iou", "max_detections": "--max-det", "tta": "--tta"}
    names |= {"precision": "--precision", "fuse": "--fuse"}
    return _flags(config.infer, names)


def report_options(plan: Plan) -> list[str]:
    """Options of report.py on the test set."""
    truth = ["--test-truth", plan.test_truth] if plan.test_truth else []
    return [*(word for path in plan.test_images for word in ("--test-images", path)), *truth]


def cut_options(plan: Plan) -> list[str]:
    """Options of conf_cut.py, with the files of the val set if its method uses them."""
    names = {"method": "--method", "max_bytes": "--max-bytes"}
    names |= {"ap": "--ap"} if plan.cut_files else {}
    files = [word for name, path in plan.cut_files.items() for word in (f"--{name}", path)]
    return [*_flags(plan.config.cut, names), *files]


def summary_options(plan: Plan) -> list[str]:
    """Options of summary.py: the files that the summary is made from."""
    return [word for name, path in plan.summary_files.items() for word in (f"--{name}", path)]
