"""Child programs: argv only, no terminal, a deadline, bounded output, and the whole process group ended on leaving."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from quarterdeck_lifecycle.calls import CALLS
from quarterdeck_lifecycle.errors import Timeout, ToolMissing, Unavailable


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """How a program ended; `truncated` when its output was longer than the bound."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes
    truncated: bool = False

    @property
    def complaint(self) -> str:
        """What it said on standard error, or on standard output when that is empty."""
        return (self.stderr or self.stdout)[-2000:].decode("utf-8", "replace").strip()


async def _read(stream: asyncio.StreamReader | None, limit: int) -> tuple[bytes, bool]:
    data, cut = bytearray(), False
    while stream is not None and (chunk := await stream.read(65536)):
        room = limit - len(data)
        data += chunk[:room] if room > 0 else b""
        cut = cut or len(chunk) > room
    return bytes(data), cut


async def run(
    argv: Sequence[str],
    *,
    source: str,
    deadline: float,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    stdin: bytes | None = None,
    limit: int = 16 * 1024 * 1024,
    hint: str = "",
) -> Finished:
    """Run a program to its end. Raises ToolMissing, Unavailable (cannot start) or Timeout; a non-zero code is returned.

    The child gets a session of its own, so that no prompt of it or of its children reaches the operator's terminal.
    """
    with CALLS.call(source, os.path.basename(argv[0]), shlex.join(argv[1:])) as call:
        ended = await _run(argv, source, deadline, env, cwd, stdin, limit, hint)
        call.status = ended.code
    return ended


async def _run(
    argv: Sequence[str], source: str, deadline: float, env: Mapping[str, str] | None, cwd: str | None,
    stdin: bytes | None, limit: int, hint: str,
) -> Finished:  # fmt: skip
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            cwd=cwd,
            env=dict(env) if env is not None else None,
        )
    except FileNotFoundError as error:
        if cwd is not None and not os.path.isdir(cwd):
            raise Unavailable(f"{cwd} is gone", source=source, why="no such folder") from error
        raise ToolMissing(f"{argv[0]} is not installed", source=source, mend=hint or f"install {argv[0]}") from error
    except OSError as error:
        raise Unavailable(f"{argv[0]} did not start", source=source, why=str(error)) from error
    try:
        async with asyncio.timeout(deadline):
            if stdin is not None and process.stdin is not None:
                with suppress(BrokenPipeError, ConnectionResetError):
                    process.stdin.write(stdin)
                    await process.stdin.drain()
                process.stdin.close()
            (out, cut_out), (err, cut_err) = await asyncio.gather(
                _read(process.stdout, limit), _read(process.stderr, limit)
            )
            code = await process.wait()
    except TimeoutError as error:
        raise Timeout(
            " ".join(argv[:3]), source=source, why=f"not finished within {deadline:g} s", mend="see whether it hangs"
        ) from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(ProcessLookupError):
                await process.wait()
    return Finished(argv=tuple(argv), code=code, stdout=out, stderr=err, truncated=cut_out or cut_err)
