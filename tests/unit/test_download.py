"""Fetching from a server on this machine with a certificate of its own."""

import fcntl
import hashlib
import logging
import os
import re
import resource
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from parkdet.download import download, https_opener
from parkdet.errors import UserError

CONTENT = bytes(range(256)) * 10_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        if server.redirect:
            self.send_response(302)
            self.send_header("Location", server.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and server.resumes else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else server.status)
        if start:
            span = f"bytes {start + server.shift}-{len(CONTENT) - 1}/{len(CONTENT)}"
            self.send_header("Content-Range", span)
        if server.length:
            self.send_header("Content-Length", server.length(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : start + server.most])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("needs openssl, to make a certificate")
        pytest.skip("needs openssl, to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    command += " -keyout key.pem -out cert.pem -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def server(certificate, monkeypatch):
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # clients hang up here on purpose
    server.url = f"https://127.0.0.1:{server.server_port}/yolov5x6.pt"
    server.ranges, server.redirect, server.resumes, server.status = [], None, True, 200
    server.length, server.most, server.shift = str, len(CONTENT), 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def opener(certificate):
    return https_opener(ssl.create_default_context(cafile=str(certificate / "cert.pem")))


@pytest.fixture
def place(tmp_path):
    return tmp_path / "weights" / "yolov5x6.pt"


@pytest.fixture
def part(place):
    place.parent.mkdir()
    return place.with_name("yolov5x6.pt.part")


def _is_fetched(place):
    return place.read_bytes() == CONTENT and [*place.parent.iterdir()] == [place]


def test_a_file_arrives_whole(server, opener, place):
    download(server.url, place, SHA256, opener)
    assert _is_fetched(place)
    assert server.ranges == [None]


def test_a_cut_connection_is_taken_up_where_it_ended(server, opener, place):
    server.most = 1_000_000
    download(server.url, place, SHA256, opener)
    assert _is_fetched(place)
    assert server.ranges == [None, "bytes=1000000-", "bytes=2000000-"]


def test_what_an_earlier_call_left_is_not_fetched_again(server, opener, place, part):
    part.write_bytes(CONTENT[:700_000])
    download(server.url, place, SHA256, opener)
    assert _is_fetched(place)
    assert server.ranges == ["bytes=700000-"]


def test_a_whole_part_is_only_checked(server, opener, place, part):
    part.write_bytes(CONTENT)
    download(server.url, place, SHA256, opener)
    assert _is_fetched(place)


def test_a_server_that_cannot_go_on_in_the_middle_starts_anew(server, opener, place, part):
    server.resumes = False
    part.write_bytes(b"x" * 700_000)
    download(server.url, place, SHA256, opener)
    assert _is_fetched(place)


def test_another_checksum_removes_what_came(server, opener, place):
    with pytest.raises(UserError, match=f"has the sha256 {SHA256}, not 0{{64}}, and was removed"):
        download(server.url, place, "0" * 64, opener)
    assert [*place.parent.iterdir()] == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"redirect": "http://127.0.0.1/a.pt"}, "it redirects to 'http://127.0.0.1/a.pt'"),
        ({"redirect": "file:///etc/passwd"}, "answered 302"),
        ({"status": 404}, "the server answered 404"),
        ({"status": 503}, "the server answered 503"),
        ({"length": None}, "does not say how long"),
        ({"length": lambda _: "10000000000"}, "too long"),
        ({"length": lambda _: "-5"}, "does not say how long"),
        ({"most": 0}, "the connection was cut"),
    ],
)
def test_what_cannot_be_fetched_says_where_to_put_it(server, opener, place, change, reason):
    vars(server).update(change)
    with pytest.raises(UserError) as raised:
        download(server.url, place, SHA256, opener)
    message = str(raised.value)
    assert reason in message
    assert f"put it at {place} (sha256 {SHA256})" in message
    assert "\n" not in message
    assert not place.exists()


def test_a_redirect_to_https_is_followed(server, opener, place):
    server.redirect = server.url.replace("127.0.0.1", "localhost") + "2"
    with pytest.raises(UserError, match="would lead to an infinite loop"):
        download(server.url, place, SHA256, opener)
    assert len(server.ranges) > 2


def test_an_answer_for_another_place_is_refused(server, opener, place, part):
    part.write_bytes(CONTENT[:700_000])
    server.shift = 5
    with pytest.raises(UserError, match="does not say how long"):
        download(server.url, place, SHA256, opener)
    assert part.read_bytes() == CONTENT[:700_000]


def test_without_a_network_it_says_where_to_put_the_file(server, opener, place):
    address = server.url.replace(str(server.server_port), "1")
    with pytest.raises(UserError, match=r"Connection refused.* network access and put it"):
        download(address, place, SHA256, opener)


def test_a_certificate_that_nobody_vouches_for_is_refused(server, place):
    with pytest.raises(UserError, match="certificate verify failed"):
        download(server.url, place, SHA256)


def test_an_address_without_encryption_is_refused(server, opener, place):
    with pytest.raises(UserError, match="unknown url type: http"):
        download("http://127.0.0.1/a.pt", place, SHA256, opener)


def test_a_full_disk_is_a_clear_error_and_keeps_what_came(server, opener, place):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, limits[1]))  # as a full disk to writers
    try:
        with pytest.raises(UserError, match=r"Cannot write .*free space on the disk"):
            download(server.url, place, SHA256, opener)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not place.exists()
    assert place.with_name("yolov5x6.pt.part").stat().st_size == 1_500_000
    download(server.url, place, SHA256, opener)
    assert _is_fetched(place)
    assert server.ranges == [None, "bytes=1500000-"]


def test_two_at_once_do_not_mix(server, opener, place, part):
    with part.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="Another process is fetching"):
            download(server.url, place, SHA256, opener)


def test_progress_is_plain_lines_where_there_is_no_terminal(
    server, opener, place, caplog, monkeypatch
):
    monkeypatch.setattr(logging.getLogger("parkdet"), "propagate", True)
    with caplog.at_level("INFO", logger="parkdet"):
        download(server.url, place, SHA256, opener)
    assert f"fetching {server.url}: 3 MB" in caplog.text
    assert f"fetched {place}" in caplog.text
