"""A practice world in which a drill is played, on a clock that can leap."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any, Self

import yaml

from parts.deckworld import PracticeWorld, environment
from parts.process import wait_until
from quarterdeck_demo.drills.stage import RECORD
from quarterdeck_demo.world import World

NEEDED = ("docker", "registry", "mlflow", "prometheus")
BEHIND_S = 3_600.0


class LeapingClock:
    """This machine's clock, an hour behind: it can leap forward and is still not ahead of who looks on."""

    def __init__(self) -> None:
        self._behind = BEHIND_S

    def __call__(self) -> float:
        return time.time() - self._behind

    def leap(self, seconds: float) -> None:
        """Let time pass at once."""
        self._behind -= seconds


class DrillWorld(PracticeWorld):
    """A drill is played from the world's start on. Releases are quick: most are proven by a port of the test's own."""

    def __init__(self, drill: str, seed: int = 1) -> None:
        super().__init__(seed)
        self.clock = LeapingClock()
        self.world = World(seed, self.home / "w", self.clock, drill=drill, env=environment(self.home), ci=())

    def __enter__(self) -> Self:
        super().__enter__()
        self._door = socket.create_server(("127.0.0.1", 0))
        path = self.home / "w" / "config" / "quarterdeck" / "config.yaml"
        config = yaml.safe_load(path.read_text())
        config["releases"] = {"heartbeat": "200ms", "lease": "3s"}
        config["sources"] = [each for each in config["sources"] if each["system"] in NEEDED]
        port = self._door.getsockname()[1]
        for name, service in config["services"].items():
            service["gate"], service["guards"] = {"passes": 1, "within": "30s", "soak": "0s"}, []
            quick = {"engine": True} if name == "scorer" else {"tcp": f"127.0.0.1:{port}"}
            service["probe"] = {**quick, "interval": "50ms", "timeout": "1s"}
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return self

    def __exit__(self, *args: object) -> None:
        self._door.close()
        super().__exit__(*args)

    @property
    def played(self) -> dict[str, str]:
        """The environment of a deck on which the drill is played."""
        record = self.home / "w" / RECORD
        return environment(self.home, {**self.env, "QUARTERDECK_DRILL": str(record)})

    @property
    def record(self) -> dict[str, Any]:
        """What the drill has written down."""
        found: dict[str, Any] = json.loads((self.home / "w" / RECORD).read_text())
        return found

    @property
    def solved(self) -> bool:
        """Whether it says that it is over."""
        return bool(self.record["state"] == "solved")

    @property
    def unmet(self) -> list[str]:
        """The goals that are not met now."""
        return [goal["words"] for goal in self.record["goals"] if not goal["met"]]

    def told(self, words: str) -> bool:
        """Whether an event of the record says this."""
        return any(words in event["words"] for event in self.record["events"])

    def happens(self, words: str, leap: float = 10.0) -> None:
        """Let time leap until an event of the record says this. Raises AssertionError."""
        self._leaping(lambda: self.told(words), leap, repr(words))

    def happens_that(self, condition: Callable[[], bool], what: str, leap: float = 5.0) -> None:
        """Let time leap until it is so. Raises AssertionError."""
        self._leaping(condition, leap, what)

    def is_solved(self, leap: float = 5.0) -> None:
        """Let time leap until the drill is solved. Raises AssertionError."""
        self._leaping(lambda: self.solved, leap, "the drill solved")

    def _leaping(self, condition: Callable[[], bool], leap: float, what: str) -> None:
        stage = self.world.stage
        assert stage is not None
        seen = stage.ticks

        def look() -> bool:
            nonlocal seen
            if condition():
                return True
            if stage.ticks > seen + 1:
                seen = stage.ticks
                self.clock.leap(leap)
            return False

        try:
            wait_until(look, what)
        except TimeoutError as error:
            found = self.record
            raise AssertionError(f"{error}; {found['state']}: {found['events']}, not met: {self.unmet}") from None
