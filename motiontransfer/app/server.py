"""Server of the page: for this machine alone, and deaf to pages of other sites."""

import logging
import os
import shutil
import socket
import threading
import webbrowser
from contextlib import closing
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response
from filelock import FileLock, Timeout
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
        queue, live, over = Queue(), Live(), threading.Event()
        server = uvicorn.Server(
            uvicorn.Config(
                make_app(queue, live), log_level="error", timeout_graceful_shutdown=_SECONDS_TO_END
            )
        )
        # Pages that are open are cut off at the end.
        logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
        worker = threading.Thread(target=keep_going, args=(queue, over))
        worker.start()
        _logger.info("%s; Ctrl-C ends the page, and what runs goes on", address)
        if opens:
            webbrowser.open(address)
        try:
            server.run(sockets=[bound])
        finally:
            live.end()
            over.set()
            worker.join()


def make_app(queue: Queue, live: Live) -> FastAPI:
    """The page, the files that it shows, and the guard before both."""
    uploads = (FOLDER / "uploads").resolve()
    shutil.rmtree(uploads, ignore_errors=True)  # of a server that was killed meanwhile
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(f"{FILES}/{{name:path}}")
    def shown(name: str) -> Response:
        path = Path(os.path.normpath(name))  # an output may be a link into DVC's cache
        if not any(path.is_relative_to(folder) for folder in _SHOWN) or not path.is_file():
            return PlainTextResponse(f"{name}: no such file of this page", status_code=404)
        pages = {"Content-Security-Policy": _POLICY_OF_PAGES} if path.suffix == ".html" else {}
        return FileResponse(path, headers=pages)

    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    gr.mount_gradio_app(
        app, build_page(queue, live), path="/", server_name=HOST, footer_links=[], allowed_paths=[],
        theme=theme, css=STYLE, ssr_mode=False, enable_monitoring=False, pwa=False,
    )  # fmt: skip
    app.add_middleware(OwnPageOnly)
    return app


class OwnPageOnly:
    """Refuses what another site asks for, also by a name of its own for this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get("host", ""), headers.get("origin")
        is_here = host.partition(":")[0] in (HOST, "localhost")
        if not is_here or origin not in (None, f"http://{host}"):
            answer = PlainTextResponse("only this machine's own page may ask", status_code=403)
            return await answer(scope, receive, send)
        if scope["path"].startswith(_OF_GRADIO):
            return await PlainTextResponse("no such file", status_code=404)(scope, receive, send)
        size, free = int(headers.get("content-length", 0)), shutil.disk_usage(FOLDER).free
        if size > free and scope["path"] == "/gradio_api/upload":  # what has arrived would stay
            told = f"the disk is full: {size / 1e6:.0f} MB are sent, {free / 1e6:.0f} MB are free"
            return await PlainTextResponse(told, status_code=507)(scope, receive, send)

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                if b"content-security-policy" not in names:
                    policy = (b"content-security-policy", _POLICY.encode())
                    message = {**message, "headers": [*message["headers"], policy]}
            await send(message)

        return await self._app(scope, receive, send_with_policy)


def _bound(port: int | None) -> socket.socket:
    """Socket at a port, or at the usual one or any that is free."""
    for each in (port,) if port is not None else (_PORT, 0):
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((HOST, each))
            bound.listen()  # who comes before the server does waits
        except OSError:
            bound.close()
        else:
            return bound
    raise MotionTransferError(f"--port: {port} is not free; leave it out to take any")
