"""What the deck does not do: cells of rows that nobody sees, counting again, paint without a change."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from deckcase import deck
from quarterdeck.panes.rows import Filter, RowMaker
from quarterdeck.views.catalog import view_of
from quarterdeck.views.model import Look, View, haystack
from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import Row
from quarterdeck.widgets.table import RecordTable
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.kinds import Container
from quarterdeck_lifecycle.records import Record, Ref, Status
from scripted import Scripted, container

LOOK = Look(now=1_795_000_000.0)


class Counted:
    """A view that counts the rows whose cells were made."""

    def __init__(self) -> None:
        view = view_of("container")
        assert view is not None
        self.made: list[str] = []
        self._row = view.row
        self.view = View(view.kind, view.title, view.columns, self.row, view.orders, view.line)

    def row(self, record: Container, look: Look) -> Row:
        self.made.append(record.name)
        return self._row(record, look)


def boxes(count: int) -> list[Record]:
    return [container(f"box-{place:05}") for place in range(count)]


def test_cells_are_made_when_they_are_looked_at_and_once() -> None:
    counted = Counted()
    rows = RowMaker(counted.view).make(boxes(1000), LOOK)
    assert counted.made == []
    assert [cell.text for cell in rows[7].cells][2] == "box-00007"
    assert len(rows[7].cells) == len(counted.view.columns)
    assert counted.made == ["box-00007"]


def test_a_row_is_the_same_object_until_its_record_or_the_minute_is_another() -> None:
    maker, records = RowMaker(Counted().view), boxes(3)
    before = maker.make(records, LOOK)
    records[1] = msgspec.structs.replace(records[1], state="paused")
    after = maker.make(list(records), LOOK)
    assert [one is other for one, other in zip(before, after, strict=True)] == [True, False, True]
    assert before[1] != after[1]
    later = maker.make(records, LOOK._replace(now=LOOK.now + 60))
    assert not any(one is other for one, other in zip(after, later, strict=True))
    assert later == after


def test_the_order_follows_a_record_that_changed() -> None:
    maker, records = RowMaker(Counted().view), boxes(3)
    maker.make(records, LOOK)
    records[2] = msgspec.structs.replace(records[2], status=Status.BAD)
    assert maker.make(list(records), LOOK)[0].key == records[2].ref


@pytest.mark.parametrize(("text", "left"), [("box-0001", 10), ("!box-0001", 90), ("fraud|nothing", 0), ("", 100)])
def test_a_filter_looks_at_every_row_and_makes_no_cells(text: str, left: int) -> None:
    counted = Counted()
    maker = RowMaker(counted.view)
    maker.filter = Filter(text)
    assert len(maker.make(boxes(100), LOOK)) == left
    assert counted.made == []


def test_a_filter_sees_what_a_record_says_now() -> None:
    maker, records = RowMaker(Counted().view), boxes(2)
    maker.filter = Filter("paused")
    assert maker.make(records, LOOK) == []
    records[0] = msgspec.structs.replace(records[0], state="paused")
    assert [row.key for row in maker.make(list(records), LOOK)] == [records[0].ref]


def test_the_words_of_a_record_are_those_that_it_shows() -> None:
    record = Container(
        ref=Ref("local", "container", "i"), name="api", status=Status.BAD, state="exited", note="137",
        environment="prod", image="acme/api:v1", ports=("80/tcp", "81/tcp"), restarts=4, labels={"hidden": "label"},
    )  # fmt: skip
    words = haystack(record)
    for word in ("api", "bad", "exited", "137", "prod", "acme/api:v1", "80/tcp", "81/tcp", "local"):
        assert word in words
    assert "hidden" not in words


async def test_rows_are_counted_once_for_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    from quarterdeck_lifecycle import hub as hubs

    counted, tally = [], hubs.tally

    def counting(records: Sequence[Record]) -> object:
        counted.append(len(records))
        return tally(records)

    monkeypatch.setattr(hubs, "tally", counting)
    source = Scripted(rows=[container("api"), container("etl", "exited", Status.BAD)])
    hub = Hub([source])
    leave = hub.listen(lambda kinds: None)
    try:
        hub.poke()
        await hub.busy.idle()
        assert hub.tally().counts == {Status.OK: 1, Status.BAD: 1}
        assert [row.name for row in hub.tally().troubled] == ["etl"]
        assert hub.records() is hub.records()
        assert counted == [2]
        assert hub.find(Ref("local", "container", "id-etl")) is hub.records()[1]
        generation = hub.generation
        source.replace(Ref("local", "container", "id-etl"), "running")
        hub.poke()
        await hub.busy.idle()
        assert hub.generation > generation
        found = hub.find(Ref("local", "container", "id-etl"))
        assert found is not None
        assert found.state == "running"
        assert hub.tally().troubled == (found,)
        assert counted == [2, 2]
        await hub.remove("local")
        assert hub.records() == []
        assert hub.find(Ref("local", "container", "id-etl")) is None
        assert hub.tally().troubled == ()
    finally:
        leave()
        await hub.close()


async def test_the_same_answer_and_the_passing_second_paint_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    painted: list[str] = []
    for kind in (RecordTable, Bar):
        line = kind.render_line

        def render(self: RecordTable | Bar, y: int, line: object = line) -> object:
            painted.append(f"{type(self).__name__} {y}")
            return line(self, y)  # type: ignore[operator]

        monkeypatch.setattr(kind, "render_line", render)
    source = Scripted(rows=[container(f"box-{place}") for place in range(9)])
    async with deck([source], size=(160, 45), painting=True) as d:
        assert painted
        painted.clear()
        source.rows = [msgspec.structs.replace(row) for row in source.rows]
        listed = source.listed
        d.app.boot.hub.poke()
        await d.rest()
        assert source.listed > listed
        d.app.deck.refresh_window()
        d.app.deck.refresh_all()
        await d.rest()
        assert painted == []
        source.replace(Ref("local", "container", "id-box-3"), "paused")
        d.app.boot.hub.poke()
        await d.rest()
        assert "RecordTable 4" in painted
        assert not [line for line in painted if line.startswith("RecordTable") and line != "RecordTable 4"]
