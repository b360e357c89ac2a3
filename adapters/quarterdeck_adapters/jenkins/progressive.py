"""Reading a log from an offset on, where offsets may mean nothing. Pure but for the reading itself.

`X-Text-Size` is the offset to ask from next, `X-More-Data: true` says that more will come. Jenkins begins anew,
silently, for an offset behind the end; log stores outside of the controller may not keep offsets at all
(JENKINS-65024). The body may be shorter than the offsets say, as annotations are taken out of it; so only its bytes
tell what it is.
https://javadoc.jenkins.io/component/stapler/org/kohsuke/stapler/framework/io/LargeText.html
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import NamedTuple

from quarterdeck_adapters.ci.tail import Piece
from quarterdeck_adapters.jenkins.api import Api

HEAD = 512
"""Bytes of a log's beginning by which it is known again."""
WINDOW = 1 << 20
LINE = 400
AT_ONCE = 8 << 20
"""Bytes of one answer that are kept; of a larger one the end."""


class Answered(NamedTuple):
    """What one question brought: the bytes kept, how many before them were not, and what the headers say."""

    data: bytes
    size: int
    more: bool
    left_out: int = 0


class Progress:
    """How far a log was read. Takes each answer and says what is new in it."""

    def __init__(self) -> None:
        self.offset = 0
        self.notice = ""
        self._head = b""
        self._seen = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self._from_start = True

    def skip_to(self, offset: int, head: bytes) -> None:
        """Begin at an offset: what is before it is not wanted."""
        self.offset, self._head, self._from_start = offset, head[:HEAD], False

    def piece(self, got: Answered) -> Piece:
        """What is new in an answer to a question for `offset` on."""
        asked, self.offset = self.offset, got.size
        if got.left_out:
            return self._anew(got, f"{got.left_out:,} bytes came at once and are not shown")
        if asked == 0 and not self._seen:
            return self._grown(got.data, got)
        if got.size >= asked and not self._whole(got):
            return self._grown(got.data, got)
        # The answer is the whole log, whatever was asked for.
        if self._from_start and len(got.data) >= self._seen:
            same = hashlib.blake2b(got.data[: self._seen], digest_size=16).digest() == self._digest.digest()
            if same:
                return self._grown(got.data[self._seen :], got)
        if got.size < asked:
            return self._anew(got, f"the log shrank from {asked:,} to {got.size:,} bytes: from its start")
        return self._anew(got, "the log's store kept no offset: from its start")

    def _whole(self, got: Answered) -> bool:
        """Whether the answer is the whole log, by its length or by its beginning."""
        if got.data and len(got.data) == got.size:
            return True
        return len(self._head) >= 16 and got.data[: len(self._head)] == self._head

    def _grown(self, data: bytes, got: Answered) -> Piece:
        if self._from_start and len(self._head) < HEAD:
            self._head += data[: HEAD - len(self._head)]
        self._digest.update(data)
        self._seen += len(data)
        return Piece(data, not got.more)

    def _anew(self, got: Answered, why: str) -> Piece:
        self._digest, self._seen = hashlib.blake2b(got.data, digest_size=16), len(got.data)
        self._from_start = not got.left_out
        self._head = got.data[:HEAD] if self._from_start else self._head
        return Piece(got.data, not got.more, why)


def _size(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else 0


async def ask(api: Api, path: str, offset: int) -> Answered:
    """The log from an offset on; of more than 8 MiB its end. Raises QuarterdeckError."""
    kept: deque[bytes] = deque()
    held = left_out = 0
    async with api.bytes(f"{path}/logText/progressiveText?start={offset}") as response:
        size, more = _size(response.headers.get("x-text-size", "")), response.headers.get("x-more-data") == "true"
        async for chunk in response.aiter_bytes(64 * 1024):
            kept.append(chunk)
            held += len(chunk)
            while held > AT_ONCE and len(kept) > 1:
                first = len(kept.popleft())
                held, left_out = held - first, left_out + first
    return Answered(b"".join(kept), size, more, left_out)


async def size_of(api: Api, path: str) -> tuple[int, bytes]:
    """The size of a log and its first bytes, without reading it: the answer is left after its first part."""
    async with api.bytes(f"{path}/logText/progressiveText?start=0") as response:
        size = _size(response.headers.get("x-text-size", ""))
        async for chunk in response.aiter_bytes(4096):
            return size, chunk[:HEAD]
    return size, b""


async def begun(api: Api, path: str, tail: int) -> tuple[Progress, str]:
    """Where to begin for the last `tail` lines, and what is said of what is left out."""
    progress = Progress()
    size, head = await size_of(api, path)
    window = min(AT_ONCE, max(WINDOW, tail * LINE))
    if size <= window:
        return progress, ""
    progress.skip_to(size - window, head)
    return progress, f"the first {size - window:,} of {size:,} bytes are not read"
