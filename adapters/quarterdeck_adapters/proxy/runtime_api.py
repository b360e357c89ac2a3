"""haproxy's runtime API: one command a connection, answers and errors of haproxy 2.6.

https://docs.haproxy.org/2.6/management.html#9.3
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from quarterdeck_lifecycle.calls import CALLS
from quarterdeck_lifecycle.errors import (
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    Timeout,
    Unavailable,
    Unsupported,
)
from quarterdeck_lifecycle.permit import require

DEADLINE_S = 5.0
MAX_ANSWER = 16 * 1024 * 1024
_ENDS = re.compile(r"[\n\r\0;\\]")
_ADMIN = "give it a stats socket of `level admin`"


class RuntimeSocket:
    """The stats socket at `unix:///path` or `tcp://host:port`."""

    def __init__(self, source: str, url: str) -> None:
        self.source, self.url = source, url
        parts = urlsplit(url)
        self._path = unquote(parts.netloc + parts.path) if parts.scheme == "unix" else ""
        self._host, self._port = parts.hostname or "", parts.port or 0
        if not self._path and not (parts.scheme == "tcp" and self._host and self._port):
            raise Unsupported(f"no haproxy socket: {url}", source=source, mend="unix:///path or tcp://host:port")

    async def read(self, command: str) -> str:
        """The answer to a command that changes nothing. Raises QuarterdeckError."""
        return await self._send(command)

    async def write(self, *commands: str) -> str:
        """Send commands that change something, in one line, so that a stop of this program does not part them.

        Needs the permit. An answer that is an error is raised by `failed`.
        """
        require(self.source, f"haproxy: {commands[0]}")
        answer = await self._send(*commands)
        if error := failed(answer, commands[0], self.source):
            raise error
        return answer

    async def _send(self, *commands: str) -> str:
        if any(_ENDS.search(command) for command in commands):
            raise ValueError("a command holds what would end it")
        what = f"haproxy: {commands[0]}"
        try:
            with CALLS.call(self.source, "haproxy", "; ".join(commands)) as made:
                async with asyncio.timeout(DEADLINE_S):
                    answer = await self._exchange("; ".join(commands), what)
                made.status = 0
            return answer
        except TimeoutError as error:
            raise Timeout(
                what, source=self.source, why=f"no answer from {self.url} within {DEADLINE_S:g} s",
                mend="check that haproxy runs and that its socket is reachable from here",
            ) from error  # fmt: skip
        except PermissionError as error:
            raise Forbidden(
                what,
                source=self.source,
                why=f"{self.url}: {error.strerror}",
                mend="join the group of the socket's file",
            ) from error
        except OSError as error:
            raise Unavailable(
                what, source=self.source, why=f"{self.url}: {error.strerror or error}", mend="check that haproxy runs"
            ) from error

    async def _exchange(self, line: str, what: str) -> str:
        if self._path:
            reader, writer = await asyncio.open_unix_connection(self._path)
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(line.encode("ascii") + b"\n")
            await writer.drain()
            answer = bytearray()
            while piece := await reader.read(65_536):
                answer += piece
                if len(answer) > MAX_ANSWER:
                    raise Malformed(what, source=self.source, why=f"the answer is larger than {MAX_ANSWER >> 20} MiB")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return answer.decode("utf-8", "replace").strip("\n\r ")


_DONE = re.compile(
    r"New server registered\.|Server deleted\.|no need to change .*|(IP|port) changed from .*|.*changed its IP from .*"
)


def failed(answer: str, what: str, source: str) -> QuarterdeckError | None:
    """The typed error that an answer to a write is, None for one that says it is done or says nothing."""
    lines = [line.strip() for line in answer.splitlines() if line.strip() and not _DONE.fullmatch(line.strip())]
    if not lines:
        return None
    said, what = lines[0], f"haproxy: {what}"
    low = said.lower()
    if "permission denied" in low:
        return Forbidden(what, source=source, why=said, scope="level admin", mend=_ADMIN)
    if "find backend" in low or "no such" in low:
        return NotFound(what, source=source, why=said)
    if "dynamic load balancing" in low:
        return Unsupported(
            what, source=source, why=said,
            mend="`balance roundrobin` or `leastconn`, or free slots (server-template)",
        )  # fmt: skip
    if low.startswith("unknown command"):
        return Unsupported(
            what, source=source, why="this haproxy does not know the command", mend="haproxy 2.6 or newer"
        )
    return Conflict(what, source=source, why=" ".join(lines))
