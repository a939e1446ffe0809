"""What every command-line program here shares: logging, clear errors and exit codes."""

import argparse
import faulthandler
import logging
import math
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from parkdet.errors import StoppedEarly, UserError
from parkdet.progress import CLEAR_LINE, is_line_of_progress

log = logging.getLogger("parkdet")


def run(
    parser: argparse.ArgumentParser,
    main: Callable[[argparse.Namespace], None],
    argv: Sequence[str] | None = None,
) -> int:
    """Parses the command line, calls ``main`` and turns what it raises into an exit code.

    Returns:
        0; 2 for bad input or options (one paragraph on stderr, no traceback); 75 for "stopped
        early, state saved, run me again"; 130 for Ctrl-C where there is no state to save; 1 for a
        fault of the program, with its traceback.
    """
    parser.add_argument("--log", type=Path, metavar="FILE", help="also write messages to this file")
    arguments = parser.parse_args(argv)
    try:
        _set_up_logging(arguments.log)
        main(arguments)
    except (UserError, StoppedEarly) as error:
        if isinstance(error, StoppedEarly):
            # What was asked for is done: another signal must not change the exit code.
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
        log.error("%s: %s", parser.prog, error)
        return error.exit_code
    except KeyboardInterrupt:
        log.error("%s: interrupted", parser.prog)
        return 130
    except Exception:
        log.exception(
            "%s: a fault in the program, please report it with this traceback", parser.prog
        )
        return 1
    return 0


def whole_number(least: int) -> Callable[[str], int]:
    """The type of an option that is a whole number of at least ``least``."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, found {value}")
        return value

    return number


def real_number(
    least: float | None = None, above: float | None = None, most: float | None = None
) -> Callable[[str], float]:
    """The type of an option that is a finite number, within limits of which each may lack."""
    limits = {"at least": least, "more than": above, "at most": most}
    wanted = " and ".join(
        f"{name} {limit:g}" for name, limit in limits.items() if limit is not None
    )

    def number(text: str) -> float:
        value = float(text)
        low = (least is None or value >= least) and (above is None or value > above)
        if not (math.isfinite(value) and low and (most is None or value <= most)):
            raise argparse.ArgumentTypeError(f"must be {wanted or 'finite'}, found {text}")
        return value

    return number


def _stderr_handler() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    if sys.stderr.isatty():
        handler.addFilter(lambda record: not is_line_of_progress(record))
        handler.setFormatter(logging.Formatter(f"{CLEAR_LINE}%(message)s"))
    return handler


def _set_up_logging(path: Path | None) -> None:
    log.setLevel(logging.INFO)
    log.propagate = False
    for handler in list(log.handlers):
        log.removeHandler(handler)
    log.addHandler(_stderr_handler())
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            to_file = logging.FileHandler(path, mode="a", encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"Cannot write the log {path}: {error.strerror or error}. Give --log a file in a "
                "folder that can be written."
            ) from error
        to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(to_file)
        faulthandler.enable(to_file.stream)
