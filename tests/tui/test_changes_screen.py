"""The list of changes by its keys: 100,000 of them, a page at a time; filters, the good hour, and where Enter leads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deckcase import Deck, deck
from quarterdeck.panes.changestrip import ChangeStrip
from quarterdeck.screens.changes import ChangesScreen
from quarterdeck_lifecycle import changepages
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.ledger import Entry
from scripted import Scripted, container

MANY = 100_000


def change(number: int, minutes: float, **more: str) -> ChangeRow:
    """A change so many minutes ago."""
    fields = {
        "source": "local", "system": "docker", "kind": "container", "ref": f"local/container/id-c{number}",
        "name": f"c{number}", "environment": "prod", "what": "image", "before": "app:1", "after": "app:2",
    }  # fmt: skip
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    return ChangeRow(f"{number:08}", at, **{**fields, **more})  # type: ignore[arg-type]


async def fill(d: Deck, rows: int) -> None:
    """So many changes, six seconds apart, the newest a minute ago."""
    newest = int(datetime.now(UTC).timestamp()) - 60
    sql = f"""
        WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows - 1})
        INSERT INTO changes SELECT
            printf('c%06d', n), strftime('%Y-%m-%dT%H:%M:%S', {newest} - n * 6, 'unixepoch') || '.000000Z', 'local',
            'docker', 'container', 'local/container/' || n, 'thing-' || n, CASE n % 4 WHEN 0 THEN 'prod' ELSE 'dev' END,
            'image', 'a', 'b', 'outside', '', '', ''
        FROM numbers
    """
    await d.app.boot.state.run(lambda connection: connection.execute(sql))


def screen(d: Deck) -> ChangesScreen:
    assert isinstance(d.app.screen, ChangesScreen)
    return d.app.screen


async def test_a_hundred_thousand_are_walked_a_page_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changepages, "HELD", 400)
    async with deck(size=(120, 24)) as d:
        await fill(d, MANY)
        text = await d.press("c")
        assert "100,000 of 100,000" in text
        assert "thing-0 " in text
        table = screen(d).table
        assert len(table.rows) <= 400
        for _ in range(25):
            await d.press("pagedown")
        assert len(table.rows) <= 401
        first = int(str(table.rows[0].key)[1:])
        assert first > 0
        assert [int(str(row.key)[1:]) for row in table.rows] == list(range(first, first + len(table.rows)))
        for _ in range(22):
            await d.press("pageup")
        assert int(str(table.rows[0].key)[1:]) < first
        assert "thing-99999" in await d.press("end")
        assert "thing-0 " in await d.press("home")
        assert "thing-99999" in await d.press("G")
        assert "thing-0 " in await d.press("g")
        await d.press("/")
        text = await d.burst("thing-99[0-9]{3} ", "enter")
        assert "1,000 of 100,000" in text
        assert "thing-99000" in text
        await d.press("@")
        assert "prod" in d.text
        await d.press("down", "down", "enter")
        assert "250 of 100,000" in d.text
        assert "thing-99001" not in d.text


async def test_by_whom_by_system_and_what_is_known_of_who() -> None:
    async with deck(size=(160, 24)) as d:
        log = d.app.boot.changelog
        await log.add([
            change(1, 5, by="us", op="01999999-0000-7000-8000-0000000071c0", actor="ana@host"),
            change(2, 6, actor="op2?", note="tag quarterdeck.actor says so"),
            change(3, 7, system="mlflow", kind="model", what="alias champion", before="16", after="17"),
        ])  # fmt: skip
        text = await d.press("c")
        assert "op 71c0" in text
        assert "ana@host" in text
        assert "op2?" in text
        assert "tag quarterdeck" in text
        text = await d.press("b")
        assert "c1 " in text
        assert "c2 " not in text
        text = await d.press("b")
        assert "c2 " in text
        assert "c1 " not in text
        await d.press("b", "s", "down", "down", "enter")
        assert "alias champion 16→17" in d.text
        assert "c2 " not in d.text


async def test_the_last_good_hour_divides_what_came_after_from_what_was_before() -> None:
    async with deck(size=(120, 24)) as d:
        alert = {"kind": "alert", "ref": "prom/alert/p95", "name": "FraudP95High", "what": "state"}
        await d.app.boot.changelog.add([
            change(1, 300), change(2, 200),
            change(3, 120, **{**alert, "before": "pending", "after": "firing"}),
            change(4, 10, **{**alert, "before": "firing", "after": "resolved"}),
            change(5, 5),
        ])  # fmt: skip
        await d.app.lately.read()
        text = await d.press("c")
        order = ["c5 ", "resolved", "pending", "last good hour", "c2 ", "c1 "]
        lines = text.split("\n")[2:8]
        assert [word for line in lines for word in order if word in line] == order, text
        assert "3 changes since" in text
        await d.press("h")
        assert screen(d).table.cursor_key == ("last good hour",)
        assert "no run of a default branch failed" in " ".join((await d.press("?")).split())


async def test_enter_goes_to_the_row_to_the_operation_or_to_the_diff_of_what_is_gone() -> None:
    source = Scripted(rows=[container("api"), container("web")])
    async with deck([source], size=(100, 24)) as d:
        op = "01999999-0000-7000-8000-000000000abc"
        entry = Entry(op=op, action="container.stop", phase="intent", ref="local/container/id-api", why="noise")
        await d.app.boot.ledger.append(entry)
        await d.app.boot.changelog.add([
            change(1, 1, ref="local/container/id-web", name="web"),
            change(2, 2, ref="local/container/id-api", name="api", by="us", op=op),
            change(3, 3, name="lost", before="image: one\nport: 80\n", after="image: two\nport: 80\n"),
        ])  # fmt: skip
        await d.press("c", "enter")
        assert d.app.screen is d.app.deck
        assert d.app.deck.record is not None
        assert d.app.deck.record.name == "web"
        text = await d.press("c", "j", "enter")
        assert "container.stop" in text
        assert "noise" in text
        await d.press("escape")
        text = await d.press("j", "enter")
        assert "(gone)" in text
        assert "-image: one" in text
        assert "+image: two" in text
        assert "web" in await d.press("escape", "k", "k", "d")


async def test_what_is_seen_meanwhile_comes_in_at_the_top_and_the_cursor_stays() -> None:
    source = Scripted(rows=[container("api", image="app:1")])
    async with deck([source], size=(100, 24)) as d:
        await d.app.boot.changelog.add([change(n, n) for n in range(1, 4)])
        await d.press("c", "j")
        key = screen(d).table.cursor_key
        source.rows = [container("api", image="app:2")]
        d.app.boot.hub.poke()
        await d.shows("image 1→2")
        await d.rest()
        assert screen(d).table.cursor_key == key
        assert "4 of 4" in d.text


@pytest.mark.parametrize("text", ["(", "[a-"])
async def test_what_is_no_expression_is_said_and_looked_for_as_it_stands(text: str, tmp_path: Path) -> None:
    async with deck(size=(100, 24), cwd=tmp_path) as d:
        await d.app.boot.changelog.add([change(1, 1, name=f"odd {text} name"), change(2, 2)])
        await d.press("c", "/")
        shown = await d.burst(text, "enter")
        assert "1 of 2" in shown
        assert any("not a regular expression" in toast for toast in d.toasts)


@pytest.mark.parametrize(("size", "lines"), [((80, 24), 1), ((160, 45), 4)])
async def test_the_deck_shows_what_changed_last_and_nothing_of_it_ticks(size: tuple[int, int], lines: int) -> None:
    source = Scripted(rows=[container("api", image="app:1")])
    async with deck([source], size=size) as d:
        note = "label quarterdeck.actor says so"
        await d.app.boot.changelog.add([change(n, n, actor="op2?", note=note) for n in range(1, 5)])
        await d.app.lately.read()
        d.app.deck.refresh_all()
        await d.rest()
        strip = d.app.deck.query_one(ChangeStrip)
        assert strip.size.height == lines
        shown = "\n".join(d.text.split("\n")[strip.region.y : strip.region.bottom])
        assert shown.startswith("△ ")
        assert "c1 image 1→2" in shown
        if lines > 1:
            assert "WHAT CHANGED" in shown
            assert f"c3 image 1→2{' ' * 44}  by op2?" in shown
            assert note in shown
            assert "c4" not in shown
        d.app.now = lambda: datetime.now(UTC).timestamp() + 300
        d.app.deck.refresh_all()
        await d.rest()
        assert "\n".join(d.text.split("\n")[strip.region.y : strip.region.bottom]) == shown
