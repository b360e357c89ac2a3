"""The chunked transfer coding (RFC 9112, section 7.1), decoded as the bytes arrive.

urllib3 gives one chunk at a time; an engine makes a chunk of every log line, and 200,000 of them took 15 s.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

MOST_LINE = 256


class Chunked:
    """Feed it what was read; it answers what it means. `ended` when the last chunk has come."""

    def __init__(self) -> None:
        self.ended = False
        self._held = b""
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """The payload in these bytes. Raises ValueError for what is no chunked body."""
        data, at, found = self._held + data, 0, []
        while at < len(data) and not self.ended:
            if self._left > 2:
                body = data[at : at + self._left - 2]
                found.append(body)
                at += len(body)
                self._left -= len(body)
            elif self._left:
                # The line break after a chunk's data.
                skipped = min(self._left, len(data) - at)
                at += skipped
                self._left -= skipped
            else:
                end = data.find(b"\n", at)
                if end < 0:
                    if len(data) - at > MOST_LINE:
                        raise ValueError("no chunk size where one should be")
                    break
                size = int(data[at:end].partition(b";")[0].strip(), 16)
                at = end + 1
                self.ended = size == 0
                self._left = size + 2 if size else 0
        self._held = data[at:]
        return b"".join(found)


def payload(read: Callable[[int], bytes], size: int = 65536) -> Iterator[bytes]:
    """The payload of a chunked body in large pieces. `read` gives what has arrived, at most so many bytes.

    Raises ConnectionResetError when the connection ends before the body does.
    """
    body = Chunked()
    while not body.ended:
        data = read(size)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "the connection ended in the middle of the answer")
        if piece := body.feed(data):
            yield piece
