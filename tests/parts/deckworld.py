"""The program as a user starts it, and a practice world for it whose servers can be given faults."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from parts.needs import ROOT
from parts.process import DEADLINE, clean_env
from parts.warm import warm
from quarterdeck_demo.faults import AnyFault, Rule
from quarterdeck_demo.world import World

SOURCE_ROOTS = os.pathsep.join(str(ROOT / part) for part in ("tui", "adapters", "lifecycle", "config", "demo"))
COMMAND = (sys.executable, "-m", "quarterdeck")


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, read as one JSON document."""
        assert self.out, self
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """What it printed, read as one JSON document a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment of a user of this checkout with nothing of the developer's, whose home is `home`."""
    here = {"PYTHONPATH": SOURCE_ROOTS, "QUARTERDECK_STATE": str(home / "state"), "XDG_RUNTIME_DIR": str(home)}
    return clean_env(home, here | dict(extra or {}))


def quarterdeck(
    *arguments: str, home: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND, deadline: float = DEADLINE,
) -> Done:  # fmt: skip
    """Run a command without a terminal. Raises subprocess.TimeoutExpired after `deadline` seconds."""
    its_env, place = environment(home, env), cwd or home
    if command is COMMAND:
        done = warm(its_env).run(arguments, its_env, place, deadline)
    else:
        done = subprocess.run(
            [*command, *arguments], env=its_env, cwd=place, input="", capture_output=True, text=True,
            timeout=deadline, check=False,
        )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


class PracticeWorld:
    """A practice world on a thread of this process, so that a test can reach its servers' faults.

    `home` is the home of its operator: its config names every system of the world.
    """

    def __init__(self, seed: int = 1, *, ci: Collection[str] = ()) -> None:
        """`ci` are the CI systems besides GitHub that the world has."""
        self.home = Path(tempfile.mkdtemp(prefix="qd-"))
        self.world = World(seed, self.home / "w", ci=ci)
        self.endpoints: dict[str, str] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def env(self) -> dict[str, str]:
        """What makes a program that of the world's operator; discovery finds the same engine again."""
        return {"XDG_CONFIG_HOME": str(self.home / "w" / "config"), "DOCKER_HOST": self.endpoints["docker"]}

    def fault(self, server: str, fault: AnyFault, **where: Any) -> Rule:
        """Give a server a fault; `where` is what `Faults.add` takes."""
        return self.world.servers[server].faults.add(fault, **where)

    def well(self) -> None:
        """Take every fault away."""
        for server in self.world.servers.values():
            server.faults.clear()

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Done:
        """A command of the world's operator; takes what `quarterdeck` takes."""
        return quarterdeck(*arguments, home=self.home, env={**self.env, **(env or {})}, **options)

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        found: dict[str, Any] = self.run("status", "--json").json
        return found

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.endpoints = asyncio.run_coroutine_threadsafe(self.world.start(), self._loop).result(DEADLINE)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.world.stop(), self._loop).result(DEADLINE)
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()
        shutil.rmtree(self.home, ignore_errors=True)
