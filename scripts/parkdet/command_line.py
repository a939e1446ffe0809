"""What all command-line programs here share: logging, clear errors and exit codes."""

import argparse
import faulthandler
import logging
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from parkdet.errors import StoppedEarly, UserError
from parkdet.memory import is_out_of_memory
from parkdet.progress import CLEAR_LINE, is_line_of_progress

log = logging.getLogger("parkdet")

OUTPUTS = ("out", "stats", "analysis", "last", "best", "metrics", "log")  # files to write


def run(
    parser: argparse.ArgumentParser,
    main: Callable[[argparse.Namespace], None],
    argv: Sequence[str] | None = None,
    *,
    without_memory: str = "Close other programs, or use a machine with more.",
) -> int:
    """Parses the command line, calls ``main`` and turns what it raises into an exit code.

    Args:
        without_memory: what to do if there is too little memory.

    Returns:
        0; 2 for bad input or options, or too little memory (one paragraph on stderr, no
        traceback); 75 for "stopped early, state saved, run me again"; 130 for Ctrl-C where there
        is no state to save; 1 for a bug, with its traceback.
    """
    _open_closed_streams()
    parser.add_argument("--log", type=Path, metavar="FILE", help="also write messages to this file")
    arguments = parser.parse_args(argv)
    try:
        _log_to_stderr()
        _check_outputs(arguments)
        if arguments.log is not None:
            _log_to_file(arguments.log)
        main(arguments)
    except (UserError, StoppedEarly) as error:
        if isinstance(error, StoppedEarly):
            # The request has been met: another signal must not change the exit code.
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
        log.error("%s: %s", parser.prog, error)
        return error.exit_code
    except KeyboardInterrupt:
        log.error("%s: interrupted", parser.prog)
        return 130
    except Exception as error:
        if is_out_of_memory(error):
            said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            log.error("%s: Memory ran out (%s). %s", parser.prog, said, without_memory)
            return UserError.exit_code
        log.exception("%s: a bug in the program, please report it with this traceback", parser.prog)
        return 1
    return 0


def _open_closed_streams() -> None:
    """Opens those of stdin, stdout and stderr that are closed, as some schedulers do, to /dev/null.

    Else the next files opened, such as weights, would get their numbers and be written to.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # This takes the lowest free number: its own.
            setattr(sys, name, open(os.devnull, "w" if number else "r"))  # noqa: SIM115


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
    """The type of an option that is a finite number, within the limits that are given."""
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


class _Formatter(logging.Formatter):
    """Escapes control and unprintable characters, which names in files may contain."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = "".join(
            sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1]
            for sign in record.message
        )
        return super().formatMessage(record)


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Refuses an output file that another option also names: an input would be lost.

    Raises:
        UserError: names both options and the file.
    """
    files = [
        (option, path, os.path.realpath(path))
        for option, value in vars(arguments).items()
        for path in (value if isinstance(value, list) else [value])
        if isinstance(path, Path) and not os.path.isdir(path)  # noqa: PTH112  (it never raises)
    ]
    for output, path, place in files:
        for other, _, same in files if output in OUTPUTS else ():
            if same == place and other != output:
                raise UserError(
                    f"--{output} and --{other.replace('_', '-')} are the same file, {path}, which "
                    f"would be overwritten. Give --{output} a name of its own."
                )


def _log_to_stderr() -> None:
    log.setLevel(logging.INFO)
    log.propagate = False
    for handler in list(log.handlers):
        log.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    terminal = sys.stderr.isatty()
    handler.setFormatter(_Formatter(f"{CLEAR_LINE if terminal else ''}%(message)s"))
    if terminal:
        handler.addFilter(lambda record: not is_line_of_progress(record))
    log.addHandler(handler)


def _log_to_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, mode="a", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"Cannot write the log {path}: {error.strerror or error}. Give --log a file in a "
            "writable folder."
        ) from error
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    faulthandler.enable(handler.stream)
