"""The desk in this process: who gets in, what a start that was cut off leaves, what a full disk does to a journal."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parts.deckworld import environment
from parts.releasing import ReleaseWorld, result
from quarterdeck.boot import Boot
from quarterdeck.releasing.desk import Desk
from quarterdeck.releasing.journal import LedgerJournal
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck_lifecycle.actor import Actor, op_id
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.ledger import Entry, Ledger, Row
from quarterdeck_lifecycle.release.model import Identity, Plan, Step
from quarterdeck_lifecycle.state import StateDB, StateError

ANA = Actor(user="ana", origin="local", host="bastion")
PULL = Step(id="03 pull", name="pull", title="pull it", phase="prepare", deadline_s=60)


@pytest.fixture
async def desk(world: ReleaseWorld) -> AsyncIterator[Desk]:
    boot = Boot(cwd=world.home, env=environment(world.home, world.env), discovery=False)
    yield Desk(boot)
    await boot.close()


async def plan_of(desk: Desk, world: ReleaseWorld) -> Plan:
    return await desk.plan("fraud-api", "staging", world.other())


async def test_of_two_that_start_at_once_one_gets_in(desk: Desk, world: ReleaseWorld) -> None:
    world.waiting_hook()
    await desk.boot.reload()
    plans = [await plan_of(desk, world) for _ in range(2)]
    answers = await asyncio.gather(*(desk.start(plan) for plan in plans), return_exceptions=True)
    won = [answer for answer in answers if isinstance(answer, str)]
    lost = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(won) == len(lost) == 1
    assert f"quarterdeck attach {won[0]}" in str(lost[0])
    assert (await desk.operations(1))[0].state == "running"
    assert len(world.operations()) == len(await desk.operations())


async def test_a_start_that_was_cut_off_before_its_runner_is_settled_by_recover(
    desk: Desk, world: ReleaseWorld
) -> None:
    before = world.serving()
    plan = await plan_of(desk, world)
    desk.folder(plan.op).make()
    await desk.store.begin(plan, desk.boot.actor, '{"cwd": "/"}')
    row = await desk.operation(plan.op)
    assert row.state == "dead"
    with pytest.raises(Refused, match="is dead"):
        await desk.ask(plan.op, "abort")
    assert [(op, told) for op, told, _ in await desk.recover()] == [(plan.op, "FAILED")]
    assert await desk.recover() == []
    assert world.serving() == before


async def test_what_is_protected_is_closed_and_typed(desk: Desk) -> None:
    plan = await desk.plan("fraud-api", "prod", "1.42.0")
    assert desk.access(plan).why.startswith("prod is protected")
    assert desk.confirmation(plan) == "typed"
    with pytest.raises(Refused, match="protected"):
        await desk.start(plan)
    rows = await desk.boot.ledger.rows(limit=1)
    assert (rows[0].phase, rows[0].op) == ("refused", plan.op)
    assert not desk.folder(plan.op).path.exists()


async def test_a_start_without_space_is_refused_before_anything(
    desk: Desk, world: ReleaseWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await plan_of(desk, world)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("quarterdeck.releasing.opfolder.os.posix_fallocate", full)
    with pytest.raises(StateError, match="No space left"):
        await desk.start(plan)
    assert not desk.folder(plan.op).path.exists()
    assert [row.op for row in await desk.operations() if row.op == plan.op] == []


async def test_what_was_started_is_followed_and_kept_in_the_history(desk: Desk, world: ReleaseWorld) -> None:
    plan = await plan_of(desk, world)
    op = await desk.start(plan)
    assert await asyncio.to_thread(result, desk.folder(op)) == "SUCCEEDED"
    assert [event.result for event in [event async for event in desk.follow(op)]][-1] == "SUCCEEDED"
    history = await desk.history("fraud-api", "staging")
    assert (history[0].op, history[0].result, history[0].plan) == (op, "SUCCEEDED", plan)


# the journal alone


def redacted(text: str) -> str:
    return text.replace("ghp_abc", "‹secret›")


class Failing(Ledger):
    """A ledger on a disk that is full until something is deleted there."""

    def __init__(self, db: StateDB, reserve: Path) -> None:
        super().__init__(db, ANA, redacted)
        self.full = False
        self._reserve = reserve

    async def append(self, entry: Entry) -> Row:
        if self.full and self._reserve.exists():
            raise StateError("the state file cannot be used", why="no space is left on its disk")
        return await super().append(entry)


@pytest.fixture
async def failing(tmp_path: Path) -> AsyncIterator[tuple[Failing, LedgerJournal, OpFolder]]:
    plan = Plan(
        op=op_id(), kind="deploy", service="s", environment="e", actor="ana", origin="local", host="bastion", reason="",
        at="", to=Identity(kind="image", name="x", digest="sha256:aa"), back=None,
    )  # fmt: skip
    db = StateDB(tmp_path)
    folder = OpFolder(tmp_path, plan.op)
    folder.make()
    folder.reserve()
    ledger = Failing(db, folder.path / "reserve")
    yield ledger, LedgerJournal(plan, ledger, folder, redacted), folder
    await db.aclose()


async def test_a_full_ledger_stops_a_deploy_and_gives_its_reserve_to_the_put_back(
    failing: tuple[Failing, LedgerJournal, OpFolder],
) -> None:
    ledger, journal, folder = failing
    await journal.intent(PULL)
    ledger.full = True
    with pytest.raises(StateError):
        await journal.outcome(PULL, "DONE: pulled")
    assert (folder.path / "reserve").exists()
    journal.lenient()
    await journal.outcome(PULL, "FAILED: the ledger is full")
    assert not (folder.path / "reserve").exists()
    assert await journal.begun() == {"03 pull": "FAILED: the ledger is full"}
    assert await journal.done() == {}


async def test_a_lenient_journal_remembers_what_it_could_not_write(
    failing: tuple[Failing, LedgerJournal, OpFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, journal, folder = failing
    journal.lenient()

    async def never(entry: Entry) -> Row:
        raise StateError("the state file cannot be used", why="no space is left on its disk")

    monkeypatch.setattr(ledger, "append", never)
    await journal.intent(PULL)
    assert await journal.begun() == {"03 pull": ""}
    await journal.outcome(PULL, "DONE: pulled")
    assert await journal.done() == {"03 pull": "DONE: pulled"}
    assert any("not in the ledger" in event.message for event in folder.events())


async def test_steps_are_rows_and_lines_and_secrets_are_in_neither(
    failing: tuple[Failing, LedgerJournal, OpFolder],
) -> None:
    ledger, journal, folder = failing
    await journal.begin()
    await journal.intent(PULL, before="old ghp_abc")
    await journal.note("03 pull", "token ghp_abc\nsecond line\x1b[2J")
    await journal.outcome(PULL, "DONE: with ghp_abc", "new")
    await journal.keep("new engine/x", "log ghp_abc\nnext")
    await journal.end("SUCCEEDED", "it runs")
    await journal.end("SUCCEEDED", "it runs")
    journal.close("SUCCEEDED", "it runs")
    rows = list(reversed(await ledger.rows()))
    assert [(row.action, row.step, row.phase) for row in rows] == [
        ("release.deploy", "", "intent"), ("release.pull", "03 pull", "intent"), ("release.pull", "03 pull", "outcome"),
        ("release.deploy", "", "outcome"),
    ]  # fmt: skip
    assert (rows[2].before, rows[2].after, rows[2].result) == ("old ‹secret›", "new", "DONE: with ‹secret›")
    assert await journal.head() == rows[-1].hash
    events = folder.events()
    assert [event.phase for event in events] == ["plan", "intent", "progress", "progress", "outcome", "outcome"]
    assert events[3].message == "second line␛"
    assert not [path for path in folder.path.rglob("*") if b"ghp_abc" in path.read_bytes()]
    assert await ledger.open_intents() == []
