"""One HTTP client over one connection, that knows how a request failed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self
from urllib.parse import urlsplit

import h11


class Broken(Exception):
    """A request failed: refused, reset, closed (before an answer), cut (inside one), timeout, garbled, or the system's
    word."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Link:
    """One client's connection, opened when it is needed."""

    def __init__(self, url: str, limit: float) -> None:
        parts = urlsplit(url)
        self._at, self._host, self._limit = (parts.hostname or "", parts.port or 80), parts.netloc, limit
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._http = h11.Connection(h11.CLIENT)
        self._heard = self._over = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close it; the next request opens another."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and whole body. Raises Broken."""
        self._heard = self._over = False
        try:
            async with asyncio.timeout(self._limit):
                return await self._get(path)
        except TimeoutError:
            raise Broken("timeout") from None
        except ConnectionRefusedError:
            raise Broken("refused") from None
        except (ConnectionResetError, BrokenPipeError):
            raise Broken("cut" if self._heard else "reset") from None
        except OSError as error:
            raise Broken(str(error.strerror or error)) from None
        except h11.RemoteProtocolError:
            raise Broken("cut" if self._over else "garbled") from None

    async def _get(self, path: str) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams, self._http = await asyncio.open_connection(*self._at), h11.Connection(h11.CLIENT)
        reader, writer = self._streams
        request = h11.Request(method="GET", target=path, headers=[("Host", self._host), ("User-Agent", "traffic")])
        writer.write((self._http.send(request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        await writer.drain()
        status, body = 0, bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await reader.read(65_536)
                if not data and not self._heard:
                    raise Broken("closed")
                self._heard, self._over = True, not data
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
                    self._http.start_next_cycle()
                else:
                    await self.close()
                return status, bytes(body)
