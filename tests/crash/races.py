"""Two deployers with state folders of their own race for one service on one engine, again and again."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Literal

from parts.process import DEADLINE
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.docker.adapter import DockerSource
from quarterdeck_config.schema import Config
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.ports import Holder, LeaseTaken

SINCE = "2026-01-02T03:04:05Z"


@dataclass(frozen=True)
class Try:
    """What one deployer got in one round. `told` is what the loser was told of the winner."""

    round: int
    who: str
    won: bool
    told: str = ""
    holder: str = ""


def race(url: str, name: str, rounds: int, folder: Path) -> list[Try]:
    """Let two processes race for the lease of the container `name` that often; every try of both."""
    context = multiprocessing.get_context("spawn")
    barrier, told = context.Barrier(2), context.Queue()
    racers = [
        context.Process(target=_race, args=(who, url, name, rounds, str(folder / who), barrier, told), daemon=True)
        for who in ("ada", "ben")
    ]
    for racer in racers:
        racer.start()
    try:
        return [told.get(timeout=DEADLINE * 3) for _ in range(2 * rounds)]
    finally:
        for racer in racers:
            racer.join(DEADLINE / 6)
            racer.kill()


def _race(who: str, url: str, name: str, rounds: int, state: str, barrier: Barrier, told: Queue[Try]) -> None:
    os.environ["QUARTERDECK_STATE"] = state
    OpFolder(Path(state), f"race-{who}").make()
    asyncio.run(_rounds(who, url, name, rounds, barrier, told))


async def _rounds(who: str, url: str, name: str, rounds: int, barrier: Barrier, told: Queue[Try]) -> None:
    context = Context(secret=lambda _: "", env={}, config=Config(), project="/")
    source = DockerSource(SourceConfig(name="local", system="docker", url=url), context)
    lease = source.target("container", name, {}).lease
    for number in range(rounds):
        mine = Holder(op=f"op-{number}-{who}", service="app", environment="prod", owner=who, host=f"bastion-{who}",
                      since=SINCE)  # fmt: skip
        await asyncio.to_thread(barrier.wait, DEADLINE)
        held: Holder | None = None
        with permit("local"):
            try:
                held = await lease.acquire(mine)
                await lease.check(held)
                told.put(Try(number, who, True))
            except LeaseTaken as error:
                told.put(Try(number, who, False, str(error), error.holder.owner))
            except QuarterdeckError as error:
                told.put(Try(number, who, False, f"{type(error).__name__}: {error}"))
            await asyncio.to_thread(barrier.wait, DEADLINE)
            if held is not None:
                await lease.release(held)
    await source.close()


Winner = Literal["ada", "ben", "both", "nobody"]


def winner(tries: list[Try], number: int) -> Winner:
    """Who won that round."""
    won = [each.who for each in tries if each.round == number and each.won]
    if len(won) != 1:
        return "both" if won else "nobody"
    return "ada" if won == ["ada"] else "ben"
