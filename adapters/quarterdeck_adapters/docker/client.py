"""Calls to an engine from the event loop: each on a daemon thread, with a client of its own for its time."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, TypeVar

from quarterdeck_adapters import blocking
from quarterdeck_adapters.docker.endpoint import Endpoint, ssh_exit_argv
from quarterdeck_adapters.docker.faults import translate
from quarterdeck_adapters.docker.sockets import Sockets
from quarterdeck_lifecycle.errors import QuarterdeckError, Unavailable

if TYPE_CHECKING:
    from quarterdeck_adapters.docker.transport import Client

T = TypeVar("T")
CALLS_AT_ONCE = 6
BRIEF_S = 60.0
"""Longer calls, such as a pull, do not keep the others waiting."""
STREAMS = 32
IDLE_CLIENTS = 4


class _Slot:
    """A client for one call: made and used on the call's thread, aborted from the loop when nobody waits any more."""

    def __init__(self, make: Callable[[Sockets], Client], client: Client | None) -> None:
        self._make, self.client = make, client
        self._sockets = client.sockets if client is not None else Sockets()
        self._lock = threading.Lock()
        self._aborted = self._ended = False

    def open(self) -> Client:
        if self.client is None:
            self.client = self._make(self._sockets)
        return self.client

    def end(self) -> None:
        """The thread is done with it."""
        with self._lock:
            self._ended, aborted = True, self._aborted
        if aborted:
            self._close()

    def abort(self) -> None:
        """Nobody wants it any more: wake the thread, and let go of the sockets as soon as it is done."""
        with self._lock:
            self._aborted, ended = True, self._ended
        self._sockets.abort()
        if ended:
            self._close()

    def _close(self) -> None:
        if self.client is not None:
            self.client.close()
        self._sockets.close()


class Engine:
    """One engine's calls. A client is used by one thread at a time; the idle ones wait in a small pool."""

    def __init__(self, source: str, endpoint: Endpoint, *, deadline: float = 10.0) -> None:
        self.source = source
        self.endpoint = endpoint
        self.deadline = deadline
        self.open_streams = 0
        self._version = ""
        self._idle: deque[Client] = deque()
        self._busy: set[_Slot] = set()
        self._gate = asyncio.Semaphore(CALLS_AT_ONCE)
        self._closed = False

    @property
    def address(self) -> str:
        """The address as errors name it."""
        return self.endpoint.path or self.endpoint.url

    def _new(self, sockets: Sockets) -> Client:
        from quarterdeck_adapters.docker.transport import Client

        client = Client(self.source, self.endpoint, seconds=self.deadline, sockets=sockets, version=self._version)
        self._version = client.api_version
        return client

    def _slot(self, *, fresh: bool = False) -> _Slot:
        if self._closed:
            raise Unavailable("the source is closed", source=self.source)
        slot = _Slot(self._new, None if fresh or not self._idle else self._idle.pop())
        self._busy.add(slot)
        return slot

    async def call(self, work: Callable[[Client], T], *, what: str, deadline: float | None = None) -> T:
        """Run `work` with a client. Raises QuarterdeckError; a cancelled or late call has its socket shut."""
        seconds = deadline if deadline is not None else self.deadline
        async with self._gate if seconds <= BRIEF_S else nullcontext():
            slot = self._slot()
            usable = False

            def body() -> T:
                try:
                    client = slot.open()
                    client.timeout = seconds
                    return work(client)
                except Exception as error:
                    raise translate(error, source=self.source, what=what, address=self.address) from error
                finally:
                    slot.end()

            try:
                result = await blocking.call(body, deadline=seconds + 1, source=self.source, what=what)
                usable = True
                return result
            except Unavailable:
                self._forget()
                raise
            finally:
                self._busy.discard(slot)
                if usable and slot.client is not None and len(self._idle) < IDLE_CLIENTS and not self._closed:
                    self._idle.append(slot.client)
                else:
                    slot.abort()

    async def stream(
        self, work: Callable[[Client], Iterable[T]], *, what: str, ahead: int = 64
    ) -> AsyncGenerator[list[T], None]:
        """Iterate `work` on a thread with a client of its own, until left. Raises QuarterdeckError."""
        if self.open_streams >= STREAMS:
            why = f"{STREAMS} streams are open already"
            raise Unavailable(what, source=self.source, why=why, mend="close a log or a chart first")
        slot = self._slot(fresh=True)
        self.open_streams += 1

        def body() -> Iterable[T]:
            try:
                yield from work(slot.open())
            except Exception as error:
                raise translate(error, source=self.source, what=what, address=self.address) from error
            finally:
                slot.end()

        batches = blocking.stream(body, stop=slot.abort, source=self.source, what=what, ahead=ahead)
        try:
            async for batch in batches:
                yield batch
        finally:
            self.open_streams -= 1
            self._busy.discard(slot)
            slot.abort()
            await batches.aclose()  # type: ignore[attr-defined]

    def _forget(self) -> None:
        """After a failure the engine may be another one: ask its version again, and drop the old connections."""
        self._version = ""
        while self._idle:
            idle = self._idle.pop()
            idle.close()
            idle.sockets.close()

    async def close(self) -> None:
        """Shut every socket. Threads blocked in a read end at once; nobody waits for them."""
        self._closed = True
        for slot in list(self._busy):
            slot.abort()
        self._forget()
        if self.endpoint.control:
            with suppress(QuarterdeckError):
                await blocking.call(self._log_out, deadline=1, source=self.source, what="closing ssh")

    def _log_out(self) -> None:
        """End the shared ssh login, and remove the folder of its socket."""
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                ssh_exit_argv(self.endpoint), timeout=0.8, check=False, stdin=subprocess.DEVNULL, capture_output=True
            )
        shutil.rmtree(self.endpoint.control, ignore_errors=True)
