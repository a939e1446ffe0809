"""The weights that a training starts from."""

import logging
from dataclasses import replace
from pathlib import Path

from parkdet.detector.build import architecture_names, build_model, read_architecture
from parkdet.detector.checkpoints import Checkpoint, checkpoint_of, load_checkpoint
from parkdet.errors import UserError
from parkdet.files import sha256_file

log = logging.getLogger("parkdet")

FOLDER = Path("weights")
RELEASES = "https://github.com/ultralytics/yolov5/releases"


def build_weights(architecture: str, seed: int) -> Checkpoint:
    """Random weights of an architecture by name, with as many classes as it is described with.

    Raises:
        UserError: no such architecture; lists the names.
    """
    classes = read_architecture(architecture)["nc"]
    model = build_model(architecture, classes, seed)
    log.info("starting weights: %s, random from seed %d", architecture, seed)
    return checkpoint_of(model, [str(index) for index in range(classes)], [], imgsz=0)


def read_weights(source: str, sha256: str | None) -> Checkpoint:
    """Weights from a file of parkdet or of yolov5 v5 to v7.

    Args:
        source: path of the file.
        sha256: checksum that the file must have, hexadecimal; None: any.

    Raises:
        UserError: missing, of another checksum, or not usable; a release name such as
            ``yolov5s`` is answered with where to put that file.
    """
    path = Path(source)
    if not path.exists() and source in architecture_names():
        place = FOLDER / f"{source}.pt"
        raise UserError(
            f"The release {source} is not fetched: take {source}.pt from {RELEASES} and put it at "
            f"{place}, where the workflow finds it. Give --source {place} outside of it."
        )
    if not path.exists():
        raise UserError(f"There are no weights at {path}: check training.pretrained.")
    found = sha256_file(path)
    if sha256 and found != sha256.lower():
        raise UserError(f"{path} has the sha256 {found}, not {sha256}: fetch the file again.")
    checkpoint = load_checkpoint(path)
    log.info("starting weights: %s, %d classes", path, len(checkpoint.names))
    return checkpoint


def without_head(checkpoint: Checkpoint) -> Checkpoint:
    """The same weights without those of the detection head."""
    head = checkpoint.head_prefix
    state = {name: value for name, value in checkpoint.state.items() if not name.startswith(head)}
    return replace(checkpoint, state=state)
