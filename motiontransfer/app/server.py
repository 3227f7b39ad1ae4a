"""Server of the page: for this machine alone, or behind a token; deaf to pages of other sites."""

import asyncio
import atexit
import errno
import io
import json
import logging
import os
import secrets
import shutil
import socket
import sys
import webbrowser
from collections.abc import Callable
from contextlib import closing, redirect_stderr
from functools import partial
from pathlib import Path
from types import FrameType

import gradio as gr
import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from filelock import FileLock, Timeout
from PIL import Image
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import ClientDisconnect

from motiontransfer.app.live import CoachView, Live
from motiontransfer.app.make import EXAMPLES
from motiontransfer.app.page import build_page
from motiontransfer.app.runs import FOLDER, Queue, keep_going
from motiontransfer.app.views import FILES
from motiontransfer.core import layout
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.pipeline.dvc_api import opened
from motiontransfer.project.entries import CHECKS_FOLDER

_logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
_LOCAL = (HOST, "localhost")
_PORT = 7860
_GONE = "No response returned."  # what Starlette raises where a page was left before its answer
_TOKEN = "MOTIONTRANSFER_TOKEN"  # variable of the environment
_SECONDS_TO_END = 1  # for pages that are open
_SHOWN = (
    CHECKS_FOLDER,
    layout.VIDEOS_FOLDER,
    layout.RESULTS_FOLDER,
    layout.BACKGROUNDS_FOLDER,
    layout.INSPECTION_FOLDER,
    layout.COMPARISONS_FOLDER,
    layout.ARTIFACTS_FOLDER / "training",
)
_OF_GRADIO = ("/gradio_api/file=", "/gradio_api/proxy=")  # the page needs neither
_STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
_POLICY = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'"
_POLICY_OF_PAGES = "sandbox allow-scripts allow-popups"  # of reports: they can ask nothing of us


def serve(*, host: str = HOST, port: int | None = None, opens: bool = True) -> None:
    """Show the page until Ctrl-C; a dance that runs then goes on.

    Args:
        host: address of this machine at which to listen. At others than its own loopback one
            needs a token: that in MOTIONTRANSFER_TOKEN, or a new one.
        port: another one is taken if the usual one is not free.
        opens: show it in the browser.

    Raises:
        MotionTransferError: there is no project here, its page is open already, or the port is
            taken.
    """
    with opened(Path()):  # DVC finds a project here
        FOLDER.mkdir(parents=True, exist_ok=True)
    where = FOLDER / "address"
    try:
        held = FileLock(FOLDER / "lock", timeout=0).acquire()
    except Timeout as error:
        raise MotionTransferError(f"the page is open already: {where.read_text()}") from error
    with held, closing(_bound(host, port)) as bound:
        address = f"http://{HOST if host == '0.0.0.0' else host}:{bound.getsockname()[1]}"
        where.write_text(address)
        token = "" if host in _LOCAL else os.environ.get(_TOKEN) or secrets.token_urlsafe()
        address += f"/?token={token}" if token else ""
        queue = Queue()
        config = uvicorn.Config(
            make_app(queue, token=token),
            log_level="error",
            timeout_graceful_shutdown=_SECONDS_TO_END,
            callback_notify=partial(asyncio.to_thread, keep_going, queue),
            timeout_notify=0,  # seconds, at least: it looks once a second
        )
        server = _Server(config)

        def is_fault(record: logging.LogRecord) -> bool:
            """No page was cut off at the end, or closed while it sent a film."""
            _, error, _ = record.exc_info or (None,) * 3
            is_gone = isinstance(error, ClientDisconnect) or str(error) == _GONE
            return not server.should_exit and not is_gone

        logging.getLogger("uvicorn.error").addFilter(is_fault)
        _logger.info("%s; Ctrl-C ends the page, and what runs goes on", address)
        if opens:
            webbrowser.open(address)
        with redirect_stderr(sys.stderr):  # back to it at the end
            server.run(sockets=[bound])


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        sys.stderr = io.StringIO()  # Gradio prints a traceback of each answer that is cut off
        super().handle_exit(sig, frame)


def make_app(queue: Queue, *, token: str = "") -> FastAPI:
    """The page, the files that it shows, and the guard before both."""
    uploads = (FOLDER / "uploads").resolve()
    shutil.rmtree(uploads, ignore_errors=True)  # of a server that was killed meanwhile
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(partial(own_page_only, token=token))
    for folder in _SHOWN:  # an output may be a link into DVC's cache
        files = StaticFiles(directory=folder, check_dir=False, follow_symlink=True)
        app.mount(f"{FILES}/{folder.as_posix()}", files)
    for file in (path for of_role in EXAMPLES.values() for path in of_role.values()):
        app.get(f"{FILES}/{file.as_posix()}", response_model=None)(_sends(file))
    coach, live = CoachView(), Live()
    for session in (coach, live):  # which Python would wait for
        atexit.register(session.end)

    @app.post("/coach")
    async def look(request: Request, page: str, guide: str) -> Response:
        """What the coach says of a picture of the page's camera, a JPEG."""
        jpeg = await request.body()
        said = await asyncio.to_thread(_said, coach, page, guide, jpeg)
        return Response(said, media_type="application/json")

    page = build_page(queue, live)
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    return gr.mount_gradio_app(
        app, page, path="/", server_name=HOST, footer_links=[], allowed_paths=[],
        theme=theme, css=_STYLE, ssr_mode=False, enable_monitoring=False,
        pwa=False,
    )  # fmt: skip


def _sends(file: Path) -> Callable[[], FileResponse]:
    return lambda: FileResponse(file)


def _said(coach: CoachView, page: str, guide: str, jpeg: bytes) -> str:
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            frame = np.asarray(image.convert("RGB"))
        return coach.perform(page, guide, frame) or coach.loading
    except (MotionTransferError, OSError) as error:
        return json.dumps({"told": [str(error)]})


async def own_page_only(
    request: Request, answer: RequestResponseEndpoint, *, token: str
) -> Response:
    """Refuse what another site asks for, and who has not the token or, without one, is elsewhere.

    Without a token a name of another site for this machine is refused, too.
    """
    path, headers = request.scope["path"], request.headers
    host, origin = headers.get("host", ""), headers.get("origin")
    is_here = bool(token) or host.partition(":")[0] in _LOCAL
    if not is_here or (origin or f"http://{host}") not in (f"http://{host}", f"https://{host}"):
        return PlainTextResponse("only this machine's own page may ask", status_code=403)
    if token and (refused := _refused(request, token)):
        return refused
    if path.startswith(_OF_GRADIO):
        return PlainTextResponse("no such file", status_code=404)
    size = int(headers.get("content-length", 0))
    free = shutil.disk_usage(FOLDER).free
    if size > free and path == "/gradio_api/upload":  # what has arrived would stay
        told = f"the disk is full: {size / 1e6:.0f} MB are sent, {free / 1e6:.0f} MB are free"
        return PlainTextResponse(told, status_code=507)
    response = await answer(request)
    policy = _POLICY_OF_PAGES if path.endswith(".html") else _POLICY
    response.headers["Content-Security-Policy"] = policy
    return response


def _refused(request: Request, token: str) -> Response | None:
    """Answer to who has not shown the token; who shows it in the address gets it as a cookie."""
    cookie = f"motiontransfer_{request.url.port}"  # a browser sends it to each port
    known, shown = (
        secrets.compare_digest(each.encode(), token.encode())
        for each in (request.cookies.get(cookie, ""), request.query_params.get("token", ""))
    )
    if shown:
        entered = RedirectResponse(request.url.path, status_code=303)
        entered.set_cookie(cookie, token, httponly=True, samesite="strict")
        entered.headers["Referrer-Policy"] = "no-referrer"
        return entered
    told = "open the address that `motiontransfer app` has printed, with its token"
    return None if known else PlainTextResponse(told, status_code=403)


def _bound(host: str, port: int | None) -> socket.socket:
    """Socket at a port, or at the usual one or any that is free."""
    for each in (port,) if port is not None else (_PORT, 0):
        try:
            return socket.create_server((host, each))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise MotionTransferError(
                    f"--host: cannot listen at {host}: {error.strerror}; expected an address of "
                    f"this machine, such as {HOST}, or 0.0.0.0 for all"
                ) from error
    raise MotionTransferError(f"--port: {port} is not free; leave it out to take any")
