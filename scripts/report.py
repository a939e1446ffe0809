"""Writes a run's report: index.html, its charts as SVG files, and the images that it shows."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from parkdet.command_line import log, run, whole_number

if TYPE_CHECKING:
    from parkdet.config import Config


def build_parser() -> argparse.ArgumentParser:
    """The options of this program."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--results", type=Path, required=True, help="folder of the run: results/{run}")
    add("--config", required=True, help="the run's config: a YAML file, or inline {...}")
    add("--preset", type=Path, help="config that the run's is based on, to show what differs")
    add("--test-images", type=Path, help="folder of the test images; without it: no test set")
    add("--test-truth", type=Path, help="COCO truth of the test set; without it: not scored")
    add("--threads", type=whole_number(1), default=2, help="images scaled down at a time")
    add("--out", type=Path, required=True, help="folder to write the report to")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Writes the report and logs where it is."""
    from parkdet.config import validate
    from parkdet.errors import UserError
    from parkdet.files import read_yaml
    from parkdet.report.page import write_report
    from parkdet.report.sources import Run

    started = time.time()
    if not arguments.results.is_dir():
        raise UserError(f"There is no folder {arguments.results}: give --results results/{{run}}.")
    inline = arguments.config.lstrip().startswith("{")
    settings = _inline(arguments.config) if inline else read_yaml(Path(arguments.config))
    report = Run(
        results=arguments.results,
        config=validate(settings),
        test_images=arguments.test_images,
        test_truth=arguments.test_truth,
        preset=_preset(arguments.preset) if arguments.preset else None,
    )
    write_report(report, arguments.out, arguments.threads)
    log.info(f"Report: {arguments.out / 'index.html'} ({time.time() - started:.1f} s)")


def _preset(path: Path) -> "Config | None":
    """The preset; None if it is not a complete config, such as one that other files complete."""
    from parkdet.config import validate
    from parkdet.errors import UserError
    from parkdet.files import read_yaml

    try:
        return validate(read_yaml(path))
    except UserError as error:
        log.warning("settings are compared with the defaults, not with %s: %s", path, error)
        return None


def _inline(text: str) -> dict:
    import msgspec

    from parkdet.errors import UserError

    try:
        return msgspec.json.decode(text, type=dict)
    except msgspec.DecodeError as error:
        raise UserError(f"--config is not valid JSON: {error}.") from error


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
