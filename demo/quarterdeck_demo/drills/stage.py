"""Where a drill is played: the world's servers and clock, and the record of what happened when."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from quarterdeck_demo.docker import DockerServer, tick
from quarterdeck_demo.docker.services import ServiceLife
from quarterdeck_demo.docker.state import Container
from quarterdeck_demo.drills.model import Drill
from quarterdeck_demo.mlflow import MlflowServer
from quarterdeck_demo.prometheus.rules import raised
from quarterdeck_demo.server import Server
from quarterdeck_demo.story import Story

LEAD_S = 15.0
"""Of calm before it begins: who plays has seen the world when it was well."""
TICK_S = 0.1
RECORD = "drill.json"
"""The record, in the world's folder."""


class Stage:
    """One playing of one drill.

    The script follows the world's clock. The record's times are epoch seconds of this machine's, as are those of all
    who look on. `env` is what the commands run with that the drill itself has begun.
    """

    def __init__(
        self, drill: Drill, story: Story, clock: Callable[[], float], *, docker: DockerServer, mlflow: MlflowServer,
        servers: Mapping[str, Server], folder: Path, env: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.drill, self.story, self.clock = drill, story, clock
        self.docker, self.mlflow, self.servers = docker, mlflow, servers
        self.folder = folder
        self.ops: list[str] = []
        """Operations that the drill itself has begun."""
        self.ticks = 0
        """How often the world has followed."""
        self._env = dict(os.environ if env is None else env) | {"XDG_CONFIG_HOME": str(folder / "config")}
        self._state = "calm"
        self._events: list[dict[str, Any]] = []
        self._written = ""
        self._playing: asyncio.Task[None] | None = None
        self._children: set[asyncio.subprocess.Process] = set()
        drill.set_up(self)
        self._write()

    def start(self) -> None:
        """Begin to play, in this loop."""
        self._playing = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End, with every command and runner that the drill has begun and that still runs."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)
        for child in list(self._children):
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
        self.lose_runners()

    async def _run(self) -> None:
        try:
            await self.after(LEAD_S)
            happening = asyncio.create_task(self.drill.play(self))
            try:
                while not (happening.done() and all(goal.met for goal in self.drill.goals(self))):
                    if happening.done():
                        happening.result()
                    await self.tick()
            finally:
                happening.cancel()
            self._note("solved", "")
            self._state = "solved"
            self._write()
            while True:
                await self.tick()
        except Exception as error:
            self._state = "broken"
            self._note("broken", f"{type(error).__name__}: {error}")
            self._write()
            raise

    async def tick(self) -> None:
        """Let a moment pass: the world follows, the record is written where it changed."""
        await self._moment()
        if self._state != "calm":
            self.drill.react(self)
            self._write()

    async def _moment(self) -> None:
        await asyncio.sleep(TICK_S)
        self.ticks += 1
        tick.advance(self.docker.world)  # health checks go on where nobody asks the engine anything

    async def after(self, seconds: float) -> None:
        """Return when the world's clock has gone on by this much."""
        until = self.clock() + seconds
        while self.clock() < until:
            await self._moment()

    async def until(self, condition: Callable[[], object], most: float = 600.0) -> None:
        """Return when it is so, or after `most` seconds of the world's clock."""
        end = self.clock() + most
        while not condition() and self.clock() < end:
            await self._moment()

    # what is written down

    def begins(self, words: str) -> None:
        """The incident begins now, with this."""
        self._state = "on"
        self._note("began", words)
        self._write()

    def tell(self, words: str) -> None:
        """Something that the world did by itself."""
        self._note("world", words)
        self._write()

    def _note(self, what: str, words: str) -> None:
        self._events.append({"at": time.time(), "what": what, "words": words})

    def _write(self) -> None:
        drill = self.drill
        goals = [goal._asdict() for goal in drill.goals(self)] if self._state != "calm" else []
        record = {
            "drill": drill.name, "title": drill.title, "task": drill.task, "hints": list(drill.hints),
            "worth": drill.worth, "state": self._state, "events": self._events, "ops": self.ops, "goals": goals,
        }  # fmt: skip
        text = json.dumps(record)
        if text == self._written:
            return
        self._written, path = text, self.folder / RECORD
        aside = path.with_suffix(".new")
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)

    # what is read from the world

    def serving(self, service: str, environment: str) -> list[Container]:
        """The containers of a service that run."""
        return [
            container for container in self.docker.world.containers.values()
            if container.alive and isinstance(container.life, ServiceLife)
            and (container.life.spec.service, container.life.spec.environment) == (service, environment)
        ]  # fmt: skip

    def versions(self, service: str, environment: str) -> list[str]:
        """The release of each of them."""
        lives = [container.life for container in self.serving(service, environment)]
        return [life.spec.release.version for life in lives if isinstance(life, ServiceLife) and life.spec.release]

    def well(self, service: str, environment: str) -> bool:
        """Whether something of it runs, and none of it is ill or still starting."""
        found = self.serving(service, environment)
        return bool(found) and all(each.health is None or each.health.status == "healthy" for each in found)

    def at_rest(self, service: str, environment: str) -> bool:
        """Whether no release of it is under way, and none has left its lease or a half of its work."""
        names = [container.name for container in self.docker.world.containers.values()]
        return not any("-qd-new-" in name or name.startswith(f"qd-lease-{service}-{environment}") for name in names)

    def firing(self, alert: str) -> bool:
        """Whether an alert is pending or firing now."""
        return any(one.alert.name == alert for one in raised(self.story, self.clock()))

    # what others do

    def lose_runners(self) -> None:
        """End the runners of the drill's own releases without a word, as a host does that is lost."""
        for op in self.ops:
            for lock in ("supervisor", "worker"):
                with suppress(OSError, ValueError):
                    pid = int((self._state_folder / "ops" / op / lock).read_text())
                    if op.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGKILL)

    @property
    def _state_folder(self) -> Path:
        told = self._env.get("QUARTERDECK_STATE")
        return Path(told) if told else Path(self._env.get("XDG_STATE_HOME", "/nonexistent")) / "quarterdeck"

    async def command(self, *arguments: str) -> dict[str, Any]:
        """Run a command of this program with `--json`, as a colleague would; answers the last line it printed."""
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "quarterdeck", *arguments, "--json", env=self._env, cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        self._children.add(child)
        assert child.stdout is not None
        last: dict[str, Any] = {}
        async for line in child.stdout:
            with suppress(ValueError):
                last = json.loads(line)
            if (op := str(last.get("op", ""))) and op not in self.ops:
                self.ops.append(op)
        await child.wait()
        self._children.discard(child)
        return last
