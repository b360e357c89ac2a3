"""Requests at a URL until SIGTERM, as `parts.traffic` sends them, by a program so small that it takes nothing from what
it watches: `python -I -S knocking.py HOST PORT PATH CLIENTS PAUSE LIMIT ANSWERS READY`.

It writes the fields of `parts.traffic.Report` into ANSWERS when it ends, and makes READY after its first request.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import sys
import threading
import time


class Broken(Exception):
    """A request failed, for that reason."""


class Knocking:
    """`clients` threads that send GET, wait for the whole answer, close and go on after `pause` seconds."""

    def __init__(self, host: str, port: int, path: str, pause: float, limit: float) -> None:
        self._at, self._path, self._pause, self._limit = (host, port), path, pause, limit
        self._asks = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: traffic\r\n\r\n".encode()
        self._lock, self.first, self._stop = threading.Lock(), threading.Event(), threading.Event()
        self._sent, self._well, self._failed = 0, [], []  # type: ignore[var-annotated]
        self._versions, self._last = {}, ""  # type: ignore[var-annotated]
        self._began = time.monotonic()

    def run(self, clients: int, ready: str) -> None:
        """Send until `stop`, and wait for the answers to what was sent."""
        threads = [threading.Thread(target=self._client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        self.first.wait()
        os.close(os.open(ready, os.O_WRONLY | os.O_CREAT, 0o600))
        for thread in threads:
            thread.join()

    def stop(self, *_: object) -> None:
        """Send no more."""
        self._stop.set()

    def report(self) -> dict[str, object]:
        """The fields of a Report."""
        end = time.monotonic()
        times = [self._began, *sorted(self._well), end]
        gap = max(after - before for before, after in itertools.pairwise(times))
        return {
            "sent": self._sent, "ok": len(self._well), "failed": self._failed, "versions": self._versions,
            "last": self._last, "longest_gap": gap, "seconds": end - self._began,
        }  # fmt: skip

    def _client(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                told, reason = self.get(began + self._limit), ""
            except Broken as error:
                told, reason = b"", str(error)
            now = time.monotonic()
            with self._lock:
                self._sent += 1
                if reason:
                    at = began - self._began
                    self._failed.append({"at": at, "took": now - began, "reason": reason, "path": self._path})
                else:
                    self._last = told.decode("utf-8", "replace").partition("\n")[0].strip()
                    self._versions[self._last] = self._versions.get(self._last, 0) + 1
                    self._well.append(now)
            self.first.set()
            self._stop.wait(self._pause)

    def get(self, until: float) -> bytes:
        """The body of one answer with status 200. Raises Broken."""
        came = b""
        sock = socket.socket()
        try:
            sock.settimeout(max(0.001, until - time.monotonic()))
            sock.connect(self._at)
            sock.sendall(self._asks)
            while (body := answer(came)) is None:
                sock.settimeout(max(0.001, until - time.monotonic()))
                data = sock.recv(65_536)
                if not data:
                    return ended(came)
                came += data
            return body
        except TimeoutError:
            raise Broken("timeout") from None
        except ConnectionRefusedError:
            raise Broken("refused") from None
        except (ConnectionResetError, BrokenPipeError):
            raise Broken("cut" if came else "reset") from None
        except OSError as error:
            raise Broken(str(error.strerror or error)) from None
        finally:
            sock.close()


def answer(came: bytes) -> bytes | None:
    """The body of an answer that is whole, None for one that may go on. Raises Broken for what is no 200."""
    if not b"HTTP/1.".startswith(came[:7]):
        raise Broken("garbled")
    head, over, body = came.partition(b"\r\n\r\n")
    if not over:
        return None
    lines = head.split(b"\r\n")
    status = lines[0].split(b" ")[1:2]
    if not (status and status[0].isdigit()):
        raise Broken("garbled")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        whole = body.endswith(b"\r\n0\r\n\r\n")
        body = body.partition(b"\r\n")[2]
    elif b"content-length" in fields:
        length = fields[b"content-length"]
        if not length.isdigit():
            raise Broken("garbled")
        whole = len(body) >= int(length)
    else:
        return None
    if not whole:
        return None
    if status[0] != b"200":
        raise Broken(status[0].decode())
    return body


def ended(came: bytes) -> bytes:
    """The body of an answer that goes to the end of its connection. Raises Broken for one that was to go on."""
    if not came:
        raise Broken("closed")
    head, over, body = came.partition(b"\r\n\r\n")
    low = head.lower()
    if not over or b"\r\ncontent-length:" in low or b"\r\ntransfer-encoding:" in low:
        raise Broken("cut")
    status = head.split(b" ")[1][:3]
    if status != b"200":
        raise Broken(status.decode("latin-1"))
    return body


def main(host: str, port: str, path: str, clients: str, pause: str, limit: str, answers: str, ready: str) -> None:
    """Until SIGTERM."""
    knocking = Knocking(host, int(port), path, float(pause), float(limit))
    signal.signal(signal.SIGTERM, knocking.stop)
    knocking.run(int(clients), ready)
    with open(answers, "w", encoding="utf-8") as file:
        json.dump(knocking.report(), file)


if __name__ == "__main__":
    main(*sys.argv[1:])
