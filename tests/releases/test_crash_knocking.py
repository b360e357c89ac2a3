"""The requests of the crash cases: every way to fail has its reason, and what came is counted as it came."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crash.containers import Door
from crash.knocking import Broken, Knocking
from parts.process import free_port, wait_until

Serve = Callable[[socket.socket], None]
WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nv1\nmore\n"


@contextmanager
def serving(serve: Serve) -> Iterator[int]:
    """A server on loopback that reads a request on each connection and then does this."""
    listener = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock:
                assert sock.recv(4096).startswith(b"GET /v?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")
                serve(sock)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def reset(sock: socket.socket) -> None:
    """Close with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says(*pieces: bytes) -> Serve:
    """A server that says this and closes."""

    def serve(sock: socket.socket) -> None:
        for piece in pieces:
            sock.sendall(piece)

    return serve


def silent(sock: socket.socket) -> None:
    sock.recv(1)


def ask(port: int, limit: float = 5.0) -> bytes:
    return Knocking("127.0.0.1", port, "/v?x=1", 0.0, limit).get(time.monotonic() + limit)


@pytest.mark.parametrize(
    ("serve", "reason"),
    [
        (says(), "closed"), (reset, "reset"), (says(WELL[:-3]), "cut"), (says(WELL[:9]), "cut"),
        (says(b"SSH-2.0-x\r\n\r\n"), "garbled"), (says(b"HTTP/1.1 well\r\n\r\n"), "garbled"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), "garbled"),
        (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nv1\n\r\n"), "cut"),
        (says(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), "503"), (says(b"HTTP/1.0 404 No\r\n\r\nno"), "404"),
        (silent, "timeout"),
    ],
)  # fmt: skip
def test_each_way_a_knock_fails_has_its_reason(serve: Serve, reason: str) -> None:
    with serving(serve) as port, pytest.raises(Broken, match=f"^{reason}$"):
        ask(port, 0.3)


def test_a_reset_inside_an_answer_is_a_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    class Torn(socket.socket):
        heard = False

        def recv(self, *args: int) -> bytes:
            if self.heard:
                raise ConnectionResetError
            self.heard = True
            return super().recv(*args)

    with serving(says(WELL[:-3])) as port:
        monkeypatch.setattr("crash.knocking.socket.socket", Torn)
        with pytest.raises(Broken, match=r"^cut$"):
            ask(port)


def test_a_closed_port_refuses() -> None:
    with pytest.raises(Broken, match=r"^refused$"):
        ask(free_port())


@pytest.mark.parametrize(
    "pieces",
    [
        (WELL,), (WELL[:3], WELL[3:-2], WELL[-2:]), (b"HTTP/1.0 200 OK\r\n\r\nv1\nmore\n",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nv1\nmore\n\r\n", b"0\r\n\r\n"),
    ],
)  # fmt: skip
def test_a_whole_answer_is_well_however_it_comes(pieces: tuple[bytes, ...]) -> None:
    with serving(says(*pieces)) as port:
        assert ask(port).startswith(b"v1\n")


def test_the_door_counts_requests_versions_failures_and_the_gap(tmp_path: Path) -> None:
    served, sick = [], threading.Event()

    def serve(sock: socket.socket) -> None:
        served.append(sick.is_set())
        if not sick.is_set():
            sock.sendall(WELL)

    with serving(serve) as port, Door(f"http://127.0.0.1:{port}/v?x=1", tmp_path) as door:
        wait_until(lambda: len(served) > 10, "ten requests")
        began = time.monotonic()
        sick.set()
        wait_until(lambda: served.count(True) > 10, "ten that fail")
        spent = time.monotonic() - began
        sick.clear()
        many = len(served)
        wait_until(lambda: len(served) > many + 10, "ten more")
        report = door.report()
        seen = door.seen()
    assert report.sent == len(served)
    assert report.versions == {"v1": served.count(False)}
    assert (report.ok, len(report.failed)) == (served.count(False), served.count(True))
    assert report.reasons == {"closed": served.count(True)}
    assert (seen.sent, seen.failed, seen.gap_s) == (report.sent, len(report.failed), round(report.longest_gap, 3))
    assert spent * 0.5 < report.longest_gap < report.seconds
    assert report.last == "v1"
