"""Sockets that another thread may shut, to wake one that is blocked in a read."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any


class Sockets:
    """The open sockets of one client, so that a thread blocked in a read can be woken."""

    def __init__(self) -> None:
        self._open: list[Any] = []
        self._shut_down: list[Any] = []
        self._lock = threading.Lock()
        self._aborted = False

    def add(self, sock: Any) -> None:
        """Remember a socket that was just connected; shut at once when the client was aborted meanwhile."""
        with self._lock:
            self._open = [each for each in self._open if each.fileno() >= 0]
            aborted = self._aborted
            (self._shut_down if aborted else self._open).append(sock)
        if aborted:
            self._shut(sock)

    def wait_for_ever(self) -> None:
        """Take the read time-out off, for a stream that may be silent for days."""
        with self._lock:
            for sock in self._open:
                with suppress(OSError):
                    sock.settimeout(None)

    def abort(self) -> None:
        """Shut every socket: a blocked read in another thread ends at once."""
        with self._lock:
            self._aborted = True
            sockets, self._open = self._open, []
            self._shut_down += sockets
        for sock in sockets:
            self._shut(sock)

    def close(self) -> None:
        """Shut and close every socket; for the thread that used them, or when that has ended."""
        with self._lock:
            sockets, self._open, self._aborted = self._open + self._shut_down, [], True
            self._shut_down = []
        for sock in sockets:
            self._shut(sock)
            with suppress(OSError):
                sock.close()

    @staticmethod
    def _shut(sock: Any) -> None:
        # The plain socket's own shutdown, also of a TLS socket: SSLSocket.shutdown would drop the TLS object
        # under a thread that is reading from it.
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
