"""Changes on disk: each once, newest first, for seven days."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from quarterdeck_lifecycle.changelog import ChangeFilter, ChangeLog, ChangeRow
from quarterdeck_lifecycle.state import StateDB

NOW = datetime(2025, 11, 3, 12, 0, 0, 250, tzinfo=UTC)


def change(number: int, at: datetime = NOW, **fields: str) -> ChangeRow:
    row = ChangeRow(
        id=f"c{number:06}",
        at=at,
        source="prod-1",
        system="docker",
        kind="container",
        ref=f"prod-1/container/{number}",
        name=f"fraud-{number}",
        environment="prod",
        what="image",
        before="sha256:aa",
        after="sha256:bb",
    )
    return replace(row, **fields)  # type: ignore[arg-type]


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[StateDB]:
    state = StateDB(tmp_path)
    yield state
    assert await state.aclose()


@pytest.fixture
def log(db: StateDB) -> ChangeLog:
    return ChangeLog(db, lambda text: text.replace("hunter2", "‹secret›"), clock=lambda: NOW)


async def test_a_change_is_kept_once_and_comes_back_as_it_was(log: ChangeLog) -> None:
    ours = change(1, by="us", op="op-1", actor="ana")
    outside = change(2, at=NOW - timedelta(seconds=1))
    assert await log.add([ours, outside]) == 2
    assert await log.add([outside, change(3, at=NOW - timedelta(seconds=2))]) == 1
    assert await log.add([]) == 0
    assert [row.id for row in await log.recent()] == ["c000001", "c000002", "c000003"]
    assert (await log.recent())[:2] == [ours, outside]


async def test_the_order_is_by_instant_whatever_the_zone(log: ChangeLog) -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    await log.add([change(1, at=NOW.astimezone(east)), change(2, at=NOW - timedelta(microseconds=1))])
    first, second = await log.recent()
    assert (first.id, second.id) == ("c000001", "c000002")
    assert first.at == NOW
    assert first.at.utcoffset() == timedelta(0)


async def test_recent_is_bounded_by_time_and_paged(log: ChangeLog) -> None:
    await log.add([change(number, at=NOW - timedelta(minutes=number // 2)) for number in range(10)])
    since, until = NOW - timedelta(minutes=3), NOW - timedelta(minutes=1)
    assert [row.id for row in await log.recent(since=since, until=until)] == [
        "c000005",
        "c000004",
        "c000007",
        "c000006",
    ]
    everything = await log.recent()
    paged = await log.recent(limit=3)
    while page := await log.recent(limit=3, before=paged[-1]):
        paged += page
    assert paged == everything


async def test_recent_is_filtered(log: ChangeLog) -> None:
    other = change(
        2,
        source="ml",
        system="mlflow",
        kind="alias",
        ref="ml/alias/champion",
        name="Champion",
        environment="staging",
        what="version",
        by="us",
        op="op-2",
    )
    await log.add([change(1), other, change(3)])
    for asked in (
        ChangeFilter(source="ml"),
        ChangeFilter(system="mlflow"),
        ChangeFilter(kind="alias"),
        ChangeFilter(ref="ml/alias/champion"),
        ChangeFilter(environment="staging"),
        ChangeFilter(what="version"),
        ChangeFilter(by="us"),
        ChangeFilter(op="op-2"),
        ChangeFilter(contains="CHAMP", system="mlflow"),
    ):
        assert await log.recent(asked=asked) == [other], asked
    assert await log.recent(asked=ChangeFilter(contains="%")) == []


async def test_what_comes_from_outside_is_redacted_and_safe(log: ChangeLog, tmp_path: Path) -> None:
    await log.add([change(1, name="a\x1b[2J\nb", before="hunter2", after="\u202ehunter2", actor="\x9bm")])
    (row,) = await log.recent()
    assert (row.name, row.before, row.after, row.actor) == ("a␛␊b", "‹secret›", "<U+202E>‹secret›", "\\x9bm")
    for path in tmp_path.iterdir():
        assert b"hunter2" not in path.read_bytes()


async def test_seven_days_are_kept(db: StateDB) -> None:
    now = NOW
    log = ChangeLog(db, str, clock=lambda: now)
    edge = NOW - timedelta(days=7)
    assert await log.add([change(1, at=edge), change(2, at=edge - timedelta(microseconds=1))]) == 1
    assert [row.id for row in await log.recent()] == ["c000001"]
    now = NOW + timedelta(minutes=30)
    await log.add([change(3)])
    assert [row.id for row in await log.recent()] == ["c000003", "c000001"]
    now = NOW + timedelta(hours=2)
    await log.add([change(4)])
    assert [row.id for row in await log.recent()] == ["c000004", "c000003"]
    now = NOW + timedelta(days=8)
    assert await log.prune() == 2
    assert await log.recent() == []


async def test_the_last_200_of_100_000_are_read_from_the_index(db: StateDB, log: ChangeLog) -> None:
    """The work is counted in hundreds of SQLite's virtual machine steps."""
    epoch = int(NOW.timestamp())
    fill = f"""
        WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 99999)
        INSERT INTO changes SELECT
            printf('c%06d', n), strftime('%Y-%m-%dT%H:%M:%S', {epoch} - n, 'unixepoch') || '.000250Z', 'prod-1',
            'docker', 'container', 'prod-1/container/' || n, 'fraud', 'prod', 'image', 'a', 'b', 'outside', '', '', ''
        FROM numbers
    """
    await db.run(lambda connection: connection.execute(fill))

    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    await db.run(lambda connection: connection.set_progress_handler(count, 100))
    found = await log.recent(since=NOW - timedelta(days=7))
    last_page = await log.recent(limit=50, before=change(0, at=NOW - timedelta(seconds=99_800)))
    await db.run(lambda connection: connection.set_progress_handler(None, 0))
    assert [row.id for row in found] == [f"c{number:06}" for number in range(200)]
    assert [row.id for row in last_page] == [f"c{number:06}" for number in range(99_801, 99_851)]
    assert steps < 200


async def test_an_expression_is_asked_of_the_database_as_of_a_row(log: ChangeLog) -> None:
    rows = [
        change(1, note="branch main"),
        change(2, name="etl (b)", environment="staging", at=NOW - timedelta(seconds=1)),
        change(3, name="Etl-2", by="us", op="op-2", at=NOW - timedelta(seconds=2)),
    ]
    await log.add(rows)
    for text, kept in (
        ("etl", "23"), ("!etl", "1"), ("^etl-\\d", "3"), ("etl (b)", ""), ("etl \\(b\\)", "2"), ("(", "2"),
        ("branch", "1"), ("us op-2", "3"), ("!", "123"), ("", "123"), ("fraud.*main", "1"), ("ETL-2", "3"),
    ):  # fmt: skip
        asked = ChangeFilter(matching=text)
        found = await log.recent(asked=asked)
        assert "".join(row.id[-1] for row in found) == kept, text
        assert [row for row in rows if asked.keeps(row)] == found, text
        assert await log.count(asked=asked) == len(kept), text
    assert ChangeFilter(matching="(").problem.startswith("not a regular expression")
    assert not ChangeFilter(matching="(a)").problem


async def test_pages_go_both_ways_from_any_row(log: ChangeLog) -> None:
    rows = [change(n, at=NOW - timedelta(seconds=n)) for n in range(10)]
    await log.add(rows)
    assert await log.recent(limit=3, before=rows[4]) == rows[5:8]
    assert await log.recent(limit=3, after=rows[4]) == rows[1:4]
    assert await log.recent(limit=3, after=rows[1]) == rows[:1]
    assert await log.oldest(2) == rows[8:]
    assert await log.count(since=rows[3].at) == 4
    assert await log.known("environment") == ["prod"]
