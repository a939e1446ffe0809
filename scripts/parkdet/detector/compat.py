"""Imports yolov5 7.0.14 with today's packages, and without its side effects.

The package ``parkdet.detector`` imports this module before any other. The measures:

- ``ultralytics`` (one helper that pip-installs) and ``seaborn`` (two plots) are imported at the
  top of modules that we need, but no code that we call uses them: they get empty stand-ins.
- On import yolov5 sets environment variables, makes a settings folder in the user's home, adds
  its own folder to ``sys.path`` (where its ``models`` and ``utils`` would hide others' modules),
  changes print options and matplotlib's font size and replaces ``cv2.imread`` and
  ``cv2.imwrite``: all of this is undone or prevented.
- It warns about pkg_resources (setuptools < 81 is pinned for it) and logs a banner: silenced.
"""

import importlib
import logging
import os
import sys
import tempfile
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

YOLOV5_VERSION = "7.0.14"


def _refuse_to_install(*_args: object, **_kwargs: object) -> None:
    raise RuntimeError("parkdet does not let yolov5 install packages at run time")


def _stand_in(name: str, **members: object) -> None:
    """Puts an empty module into ``sys.modules`` unless the real one has already been imported."""
    if name not in sys.modules:
        module = types.ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module


@contextmanager
def _side_effects_undone() -> Iterator[None]:
    import cv2
    import matplotlib
    import numpy
    import torch

    environment = dict(os.environ)
    opencv = {name: getattr(cv2, name) for name in ("imread", "imwrite", "imshow")}
    opencv_threads = cv2.getNumThreads()
    path, print_options = list(sys.path), numpy.get_printoptions()
    os.environ.setdefault("YOLOV5_CONFIG_DIR", tempfile.gettempdir())
    try:
        with warnings.catch_warnings(), matplotlib.rc_context():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.path[:] = path
        numpy.set_printoptions(**print_options)
        torch.set_printoptions(profile="default")
        cv2.setNumThreads(opencv_threads)
        for name, function in opencv.items():
            setattr(cv2, name, function)
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)


def load_yolov5() -> None:
    """Imports the modules of yolov5 that parkdet uses. Idempotent; about 3.5 s the first time.

    Raises:
        ImportError: yolov5 is missing or has another version.
    """
    if "yolov5.models.yolo" in sys.modules:
        return
    from importlib import metadata

    found = metadata.version("yolov5")
    if found != YOLOV5_VERSION:
        raise ImportError(f"parkdet needs yolov5 {YOLOV5_VERSION}, found {found}: run `make setup`")
    _stand_in("seaborn")
    _stand_in("ultralytics")
    _stand_in("ultralytics.utils")
    _stand_in("ultralytics.utils.checks", check_requirements=_refuse_to_install)
    with _side_effects_undone():
        importlib.import_module("yolov5.models.yolo")
        importlib.import_module("yolov5.utils.loss")
    logging.getLogger("yolov5").setLevel(logging.WARNING)


load_yolov5()
