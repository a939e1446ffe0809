"""The weights that a training starts from."""

import logging
from dataclasses import replace
from pathlib import Path

from parkdet.detector.build import build_model, read_architecture
from parkdet.detector.checkpoints import Checkpoint, checkpoint_of, load_checkpoint
from parkdet.download import download
from parkdet.errors import UserError
from parkdet.files import sha256_file
from parkdet.releases import find_release

log = logging.getLogger("parkdet")


def build_weights(architecture: str, seed: int) -> Checkpoint:
    """Random weights for a named architecture, with its own number of classes.

    Raises:
        UserError: no such architecture; lists the names.
    """
    classes = read_architecture(architecture)["nc"]
    model = build_model(architecture, classes, seed)
    log.info("starting weights: %s, random from seed %d", architecture, seed)
    return checkpoint_of(model, [str(index) for index in range(classes)], [], imgsz=0)


def find_weights(source: str, sha256: str | None) -> Path:
    """The file of starting weights; a release that is not there is fetched.

    Args:
        source: path of a file, or a release name such as ``yolov5x6``.
        sha256: checksum that the file must have, hexadecimal; None: any, or that of the release.

    Raises:
        UserError: it is missing or has another checksum, or it is a release that cannot be fetched
            or whose checksum is not known; the message then says what to fetch by hand.
    """
    release = find_release(source)
    path = release.place if release else Path(source)
    wanted = sha256.lower() if sha256 else release and release.sha256
    if release and not wanted:
        raise UserError(
            f"The sha256 of {source} is not known here: fetch {release.url} yourself, check it, "
            "and give its checksum (training.pretrained_sha256 or --sha256)."
        )
    if release and not path.exists():
        download(release.url, path, wanted)
    if not path.is_file():  # reading a pipe would wait forever
        raise UserError(f"There are no weights at {path}: check training.pretrained.")
    if wanted and (found := sha256_file(path)) != wanted:
        own = f", or, if these are your own weights, give them as ./{path}" if release else ""
        raise UserError(
            f"{path} has the sha256 {found}, not {wanted}: remove it and fetch the file again{own}."
        )
    return path


def read_weights(path: Path) -> Checkpoint:
    """Reads weights from a file of parkdet or of yolov5 v5 to v7.

    Raises:
        UserError: missing, or not usable.
    """
    checkpoint = load_checkpoint(path)
    log.info("starting weights: %s, %d classes", path, len(checkpoint.names))
    return checkpoint


def without_head(checkpoint: Checkpoint) -> Checkpoint:
    """The same weights without those of the detection head."""
    head = checkpoint.head_prefix
    state = {name: value for name, value in checkpoint.state.items() if not name.startswith(head)}
    return replace(checkpoint, state=state)
