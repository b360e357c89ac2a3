import json
from typing import Any

import pytest
from rich.cells import cell_len
from textual.geometry import Offset
from textual.selection import Selection

from quarterdeck.widgets.logview import LogView, compile_pattern
from quarterdeck_lifecycle.text import LogLine

BAD_BYTES = ("\x1b]0", "\x1b]8", "\x1b[2J", "\x1bc", "\x9b", "\x90", "\u202e", "\u2066", "\x00", "\r", "\t")


def lines(*texts: str) -> list[LogLine]:
    return [LogLine(text, ()) for text in texts]


def numbered(start: int, stop: int) -> list[LogLine]:
    return [LogLine(f"line {number:03}", (), "", float(number)) for number in range(start, stop)]


@pytest.fixture
def log() -> LogView:
    log = LogView()
    log.fps = 1000
    return log


@pytest.fixture
def settled() -> Any:
    async def settled(pilot: Any, log: LogView) -> list[str]:
        """What the log shows when every line that came has been taken in."""
        await pilot.pause()
        while log._coming or log._timer is not None:
            await pilot.pause()
        strips = pilot.app.screen._compositor.render_strips()
        return [strip.crop(0, log._width).text.rstrip() for strip in strips]

    return settled


async def test_the_end_is_followed_until_the_operator_scrolls_up(app_of: Any, log: LogView, settled: Any) -> None:
    app = app_of(log)
    async with app.run_test(size=(30, 5)) as pilot:
        log.append(numbered(0, 3))
        assert await settled(pilot, log) == ["line 000", "line 001", "line 002", "", ""]
        log.append(numbered(3, 20))
        assert (await settled(pilot, log))[-1] == "line 019"
        assert log.follow
        await pilot.press("up", "up")
        assert not log.follow
        log.append(numbered(20, 30))
        assert await settled(pilot, log) == [f"line {number:03}" for number in range(13, 18)]
        await pilot.press("end")
        assert log.follow
        log.append(numbered(30, 31))
        assert (await settled(pilot, log))[-1] == "line 030"
        await pilot.press("pageup", "down", "down", "down", "down")
        assert log.follow


async def test_what_is_read_stays_in_place_while_older_lines_go(app_of: Any, settled: Any) -> None:
    log = LogView(max_lines=50)
    log.fps = 1000
    app = app_of(log)
    async with app.run_test(size=(30, 5)) as pilot:
        log.append(numbered(0, 50))
        await settled(pilot, log)
        await pilot.press("pageup")
        before = await settled(pilot, log)
        assert before[0] == "line 041"
        log.append(numbered(50, 80))
        assert await settled(pilot, log) == before
        assert log.dropped == 30
        assert log.state.kept == 50
        log.append(numbered(80, 95))
        assert (await settled(pilot, log))[0] == "line 045"


async def test_a_paused_view_stands_still_and_counts(app_of: Any, log: LogView, settled: Any) -> None:
    app = app_of(log)
    async with app.run_test(size=(30, 5)) as pilot:
        log.append(numbered(0, 9))
        before = await settled(pilot, log)
        log.paused = True
        log.append(numbered(9, 29))
        assert await settled(pilot, log) == before
        assert (log.state.pending, log.state.paused) == (20, True)
        log.paused = False
        assert (await settled(pilot, log))[-1] == "line 028"
        assert log.state.pending == 0


async def test_a_filter_narrows_what_is_shown_and_what_comes(app_of: Any, log: LogView, settled: Any) -> None:
    app = app_of(log)
    async with app.run_test(size=(30, 6)) as pilot:
        log.append(lines("GET /a 200", "POST /b 500", "get /c 500", "[ok]"))
        await settled(pilot, log)
        log.set_filter("500")
        log.append(lines("GET /d 500", "GET /e 200"))
        log.add_marker("deploy")
        assert await settled(pilot, log) == ["POST /b 500", "get /c 500", "GET /d 500", "── deploy ──", "", ""]
        assert (log.state.kept, log.state.shown) == (7, 4)
        assert len(log.kept_lines()) == 7
        log.set_filter("GET", inverse=True)
        assert await settled(pilot, log) == ["POST /b 500", "get /c 500", "[ok]", "── deploy ──", "", ""]
        with pytest.raises(ValueError, match="at character 1: "):
            log.set_filter("(")
        assert log.state.shown == 4
        log.set_filter(None)
        assert (await settled(pilot, log))[4] == "GET /e 200"


async def test_a_filter_keeps_the_place_of_the_reader(app_of: Any, log: LogView, settled: Any) -> None:
    app = app_of(log)
    async with app.run_test(size=(30, 5)) as pilot:
        log.append(numbered(0, 500))
        await settled(pilot, log)
        assert log.go_to_time(199.5)
        assert (await settled(pilot, log))[0] == "line 200"
        log.set_filter("[02468]$")
        assert (await settled(pilot, log))[:2] == ["line 200", "line 202"]
        log.set_filter(None)
        assert (await settled(pilot, log))[:2] == ["line 200", "line 201"]
        assert not log.go_to_time(1e9)


async def test_search_goes_from_hit_to_hit_and_round(app_of: Any, log: LogView, settled: Any) -> None:
    app = app_of(log)
    async with app.run_test(size=(30, 5)) as pilot:
        log.append(numbered(0, 100))
        await settled(pilot, log)
        await pilot.press("home")
        assert log.search("line 0?[37]5")
        assert "line 035" in await settled(pilot, log)
        assert log.next_hit()
        assert "line 075" in await settled(pilot, log)
        assert log.next_hit()
        assert "line 035" in await settled(pilot, log)
        assert log.previous_hit()
        assert "line 075" in await settled(pilot, log)
        y = (await settled(pilot, log)).index("line 075")
        hit = log.render_line(y)
        assert next(iter(hit)).text == "line 075"
        assert not log.search("line 999")
        assert log.render_line(y) != hit
        assert not log.search(None)
        assert not log.next_hit()


async def test_a_hit_out_of_sight_is_scrolled_to_sideways(app_of: Any, log: LogView, settled: Any) -> None:
    app = app_of(log)
    async with app.run_test(size=(30, 3)) as pilot:
        log.append(lines("a" * 500 + "NEEDLE" + "b" * 500))
        await settled(pilot, log)
        assert log.search("NEEDLE")
        assert "NEEDLE" in (await settled(pilot, log))[0]
        await pilot.press("left")
        assert "NEEDLE" in (await settled(pilot, log))[0]
        log.append(lines("c" * 1000))
        await pilot.press("right")
        assert (await settled(pilot, log))[1] == "c" * 29


async def test_long_lines_wrap_and_come_back(app_of: Any, log: LogView, settled: Any) -> None:
    app = app_of(log)
    async with app.run_test(size=(11, 6)) as pilot:
        log.append(lines("0123456789ABCDE", "界界界界界界", "end"))
        await settled(pilot, log)
        log.wrap = True
        assert await settled(pilot, log) == ["0123456789", "ABCDE", "界界界界界", "界", "end", ""]
        log.append(lines("x" * 15))
        assert (await settled(pilot, log))[-2:] == ["x" * 10, "x" * 5]
        await pilot.resize_terminal(21, 6)
        assert await settled(pilot, log) == ["0123456789ABCDE", "界界界界界界", "end", "x" * 15, "", ""]
        log.wrap = False
        await pilot.resize_terminal(11, 6)
        assert (await settled(pilot, log))[0] == "0123456789"


async def test_times_sources_and_columns_are_shown_on_demand(app_of: Any, log: LogView, settled: Any) -> None:
    app = app_of(log)
    async with app.run_test(size=(50, 2)) as pilot:
        log.append([LogLine('{"level": "error", "msg": "boom"}', (), "api-1", 61.5)])
        log.timestamps = log.sources = True
        assert (await settled(pilot, log))[0] == '00:01:01.500 api-1 │ {"level": "error", "msg": "b'
        log.set_format_time(lambda at: f"{at:012.3f}")
        log.sources = False
        log.columns = lambda text: [(value, "") for value in json.loads(text).values()]
        assert (await settled(pilot, log))[0] == "00000061.500 error  boom"
        log.timestamps, log.columns = False, None
        assert (await settled(pilot, log))[0] == '{"level": "error", "msg": "boom"}'


async def test_older_lines_are_asked_for_once_and_go_above(app_of: Any, log: LogView, settled: Any) -> None:
    app = app_of(log)
    asked: list[LogView.OlderWanted] = []
    async with app.run_test(size=(30, 5), message_hook=lambda m: asked.append(m) if _older(m) else None) as pilot:
        log.append(numbered(100, 130))
        await settled(pilot, log)
        await pilot.press("home")
        assert not asked
        await pilot.press("up", "up")
        assert len({id(message) for message in asked}) == 1
        assert log.prepend(numbered(80, 100)) == 20
        assert (await settled(pilot, log))[0] == "line 100"
        await pilot.press("up")
        assert (await settled(pilot, log))[0] == "line 099"
        await pilot.press("home", "up")
        assert len({id(message) for message in asked}) == 2
        log.set_filter("[05]$")
        await settled(pilot, log)
        assert log.prepend(numbered(70, 80)) == 10
        await settled(pilot, log)
        await pilot.press("home")
        assert (await settled(pilot, log))[:3] == ["line 070", "line 075", "line 080"]


def _older(message: object) -> bool:
    return isinstance(message, LogView.OlderWanted)


async def test_what_is_seen_and_selected_can_be_copied(app_of: Any, log: LogView, settled: Any) -> None:
    app = app_of(log)
    async with app.run_test(size=(12, 3)) as pilot:
        assert log.visible_text() == ""
        log.append(lines("one", "two " * 9, "three", "four"))
        await settled(pilot, log)
        assert log.visible_text() == "\n".join(["two " * 9, "three", "four"])
        assert log.selected_text() is None
        app.screen.selections = {log: Selection(Offset(4, 1), Offset(3, 2))}
        assert log.selected_text() == "two " * 8 + "\nthr"
        chosen = log.render_line(1)
        app.screen.selections = {}
        assert log.render_line(1) != chosen
        log.wrap = True
        await settled(pilot, log)
        app.screen.selections = {log: Selection(None, None)}
        assert (
            log.selected_text()
            == "one\n" + "\n".join(["two two two", " two two tw", "o two two t", "wo "]) + "\nthree\nfour"
        )


async def test_hostile_lines_are_literal_and_keep_to_their_line(
    app_of: Any, log: LogView, settled: Any, wire: list[str], settle: Any, hostile: list[str]
) -> None:
    app = app_of(log)
    async with app.run_test(size=(40, 30)) as pilot:
        await settle(pilot)
        wire.clear()
        log.sources = True
        log.append([LogLine(text, ((0, 3, "link https://x"), (2, 2, "]["), (9, 1, "red")), "") for text in hostile])
        log.append([LogLine("x", (), text) for text in hostile[:4]])
        shown = await settled(pilot, log)
        await settle(pilot)
        assert "[@click=app.quit]x[/]" in shown
        assert "[@click=app.quit]x[/] │ x" in shown
        for line in shown:
            assert line.isprintable()
            assert cell_len(line) <= 39
        await pilot.click(log, offset=(3, 3))
        log.wrap = True
        await settled(pilot, log)
        assert log.search("click")
        assert app.is_running
    out = "".join(wire)
    assert "click=app" in out
    for bad in BAD_BYTES:
        assert bad not in out


async def test_a_line_of_a_megabyte_is_shown_by_its_beginning(app_of: Any, log: LogView, settled: Any) -> None:
    app = app_of(log)
    async with app.run_test(size=(30, 4)) as pilot:
        log.append(lines("z" * 1_000_000, "界" * 1_000_000, "after"))
        assert await settled(pilot, log) == ["z" * 29, "界" * 14, "after", ""]
        log.wrap = True
        assert (await settled(pilot, log))[-1] == "after"
        assert log.state.kept == 3


async def test_only_new_rows_are_painted_and_none_out_of_sight(
    app_of: Any, log: LogView, settled: Any, wire: list[str], settle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of(log)
    async with app.run_test(size=(60, 20)) as pilot:
        log.append(numbered(0, 5))
        await settled(pilot, log)
        await settle(pilot)
        painted: list[int] = []
        render_line = log.render_line
        monkeypatch.setattr(log, "render_line", lambda y: painted.append(y) or render_line(y))
        log.append(numbered(5, 6))
        await settled(pilot, log)
        await settle(pilot)
        assert min(painted) == 5
        log.append(numbered(6, 60))
        await settled(pilot, log)
        await pilot.press("up")
        await settle(pilot)
        painted.clear()
        log.append(numbered(60, 70))
        await settled(pilot, log)
        await settle(pilot)
        assert painted == []


async def test_a_title_hears_what_changed(app_of: Any, log: LogView, settled: Any) -> None:
    states: list[Any] = []

    def hook(message: object) -> None:
        if isinstance(message, LogView.StateChanged):
            states.append(message.state)

    app = app_of(log)
    async with app.run_test(size=(30, 5), message_hook=hook) as pilot:
        log.append(numbered(0, 9))
        await settled(pilot, log)
        await pilot.press("up")
        assert (states[-1].kept, states[-1].follow) == (9, False)
        log.clear()
        await pilot.pause()
        assert states[-1].kept == 0
        assert await settled(pilot, log) == [""] * 5


def test_patterns_are_smart_about_case_and_say_what_is_wrong() -> None:
    assert compile_pattern("error").search("ERROR")
    assert not compile_pattern("Error").search("ERROR")
    with pytest.raises(ValueError, match="not a regular expression at character 3: "):
        compile_pattern("a**")
