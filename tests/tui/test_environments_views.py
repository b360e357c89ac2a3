"""Environments together and views, driven by keys: picked, saved, left, and found again by the next deck."""

from __future__ import annotations

from pathlib import Path

from deckcase import Deck, deck
from quarterdeck.app import QuarterdeckApp
from quarterdeck.boot import Boot
from quarterdeck.screens.several import SeveralDialog
from quarterdeck.viewing import of_config
from quarterdeck_config.load import Loaded
from quarterdeck_config.schema import Config, Environment, View
from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.kinds import Alert
from quarterdeck_lifecycle.records import Ref, Status
from quarterdeck_lifecycle.viewbook import PLAIN, DeckView
from scripted import Scripted, container

CONFIG = Config(
    environments={"prod": Environment(color="red"), "staging": Environment(), "dev": Environment()},
    views={"night": View(environments=("prod",), filter={"containers": "api"}, hide={"containers": ("MEM",)})},
)


def engines() -> list[Scripted]:
    def box(name: str, place: str, status: Status = Status.OK) -> Scripted:
        rows = [container(f"{name}-{place}", "running", status, source=place, environment=place)]
        return Scripted(place, rows, environment=place)

    firing = Alert(
        ref=Ref("prom", "alert", "a"), name="P95High", status=Status.BAD, state="firing", labels={"env": "prod"}
    )
    alerts = Scripted("prom", [firing], kind="alert", system="prometheus")
    shared = Scripted("hub", [container("mirror", source="hub")])
    return [box("api", "prod"), box("api", "staging", Status.BAD), box("etl", "dev"), shared, alerts]


def names(d: Deck) -> set[str]:
    return {row.key.id.removeprefix("id-") for row in d.app.deck.table.rows if isinstance(row.key, Ref)}


def reopened(folder: Path, **options: bool) -> QuarterdeckApp:
    """Another deck in the same project, on the same state."""
    boot = Boot(cwd=folder, loaded=Loaded(CONFIG), discovery=False, title="case")
    for source in engines():
        boot.hub.add(source)
    return QuarterdeckApp(boot, **options)


def test_a_view_of_the_config_speaks_of_the_tab_on_top() -> None:
    view = View(
        environments=("staging", "prod"), pane="metrics", zoom=True, tabs={"metrics": "Alerts", "models": "nonsense"},
        filter={"metrics": "p95", "models": "fraud"}, sort={"metrics": "-newest", "containers": "trouble"},
        hide={"metrics": ("Value", "summary", "none such")}, window=300.0,
    )  # fmt: skip
    assert of_config(view) == DeckView(
        environments=("prod", "staging"), pane="metrics", zoomed=True, tabs={"metrics": "alert"}, window=300.0,
        filters={"alert": "p95", "version": "fraud"}, orders={"alert": "-newest"}, hidden={"alert": ("note", "value")},
    )  # fmt: skip
    assert of_config(View()) == PLAIN


async def test_what_a_view_names_and_a_deck_has_not_is_left_out() -> None:
    async with deck(engines(), config=CONFIG) as d:
        d.app.viewing.apply(
            DeckView(
                environments=("gone",), pane="nowhere", tabs={"containers": "none", "no": "pane"}, window=1.0,
                filters={"container": "[", "none": "x"}, orders={"container": "--", "tag": "-none"},
                hidden={"container": ("none", "status", "environment")},
            )
        )
        await d.rest()
        assert names(d) == set()
        assert "nothing matches /[" in d.text
        assert d.app.viewing.capture().hidden == {"container": ("environment",)}
        await d.press("escape")
        assert names(d) == {"mirror"}
        assert " CTX " not in d.text
        await d.press("@")
        assert "not known here now" in d.text


async def test_a_choice_of_environments_narrows_every_pane_and_what_has_none_stays() -> None:
    async with deck(engines(), config=CONFIG) as d:
        assert names(d) == {"api-prod", "api-staging", "etl-dev", "mirror"}
        assert " CTX " in d.text
        await d.press("@")
        assert isinstance(d.app.screen, SeveralDialog)
        assert "1 rows" in d.text
        assert "▲" in d.text or "✗1" in d.text
        await d.press("j", "space", "enter")
        assert names(d) == {"api-prod", "etl-dev", "mirror"}
        assert "3 of 4" in d.text
        assert "@dev,prod" in d.text
        await d.press("@", "2")
        assert names(d) == {"api-staging", "mirror"}
        await d.press("5", "]")
        assert "0 of 1" in d.text, "the alert's label says prod"
        assert "1 alerts of other environments" in d.text
        await d.press("3", "@", "/")
        await d.type("pro")
        await d.press("enter", "o")
        assert names(d) == {"api-prod", "mirror"}
        await d.press("@", "2", "0", "enter")
        assert d.app.deck.record is not None, "what needs me is told of all environments, and shown"
        assert d.app.deck.record.name == "P95High"
        assert "prod is shown too" in d.toasts
        await d.press("3", "@", "a", "enter")
        assert len(names(d)) == 4
        assert not d.app.boot.hub.shown.chosen
        await d.press(":")
        await d.burst("environments nowhere", "enter")
        assert "no environment nowhere" in " ".join(d.toasts)


async def test_a_dead_environment_is_a_row_of_trouble_and_hidden_rows_lose_their_marks() -> None:
    sources = engines()
    async with deck(sources, config=CONFIG) as d:
        sources[0].error = Unavailable("listing", source="prod", why="timeout 5s")
        sources[2].error = Unavailable("listing", source="dev", why="connection refused")
        await d.press("r")
        assert "? prod prod: 1 rows from" in d.text
        assert "timeout 5s" in d.text
        assert "? dev dev: 1 rows from" in d.text
        assert {"api-prod", "api-staging"} <= names(d), "the last good rows stay"
        d.app.deck.table.move_to_key(Ref("prod", "container", "id-api-prod"))
        await d.press("space")
        await d.press("@", "2")
        assert "timeout 5s" not in d.text
        assert not d.app.deck.table.marked
        sources[1].address = "tcp://staging:2375"
        d.app.deck.table.move_to_key(Ref("staging", "container", "id-api-staging"))
        d.app.boot.policy.open_for(d.app.boot.operator.place(Ref("staging", "container", "id-api-staging")), "test", 60)
        await d.press("X")
        await d.shows("STOP api-staging → STAGING ON STAGING")


async def test_a_view_is_saved_left_and_found_again_by_the_next_deck(tmp_path: Path) -> None:
    async with reopened(tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        app = pilot.app
        assert isinstance(app, QuarterdeckApp)
        d = Deck(app, pilot)
        await d.rest()
        assert app.viewing.capture() == PLAIN
        await d.press("@", "1", "/")
        await d.type("api")
        await d.press("enter", "s", "|", "9", "9", "/")
        await d.type("image")
        await d.press("enter", "space", "enter")
        assert " IMAGE " not in d.text
        await d.press(":")
        await d.burst("view save release watch", "enter")
        await d.shows("view:release watch")
        await d.press(":")
        await d.burst("view save night", "enter")
        assert "a view of the config" in " ".join(d.toasts)
        await d.press("z")
        assert "view:release watch*" in d.text
    async with reopened(tmp_path).run_test(size=(80, 24), notifications=True) as pilot:
        app = pilot.app
        assert isinstance(app, QuarterdeckApp)
        d = Deck(app, pilot)
        await d.rest()
        assert names(d) == {"api-prod"}
        assert app.deck.zoomed
        assert "view:release watch*" in d.text
        assert "/api" in d.text
        assert " IMAGE " not in d.text
        await d.press(":")
        await d.burst("view reset", "enter")
        assert len(names(d)) == 4
        assert app.viewing.capture() == PLAIN
        await d.press("\\")
        assert "release watch" in d.text
        await d.type("night")
        await d.press("enter")
        assert names(d) == {"api-prod"}
        assert " MEM " not in d.text
        await d.press(":")
        await d.burst("view release watch", "enter")
        assert " MEM " in d.text
        await d.press(":")
        await d.burst("view delete release watch", "enter")
        await d.until(lambda: not app.viewing.saved, "the view deleted")
    async with reopened(tmp_path, last_view=False).run_test(size=(80, 24)) as pilot:
        assert isinstance(pilot.app, QuarterdeckApp)
        assert pilot.app.viewing.capture() == PLAIN
        assert not pilot.app.viewing.saved
