"""The server's events, by its SSE stream: that something happened, never what; the rows are read anew.

https://docs.buildbot.net/latest/developer/sse.html (`/sse/listen/PATH` opens one and sends its id;
`/sse/add/ID/PATH` adds to it)
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Self

from quarterdeck_adapters.buildbot.api import Api
from quarterdeck_lifecycle.errors import Malformed, QuarterdeckError, Timeout, Unavailable, Unsupported

QUIET_S = 240.0
"""Seconds of silence after which the stream is opened anew: it has no heartbeat, and a lost one looks the same."""


class Ear:
    """One stream of events on some paths such as `builds/*/*`. A context manager; `hear` waits for the next.

    The first `hear`, and the first after `add`, answer at once: what happened before is read by whoever waits.
    """

    def __init__(self, api: Api, *paths: str) -> None:
        self._api = api
        self._paths = list(paths)
        self._id = ""
        self._happened = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Open it and wait until the server listens on every path. Raises QuarterdeckError."""
        await self._api.sign_in()
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(opened), name=f"events of {self._api.source}")
        try:
            await opened
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, QuarterdeckError):
                await task

    @property
    def alive(self) -> bool:
        """Whether the stream is open."""
        return self._task is not None and not self._task.done()

    async def hear(self, seconds: float | None = None) -> bool:
        """Wait for the next event, at most so long: whether one came. Raises what the stream ended with."""
        assert self._task is not None
        waiter = asyncio.create_task(self._happened.wait())
        try:
            await asyncio.wait((waiter, self._task), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiter.cancel()
        heard = self._happened.is_set()
        self._happened.clear()
        if not heard and self._task.done():
            self._task.result()
            raise Unavailable("the stream of events ended", source=self._api.source)
        return heard

    async def add(self, path: str) -> None:
        """Listen on another path too. Raises QuarterdeckError."""
        self._paths.append(path)
        await self._add(path)
        self._happened.set()

    async def _add(self, path: str) -> None:
        await self._api.http.request("GET", f"sse/add/{self._id}/{path}")

    async def _run(self, opened: asyncio.Future[None]) -> None:
        try:
            while True:
                try:
                    await self._listen(opened)
                    raise Unavailable("the stream of events ended", source=self._api.source)
                except Timeout:
                    if not opened.done():
                        raise
        except Exception as error:
            if opened.done():
                raise
            opened.set_exception(error)

    async def _listen(self, opened: asyncio.Future[None]) -> None:
        api = self._api
        first, *others = self._paths
        limit = api.http.deadline
        try:
            async with (
                asyncio.timeout(limit) as opening,
                api.streams.stream(
                    "GET", f"sse/listen/{first}", headers={"Accept": "text/event-stream"}, deadline=QUIET_S
                ) as response,
            ):
                kind = response.headers.get("content-type", "").split(";")[0]
                if response.status_code != 200 or kind != "text/event-stream":
                    raise Unsupported(
                        "its events are not to be had", source=api.source,
                        why=f"/sse/listen answered {response.status_code} with {kind or 'no content type'}",
                    )  # fmt: skip
                event = ""
                async for line in response.aiter_lines():
                    name, _, value = line.partition(":")
                    if name == "event":
                        event = value.strip()
                    elif name == "data" and event == "handshake":
                        self._id = value.strip()
                        if not self._id.replace("-", "").isalnum():
                            raise Malformed("its stream of events has no id", source=api.source)
                        for path in others:
                            await self._add(path)
                        opening.reschedule(None)
                        if not opened.done():
                            opened.set_result(None)
                        self._happened.set()
                    elif name == "data":
                        self._happened.set()
        except TimeoutError as error:
            raise Timeout("its events", source=api.source, why=f"no stream within {limit:g} s") from error
