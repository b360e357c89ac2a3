"""What viewers ask of a running operation, as its runner hears it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from quarterdeck.releasing.frozen import why_frozen
from quarterdeck_config.schema import Config
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.release.model import Plan
from quarterdeck_lifecycle.release.ports import Ask
from quarterdeck_lifecycle.release.store import Store


class StoreControl:
    """Satisfies `ports.Control` over the state, for an operation that `user` started."""

    def __init__(self, store: Store, plan: Plan, user: str, config: Callable[[], Config]) -> None:
        self._store = store
        self._plan = plan
        self._user = user
        self._config = config
        self._heard = 0
        self._pushed: list[tuple[Ask, str]] = []

    def push(self, ask: Ask, who: str) -> None:
        """Ask from inside the process: a signal."""
        self._pushed.append((ask, who))

    async def asked(self) -> Sequence[tuple[Ask, str]]:
        """What was asked since the last call, oldest first, each with who asked. A state that fails asks nothing."""
        found, self._pushed = self._pushed, []
        try:
            asks = await self._store.asks(self._plan.op, self._heard)
        except QuarterdeckError:
            return found
        for each in asks:
            self._heard = max(self._heard, each.seq)
            found.append((each.ask, f"{each.actor}{f' ({each.why})' if each.why else ''}"))
        return found

    async def approved(self, digest: str) -> str:
        """Who approved this plan and may; empty: nobody yet. Raises StateError."""
        who = await self._store.approved(self._plan.op, digest, self._user)
        await self._store.progress(self._plan.op, "running" if who else "waiting")
        return who

    async def frozen(self) -> str:
        """Why this release is frozen out now. Raises StateError."""
        plan = self._plan
        return await why_frozen(
            self._config(), self._store, plan.service, plan.environment, plan.kind, self._user, time.time()
        )
