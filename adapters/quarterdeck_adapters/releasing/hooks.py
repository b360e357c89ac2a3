"""Hooks: programs of the config around a release, bounded in time and output, ended with all that they started."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from quarterdeck_config.secrets import REDACTOR, Redactor
from quarterdeck_lifecycle.errors import Conflict, Timeout, ToolMissing, Unavailable
from quarterdeck_lifecycle.release.ports import Say
from quarterdeck_lifecycle.text import LineGate, clean_line

KEPT = 200
"""Lines of output that are kept, the last ones; as many of the first are told while it runs."""
WHY_LINES = 20
LEFT_S = 1.0
"""What the output may take after the program's own end, when children hold it open."""
PREFIX = "QUARTERDECK_"


class Output:
    """Lines as they come: the first are told at once, the last are kept, all gated and redacted."""

    def __init__(self, say: Say, redact: Callable[[str], str]) -> None:
        self.last: deque[str] = deque(maxlen=KEPT)
        self.count = 0
        self._gate = LineGate()
        self._say = say
        self._redact = redact

    async def take(self, chunk: bytes) -> None:
        """What was read; empty at the end of the output."""
        for line in self._gate.feed(chunk) if chunk else self._gate.flush():
            text = clean_line(self._redact(line.text))
            self.count += 1
            self.last.append(text)
            if self.count <= KEPT:
                await self._say(text)

    async def end(self) -> None:
        """Tell the last lines, where there were more than could be told while it ran."""
        await self.take(b"")
        hidden = self.count - KEPT
        if hidden > 0:
            if hidden > KEPT:
                await self._say(f"… {hidden - KEPT} lines of output are left out")
            for text in list(self.last)[-min(hidden, KEPT) :]:
                await self._say(text)


class HookRunner:
    """Satisfies `ports.Hooks`. The program is argv, never a shell line; it has no input and a session of its own.

    Its environment is the runner's (or `env`), and each given fact as QUARTERDECK_NAME (`op` is QUARTERDECK_OP).
    """

    def __init__(
        self, *, env: Mapping[str, str] | None = None, cwd: str | None = None, redactor: Redactor = REDACTOR
    ) -> None:
        self._env = env
        self._cwd = cwd
        self._redactor = redactor

    async def run(self, argv: Sequence[str], timeout_s: float, env: Mapping[str, str], say: Say) -> str:
        """Run it to its end and answer how it ended.

        Raises Conflict with the exit code and the last lines, Timeout when it was ended after `timeout_s` seconds,
        ToolMissing or Unavailable when it could not be started. On each of these, and when the wait is cancelled, its
        whole process group is gone.
        """
        name = clean_line(self._redactor.redact(shlex.join(argv)), 200)
        if not argv:
            raise Unavailable("the hook did not start", why="it names no program")
        output = Output(say, self._redactor.lines())
        inside, outside = os.pipe()
        try:
            stream, pipe = await _reader(inside)
        except BaseException:
            os.close(outside)
            raise
        try:
            try:
                process = await self._start(argv, env, outside)
            finally:
                os.close(outside)
            try:
                async with asyncio.timeout(timeout_s):
                    code = await _follow(process, stream, output)
            finally:
                # A group that holds the output still is there: its number cannot be another's yet.
                if process.returncode is None or not stream.at_eof():
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        except TimeoutError as error:
            await output.end()
            raise Timeout(
                f"the hook {name}", why=f"not finished within {timeout_s:g} s{self._tail(output)}",
                mend="it was ended; see whether it hangs, or raise its timeout",
            ) from error  # fmt: skip
        finally:
            pipe.close()
        await output.end()
        if code:
            ended = f"exit code {code}" if code > 0 else f"ended by signal {-code} ({signal.strsignal(-code)})"
            raise Conflict(
                f"the hook {name}", why=f"{ended}{self._tail(output)}", mend="see its output, run it by hand"
            )
        return f"{name}: exit code 0, {output.count} lines of output"

    async def _start(self, argv: Sequence[str], facts: Mapping[str, str], out: int) -> asyncio.subprocess.Process:
        given = os.environ if self._env is None else self._env
        added = {
            name if name.startswith(PREFIX) else PREFIX + name.upper(): value.replace("\0", "")
            for name, value in facts.items()
        }
        try:
            return await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                cwd=self._cwd,
                env={**given, **added},
            )
        except FileNotFoundError as error:
            if self._cwd is not None and not os.path.isdir(self._cwd):
                raise Unavailable(f"{self._cwd} is gone", why="no such folder") from error
            raise ToolMissing(
                f"the hook {argv[0]} is not there", mend="install it, or correct hooks: of the service"
            ) from error
        except (OSError, ValueError) as error:
            raise Unavailable(f"the hook {argv[0]} did not start", why=str(error)) from error

    @staticmethod
    def _tail(output: Output) -> str:
        lines = list(output.last)[-WHY_LINES:]
        return "".join(f"\n{line[:300]}" for line in lines)[-1800:]


async def _reader(pipe: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """The reading end of a pipe as a stream. Raises OSError."""
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader()
    file = os.fdopen(pipe, "rb", 0)
    try:
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), file)
    except BaseException:
        file.close()
        raise
    return stream, transport


async def _follow(process: asyncio.subprocess.Process, stream: asyncio.StreamReader, output: Output) -> int:
    """Read until the program has ended and its output too; what its children write later is cut off."""

    async def read() -> None:
        while chunk := await stream.read(65536):
            await output.take(chunk)

    reading = asyncio.ensure_future(read())
    try:
        code = await process.wait()
        await asyncio.wait((reading,), timeout=LEFT_S)
        if reading.done():
            reading.result()
        return code
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
