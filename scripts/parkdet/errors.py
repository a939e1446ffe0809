"""The two ways a command ends other than well, and the exit codes that go with them."""

CONTINUE = "Run the same command again to continue."
"""The end of what a step says that saved its state and stopped."""


class UserError(Exception):
    """Bad input or a bad option: one paragraph that says what is wrong, where, and what to do."""

    exit_code = 2


class StoppedEarly(Exception):
    """Stopped on request (a signal, a time limit) with its state saved: run the command again."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h
