"""A server of one review, for one person on this machine: it listens on the loopback interface alone and wants a token.

A page of another site can neither read nor send anything here: the token is in every address, the host must be this
machine's, and what is sent must be JSON of the own origin.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args

from schemas.choices import Answer
from stages.errors import DbcError, UsageError
from stages.ingest.decode.image_file import without_warnings
from stages.pages.review import BATCH, Review, page_data, picture_of, served_page

HOST = "127.0.0.1"
MOST_BYTES = 10_000
"""Bytes that may be sent at once."""
MOVED = (
    "this is not the address of the dbc review that runs now. It has another one each time it starts: open the one that it "
    "printed. Answers that were saved are kept"
)
SECONDS_TO_SAVE = 10
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class RefusedError(Exception):
    """A request that is not answered, with the HTTP status that says why, and what the person can do."""

    def __init__(self, status: HTTPStatus, told: str = "") -> None:
        super().__init__(told or status.phrase)
        self.status = status


@contextmanager
def serving(review: Review, *, port: int = 0) -> Iterator[str]:
    """Serve `review` while the block runs; gives the address, with its token. Port 0 is any that is free.

    UsageError if the port is taken.
    """
    token = secrets.token_urlsafe(24)
    lock = threading.Lock()
    handler = partial(_Handler, review, token, lock)
    try:
        server = ThreadingHTTPServer((HOST, port), handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"`port` must be a free port, got {port} ({reason}); leave it out for any that is free"
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        # filters of warnings belong to the process, and the threads that answer decode pictures
        with without_warnings():
            yield f"http://{HOST}:{server.server_address[1]}/{token}/"
    finally:
        server.shutdown()
        # an answer that is being saved is finished, and no other begins: it would be in the file and not in what is told
        lock.acquire(timeout=SECONDS_TO_SAVE)
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server_version, sys_version = "dbc", ""

    def __init__(self, review: Review, token: str, lock: threading.Lock, *arguments: Any) -> None:
        self._review, self._token, self._lock = review, token, lock
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Send the page or a picture."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Take an answer, take one back, or give more pairs."""
        self._answer(self._post)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the terminal is the person's."""

    def _answer(self, respond: Any) -> None:
        try:
            respond(self._path())
        except RefusedError as refused:
            self._tell(refused.status, str(refused))
        except UsageError as error:
            self._tell(HTTPStatus.CONFLICT, str(error))
        except DbcError as error:
            self._tell(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    def _tell(self, status: HTTPStatus, problem: str) -> None:
        """A problem, to the page's script, or to a person who opened the address."""
        if self.command == "POST":
            self._send_json(status, {"problem": problem})
        else:
            self._send(status, "text/plain; charset=utf-8", problem.encode())

    def _path(self) -> str:
        """The path below the token; RefusedError for another host or token."""
        port = self.connection.getsockname()[1]
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            raise RefusedError(HTTPStatus.FORBIDDEN)
        token, _, path = self.path.removeprefix("/").partition("/")
        if not secrets.compare_digest(token.encode("utf-8", "replace"), self._token.encode()):
            raise RefusedError(HTTPStatus.NOT_FOUND, MOVED)
        return path

    def _get(self, path: str) -> None:
        review = self._review
        if not path:
            with self._lock:
                review.book.begin()
                text = served_page(review)
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", text.encode())
            return
        folder, _, number = path.partition("/")
        if folder not in ("picture", "stored") or not number.isascii() or not number.isdigit() or len(number) > 12:
            raise RefusedError(HTTPStatus.NOT_FOUND)
        picture = picture_of(review, int(number), stored=folder == "stored")
        if picture is None:
            raise RefusedError(HTTPStatus.NOT_FOUND)
        self._send(HTTPStatus.OK, "image/webp", picture)

    def _post(self, path: str) -> None:
        sent = self._sent()
        with self._lock:
            if path == "answer":
                self._send_json(HTTPStatus.OK, self._add(sent))
            elif path == "undo":
                self._send_json(HTTPStatus.OK, self._undo(sent))
            elif path == "more":
                self._review.book.refresh()
                self._send_json(HTTPStatus.OK, page_data(self._review, self._review.next_pairs(BATCH)))
            else:
                raise RefusedError(HTTPStatus.NOT_FOUND)

    def _add(self, sent: dict[str, Any]) -> dict[str, Any]:
        self._review.book.add(*self._told(sent))
        return {"given": self._review.book.n_given}

    def _undo(self, sent: dict[str, Any]) -> dict[str, Any]:
        self._review.book.undo(*self._told(sent))
        return {"given": self._review.book.n_given}

    def _told(self, sent: dict[str, Any]) -> tuple[int, int, Answer]:
        n_samples = len(self._review.reported.labels)
        first, second = (
            place if type(place) is int and 0 <= place < n_samples else -1
            for place in (sent.get("first"), sent.get("second"))
        )
        answer: Any = sent.get("answer")
        if -1 in (first, second) or first == second or answer not in get_args(Answer):
            raise RefusedError(HTTPStatus.BAD_REQUEST)
        return first, second, answer

    def _sent(self) -> dict[str, Any]:
        """The JSON object of the request; RefusedError if a page of another site sent it, or it is no JSON object."""
        host = self.headers.get("Host")
        if self.headers.get("Origin", f"http://{host}") != f"http://{host}":
            raise RefusedError(HTTPStatus.FORBIDDEN)
        if self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            raise RefusedError(HTTPStatus.FORBIDDEN)
        if self.headers.get_content_type() != "application/json":
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED)
        if len(length) > 9 or int(length) > MOST_BYTES:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            found = json.loads(self.rfile.read(int(length)))
        except ValueError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST) from error
        if not isinstance(found, dict):
            raise RefusedError(HTTPStatus.BAD_REQUEST)
        return found

    def _send_json(self, status: HTTPStatus, value: Any) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            # the page was closed before its answer came
            self.close_connection = True
