"""Where cases happen: a service on a real system, behind a link that can be cut, with two versions and an operator."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from parts.deckworld import Done, environment, quarterdeck
from parts.needs import missing
from parts.releasing import end
from quarterdeck.releasing.opfolder import OpFolder

SERVICE, PLACE = "app", "staging"
PACE = {"heartbeat": "200ms", "lease": "3s"}
GATE = {"passes": 2, "within": "10s", "soak": "300ms"}


@dataclass(frozen=True)
class Seen:
    """What a traffic probe counted in one case."""

    sent: int
    failed: int
    gap_s: float
    why: str = ""


class Watch(AbstractContextManager["Watch"]):
    """Traffic at the service during a case."""

    def seen(self) -> Seen:
        """Stop, and what came."""
        raise NotImplementedError


class Arena:
    """A service that stands when the block is entered. `steps` is what a release of each kind has, by name; `drops` is
    whether requests may fail while it is released."""

    name = ""
    steps: dict[str, tuple[str, ...]]
    drops = False
    needs: tuple[str, ...] = ()

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot stand here, naming what would bring it."""
        return next(filter(None, map(missing, cls.needs)), None)

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="qd-crash-", dir="/tmp"))
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        try:
            self.furnish()
            self.settle_in()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for folder in self.operations():
                end(folder)
            self.stack.close()
        finally:
            shutil.rmtree(self.home, ignore_errors=True)

    def settle_in(self) -> None:
        """One undisturbed release each way, so that there is something to go back to; held to the steps."""
        for kind in ("deploy", "rollback"):
            done = self.run(*self.command(kind))
            if done.code:
                raise RuntimeError(f"{self.name}: an undisturbed {kind} ended with {done.code}: {done.out}{done.err}")
            told = self.operations()[-1].events()
            begun = dict.fromkeys(event.step for event in told if event.phase == "intent")
            ran = tuple(step.split()[1] for step in begun)
            if ran != self.steps[kind]:
                raise RuntimeError(f"{self.name}: a {kind} has the steps {ran}")

    # the operator

    @property
    def state(self) -> Path:
        """The operator's state folder."""
        return self.home / "state"

    def configure(self, config: dict[str, Any]) -> None:
        """Write the operator's config."""
        path = self.home / "xdg" / "quarterdeck" / "config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({"releases": PACE, "environments": {PLACE: {}}, **config}, sort_keys=False))

    def service(self, target: dict[str, Any], **keys: Any) -> dict[str, Any]:
        """The config's service with that one target."""
        return {
            "services": {SERVICE: {"keep": 2, "gate": GATE, "environments": {PLACE: {"targets": [target]}}, **keys}}
        }

    @property
    def env(self) -> dict[str, str]:
        """The operator's own environment."""
        return environment(
            self.home, {"XDG_CONFIG_HOME": str(self.home / "xdg"), "DOCKER_HOST": "unix:///nowhere.sock"}
        )

    def run(self, *arguments: str) -> Done:
        """A command to its end."""
        return quarterdeck(*arguments, home=self.home, env=self.env, deadline=180)

    def command(self, kind: str) -> Sequence[str]:
        """The command that releases: a deploy goes to the version that does not serve."""
        asked = ["rollback", SERVICE] if kind == "rollback" else ["deploy", SERVICE, self.reference(self.other())]
        return [*asked, "--env", PLACE, "--yes"]

    def operations(self) -> list[OpFolder]:
        """Of every operation, oldest first."""
        return [OpFolder(self.state, path.name) for path in sorted((self.state / "ops").glob("*"))]

    def other(self) -> str:
        """The version that does not serve now."""
        (serves,) = self.serving()
        return "v1" if serves == "v2" else "v2"

    # what each brings

    def furnish(self) -> None:
        """Make the service run `v1`, and the operator's config."""
        raise NotImplementedError

    def reference(self, version: str) -> str:
        """How the command line names a version."""
        raise NotImplementedError

    def serving(self) -> set[str]:
        """The versions that are served, read from the system and not from the program; `-` for none."""
        raise NotImplementedError

    def left(self) -> list[str]:
        """What a settled release must not leave behind: leases, workloads of its own."""
        raise NotImplementedError

    def snapshot(self) -> Any:
        """All that a second recovery must not change."""
        raise NotImplementedError

    def watch(self) -> Watch:
        """A traffic probe."""
        raise NotImplementedError

    def cut(self, how: Any) -> None:
        """Cut the link between runner and system."""
        raise NotImplementedError

    def mend(self) -> None:
        """Mend it."""
        raise NotImplementedError


def finish(child: subprocess.Popen[bytes]) -> None:
    """End a program of ours, whatever it does."""
    if child.poll() is None:
        child.kill()
    child.wait()
