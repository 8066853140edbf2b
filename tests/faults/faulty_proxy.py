"""A proxy before an MLflow server that counts requests and fails on demand."""

import contextlib
import http.client
import itertools
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP_BY_HOP = ("host", "connection", "content-length", "transfer-encoding")
CODES = ("401", "403", "429", "500", "503")
PAGES = {"empty": b"{}", "html": b"<!doctype html><title>Sign in</title><p>Please sign in."}


class FaultyProxy(ThreadingHTTPServer):
    """Passes requests on to an MLflow server on loopback, counts them, and fails on demand. Serve it in a thread."""

    daemon_threads = True

    def __init__(self, upstream_port: int, *, slow_seconds: float = 1.5, authorization: str = ""):
        """
        Args:
            authorization: a header that requests must carry, as before a server that asks for a password.
        """
        self.upstream_port = upstream_port
        self.slow_seconds = slow_seconds
        self.authorization = authorization
        self.requests: list[str] = []
        self.failed = 0
        """Requests that met a fault."""
        self.fault: str | None = None
        """A code of CODES, drop (the connection is cut), slow (seconds before the answer), late (done, then cut),
        twice (each POST is sent on twice), empty, html, half (answers 200 with `{}`, a page, or the first half of the
        answer; what was asked is not done but for the last)."""
        self.every = 1
        """A fault meets every so-manieth request."""
        self._asked = itertools.count(1)
        super().__init__(("127.0.0.1", 0), _Passing)

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fault_of_next(self) -> str | None:
        """The fault of the next request."""
        return self.fault if next(self._asked) % self.every == 0 else None

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that has given up, or an upstream that was killed: that is what this is for


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """Else an answer's content waits for 40 ms, until the client has acknowledged its headers."""
    server: FaultyProxy

    def _pass(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._unchunked()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(f"{self.command} {self.path}")
        if self.server.authorization and self.headers.get("Authorization") != self.server.authorization:
            self._answer(401, b'{"error_code": "UNAUTHENTICATED", "message": "who are you?"}', "application/json")
            return
        fault = self.server.fault_of_next()
        if fault is not None:
            self.server.failed += 1
        if fault == "drop":
            self.close_connection = True
            return
        if fault in CODES:
            self._answer(int(fault), b'{"error_code": "INTERNAL_ERROR", "message": "no"}', "application/json")
            return
        if fault == "slow":
            time.sleep(self.server.slow_seconds)
        if fault in PAGES:
            self._answer(200, PAGES[fault], "text/html" if fault == "html" else "application/json")
            return
        if fault == "twice" and self.command == "POST":
            self._ask(body)
        status, content, kind = self._ask(body)
        if fault == "late":
            self.close_connection = True
            return
        if fault == "half":
            content = content[: len(content) // 2]
        with contextlib.suppress(BrokenPipeError):
            self._answer(status, content, kind)

    def _ask(self, body: bytes) -> tuple[int, bytes, str]:
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream_port, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
        upstream.request(self.command, self.path, body, headers)
        response = upstream.getresponse()
        content = response.read()
        upstream.close()
        return response.status, content, response.headers.get("Content-Type", "application/json")

    def _unchunked(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _pass

    def log_message(self, *arguments: object) -> None:
        pass
