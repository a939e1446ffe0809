"""The two foreseen ways in which a command ends without success, and their exit codes."""

CONTINUE = "Run the same command again to continue."
"""The end of the message of a step that saved its state and stopped."""


class UserError(Exception):
    """Bad input or a bad option: one paragraph that says what is wrong, where, and what to do."""

    exit_code = 2


class StoppedEarly(Exception):
    """Stopped on request (a signal, a time limit) with its state saved: run the command again."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h
