"""Preparing data: prepare_dataset.py against the 2022 procedure, and how its time grows.

All sets are generated (`made_sets.py`) and removed at the end. Their files have just been written,
so both sides read them from memory; their output goes to the disk of `--folder`. The 2022 procedure
processes a fixed number of boxes, and its time is extrapolated to all of them.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

import yaml
from common import ROOT, table, write_record
from made_sets import CHALLENGE, VAL_IMAGES, Size, make_set, prepare_as_in_2022

from parkdet.data.threads import map_in_threads

LARGE = Size(train=2000, test=0, boxes=10_932)  # as many boxes per image as in the challenge
BOXES_2022 = {"small": 30_000, "large": 1500}


def timed(*command: object, cwd: Path = ROOT) -> dict[str, Any]:
    """Runs a command to its end: seconds, peak memory in MiB, and its output.

    Raises:
        RuntimeError: the command failed.
    """
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *map(str, command)], cwd=cwd, stdout=output, stderr=output
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, _peak_kilobytes(process.pid))
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        output.seek(0)
        said = output.read().decode()
    if process.returncode:
        raise RuntimeError(said)
    return {"seconds": seconds, "peak_mb": peak / 1024, "said": said}


def _peak_kilobytes(pid: int) -> int:
    """Peak memory so far; getrusage would include this process's own memory at the fork."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def prepare(root: Path, out: Path, images: int, *options: str) -> dict[str, float]:
    """Seconds and peak memory of prepare_dataset.py as a user runs it, with a random split."""
    options = ("--split", "random", "--val-images", str(min(VAL_IMAGES, images // 8)), *options)
    program = ROOT / "scripts/prepare_dataset.py"
    found = timed(program, "--data-root", root, "--out", out, *options)
    return {name: round(found[name], 2) for name in ("seconds", "peak_mb")}


def beside_2022(name: str, root: Path, size: Size) -> dict[str, Any]:
    """Both sides on one set; ours a first time, again, and with a near-duplicate search."""
    seconds, done = prepare_as_in_2022(root, root / "out-2022", BOXES_2022[name])
    out = root / "out"
    ours = {
        "first": prepare(root, out, size.train),
        "again": prepare(root, out, size.train),
        "near duplicates": prepare(root, root / "out-near", size.train, "--near-duplicates"),
    }
    estimate = seconds / done * size.boxes
    return {
        "set": name,
        **size._asdict(),
        "boxes_done_2022": done,
        "seconds_2022": round(seconds, 2),
        "seconds_2022_all_boxes": round(estimate, 1),
        "parkdet": ours,
        "ratio": round(estimate / ours["first"]["seconds"], 1),
    }


def workflow(root: Path, folder: Path) -> dict[str, Any]:
    """Snakemake on a set: a dry run of everything, then three runs of prepare_dataset."""
    folder.mkdir()
    settings = {"run": "full", "data": {"root": str(root), "split": "random"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    snakemake = ("-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder)
    snakemake += ("--configfile", folder / "config.yaml", "--cores", os.cpu_count() or 1)
    dry = timed(*snakemake, "-n", cwd=folder)
    first = timed(*snakemake, "prepare_dataset", cwd=folder)
    second = timed(*snakemake, "prepare_dataset", cwd=folder)
    forced = timed(*snakemake, "--forcerun", "prepare_dataset", "--", "prepare_dataset", cwd=folder)
    jobs = re.search(r"^total +(\d+)", dry["said"], re.MULTILINE)
    return {
        "dry_run_seconds": round(dry["seconds"], 2),
        "dry_run_jobs": int(jobs[1]) if jobs else 0,
        "prepare_seconds": round(first["seconds"], 2),
        "unchanged_seconds": round(second["seconds"], 2),
        "unchanged_does_nothing": "Nothing to be done" in second["said"],
        "forced_seconds": round(forced["seconds"], 2),
    }


def growth(images: int, folder: Path) -> dict[str, Any]:
    """Prepares a few files under many names, with the challenge's number of boxes per image."""
    size = Size(images, 0, round(images * CHALLENGE.boxes / CHALLENGE.train))
    root = make_set(folder, size, 64, 36, linked=True)
    return {"images": images, "boxes": size.boxes, **prepare(root, root / "out", images)}


def remove(folder: Path) -> None:
    """Removes a folder tree, in threads because ext4 is slow at removing long symlinks."""
    places = list(os.walk(folder, topdown=False))
    files = [f"{place}/{name}" for place, _, names in places for name in names]
    deque(map_in_threads(os.unlink, files, "removing"), maxlen=0)
    for place, _, _ in places:
        Path(place).rmdir()


def report(record: dict[str, Any]) -> str:
    """The figures as Markdown."""
    rows = [
        [
            f"{case['set']}: {case['train']} + {case['test']} images, {case['boxes']} boxes",
            f"{case['seconds_2022_all_boxes']:.0f} ({case['boxes_done_2022']:,})",
            *(
                f"{run['seconds']:.1f} s, {run['peak_mb']:.0f} MiB"
                for run in case["parkdet"].values()
            ),
            str(case["ratio"]),
        ]
        for case in record["cases"]
    ]
    header = ["set", "2022, s (boxes done)", "parkdet, first run", "second run, same folder"]
    header += ["with near-duplicates", "speedup over 2022"]
    parts = [table(header, rows)]
    parts += [f"{name}: {value}" for name, value in record["workflow"].items()]
    grown = [[str(value) for value in row.values()] for row in record["growth"]]
    parts.append(table(["images", "boxes", "seconds", "peak memory, MiB"], grown))
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--folder", type=Path, default=ROOT / "results/benchmarks", help="where the sets are made")
    add("--growth", type=int, nargs="*", default=[10_000, 100_000], metavar="IMAGES")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="prepare-", dir=arguments.folder))
    try:
        small = make_set(folder / "small", CHALLENGE, 64, 36)
        record = {"cases": [beside_2022("small", small, CHALLENGE)]}
        record["workflow"] = workflow(small, folder / "workflow")
        large = make_set(folder / "large", LARGE, 1920, 1080)
        record["cases"].append(beside_2022("large", large, LARGE))
        record["growth"] = [growth(images, folder / str(images)) for images in arguments.growth]
    finally:
        remove(folder)
    write_record("prepare", record)
    print(report(record))


if __name__ == "__main__":
    sys.exit(main())
