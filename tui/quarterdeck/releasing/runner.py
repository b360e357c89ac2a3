"""The worker of one operation: builds the sources that its plan names, and lets the engine run or recover it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from quarterdeck.boot import Boot
from quarterdeck.releasing.context import boot_for, hooks_known, sources_named, targets_for
from quarterdeck.releasing.control import StoreControl
from quarterdeck.releasing.journal import LedgerJournal
from quarterdeck.releasing.locks import sign
from quarterdeck.releasing.measures import HubMeasures
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck.runner_main import BUSY, SETTLED
from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.releasing.hooks import HookRunner
from quarterdeck_adapters.releasing.probe import NetProber
from quarterdeck_adapters.releasing.webhook import WebhookAnnouncer
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import QuarterdeckError, Refused
from quarterdeck_lifecycle.release.engine import Ended, Engine
from quarterdeck_lifecycle.release.model import Plan
from quarterdeck_lifecycle.release.ports import Say
from quarterdeck_lifecycle.release.store import Store, Stored
from quarterdeck_lifecycle.state import StateDB, StateError

FAULT = 70
WRITE_TRIES = 3
WARM_S = 10.0


class SystemClock:
    """Satisfies `ports.Clock`. `monotonic` goes on while the machine sleeps, so that a lease slept through is seen."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds of CLOCK_BOOTTIME (clock_gettime(2))."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def work(op: str, state: Path, *, recover: bool) -> int:
    """Run or recover an operation; answers the exit code: 0 once its result is written. Nothing is raised."""
    folder = OpFolder(state, op)
    try:
        lock = folder.hold("worker")
        if lock is None:
            return BUSY
        sign(lock)
        return asyncio.run(_work(op, state, folder, recover))
    except QuarterdeckError as error:
        return _complain(folder, f"the runner cannot go on: {error}")
    except BaseException as error:
        print(redact(traceback.format_exc()), file=sys.stderr, flush=True)
        return _complain(folder, f"the runner failed: {type(error).__name__}: {error}")


def _complain(folder: OpFolder, why: str) -> int:
    folder.append("", "note", redact(why))
    print(redact(why), file=sys.stderr, flush=True)
    return FAULT


async def _work(op: str, state: Path, folder: OpFolder, recover: bool) -> int:
    row = await _row(op, state)
    if row.state == "ended":
        return SETTLED
    plan = row.decoded()
    boot = await boot_for(row, plan, {**os.environ, "QUARTERDECK_STATE": str(state)})
    try:
        store = Store(boot.state, redact=redact)
        journal = LedgerJournal(plan, boot.ledger, folder, redact)
        ended = await _engine(boot, store, journal, row, plan, recover)
        await _settle(store, journal, op, ended)
    finally:
        await boot.close()
    return SETTLED


async def _row(op: str, state: Path) -> Stored:
    db = StateDB(state)
    try:
        return await Store(db).operation(op)
    finally:
        await db.aclose()


async def _engine(boot: Boot, store: Store, journal: LedgerJournal, row: Stored, plan: Plan, recover: bool) -> Ended:
    try:
        targets = targets_for(boot, row, plan)
    except QuarterdeckError as error:
        if recover or await journal.begun():
            raise
        return Ended(result="FAILED", message=f"nothing was touched: {error}")
    await _warm(boot, plan)
    gc.freeze()
    gc.enable()
    control = StoreControl(store, plan, row.user, lambda: boot.loaded.config)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, control.push, "abort", "SIGTERM")
    hooks = HookRunner(cwd=_project(boot)) if hooks_known(boot, plan) else NoHooks(row.user)
    engine = Engine(
        plan, targets, journal=journal, control=control, clock=SystemClock(), prober=NetProber(),
        measures=HubMeasures(boot.hub, boot.configs), hooks=hooks,
        announcer=WebhookAnnouncer(boot.loaded.config.webhooks, boot.context().secret, redact),
    )  # fmt: skip
    return await (engine.recover() if recover else engine.run())


async def _warm(boot: Boot, plan: Plan) -> None:
    """Load what the sources need, resolve their secrets and open their connections, before a lease has to be kept."""
    named = sources_named(plan)

    async def probe(name: str) -> None:
        if (source := boot.hub.sources.get(name)) is not None:
            with suppress(QuarterdeckError, TimeoutError):
                async with asyncio.timeout(WARM_S):
                    await source.probe()

    others = [source for name in named if (source := boot.hub.sources.get(name)) and source.system != "docker"]
    if plan.probe.http or plan.announce or others:
        await call(lambda: import_module("httpx"), deadline=WARM_S, source="runner", what="loading")
    await asyncio.gather(*(probe(name) for name in named))


def _project(boot: Boot) -> str:
    """Where hooks run: the folder of the project's config."""
    return str(boot.loaded.project.parent if boot.loaded.project is not None else boot.cwd)


class NoHooks:
    """Satisfies `ports.Hooks` where another user's operation names programs that this user's config does not."""

    def __init__(self, user: str) -> None:
        self._user = user

    async def run(self, argv: Sequence[str], timeout_s: float, env: Mapping[str, str], say: Say) -> str:  # noqa: ARG002
        """Raises Refused."""
        raise Refused(f"the hook {argv[0]} was not run", why="the config of who runs this does not name it, or is "
                      "not trusted", mend=f"run it as {self._user}")  # fmt: skip


async def _settle(store: Store, journal: LedgerJournal, op: str, ended: Ended) -> None:
    """Ledger, row, and last of all the line that viewers wait for. Raises StateError when the row cannot be written."""
    await journal.end(ended.result, ended.message)
    for attempt in range(WRITE_TRIES):
        try:
            await store.finish(op, ended.result, ended.message)
            break
        except StateError:
            if attempt == WRITE_TRIES - 1:
                journal.close(ended.result, ended.message)
                raise
            await asyncio.sleep(attempt + 0.2)
    journal.close(ended.result, ended.message)
