"""The command line, the menus and the keys of the deck that look and choose."""

from __future__ import annotations

import pytest
from textual.widgets import OptionList

from deckcase import Deck, deck
from quarterdeck.panes.rows import RowMaker
from quarterdeck.screens.confirm import ConfirmDialog
from quarterdeck.screens.dialogs import ArgumentsDialog, MenuDialog
from quarterdeck.screens.palette import Palette, arguments, completed, matching
from quarterdeck.views.catalog import TABS
from quarterdeck.widgets.prompt import PromptInput
from quarterdeck_lifecycle.kinds import Image, ModelVersion, Repository, Run
from quarterdeck_lifecycle.records import Link, Ref, Status
from quarterdeck_lifecycle.verbs import built_in
from scripted import Does, Scripted, container

VERBS = {verb.id: verb for verb in built_in()}


def world() -> Scripted:
    made = Scripted(
        rows=[
            container("api", image="team/api:v41", digest="sha256:" + "ab" * 32, url="http://localhost:8080/api"),
            container("etl", "exited 137", Status.BAD, url="javascript:alert(1)"),
            container("redis"),
        ]
    )
    made.actions |= {
        "container.kill": Does(made, "container.kill"),
        "container.restart": Does(made, "container.restart"),
    }
    return made


def field(d: Deck) -> str:
    return d.app.screen.query_one(PromptInput).value


def cursor(d: Deck) -> str:
    record = d.app.deck.record
    return record.name if record is not None else ""


async def test_the_command_line_completes_walks_its_history_and_knows_no_unknown_verb() -> None:
    async with deck([world()], size=(100, 30)) as d:
        await d.press(":")
        text = await d.burst("zo")
        assert "zoom" in text
        await d.press("tab")
        assert field(d) == "zoom "
        await d.press("enter")
        assert d.app.deck.zoomed
        await d.press(":")
        await d.burst("theme deck-l")
        await d.press("tab")
        assert field(d) == "theme deck-light"
        await d.press("enter")
        assert d.app.theme == "deck-light"
        await d.press(":")
        await d.burst("theme nothing", "enter")
        assert "no theme nothing" in d.toasts[-1]
        assert d.app.theme == "deck-light"
        await d.press(":", "up", "up")
        assert field(d) == "theme deck-light"
        await d.press("up", "up")
        assert field(d) == "zoom"
        await d.press("down", "down")
        assert field(d) == "theme nothing"
        await d.press("down")
        assert field(d) == ""
        await d.burst("frobnicate now", "enter")
        assert d.toasts[-1] == "no verb frobnicate: ? lists them"
        await d.press(*["backspace"] * 2)
        await d.press("escape", ":")
        await d.burst("sort 'x", "enter")
        assert "not understood" in d.toasts[-1]
        assert isinstance(d.app.screen, Palette)
        assert d.app.history == ["zoom", "theme deck-light", "theme nothing"]


async def test_verbs_take_their_arguments_inline_and_say_why_they_cannot() -> None:
    source = world()
    async with deck([source], size=(120, 30)) as d:
        await d.press("G", ":")
        assert cursor(d) == "redis"
        await d.burst("container.stop timeout=3", "enter")
        assert isinstance(d.app.screen, ConfirmDialog)
        await d.press("escape", ":")
        await d.burst("kill signal=HUP", "enter")
        assert "POST /container.kill signal=HUP" in d.text
        await d.press("escape", ":")
        await d.burst("container.kill HUP TERM", "enter")
        assert d.toasts[-1] == "container.kill takes signal"
        await d.press("g", ":")
        assert cursor(d) == "etl"
        text = await d.burst("container.stop")
        assert "it is exited 137" in text
        await d.press("enter")
        assert "it is exited 137" in d.toasts[-1]
        assert d.app.screen is d.app.deck
        assert source.stop.executed == 0


def test_words_become_arguments_by_name_and_by_place() -> None:
    tag = VERBS["repository.tag"]
    assert arguments(tag, ["v1", "message=a b"]) == {"name": "v1", "message": "a b"}
    assert arguments(tag, ["message=m", "v1"]) == {"message": "m", "name": "v1"}
    assert arguments(tag, ["x=1"]) == {"name": "x=1"}
    with pytest.raises(ValueError, match="takes name, message"):
        arguments(tag, ["a", "b", "c"])
    merge = VERBS["pull_request.merge"]
    assert completed(merge, "pull_request.merge method=s", []) == "pull_request.merge method=squash"
    assert completed(merge, "pull_req", []) == "pull_request.merge "
    assert completed(merge, "pull_request.merge x", []) == "pull_request.merge x"
    assert matching(list(VERBS.values()), "mer")[0].id == "pull_request.merge"
    assert matching(list(VERBS.values()), "zzz") == []


async def test_several_verbs_on_a_key_are_a_menu_by_letter_with_the_reason_of_what_is_greyed() -> None:
    source = world()
    kill = source.actions["container.kill"]
    assert isinstance(kill, Does)
    async with deck([source]) as d:
        await d.press("G", "X")
        assert isinstance(d.app.screen, MenuDialog)
        assert "a  stop" in d.text
        assert "b  kill" in d.text
        await d.press("b")
        assert isinstance(d.app.screen, ConfirmDialog)
        assert kill.previewed == [{"signal": "KILL"}]
        await d.press("escape", "X", "down", "enter")
        assert "KILL redis" in d.text
        await d.press("escape", "X", "z", "escape")
        assert d.app.screen is d.app.deck
        kill.why_not = "the engine forbids it"
        source.actions["container.start"] = Does(source, "container.start")
        await d.press("R")
        assert "a  restart" in d.text
        await d.press("escape", "X")
        assert "STOP redis" in d.text
        assert kill.executed == []


async def test_arguments_are_asked_for_checked_and_not_sent() -> None:
    version = ModelVersion(ref=Ref("ml", "version", "fraud/17"), name="fraud v17", model="fraud", version="17")
    source = Scripted("ml", [version], kind="version", system="mlflow")
    move = Does(source, "version.set_alias")
    source.actions = {"version.set_alias": move}
    async with deck([source]) as d:
        await d.press("4")
        if d.app.deck.pane.view.kind != "version":
            await d.press("]")
        await d.press("M")
        assert isinstance(d.app.screen, ArgumentsDialog)
        assert field(d) == "champion"
        await d.press("backspace", "enter")
        assert "alias is needed" in d.text
        assert isinstance(d.app.screen, ArgumentsDialog)
        await d.burst("shadow", "enter")
        assert isinstance(d.app.screen, ConfirmDialog)
        assert move.previewed == [{"alias": "shadow"}]
        await d.press("escape", "M", "escape")
        assert d.app.screen is d.app.deck
        assert len(move.previewed) == 1
        assert move.executed == []


async def test_an_argument_with_choices_takes_no_other() -> None:
    source = world()
    async with deck([source]) as d:
        got: list[dict[str, str] | None] = []
        d.app.push_screen(ArgumentsDialog(VERBS["pull_request.merge"]), got.append)
        await d.rest()
        assert "merge | squash | rebase" in d.text
        await d.burst("octopus", "enter")
        assert "merge or squash or rebase, not octopus" in d.text
        await d.press(*["backspace"] * 7)
        await d.burst("squash", "enter")
        assert got == [{"method": "squash"}]


async def test_y_offers_what_can_be_copied_and_o_only_web_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    async with deck([world()]) as d:
        await d.press("g", "o")
        assert d.toasts[-1] == "not a web address: javascript:alert(1) (not copied)"
        await d.press("j", "y")
        assert cursor(d) == "api"
        labels = [str(option.prompt) for option in d.app.screen.query_one(OptionList).options]
        assert [label.split()[1] for label in labels] == ["name", "ref", "id", "digest", "image", "url"]
        await d.press("b")
        await d.until(lambda: d.app.clipboard)
        assert d.app.clipboard == "local/container/id-api"
        assert d.toasts[-1] == "copied by OSC 52: local/container/id-api"
        await d.press("o")
        await d.until(lambda: d.app.clipboard.startswith("http"))
        assert d.app.clipboard == "http://localhost:8080/api"
        await d.press("G", "o")
        assert d.toasts[-1].startswith("this row has no web address: no page of a container")


async def test_u_jumps_to_what_the_row_belongs_to() -> None:
    link = Link(kind="commit", value="9f3c2e1", evidence="label")
    api = container("api", links=(link,))
    run = Run(
        ref=Ref("gh", "run", "7"), name="ci", system="github", repository="a/b", number="7", links=(link,),
    )  # fmt: skip
    repo = Repository(ref=Ref("git", "repository", "/x"), name="fraud-api", path="/x", links=(link,))
    sources = [
        Scripted(rows=[api, container("lonely")]),
        Scripted("gh", [run], kind="run", system="github"),
        Scripted("git", [repo], kind="repository", system="git"),
    ]
    async with deck(sources) as d:
        await d.press("g", "u")
        assert (d.app.deck.focused_pane, cursor(d)) == ("pipelines", "ci")
        await d.press("u")
        assert (d.app.deck.focused_pane, cursor(d)) == ("repositories", "fraud-api")
        await d.press("3", "G", "u")
        assert "nothing here owns lonely" in d.toasts[-1]


@pytest.mark.parametrize("pane", [(name, tab) for name, views in TABS.items() for tab in range(len(views))])
def test_every_order_sorts_every_tab_both_ways(pane: tuple[str, int]) -> None:
    view = TABS[pane[0]][pane[1]]
    maker = RowMaker(view)
    names = list(view.orders)
    walked = [(maker.next_order(), maker.reverse) for _ in range(2 * len(names))]
    assert walked == [*((n, False) for n in names[1:]), *((n, True) for n in names), (names[0], False)]


async def test_s_sorts_by_the_next_order_and_the_title_names_it() -> None:
    async with deck([world()], size=(100, 30)) as d:
        orders = list(d.app.deck.pane.view.orders)
        seen = []
        for order in [*orders[1:], orders[0]]:
            await d.press("s")
            assert d.toasts[-1] == f"sorted by {order}"
            seen.append([row.key.id for row in d.app.deck.table.rows])
            if order != orders[0]:
                assert f"sort:{order}" in d.text
        assert "↑" in d.text
        assert ["id-api", "id-etl", "id-redis"] in seen
        assert seen[-1][-1] == "id-etl"
        assert d.app.deck.pane.ref is not None


async def test_tabs_zoom_marks_and_the_way_back() -> None:
    image = Image(ref=Ref("img", "image", "i1"), name="team/api:v41")
    async with deck([world(), Scripted("img", [image], kind="image")], size=(120, 40)) as d:
        await d.press("]")
        assert d.app.deck.pane.view.kind == "service"
        await d.press("]")
        await d.shows("team/api:v41")
        assert d.app.deck.pane.view.kind == "image"
        assert d.app.deck.pane.ref == image.ref
        await d.press("[", "[")
        assert d.app.deck.pane.view.kind == "container"
        await d.press("[", "]")
        assert d.app.deck.pane.view.kind == "container"
        assert "1 Repos" in d.text
        await d.press("z")
        assert "Repos" not in d.text
        await d.press("/")
        await d.burst("redis", "enter")
        await d.press(" ")
        assert len(d.app.deck.table.marked) == 1
        await d.press("escape")
        assert not d.app.deck.table.marked
        assert "1 of 3" in d.text
        await d.press("escape")
        assert "1 of 3" not in d.text
        assert d.app.deck.zoomed
        await d.press("escape")
        assert "Repos" in d.text


async def test_help_shows_the_keys_of_the_row_and_the_mouse_goes_on_and_off() -> None:
    async with deck([world()], size=(120, 60)) as d:
        text = await d.press("?")
        assert "on a container" in text
        assert "restart" in text
        assert "zoom" in text
        await d.press("/")
        await d.burst("zoom", "enter")
        await d.press("n", "/")
        await d.burst("[", "enter")
        assert "not a regular expression" in d.toasts[-1]
        await d.press("escape", "1", "?")
        assert "on a repository" in d.text
        await d.press("escape", "m")
        assert d.toasts[-1].startswith("mouse off")
        await d.press("m")
        assert d.toasts[-1] == "mouse on"


async def test_w_needs_a_reason_and_keeps_local_sources_as_they_are() -> None:
    async with deck([world(), Scripted("edge", [container("far", source="edge")], address="ssh://ops@edge")]) as d:
        await d.press("G", "W")
        assert "it is on this machine" in d.toasts[-1]
        await d.press("/")
        await d.burst("far", "enter")
        await d.press("W", "enter", "escape")
        assert d.app.screen is d.app.deck
        assert "edge:RO" in d.text
        await d.press("X")
        assert "not on this machine" in d.toasts[-1]


async def test_a_verb_of_the_command_line_is_carried_out_once_it_is_confirmed() -> None:
    source = world()
    async with deck([source], size=(100, 30)) as d:
        await d.press(":")
        await d.burst("container.kill", "enter")
        await d.until(lambda: isinstance(d.app.screen, ConfirmDialog), "the question")
        d.by_hand()
        await d.press("y")
        rows = await d.app.boot.ledger.rows()
        assert ("container.kill", "outcome") in {(row.action, row.phase) for row in rows}
