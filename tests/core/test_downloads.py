import gc
import hashlib
import logging
import re
import socket
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from motiontransfer.core.downloads import Pretrained, pretrained_file
from motiontransfer.core.errors import MissingFileError, WeightsError
from motiontransfer.evaluation import lpips
from motiontransfer.pose import published as of_poses
from motiontransfer.training import gan

CONTENT = bytes(range(256)) * 8192


class Server(ThreadingHTTPServer):
    """Serves one file, and counts its requests; sends only `cut_bytes` of it where that is set."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.num_requests = 0
        self.cut_bytes = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/weights.bin"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.num_requests += 1
        if self.path != "/weights.bin":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        self.wfile.write(server.content[: server.cut_bytes])

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def _connections():
    """Close those of failed downloads, which pooch leaves to the garbage collector."""
    gc.freeze()  # only what the test allocates is searched
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    gc.unfreeze()


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


def test_a_published_file_is_downloaded_once_a_version(published, server, cache):
    first = pretrained_file(published, file=None)
    assert first.read_bytes() == CONTENT
    assert first.parent == cache
    assert first.suffix == ".bin"
    server.content = b"another file"
    nowhere = replace(published, url="http://127.0.0.1:9/gone.bin")
    assert pretrained_file(published, file=None) == pretrained_file(nowhere, file=None) == first
    assert server.num_requests == 1
    assert files_in(cache) == [first.name]
    second = replace(published, sha256=hashlib.sha256(server.content).hexdigest())
    assert pretrained_file(second, file=None).read_bytes() == server.content
    assert first.read_bytes() == CONTENT


def test_what_is_downloaded_is_pinned_and_comes_by_https():
    of_losses = gan.vgg19_weights("train_gan"), lpips.published_alexnet("file")
    of_detectors = *of_poses.POSE_BUNDLES.values(), of_poses.KEYPOINT_RCNN
    for one in of_losses + of_detectors:
        assert one.url.startswith("https://")
        assert re.fullmatch("[0-9a-f]{64}", one.sha256)


def assert_refused_with_remedies(published, match):
    with pytest.raises(MissingFileError, match=match) as error:
        pretrained_file(published, file=None)
    message = str(error.value)
    assert "\n" not in message
    assert "weights.bin: missing, the test needs it" in message
    for part in (published.url, published.sha256, "test.file", "set test.kind: other"):
        assert part in message


@pytest.mark.usefixtures("_connections")
@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("{server}/absent.bin", "404"),
        ("http://127.0.0.1:9/weights.bin", "refused"),
        ("http://models.example/weights.bin", "name resolution"),
    ],
)
def test_an_unreachable_file_is_refused_with_remedies(published, cache, monkeypatch, url, match):
    def no_network(*args, **others):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    if match == "name resolution":
        monkeypatch.setattr(socket, "getaddrinfo", no_network)
    url = url.format(server=published.url.rpartition("/")[0])
    assert_refused_with_remedies(replace(published, url=url), match)
    assert files_in(cache) == []


@pytest.mark.usefixtures("_connections")
def test_nothing_is_kept_of_an_interrupted_download_or_of_other_bytes(published, server, cache):
    server.content = b"\1" + CONTENT[1:]
    got = hashlib.sha256(server.content).hexdigest()
    with pytest.raises(WeightsError, match=rf"expected {published.sha256} but got {got}"):
        pretrained_file(published, file=None)
    server.content, server.cut_bytes = CONTENT, 1_500_000
    assert_refused_with_remedies(published, "1500000 bytes read")
    assert files_in(cache) == []
    server.cut_bytes = None
    assert pretrained_file(published, file=None).read_bytes() == CONTENT


def test_two_workers_at_once_download_it_once(published, server):
    with ThreadPoolExecutor(2) as workers:
        files = list(workers.map(lambda _: pretrained_file(published, file=None), range(2)))
    assert [file.read_bytes() == CONTENT for file in files] == [True, True]
    assert server.num_requests == 1


def test_the_users_own_file_is_taken_whatever_it_holds(published, server, tmp_path, caplog):
    own = tmp_path / "own.bin"
    own.write_bytes(b"fine-tuned")
    assert pretrained_file(published, file=own) == own
    own = tmp_path / "weights.bin"
    own.write_bytes(CONTENT)
    assert pretrained_file(published, file=own) == own
    assert not caplog.records
    own.write_bytes(CONTENT[:-1])
    with caplog.at_level(logging.WARNING):
        assert pretrained_file(published, file=own) == own
    assert "not the published weights.bin" in caplog.text
    assert server.num_requests == 0


def test_a_missing_file_of_the_user_is_named(published, server, tmp_path):
    with pytest.raises(MissingFileError, match=r"own\.bin: no such file, asked for by test\.file"):
        pretrained_file(published, file=tmp_path / "own.bin")
    (tmp_path / "own.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(WeightsError, match=r"own\.bin: is a pointer of Git LFS, not the file"):
        pretrained_file(published, file=tmp_path / "own.bin")
    assert server.num_requests == 0


def test_an_unwritable_cache_is_refused(published, cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(MissingFileError, match="set \\$MOTIONTRANSFER_CACHE to a folder that can"):
        pretrained_file(published, file=None)
