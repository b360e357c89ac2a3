from typing import Any

import pytest
from rich.cells import cell_len
from textual.content import Content

from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.table import RecordTable

COLUMNS = [
    Column("state", "", 1, gap=0),
    Column("name", "NAME", 10, flex=1),
    Column("cpu", "CPU%", 5, "right", priority=1),
]


def row(key: str, name: str = "", cpu: str = "1", glyph: str = "✓") -> Row:
    return Row(key, (Cell(glyph, "ok"), Cell(name or key), Cell(cpu, "dim")))


def rows(keys: str) -> list[Row]:
    return [row(key) for key in keys]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def table() -> RecordTable:
    table = RecordTable(COLUMNS)
    table.clock = Clock()
    return table


def messages(app: Any, kind: type) -> list[Any]:
    """The messages of that kind that reach the app from now on."""
    found: list[Any] = []
    post = app.widget.post_message

    def spy(message: Any) -> bool:
        if isinstance(message, kind):
            found.append(message)
        return bool(post(message))

    app.widget.post_message = spy
    return found


async def test_titles_rows_and_the_cursor_are_painted(app_of: Any, screen_text: Any, table: RecordTable) -> None:
    app = app_of(table)
    async with app.run_test(size=(24, 5)):
        table.set_sort("cpu", reverse=True)
        table.set_rows([row("a", cpu="88"), row("b", "a-long-name-of-a-thing", glyph="✗")])
        assert screen_text(app) == "\n".join(
            [
                "  NAME            CPU%↓",
                ">✓a                  88",
                " ✗a-long-name-of…     1",
                "",
                "",
            ]
        )


async def test_the_keys_move_and_scroll(app_of: Any, screen_text: Any, table: RecordTable) -> None:
    app = app_of(table)
    async with app.run_test(size=(24, 5)) as pilot:
        table.set_rows([row(f"k{n:02}") for n in range(30)])
        moved = messages(app, RecordTable.CursorMoved)
        await pilot.press("down", "down", "down", "down")
        assert table.cursor_key == "k04"
        assert [line[:5].strip() for line in screen_text(app).splitlines()[1:]] == ["✓k01", "✓k02", "✓k03", ">✓k04"]
        await pilot.press("up", "pagedown", "end", "pageup", "home")
        assert [message.key for message in moved][-5:] == ["k03", "k06", "k29", "k26", "k00"]
        assert screen_text(app).splitlines()[1].startswith(">✓k00")


async def test_the_cursor_follows_its_key_and_keeps_its_line(app_of: Any, screen_text: Any, table: RecordTable) -> None:
    app = app_of(table)
    many = [row(f"k{n:02}") for n in range(40)]
    async with app.run_test(size=(24, 8)) as pilot:
        table.set_rows(many)
        table.move_to_key("k20")
        await pilot.press("up", "up")
        line = next(y for y, text in enumerate(screen_text(app).splitlines()) if text.startswith(">"))
        table.clock.now += 10
        table.set_rows([row("new1"), row("new2"), *many])
        assert table.cursor_key == "k18"
        assert screen_text(app).splitlines()[line].startswith(">✓k18")


async def test_a_row_that_goes_under_the_cursor_is_a_ghost_until_the_cursor_leaves(
    app_of: Any, screen_text: Any, table: RecordTable
) -> None:
    app = app_of(table)
    async with app.run_test(size=(24, 6)) as pilot:
        table.set_rows(rows("abc"))
        selected = messages(app, RecordTable.RowSelected)
        await pilot.press("down")
        table.set_rows(rows("ac"))
        assert table.cursor_is_ghost
        assert table.cursor_key == "b"
        assert screen_text(app).splitlines()[2].startswith(">░b")
        await pilot.press("enter", "space")
        assert (selected[0].key, selected[0].is_ghost) == ("b", True)
        assert table.marked == set()
        assert not table.cursor_is_ghost
        assert table.cursor_key == "c"
        assert "░" not in screen_text(app)


async def test_marks_are_keys_and_go_with_their_rows(app_of: Any, screen_text: Any, table: RecordTable) -> None:
    app = app_of(table)
    async with app.run_test(size=(24, 7)) as pilot:
        table.set_rows(rows("abcde"))
        await pilot.press("space")
        assert (table.marked, table.cursor_key) == ({"a"}, "b")
        await pilot.press("down", "down")
        table.action_mark_range()
        assert table.marked == set("abcd")
        await pilot.press("space")
        assert table.marked == set("abc")
        await pilot.press("home")
        assert [line[0] for line in screen_text(app).splitlines()[1:6]] == ["◆", "•", "•", " ", " "]
        table.set_rows(rows("acde"))
        table.set_rows(rows("abcde"))
        assert table.marked == {"a", "c"}
        table.clear_marks()
        assert "•" not in screen_text(app)


async def test_another_order_waits_while_the_cursor_moves(app_of: Any, screen_text: Any, table: RecordTable) -> None:
    app = app_of(table)

    def order() -> str:
        return "".join(line[2:3] for line in screen_text(app).splitlines()[1:]).strip()

    async with app.run_test(size=(24, 8)) as pilot:
        table.set_rows(rows("abc"))
        table.set_rows(rows("cba"))
        assert order() == "cba"
        await pilot.press("up")
        table.clock.now += 2.9
        table.set_rows(rows("xabc"))
        assert order() == "cbax"
        assert table.resort_is_held
        table.release_held()
        assert order() == "cbax"
        table.clock.now += 0.2
        table.release_held()
        assert order() == "xabc"
        assert table.cursor_key == "b"
        assert not table.resort_is_held


async def test_the_order_that_waits_comes_by_itself(app_of: Any, table: RecordTable) -> None:
    app = app_of(table)
    async with app.run_test(size=(24, 8)) as pilot:
        table.hold_resort_s = 0.01
        table.set_rows(rows("abc"))
        await pilot.press("down")
        table.set_rows(rows("cba"))
        assert table.resort_is_held
        table.clock.now += 1
        while table.resort_is_held:
            await pilot.pause()
        assert [one.key for one in table.rows] == ["c", "b", "a"]


async def test_a_click_moves_and_a_double_click_selects(app_of: Any, table: RecordTable) -> None:
    app = app_of(table)
    async with app.run_test(size=(24, 7)) as pilot:
        table.set_rows(rows("abc"))
        await pilot.pause()
        selected = messages(app, RecordTable.RowSelected)
        heads = messages(app, RecordTable.HeaderSelected)
        await pilot.click(table, offset=(5, 2))
        assert table.cursor_key == "b"
        assert selected == []
        await pilot.double_click(table, offset=(5, 3))
        assert [message.key for message in selected] == ["c"]
        await pilot.click(table, offset=(22, 0))
        assert [message.column for message in heads] == ["cpu"]
        await pilot.click(table, offset=(5, 6))
        assert table.cursor_key == "c"


async def test_hostile_names_stay_literal_and_aligned(
    app_of: Any, screen_text: Any, table: RecordTable, hostile: list[str]
) -> None:
    app = app_of(table)
    async with app.run_test(size=(40, len(hostile) + 1)) as pilot:
        table.set_rows([row(str(n), name=name, cpu="7") for n, name in enumerate(hostile)])
        await pilot.pause()
        lines = screen_text(app).splitlines()[1:]
        assert lines[0].startswith(">✓[@click=app.quit]x[/]")
        for line in lines:
            assert cell_len(line) == 39, line
            assert line.endswith("    7")
            assert line.isprintable()
        for y in range(1, 4):
            await pilot.click(table, offset=(10, y))
        assert app.is_running


async def test_hostile_names_reach_the_terminal_without_a_sequence_of_their_own(
    app_of: Any, wire: list[str], settle: Any, table: RecordTable, hostile: list[str]
) -> None:
    app = app_of(table)
    async with app.run_test(size=(40, 30)) as pilot:
        await settle(pilot)
        wire.clear()
        table.set_rows([row(str(n), name=name) for n, name in enumerate(hostile)])
        table.empty = hostile
        await settle(pilot)
        out = "".join(wire)
    assert "click=app" in out
    for bad in ("\x1b]", "\x1b[2J", "\x1bc", "\x9b", "\x90", "\u202e", "\u2066", "\x00", "\r", "\t"):
        assert bad not in out


async def test_only_the_changed_cells_are_painted(
    app_of: Any, wire: list[str], settle: Any, table: RecordTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of(table)
    many = [row(f"k{n}") for n in range(10_000)]
    async with app.run_test(size=(80, 30)) as pilot:
        table.set_rows(many)
        await settle(pilot)
        painted: list[int] = []
        render_line = table.render_line
        monkeypatch.setattr(table, "render_line", lambda y: painted.append(y) or render_line(y))
        wire.clear()
        table.set_rows(list(many))
        await settle(pilot)
        assert (painted, wire) == ([], [])
        many[4] = row("k4", cpu="99")
        many[9_000] = row("k9000", cpu="99")
        table.set_rows(many)
        await settle(pilot)
        assert painted == [5]
        assert "99" in "".join(wire)
        assert len("".join(wire).encode()) < 1024
        painted.clear()
        await pilot.press("down")
        await settle(pilot)
        assert painted == [1, 2]
        table.set_rows(many[:3])
        await settle(pilot)
        painted.clear()
        table.set_rows(many[:3])
        await settle(pilot)
        assert painted == []


async def test_a_table_without_rows_says_what_was_looked_for(app_of: Any, screen_text: Any, table: RecordTable) -> None:
    app = app_of(table)
    async with app.run_test(size=(40, 6)):
        table.empty = ["no containers on [local]", Content("e mends it")]
        assert screen_text(app).splitlines()[1:3] == [" no containers on [local]", " e mends it"]
        table.set_rows(rows("a"))
        assert "mends" not in screen_text(app)
        table.set_rows([])
        lines = screen_text(app).splitlines()
        assert lines[1].startswith(">░a ")
        assert lines[2:4] == [" no containers on [local]", " e mends it"]


async def test_ascii_signs_and_a_narrow_table(app_of: Any, screen_text: Any, table: RecordTable) -> None:
    app = app_of(table)
    app.ascii_glyphs = True
    async with app.run_test(size=(10, 4)):
        table.set_rows([row("a", "naïve界界界界")])
        assert screen_text(app).splitlines()[:2] == ["  NAME", ">+na?ve ~"]


async def test_every_theme_paints_and_an_ansi_one_in_its_own_colours(
    app_of: Any, settle: Any, wire: list[str], table: RecordTable
) -> None:
    app = app_of(table)
    async with app.run_test(size=(30, 5)) as pilot:
        table.set_rows(rows("ab"))
        await settle(pilot)
        plain = table.render_line(1)
        wire.clear()
        app.theme = "ansi-dark"
        await settle(pilot)
        assert table.render_line(1) != plain
        assert "38;2" not in "".join(wire)
        assert ">✓a" in table.render_line(1).text
