"""Commands run inside a container: one-off ones and a shell to type into."""

from __future__ import annotations

import asyncio
import time
from asyncio import StreamReader, StreamWriter

from quarterdeck_demo.docker import program
from quarterdeck_demo.docker.state import Container, Exec
from quarterdeck_demo.docker.wire import STDERR, STDOUT, frame
from quarterdeck_demo.docker.world import World

MOTD = "\r\n\r\nBusyBox v1.36.1 () built-in shell (ash)\r\nEnter 'help' for a list of built-in commands.\r\n\r\n"
PROMPT = "/ # "
PULSE_S = 0.1
SPAWN_S = 0.1
"""Seconds that a process takes to start. docker-py loses output that comes in one read with the answer's head."""
SHELLS = ("sh", "bash", "ash")
_ROOT = "app  bin  dev  etc  home  lib  proc  root  run  sys  tmp  usr  var"


def shell_for(world: World, container: Container, env: dict[str, str]) -> program.Shell:
    """A shell that sees the container's environment and the few files it has."""
    variables = {key: value for key, _, value in (e.partition("=") for e in container.config["Env"] or [])}
    variables |= {"HOSTNAME": container.config["Hostname"], "HOME": "/root", "PWD": "/", **env}
    files = {
        "/etc/hostname": container.config["Hostname"] + "\n",
        "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        "/proc/1/cmdline": "\0".join([container.path, *container.args]) + "\0",
    }

    def listing(args: list[str]) -> tuple[int, str]:
        where = next((arg for arg in args if not arg.startswith("-")), "/")
        if where in ("/", "."):
            return 0, _ROOT.replace("  ", "\n") + "\n"
        known = sorted(name.rpartition("/")[2] for name in files if name.rpartition("/")[0] == where.rstrip("/"))
        return (0, "\n".join(known) + "\n") if known else (1, f"ls: {where}: No such file or directory\n")

    def show(args: list[str]) -> tuple[int, str]:
        missing = next((arg for arg in args if arg not in files), None)
        if missing is not None:
            return 1, f"cat: can't open '{missing}': No such file or directory\n"
        return 0, "".join(files[arg] for arg in args)

    def processes(_: list[str]) -> tuple[int, str]:
        return 0, f"PID   USER     TIME  COMMAND\n    1 root      0:00 {' '.join([container.path, *container.args])}\n"

    stamp = time.strftime("%a %b %e %H:%M:%S UTC %Y", time.gmtime(world.now))
    return program.Shell(
        variables,
        {
            "ls": listing,
            "cat": show,
            "ps": processes,
            "env": lambda _: (0, "".join(f"{k}={v}\n" for k, v in variables.items())),
            "pwd": lambda _: (0, "/\n"),
            "hostname": lambda _: (0, container.config["Hostname"] + "\n"),
            "whoami": lambda _: (0, (container.config["User"] or "root") + "\n"),
            "id": lambda _: (0, "uid=0(root) gid=0(root)\n"),
            "date": lambda _: (0, stamp + "\n"),
            "uname": lambda args: (0, "Linux 6.1.0 x86_64\n" if args else "Linux\n"),
            "printf": lambda args: (0, " ".join(args).replace("\\n", "\n")),
            "kill": lambda _: (0, ""),
            "help": lambda _: (0, "Built-in commands:\n\t: cat cd date echo env exit ls ps pwd sleep true\n"),
        },
    )


class Session:
    """An exec whose streams go over one connection, multiplexed without a TTY."""

    def __init__(self, world: World, container: Container, command: Exec, writer: StreamWriter | None) -> None:
        self._world = world
        self._container = container
        self._command = command
        self._writer = writer
        self._shell = shell_for(world, container, command.env)

    async def run(self, reader: StreamReader | None) -> None:
        """Run to the end; the exit code is then in the exec."""
        command = self._command
        command.started, command.running, command.pid = True, True, self._world.new_pid()
        words = " ".join(command.command) + (" " if len(command.command) == 1 else "")
        event = self._world.container_event
        event(self._container, f"exec_start: {words}", execID=command.id)
        code = 137
        await asyncio.sleep(SPAWN_S)
        try:
            name = command.command[0].rsplit("/", 1)[-1]
            if name in SHELLS and len(command.command) == 1:
                code = await self._interactive(reader)
            else:
                code = await self._batch(name)
        except OSError:
            code = 129
        finally:
            command.running, command.exit_code = False, code
            if not self._container.gone:
                event(self._container, "exec_die", execID=command.id, exitCode=str(code))

    async def _batch(self, name: str) -> int:
        words = self._command.command
        known = name in SHELLS or name in self._shell.commands
        if not known and name not in ("echo", "true", "false", "sleep", "test", "exit"):
            await self._write(STDOUT, _missing(words[0]))
            return 126
        if name in SHELLS and words[1:2] in (["-c"], ["-ec"], ["-lc"]):
            return await self._play(" ".join(words[2:3]))
        return await self._play(" ".join("'" + w.replace("'", "'\\''") + "'" for w in words))

    async def _interactive(self, reader: StreamReader | None) -> int:
        tty = self._command.tty
        if tty:
            await self._write(STDOUT, MOTD + PROMPT)
        if reader is None:
            return 0
        pending = ""
        while self._command.running and not self._container.gone:
            data = await self._typed(reader)
            if not data:
                return self._shell.status if self._command.running else 137
            for char in data.decode("utf-8", "replace"):
                if char == "\x04" and tty and not pending:
                    return self._shell.status
                if char == "\x03" and tty:
                    pending = ""
                    await self._write(STDOUT, "^C\n" + PROMPT)
                elif char in "\x7f\b" and tty:
                    if pending:
                        await self._write(STDOUT, "\b \b")
                    pending = pending[:-1]
                elif char in "\r\n":
                    if tty:
                        await self._write(STDOUT, "\n")
                    line, pending = pending.strip(), ""
                    code = await self._line(line)
                    if code is not None:
                        return code
                    if tty:
                        await self._write(STDOUT, PROMPT)
                elif char.isprintable() or char == "\t":
                    pending += char
                    if tty:
                        await self._write(STDOUT, char)
        return 137

    async def _line(self, line: str) -> int | None:
        """Run a typed line; the exit code if the shell ends with it."""
        explicit = line.split(";")[-1].split()[:1] == ["exit"]
        status = await self._play(line) if line else self._shell.status
        return status if explicit else None

    async def _play(self, script: str) -> int:
        for step in self._shell.run(script):
            if isinstance(step, program.Exit):
                self._shell.status = step.code
                return step.code
            if isinstance(step, program.Sleep):
                await self._sleep(step.seconds)
            else:
                await self._write(step.stream, step.text)
            if not self._command.running:
                return 137
        return self._shell.status

    async def _typed(self, reader: StreamReader) -> bytes:
        """What was typed; nothing when the client or the container has gone."""
        reading = asyncio.ensure_future(reader.read(4096))
        try:
            while not reading.done() and self._command.running:
                await asyncio.wait({reading}, timeout=PULSE_S)
            return await reading if reading.done() else b""
        finally:
            reading.cancel()

    async def _sleep(self, seconds: float) -> None:
        while seconds > 0 and self._command.running:
            await asyncio.sleep(min(seconds, PULSE_S))
            seconds -= PULSE_S

    async def _write(self, stream: int, text: str) -> None:
        wanted = self._command.stderr if stream == STDERR else self._command.stdout
        if self._writer is None or not (wanted or self._command.tty):
            return
        if self._command.tty:
            self._writer.write(text.replace("\r\n", "\n").replace("\n", "\r\n").encode())
        else:
            self._writer.write(frame(stream, text.encode()))
        await self._writer.drain()


def _missing(name: str) -> str:
    reason = f'exec: "{name}": executable file not found in $PATH: unknown'
    return f"OCI runtime exec failed: exec failed: unable to start container process: {reason}\r\n"
