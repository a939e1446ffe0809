"""train.py in a forked process; run by path with `ARGUMENTS` = log, options, environment.

`STILL_NORMS` in the environment makes batch norms ignore the batch.
"""

import os
import sys

log, options, environment = ARGUMENTS  # noqa: F821
os.environ.update(environment)
output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.dup2(output, 1)
os.dup2(output, 2)

from torch import nn  # noqa: E402

import train  # noqa: E402

if "STILL_NORMS" in os.environ:
    nn.BatchNorm2d.train = lambda self, mode=True: nn.Module.train(self, False)
sys.orig_argv = [sys.executable, train.__file__, *options]  # a launcher starts ranks with these
sys.exit(train.run(train.build_parser(), train.main, options))
