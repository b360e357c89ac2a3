"""The deck by its keys, on scripted sources."""

from __future__ import annotations

import pytest

from deckcase import deck
from quarterdeck_lifecycle.errors import AuthFailed, Unavailable
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Status
from scripted import Scripted, container, lines


def world() -> Scripted:
    return Scripted(
        rows=[
            container("api", "running", image="team/api:v41"),
            container("etl", "exited 137 OOM", Status.BAD, note="killed for want of memory"),
            container("redis", "running"),
        ]
    )


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 45), (200, 60), (40, 14)])
async def test_all_five_panes_stand_at_every_size(size: tuple[int, int]) -> None:
    async with deck([world()], size=size) as d:
        for number, title in enumerate(("Repos", "Runs", "Containers", "Models", "Metrics"), 1):
            assert title in d.text or title.replace("Runs", "Pipelines") in d.text, f"{number} {title}\n{d.text}"
        assert all(len(line) == size[0] for line in d.text.split("\n"))


async def test_trouble_stands_first_and_is_named_above() -> None:
    async with deck([world()]) as d:
        rows = [row.key.id for row in d.app.deck.table.rows]
        assert rows[0] == "id-etl"
        assert "! ✗etl exited 137 OOM" in d.text.split("\n")[1]


async def test_a_failing_source_keeps_its_rows_and_says_why() -> None:
    source = world()
    async with deck([source]) as d:
        source.error = Unavailable("listing", source="local", why="connection refused", mend="start docker")
        await d.press("r")
        assert "connection refused" in d.text
        assert "redis" in d.text
        text = await d.press("e")
        assert "start docker" in text
        source.error = None
        await d.press("escape", "r")
        assert "connection refused" not in d.text


async def test_an_expired_token_is_said_in_the_title() -> None:
    source = Scripted()
    source.error = AuthFailed("listing", source="local", why="token expired", mend="renew it")
    async with deck([source]) as d:
        assert "401" in d.text
        assert "token expired" in d.text


async def test_the_cursor_stays_on_its_row_and_a_ghost_is_refused() -> None:
    source = world()
    async with deck([source]) as d:
        await d.press("G")
        assert d.app.deck.pane.ref is not None
        gone = d.app.deck.pane.ref
        source.rows = [row for row in source.rows if row.ref != gone]
        await d.press("r")
        assert d.app.deck.pane.ref == gone
        assert "this row is gone" in d.text
        await d.press("X")
        assert any("gone" in toast for toast in d.toasts)
        assert source.stop.executed == 0


async def test_the_way_to_all_keys_is_never_cut_off_and_ctrl_c_says_how_to_leave() -> None:
    async with deck([world()]) as d:
        assert d.text.rstrip().endswith(": command  ? help")
        await d.press("ctrl+c")
        assert "q leaves the deck" in d.toasts
        await d.press("escape")
        assert d.toasts == []


async def test_a_filter_keeps_inverts_complains_and_clears() -> None:
    async with deck([world()]) as d:
        await d.press("/")
        await d.type("red")
        assert [row.key.id for row in d.app.deck.table.rows] == ["id-redis"]
        await d.press("enter")
        assert "1 of 3" in d.text
        await d.press("/", "backspace")
        await d.type("!red")
        assert len(d.app.deck.table.rows) == 2
        await d.press("escape")
        assert len(d.app.deck.table.rows) == 3
        await d.press("/")
        await d.type("[")
        assert "not a regular expression" in d.text


async def test_stop_asks_once_and_y_confirms_only_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    source = world()
    async with deck([source]) as d:
        await d.press("/")
        await d.type("api")
        await d.press("enter", "X")
        await d.shows("STOP")
        assert "POST /containers/id-api/stop" in d.text
        dialog = d.app.screen
        now = [dialog._opened + 0.1]
        dialog._clock = lambda: now[0]
        await d.press("y")
        assert source.stop.executed == 0
        now[0] += 1
        await d.press("y")
        assert source.stop.executed == 1
        await d.until(lambda: any("succeeded" in toast for toast in d.toasts))
        rows = await d.app.boot.ledger.rows()
        assert [row.phase for row in rows] == ["outcome", "intent"]


async def test_a_key_that_repeats_does_not_confirm() -> None:
    source = world()
    async with deck([source]) as d:
        await d.press("/")
        await d.type("api")
        await d.press("enter", "X")
        await d.shows("STOP")
        dialog = d.app.screen
        now = [dialog._opened + 5]
        dialog._clock = lambda: now[0]
        dialog._last_key = now[0] - 0.03
        await d.press("y")
        assert source.stop.executed == 0


async def test_many_are_confirmed_by_their_count() -> None:
    source = Scripted(rows=[container("a"), container("b"), container("c")])
    async with deck([source]) as d:
        await d.press(" ", " ", "X")
        await d.shows("type the count")
        d.by_hand()
        await d.press("3", "enter")
        assert source.stop.executed == 0
        await d.press("backspace", "2", "enter")
        await d.until(lambda: source.stop.executed == 2)


async def test_read_only_greys_and_says_why() -> None:
    source = world()
    async with deck([source], read_only=True) as d:
        await d.press("G", "X")
        assert any("--read-only" in toast for toast in d.toasts)
        assert source.stop.executed == 0


async def test_a_remote_source_opens_with_a_reason_only() -> None:
    source = Scripted("edge", [container("a", source="edge")], address="ssh://ops@edge")
    async with deck([source]) as d:
        assert "edge:RO" in d.text
        await d.press("X")
        assert any("not on this machine" in toast for toast in d.toasts)
        await d.press("W")
        await d.press("enter")
        assert "edge:RO" in d.text or d.app.screen is not d.app.deck
        await d.type("INC-7")
        await d.press("enter")
        assert "edge:WRITE" in d.text
        last = (await d.app.boot.ledger.rows())[0]
        assert (last.action, last.why) == ("write.open", "INC-7")
        await d.press("W")
        assert "edge:RO" in d.text


async def test_detail_help_changes_ledger_open_and_close() -> None:
    source = world()
    source.sections = [Section(title="Overview", fields=(("Image", "team/api:v41"),))]
    async with deck([source]) as d:
        assert "team/api:v41" in await d.press("d")
        await d.press("escape")
        assert "on a container" in await d.press("?")
        await d.press("escape")
        source.rows = [container("api", "running", image="team/api:v42"), *source.rows[1:]]
        await d.press("r")
        await d.until(lambda: d.app.recent)
        assert "v41" in await d.press("c")
        assert "outside" in d.text
        await d.press("escape", "v")
        assert "ledger: 0 rows, 1 from outside" in d.text
        assert "nothing was done from here yet" in await d.press("o")
        await d.press("escape")
        assert d.app.screen is d.app.deck


async def test_the_log_screen_shows_searches_filters_and_saves() -> None:
    source = world()
    source.lines = [lines("one", "two ERROR", "three")]
    async with deck([source]) as d:
        await d.press("l")
        await d.shows("two ERROR")
        await d.press("/")
        await d.type("three")
        await d.press("enter")
        await d.press("&")
        await d.type("ERROR")
        await d.press("enter")
        await d.until(lambda: "one" not in d.text)
        await d.press("s")
        await d.until(lambda: any("saved to" in toast for toast in d.toasts))
        await d.press("escape")
        assert d.app.screen is d.app.deck


async def test_the_command_line_runs_verbs_and_completes() -> None:
    source = world()
    async with deck([source]) as d:
        await d.press("/")
        await d.type("api")
        await d.press("enter", ":")
        await d.type("container.sto")
        assert "container.stop" in d.text
        await d.press("tab")
        await d.type("timeout=3")
        await d.press("enter")
        await d.shows("STOP")
        await d.press("escape")
        assert source.stop.executed == 0


async def test_hostile_names_are_literal_everywhere() -> None:
    bad = "[@click=app.quit]x[/] [/x [bold ] \x1b]52;c;aGk=\x07 \u202egnp"
    source = Scripted(rows=[container(bad, bad, Status.BAD, note=bad, image=bad, labels={bad: bad})])
    source.sections = [Section(title=bad, fields=((bad, bad),), note=bad, text=bad)]
    source.lines = [lines(bad)]
    async with deck([source], size=(120, 40)) as d:
        for key in ("d", "l", "e", "y", "?", "X", ":"):
            await d.press(key)
            assert "\x1b" not in d.text
            assert "\u202e" not in d.text
            await d.press("escape")
        await d.press("escape")
        source.error = Unavailable(bad, source=bad, why=bad, mend=bad)
        await d.press("r")
        assert "[@click=app.quit]x[/]" in d.text


async def test_themes_change_and_an_unknown_one_is_refused() -> None:
    async with deck([world()]) as d:
        for theme in ("deck-light", "deck-colorblind", "ansi-dark", "ansi-light"):
            d.app.use_theme(theme)
            await d.rest()
            assert d.app.theme == theme
        d.app.use_theme("nothing")
        assert d.app.theme == "ansi-light"
