"""A file comes from its user, the cache or a server, and never with other bytes than pinned."""

import hashlib
import logging
import multiprocessing
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.pretrained import Pretrained, cache_folder, pretrained_file

CONTENT = bytes(range(256)) * 8192  # two chunks


class Server(ThreadingHTTPServer):
    """Serves one file; remembers which ranges were asked for.

    It cuts the connection after `cut_bytes` of each of the next `num_cuts` answers.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.ranges_asked = []
        self.knows_ranges = True
        self.num_cuts = 0
        self.cut_bytes = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/weights.bin"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.ranges_asked.append(asked)
        if self.path != "/weights.bin":
            self.send_error(404)
            return
        start = 0
        if asked and server.knows_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(server.content):
                self.send_error(416)
                return
            self.send_response(206)
        else:
            self.send_response(200)
        rest = server.content[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if server.num_cuts:
            server.num_cuts -= 1
            rest = rest[: server.cut_bytes]
        self.wfile.write(rest)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("MOTIONTRANSFER_CACHE", str(folder))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def published(server, cache):
    return Pretrained(
        name="weights.bin",
        url=server.url,
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        needed_by="the test",
        file_param="test.file",
        without="set test.kind: other",
    )


def files_in(cache):
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def test_a_published_file_is_downloaded_once(published, server, cache):
    first = pretrained_file(published, file=None)
    assert first.read_bytes() == CONTENT
    assert first.parent == cache
    assert first.suffix == ".bin"
    server.content = b"another file"
    assert pretrained_file(published, file=None) == first
    assert first.read_bytes() == CONTENT
    assert server.ranges_asked == [None]
    assert files_in(cache) == [first.name]


def test_the_cache_needs_no_server(published, server):
    path = pretrained_file(published, file=None)
    nowhere = replace(published, url="http://127.0.0.1:9/gone.bin")
    assert pretrained_file(nowhere, file=None) == path


def test_two_versions_of_a_name_live_side_by_side(published, server):
    first = pretrained_file(published, file=None)
    server.content = b"version 2"
    second = replace(published, sha256=hashlib.sha256(b"version 2").hexdigest())
    assert pretrained_file(second, file=None).read_bytes() == b"version 2"
    assert first.read_bytes() == CONTENT


def test_other_bytes_are_refused_and_not_kept(published, server, cache):
    server.content = b"\1" + CONTENT[1:]
    got = hashlib.sha256(server.content).hexdigest()
    with pytest.raises(WeightsError, match=rf"expected SHA-256 {published.sha256}, got {got}"):
        pretrained_file(published, file=None)
    assert files_in(cache) == []


def is_one_line_with_remedies(message, published):
    return (
        "\n" not in message
        and "weights.bin: missing, the test needs it" in message
        and all(
            part in message
            for part in (published.url, published.sha256, "test.file", "set test.kind: other")
        )
    )


def test_a_page_that_is_not_there_is_told(published, cache):
    absent = replace(published, url=published.url.replace("weights", "absent"))
    with pytest.raises(MissingFileError, match="404") as told:
        pretrained_file(absent, file=None)
    assert is_one_line_with_remedies(str(told.value), absent)
    assert files_in(cache) == []


def test_a_server_that_is_down_is_told(published):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    down = replace(published, url=f"http://127.0.0.1:{port}/weights.bin")
    with pytest.raises(MissingFileError, match="refused") as told:
        pretrained_file(down, file=None)
    assert is_one_line_with_remedies(str(told.value), down)


def test_a_machine_without_network_is_told(published, monkeypatch):
    def no_network(*args, **others):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    away = replace(published, url="http://models.example/weights.bin")
    with pytest.raises(MissingFileError, match="name resolution") as told:
        pretrained_file(away, file=None)
    assert is_one_line_with_remedies(str(told.value), away)


def test_an_interrupted_download_goes_on_where_it_was_cut(published, server, cache):
    server.num_cuts, server.cut_bytes = 1, 1_500_000
    assert pretrained_file(published, file=None).read_bytes() == CONTENT
    assert server.ranges_asked == [None, "bytes=1500000-"]


def test_a_later_run_goes_on_where_the_last_gave_up(published, server, cache):
    server.num_cuts, server.cut_bytes = 3, 100_000
    with pytest.raises(MissingFileError, match="ended after 300000 of 2097152 bytes"):
        pretrained_file(published, file=None)
    assert pretrained_file(published, file=None).read_bytes() == CONTENT
    assert server.ranges_asked[3] == "bytes=300000-"
    assert len(files_in(cache)) == 1


def test_a_server_without_ranges_sends_all_of_it_again(published, server):
    server.knows_ranges = False
    server.num_cuts, server.cut_bytes = 1, 1_500_000
    assert pretrained_file(published, file=None).read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"something else", CONTENT + b"too much", b"\0" * len(CONTENT)])
def test_a_beginning_of_another_file_is_thrown_away(published, server, cache, left):
    path = pretrained_file(published, file=None)
    path.rename(cache / f".{path.name}.part").write_bytes(left)
    assert pretrained_file(published, file=None).read_bytes() == CONTENT
    assert server.ranges_asked[1:] == [f"bytes={len(left)}-", None]
    assert files_in(cache) == [path.name]


def _get(published, answers):
    answers.put(pretrained_file(published, file=None).read_bytes() == CONTENT)


def test_two_processes_at_once_download_it_once(published, server):
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=_get, args=(published, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    assert [answers.get(timeout=60) for _ in processes] == [True, True]
    for process in processes:
        process.join()
    assert server.ranges_asked == [None]


def test_the_users_own_file_is_taken_as_it_is(published, server, tmp_path, caplog):
    own = tmp_path / "own.bin"
    own.write_bytes(b"fine-tuned")
    assert pretrained_file(published, file=own) == own
    assert not caplog.records
    assert server.ranges_asked == []


def test_a_file_with_the_published_name_and_other_bytes_is_mentioned(published, tmp_path, caplog):
    own = tmp_path / "weights.bin"
    own.write_bytes(CONTENT)
    assert pretrained_file(published, file=own) == own
    assert not caplog.records
    own.write_bytes(CONTENT[:-1])
    with caplog.at_level(logging.WARNING):
        assert pretrained_file(published, file=own) == own
    assert "not the published weights.bin" in caplog.text


def test_an_absent_file_of_the_users_is_told(published, server, tmp_path):
    with pytest.raises(MissingFileError, match=r"own\.bin: no such file, asked for by test\.file"):
        pretrained_file(published, file=tmp_path / "own.bin")
    assert server.ranges_asked == []


def test_a_cache_that_cannot_be_written_is_told(published, cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(MissingFileError, match="set \\$MOTIONTRANSFER_CACHE to a folder that can"):
        pretrained_file(published, file=None)


def test_the_cache_is_the_variables_the_desktops_or_the_usual_one(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MOTIONTRANSFER_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "motiontransfer"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "motiontransfer"
    monkeypatch.setenv("MOTIONTRANSFER_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
