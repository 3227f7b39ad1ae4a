"""Server of the page: for this machine alone, and deaf to pages of other sites."""

import asyncio
import logging
import os
import shutil
import socket
import webbrowser
from contextlib import closing, suppress
from functools import partial

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from filelock import FileLock, Timeout
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import ClientDisconnect

from motiontransfer.app.live import Live
from motiontransfer.app.page import build_page
from motiontransfer.app.runs import FOLDER, Queue, keep_going
from motiontransfer.app.views import FILES, STYLE
from motiontransfer.core import layout
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.project.entries import CHECKS_FOLDER

_logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
_PORT = 7860
_SECONDS_TO_END = 1  # for pages that are open
_SHOWN = (
    CHECKS_FOLDER,
    layout.RESULTS_FOLDER,
    layout.INSPECTION_FOLDER,
    layout.COMPARISONS_FOLDER,
    layout.ARTIFACTS_FOLDER / "training",
)
_OF_GRADIO = ("/gradio_api/file=", "/gradio_api/proxy=")  # the page needs neither
_POLICY = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'"
_POLICY_OF_PAGES = "sandbox allow-scripts allow-popups"  # of reports: they can ask nothing of us


def serve(*, port: int | None = None, opens: bool = True) -> None:
    """Show the page until Ctrl-C; a dance that runs then goes on.

    Args:
        port: another one is taken if the usual one is not free.
        opens: show it in the browser.

    Raises:
        MotionTransferError: the project's page is open already, or the port is taken.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    where = FOLDER / "address"
    try:
        held = FileLock(FOLDER / "lock", timeout=0).acquire()
    except Timeout as error:
        raise MotionTransferError(f"the page is open already: {where.read_text()}") from error
    with held, closing(_bound(port)) as bound:
        address = f"http://{HOST}:{bound.getsockname()[1]}"
        where.write_text(address)
        queue = Queue()
        config = uvicorn.Config(
            make_app(queue),
            log_level="error",
            timeout_graceful_shutdown=_SECONDS_TO_END,
            callback_notify=partial(asyncio.to_thread, keep_going, queue),
            timeout_notify=0,  # seconds, at least: it looks once a second
        )
        server = uvicorn.Server(config)

        def is_fault(record: logging.LogRecord) -> bool:
            """No page was cut off at the end, or closed while it sent a film."""
            kind, *_ = record.exc_info or (None,)
            return not server.should_exit and kind is not ClientDisconnect

        logging.getLogger("uvicorn.error").addFilter(is_fault)
        _logger.info("%s; Ctrl-C ends the page, and what runs goes on", address)
        if opens:
            webbrowser.open(address)
        server.run(sockets=[bound])


def make_app(queue: Queue) -> FastAPI:
    """The page, the files that it shows, and the guard before both."""
    uploads = (FOLDER / "uploads").resolve()
    shutil.rmtree(uploads, ignore_errors=True)  # of a server that was killed meanwhile
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(own_page_only)
    for folder in _SHOWN:  # an output may be a link into DVC's cache
        files = StaticFiles(directory=folder, check_dir=False, follow_symlink=True)
        app.mount(f"{FILES}/{folder.as_posix()}", files)
    page = build_page(queue, Live())
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    return gr.mount_gradio_app(
        app, page, path="/", server_name=HOST, footer_links=[], allowed_paths=[],
        theme=theme, css=STYLE, ssr_mode=False, enable_monitoring=False, pwa=False,
    )  # fmt: skip


async def own_page_only(request: Request, answer: RequestResponseEndpoint) -> Response:
    """Refuse what another site asks for, also by a name of its own for this machine."""
    path, headers = request.scope["path"], request.headers
    host, origin = headers.get("host", ""), headers.get("origin")
    is_here = host.partition(":")[0] in (HOST, "localhost")
    if not is_here or origin not in (None, f"http://{host}"):
        return PlainTextResponse("only this machine's own page may ask", status_code=403)
    if path.startswith(_OF_GRADIO):
        return PlainTextResponse("no such file", status_code=404)
    size, free = int(headers.get("content-length", 0)), shutil.disk_usage(FOLDER).free
    if size > free and path == "/gradio_api/upload":  # what has arrived would stay
        told = f"the disk is full: {size / 1e6:.0f} MB are sent, {free / 1e6:.0f} MB are free"
        return PlainTextResponse(told, status_code=507)
    response = await answer(request)
    policy = _POLICY_OF_PAGES if path.endswith(".html") else _POLICY
    response.headers["Content-Security-Policy"] = policy
    return response


def _bound(port: int | None) -> socket.socket:
    """Socket at a port, or at the usual one or any that is free."""
    for each in (port,) if port is not None else (_PORT, 0):
        with suppress(OSError):
            return socket.create_server((HOST, each))
    raise MotionTransferError(f"--port: {port} is not free; leave it out to take any")
