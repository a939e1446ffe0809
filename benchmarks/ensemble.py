"""Ensembles on real photographs: three weights, fused, beside each of them alone.

The weights are the baselines of three seeds that `make bench-accuracy` trains. Each alone and all
three, fused by NMS and by weighted boxes fusion, predict the preset's test images (confidence
0.001, 300 boxes, no test-time augmentation) and are scored on the test truth by pycocotools, at
three IoU thresholds, since the gain could be that of a lucky one. The threshold is both that of
each detector's NMS and that of the fusion.
"""

import argparse
import statistics
from pathlib import Path

from common import ROOT, VEHICLES, WORK, read_preset, score, table, write_record

IOUS = (0.5, 0.6, 0.7)
FUSIONS = ("nms", "wbf")
METRICS = {"ap": "AP", "ap50": "AP50"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", type=Path, default=VEHICLES)
    config = read_preset(parser.parse_args().preset)
    runs = [ROOT / "results" / f"{config.run}{end}" for end in ("", "-seed1", "-seed2")]
    weights = [run / "weights/baseline_last.pt" for run in runs]
    missing = [str(path) for path in weights if not path.is_file()]
    if missing:
        parser.error(f"run `make bench-accuracy` first, which trains {', '.join(missing)}")
    out, dataset = WORK / config.run / "ensemble.json", runs[0] / "dataset"
    scores = {}
    for iou in IOUS:
        scores[iou] = {
            **{
                f"seed {seed}": score([path], dataset, config, out, "--iou", iou)
                for seed, path in enumerate(weights)
            },
            **{
                fusion: score(weights, dataset, config, out, "--iou", iou, "--fuse", fusion)
                for fusion in FUSIONS
            },
        }
        print(f"IoU {iou}: {scores[iou]}", flush=True)
    write_record(f"ensemble-{config.run}", {"preset": config.run, "scores": scores})
    print(report(scores))


def report(scores: dict[float, dict[str, dict[str, float]]]) -> str:
    """The figures as Markdown: one table a metric, one line a threshold."""
    tables = []
    for metric, title in METRICS.items():
        rows = []
        for iou, found in scores.items():
            singles = [found[name][metric] for name in found if name not in FUSIONS]
            values = [statistics.mean(singles), max(singles), *(found[f][metric] for f in FUSIONS)]
            rows.append([str(iou), *(f"{value:.3f}" for value in values)])
        header = [f"{title} at IoU", "mean of single", "best single", "three, nms", "three, wbf"]
        tables.append(table(header, rows))
    return "\n\n".join(tables)


if __name__ == "__main__":
    main()
