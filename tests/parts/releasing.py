"""A practice world whose releases are quick, and an operator who releases there with the real commands."""

from __future__ import annotations

import copy
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Self

import docker
import yaml

from parts.deckworld import COMMAND, Done, PracticeWorld, environment
from parts.process import DEADLINE, wait_until
from quarterdeck.releasing.locks import held
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck_lifecycle.ledger import Filter, read_rows
from quarterdeck_lifecycle.release.model import Event
from quarterdeck_lifecycle.state import StateDB

QUICK: dict[str, Any] = {"passes": 2, "within": "30s", "soak": "0s"}
PACE = {"heartbeat": "200ms", "lease": "3s"}


class ReleaseWorld(PracticeWorld):
    """One service is released in it: one container, stop-then-start, proven by a port of the test's own."""

    service, place = "fraud-api", "staging"
    container = "staging-fraud-api-1"
    versions = ("1.42.0", "1.41.0")

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        self.stack = ExitStack()
        self._door: socket.socket | None = None
        self.port = 0
        self._pristine: dict[str, Any] = {}

    def __enter__(self) -> Self:
        super().__enter__()
        self._pristine = yaml.safe_load(self._config.read_text())
        self.reset()
        return self

    def __exit__(self, *args: object) -> None:
        try:
            self.stack.close()
            self.shut()
            for folder in self.operations():
                end(folder)
        finally:
            super().__exit__(*args)

    @property
    def state(self) -> Path:
        """The operator's state folder."""
        return self.home / "state"

    @property
    def _config(self) -> Path:
        return self.home / "w" / "config" / "quarterdeck" / "config.yaml"

    # what the service's probe finds

    def open(self) -> None:
        """From now on the probe passes."""
        self._door = self._door or socket.create_server(("127.0.0.1", self.port))
        self.port = self._door.getsockname()[1]

    def shut(self) -> None:
        """From now on the probe fails."""
        door, self._door = self._door, None
        if door is not None:
            door.close()

    # the operator's config

    def reset(self) -> None:
        """The config as it was, with quick releases; the probe passes."""
        self.open()
        (self.home / "go").unlink(missing_ok=True)
        config = copy.deepcopy(self._pristine)
        config["releases"] = dict(PACE)
        for service in config["services"].values():
            service.setdefault("gate", {}).update(QUICK)
            service["guards"] = []
            service["probe"] = {"tcp": f"127.0.0.1:{self.port}", "interval": "50ms", "timeout": "1s"}
        self._config.write_text(yaml.safe_dump(config, sort_keys=False))

    def settle(self) -> None:
        """Let every operation come to its end, recovering those that are dead."""
        self.open()
        (self.home / "go").touch()
        for folder in self.operations():
            wait_until(lambda folder=folder: not folder.alive(), f"the end of {folder.op}")  # type: ignore[misc]
        if self._unended():
            self.run("recover")

    def _unended(self) -> bool:
        """Whether an operation has no result."""
        with closing(StateDB(self.state)) as db:
            asked = "SELECT 1 FROM operations WHERE state <> 'ended' LIMIT 1"
            return db.run_sync(lambda connection: connection.execute(asked).fetchone()) is not None

    def configure(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the operator's config."""
        config = yaml.safe_load(self._config.read_text())
        change(config)
        self._config.write_text(yaml.safe_dump(config, sort_keys=False))

    def waiting_hook(self) -> Path:
        """Make the pre hook of the service wait until the file that is answered exists."""
        gate = self.home / "go"
        argv = ["sh", "-c", f"echo the hook waits; until test -e {gate}; do sleep 0.05; done"]

        def change(config: dict[str, Any]) -> None:
            config["services"][self.service]["hooks"] = {"pre": {"argv": argv, "timeout": "60s"}}

        self.configure(change)
        return gate

    def other(self) -> str:
        """The version that does not run now."""
        running = [image for _, image in self.serving()]
        with closing(self.api()) as api:
            ids = {version: self._image(api, version) for version in self.versions}
        return next(version for version, image in ids.items() if image not in running)

    def _image(self, api: docker.APIClient, version: str) -> str:
        host = self.endpoints["registry"].removeprefix("http://")
        return str(api.inspect_image(f"{host}/team/{self.service}:{version}")["Id"])

    def api(self) -> docker.APIClient:
        """A client of the engine; close it."""
        return docker.APIClient(base_url=self.endpoints["docker"], version="1.41")

    def release(self, verb: str, *arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Done:
        """`VERB SERVICE ... --env PLACE --yes` to its end."""
        asked = (verb, self.service, *arguments, "--env", self.place, "--yes")
        return self.run(*asked, env=env, **options)

    def detached(self, *arguments: str) -> OpFolder:
        """A deploy that nobody waits for; its folder."""
        done = self.release("deploy", *arguments, "--detach")
        assert done.code == 0, done.err
        return self.folder(done.out.split()[0])

    def begin(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Any command, waited for by nobody; ended with the world."""
        child = subprocess.Popen(
            [*COMMAND, *arguments], env=environment(self.home, self.env), cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
        )  # fmt: skip

        def finish() -> None:
            child.kill()
            child.communicate()

        self.stack.callback(finish)
        return child

    def folder(self, op: str) -> OpFolder:
        """An operation's folder."""
        return OpFolder(self.state, op)

    def operations(self) -> list[OpFolder]:
        """Of every operation, oldest first."""
        return [self.folder(path.name) for path in sorted((self.state / "ops").glob("*"))]

    @contextmanager
    def state_hidden(self) -> Iterator[None]:
        """Nobody can open the state's database meanwhile."""
        self.ledger()  # so that there is one
        database = self.state / "state.db"
        aside = self.state / "aside"
        database.rename(aside)
        database.mkdir()
        try:
            yield
        finally:
            database.rmdir()
            aside.rename(database)

    def serving(self, name: str = "") -> list[tuple[str, str]]:
        """The running containers of the place, as (name, image id)."""
        wanted = name or self.container
        with closing(self.api()) as api:
            found = api.containers()
        return sorted((n.strip("/"), row["ImageID"]) for row in found for n in row["Names"] if wanted in n)

    def ledger(self) -> list[dict[str, Any]]:
        """Its rows as `ledger --json` prints them, oldest first."""
        with closing(StateDB(self.state)) as db:
            rows = db.run_sync(lambda connection: read_rows(connection, Filter(), 1000))
        return [row.to_dict() for row in reversed(rows)]


def pid(folder: OpFolder, lock: str) -> int:
    """The process that holds a lock of an operation. Raises TimeoutError."""

    def look() -> int | None:
        if not held(folder.path, lock):
            return None
        return int((folder.path / lock).read_text() or 0) or None

    return wait_until(look, f"a {lock} of {folder.op}")


def reached(folder: OpFolder, what: Callable[[Event], bool]) -> Event:
    """The first event that is so. Raises TimeoutError."""
    return wait_until(lambda: next(filter(what, folder.events()), None), f"an event in {folder.path}")


def result(folder: OpFolder) -> str:
    """How it ended, once nothing of it runs. Raises TimeoutError."""
    wait_until(lambda: not folder.alive(), f"the end of {folder.op}")
    return next((event.result for event in reversed(folder.events()) if event.result), "")


def end(folder: OpFolder) -> None:
    """Kill what still runs of an operation."""
    for lock in ("supervisor", "worker"):
        if held(folder.path, lock):
            try:
                os.kill(int((folder.path / lock).read_text() or 0), signal.SIGKILL)
            except (ProcessLookupError, ValueError):
                continue
    wait_until(lambda: not folder.alive(), "the runners to be gone", DEADLINE)
