"""A small read-only server of live pages, for one's own machine."""

from __future__ import annotations

import sys
from collections.abc import Collection
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from merbench.api.errors import RequestError
from merbench.report.live.pages import LivePages

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
}


class LiveServer(ThreadingHTTPServer):
    """``hosts``: further names by which it may be asked for. A request under any other name is
    refused: by a name of its own that leads here, a foreign web page could read along.
    """

    daemon_threads = True

    def __init__(self, pages: LivePages, host: str, port: int, hosts: Collection[str] = ()) -> None:
        self.pages = pages
        try:
            super().__init__((host, port), _Handler)
        except OverflowError:
            raise RequestError(
                f"nothing can be served at {host}:{port} (it is no number of a port); "
                "choose a --port up to 65535, or 0 for any that is free"
            ) from None
        # UnicodeError, ValueError: of a name that is none.
        except (OSError, ValueError, TypeError) as error:
            reason = getattr(error, "strerror", None) or "it is no name of a machine"
            raise RequestError(
                f"nothing can be served at {host}:{port} ({reason}); "
                "choose another --port, or 0 for any that is free"
            ) from error
        self.names = {name.lower() for name in (*LOOPBACK, host, *hosts)}

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who closes the page while it is sent is nothing to report."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def knows(self, host: str | None) -> bool:
        """True if a Host header names this server."""
        name, port = _split(host or "")
        return name in self.names and port in ("", str(self.server_port))


def _split(host: str) -> tuple[str, str]:
    """``[::1]:80`` -> ``[::1]``, ``80``; the port is empty where there is none."""
    if host.startswith("["):
        name, _, port = host.partition("]")
        return f"{name}]".lower(), port.removeprefix(":")
    name, _, port = host.partition(":")
    return name.lower(), port


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    server_version = "merbench"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not self.server.knows(hosts[0]):
            text = "This server is asked for under a name that is not its own (--allow-host)."
            self._answer(HTTPStatus.FORBIDDEN, text.encode(), "text/plain; charset=utf-8")
            return
        try:
            page = self.server.pages.get(urlsplit(self.path).path)
        except ValueError:  # it is no address
            page = None
        if page is None:
            text = "There is no such page; / lists the boards."
            self._answer(HTTPStatus.NOT_FOUND, text.encode(), "text/plain; charset=utf-8")
            return
        self._answer(HTTPStatus.OK, *page)

    do_HEAD = do_GET

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: a page asks every two seconds."""
