"""Fetches a file over https, resuming where it stopped; the file appears only whole and checked.

This uses the standard library: what is installed besides (torch.hub, requests) neither resumes nor
keeps redirects to https.
"""

import fcntl
import io
import logging
import math
import os
import re
import ssl
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from parkdet.errors import UserError
from parkdet.files import sha256_file, sync_folder
from parkdet.progress import track

log = logging.getLogger("parkdet")

MEGABYTE = 1_000_000
LARGEST = 1000 * MEGABYTE
SECONDS_OF_SILENCE = 30
MOST_CONNECTIONS = 100


class _RedirectsToHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request: Any, *answer: Any) -> Any:
        if not answer[-1].startswith("https://"):
            raise OSError(None, f"it redirects to {answer[-1]!a:.100}, which is not https")
        return super().redirect_request(request, *answer)


def https_opener(context: ssl.SSLContext | None = None) -> urllib.request.OpenerDirector:
    """An opener for https addresses and no others; proxies are taken from the environment.

    Args:
        context: which certificates are trusted; None: the system's.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPSHandler(context=context or ssl.create_default_context()),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _RedirectsToHttps(),
    ):
        opener.add_handler(handler)
    return opener


def download(
    url: str, place: Path, sha256: str, opener: urllib.request.OpenerDirector | None = None
) -> None:
    """Fetches ``url`` to ``place``; what has arrived stays in ``place.part`` until it is complete.

    Args:
        sha256: checksum that the file must have, hexadecimal.

    Raises:
        UserError: no network, another checksum, a full disk, or another process is fetching it;
            where it helps, says where to put the file by hand.
    """
    part = place.with_name(f"{place.name}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                _fill(file, url, opener or https_opener())
            except (_Unreachable, HTTPException) as error:
                raise UserError(_by_hand(url, place, sha256, error)) from error
            os.fsync(file.fileno())
            _check(part, url, sha256)
            os.replace(part, place)
            sync_folder(place.parent)
    except BlockingIOError as error:
        raise UserError(
            f"Another process is fetching {place}: wait for it, then try again."
        ) from error
    except OSError as error:
        raise UserError(
            f"Cannot write {part}: {error.strerror or error}. What has arrived is kept: make the "
            "folder writable or free space on the disk, and run the same command again."
        ) from error
    log.info("fetched %s", place)


class _Unreachable(Exception):
    """The file cannot be fetched from its address, or not completely."""


def _by_hand(url: str, place: Path, sha256: str, reason: Exception) -> str:
    return (
        f"Cannot fetch {url}: {reason}. Run the same command again to resume, or fetch the file on "
        f"a machine with network access and put it at {place.absolute()} (sha256 {sha256})."
    )


def _check(part: Path, url: str, sha256: str) -> None:
    found = sha256_file(part)
    if found != sha256:
        part.unlink()
        raise UserError(
            f"The file from {url} has the sha256 {found}, not {sha256}, and was removed. Run the "
            "same command again to fetch it anew; if this happens again, do not use the file."
        )


def _fill(file: io.FileIO, url: str, opener: urllib.request.OpenerDirector) -> None:
    """Receives what is missing, over as many connections as it takes, while each makes progress."""
    for _ in range(MOST_CONNECTIONS):
        start = file.seek(0, os.SEEK_END)
        try:
            return _receive(file, start, url, opener)
        except _Cut as error:
            if file.tell() <= start:
                raise _Unreachable(error) from error
            log.info("fetching: %s after %.1f MB, resuming", error, file.tell() / MEGABYTE)
    raise _Unreachable("the connection was cut too often")


class _Cut(Exception):
    """The connection could not be made, or ended before the file did."""


def _receive(file: io.FileIO, start: int, url: str, opener: urllib.request.OpenerDirector) -> None:
    headers = {"User-Agent": "parkdet", **({"Range": f"bytes={start}-"} if start else {})}
    request = urllib.request.Request(url, headers=headers)
    try:
        response = opener.open(request, timeout=SECONDS_OF_SILENCE)
    except HTTPError as error:
        if error.code == 416 and start:  # nothing is missing: the checksum decides
            return
        raise _Unreachable(f"the server answered {error.code} {error.reason}") from error
    except OSError as error:
        raise _Cut(error.strerror or getattr(error, "reason", None) or error) from error
    with response:
        total = _total(response, start)
        if response.status == 200 and start:
            file.truncate(0)  # the server cannot resume
        missing = math.ceil((total - file.seek(0, os.SEEK_END)) / MEGABYTE)
        log.info("fetching %s: %d MB", url, missing)
        for _ in track(_megabytes(response, file), missing, "fetching", "MB"):
            pass
    if file.tell() < total:
        raise _Cut("the connection was cut")


def _total(response: HTTPResponse, start: int) -> int:
    """Size of the whole file in bytes."""
    if response.status == 206:
        place = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        total = int(place[2]) if place and int(place[1]) == start else -1
    else:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else -1
    if not 0 <= total <= LARGEST:
        raise _Unreachable("the server does not say how long the file is, or it is too long")
    return total


def _megabytes(response: HTTPResponse, file: io.FileIO) -> Iterator[None]:
    """Writes data as it arrives; yields once per megabyte."""
    written = 0
    while True:
        try:
            piece = response.read1(MEGABYTE)
        except (OSError, HTTPException) as error:
            raise _Cut(str(error) or type(error).__name__) from error
        if not piece:
            return
        view = memoryview(piece)
        while view:
            view = view[file.write(view) :]
        for _ in range((written + len(piece)) // MEGABYTE - written // MEGABYTE):
            yield
        written += len(piece)
