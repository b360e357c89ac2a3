"""The trace by its keys: the thread, its evidence, folds and gaps, the axis of time, and where a thing is."""

from __future__ import annotations

import pytest

from deckcase import Deck, deck
from parts import tracing as made
from parts.tracedsources import Rows, Told
from quarterdeck.screens.trace import TraceScreen
from quarterdeck.screens.where import WhereScreen
from quarterdeck_config.schema import Config, Environment
from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Record, Status

CONFIG = Config(environments={"staging": Environment(), "prod": Environment(protected=True)})
LINE = [made.commit("new", "speed up"), made.commit("c", "fix: null"), made.commit("old", "feat: cache")]


class Registry(Rows):
    """Tells the manifests behind an index when it is asked for them."""

    async def describe(self, ref: object) -> list[Section]:
        table = (("PLATFORM", "DIGEST", "TYPE"), ("linux/arm64", made.digest("arm64"), "manifest"))
        return [Section(title="Platforms", shape="table", table=table)]


def sources() -> list[Rows]:
    """The commit c is in the registry and runs twice in prod, the old one in staging; a run waits."""
    runs: list[Record] = [made.run(n, "c", workflow=f"w{n}") for n in range(9)]
    waits = made.run(98, "c", status=Status.WAITING, state="waiting", where="approval", workflow="deploy")
    labels = {"MODEL_URI": "models:/fraud/3"}
    boxes = [
        made.box("api-1", "n", "prod", service="api", manifest="arm64", seed="c", labels=labels),
        made.box("api-2", "n", "prod", service="api", manifest="arm64", seed="c", status=Status.BAD, state="unhealthy"),
        made.box("api-s", "o", "staging", service="api", manifest="one", seed="old"),
    ]  # fmt: skip
    return [
        Rows("engine", boxes), Rows("gh", [*runs, waits]), Told(LINE),
        Registry("reg", [made.tag("team/api:v2", "index", platforms=("linux/amd64", "linux/arm64"))]),
        Rows("ml", [made.version("3", "t" * 32, "m"), made.training("t" * 32, "m")]),
        Rows("prom", [made.alert("Slow", "api", "prod")]),
    ]  # fmt: skip


async def to(d: Deck, name: str) -> None:
    """Put the deck's cursor on a container."""
    await d.press("3")
    await d.shows(name)
    pane = d.app.deck.pane
    assert d.app.deck.table.move_to_key(next(row.key for row in pane.table.rows if row.cells[2].text == name))
    await d.rest()


async def test_t_shows_the_thread_with_its_evidence_and_its_gaps() -> None:
    async with deck(sources(), config=CONFIG) as d:
        await to(d, "api-1")
        text = await d.press("t")
        assert isinstance(d.app.screen, TraceScreen)
        for words in ("trace of api-1", f"{made.sha('c')[:10]} fix: null", "waiting",
                      "fraud v3", "t" * 20, "└ commit", "Slow", "the thread begins here"):  # fmt: skip
            assert words in text, words
        assert "+7 more · Space unfolds" in text
        text = await d.press("g")
        assert "because: commit" in text
        assert "label org.opencontainers.image.revision" in text


async def test_a_gap_says_what_to_do() -> None:
    async with deck([sources()[0]], config=CONFIG) as d:
        await to(d, "api-1")
        text = await d.press("t", "g", "j")
        assert "no source here lists change requests → add its forge under sources:" in text
        text = await d.press("enter")
        assert "add its forge under sources:" in text


async def test_space_unfolds_siblings_and_enter_goes_to_the_row() -> None:
    async with deck(sources(), config=CONFIG) as d:
        await to(d, "api-1")
        text = await d.press("t", "g", "j", "j", "space")
        assert "ci #0" in text
        assert "Space unfolds" not in text
        assert "Space unfolds" in await d.press("space")
        await d.press("/")
        await d.type("ci #98")
        await d.press("enter")
        await d.press("g", "enter")
        assert d.app.screen is d.app.deck
        assert d.app.deck.pane.ref is not None
        assert d.app.deck.pane.ref.id == "acme/api/98"


async def test_what_is_expensive_is_fetched_when_it_is_on_the_screen() -> None:
    async with deck(sources(), config=CONFIG) as d:
        await to(d, "api-1")
        d.app.deck.trace_words("trace", "image:team/api:v2")
        await d.until(lambda: isinstance(d.app.screen, TraceScreen), "the trace")
        await d.shows("api-2 +1")
        await d.rest()
        d.app.screen.table.move_to_key(  # type: ignore[attr-defined]
            next(row.key for row in d.app.screen.table.rows if "api-2" in row.cells[2].text)  # type: ignore[attr-defined]
        )
        await d.shows("manifest for linux/arm64 in the index")


class Runs(Rows):
    """Tells the data of a training run."""

    async def describe(self, ref: object) -> list[Section]:
        table = (("dataset", "digest", "used for", "from"), ("transactions", "d1g357", "training", "s3"))
        return [Section(title="Inputs", shape="table", table=table)]


async def test_what_came_with_a_release_and_the_data_of_a_model_stand_below_their_hops() -> None:
    told = sources()
    told[1] = Rows("gh", [made.deployment(4, "old", "prod", created_at=1.0),
                          made.deployment(5, "c", "prod", created_at=2.0, current=True)])  # fmt: skip
    told[4] = Runs("ml", told[4].rows)
    async with deck(told, config=CONFIG) as d:
        await to(d, "api-1")
        text = await d.press("t")
        assert f"└ 1 commit since {made.sha('old')[:7]} in prod" in text
        assert "└ data transactions d1g357" in text
        text = await d.press("g", "j")
        assert "the deployment to prod before it was of" in text
        assert "+ " + made.sha("c")[:10] + " fix: null" in await d.press("enter")


async def test_a_thread_follows_what_comes() -> None:
    told = sources()
    async with deck(told, config=CONFIG) as d:
        await to(d, "api-1")
        assert "deployment 5" not in await d.press("t")
        alerts = told[5]
        alerts.rows = [made.alert("Slow", "api", "prod"), made.alert("Errors", "api", "prod")]
        d.app.boot.hub.poke("prom")
        await d.shows("Errors")
        alerts.rows = []
        d.app.boot.hub.poke("prom")
        await d.until(lambda: "Slow" not in d.text, "the alerts gone")


async def test_the_axis_and_the_events() -> None:
    async with deck(sources(), config=CONFIG, size=(120, 40)) as d:
        await to(d, "api-1")
        text = await d.press("t")
        assert "alerts " in text
        assert "now" in text
        text = await d.press("e")
        assert "alerts: Slow firing" in text
        await d.press("escape", "]")
        assert "the last 1 h" in d.toasts


async def test_where_is_a_line_for_each_environment() -> None:
    async with deck(sources(), config=CONFIG) as d:
        await d.press("3")
        await d.press(":")
        await d.type(f"where git:{made.sha('old')[:8]}")
        await d.press("enter")
        await d.until(lambda: isinstance(d.app.screen, WhereScreen), "where")
        await d.shows("inside")
        text = d.text
        assert f"api, inside {made.sha('c')[:10]}, 1 commit later" in text
        assert "staging" in text
        assert "running" in text
        await d.press("G")
        assert "is an ancestor of" in d.text
        await d.press("enter")
        assert d.app.screen is d.app.deck


async def test_words_that_are_several_are_asked_about_and_none_is_said() -> None:
    pulls = Rows("gh2", [made.pull(7, "c"), made.pull(7, "x", "https://github.com/acme/other")])
    async with deck([*sources(), pulls], config=CONFIG) as d:
        await d.press("3", ":")
        await d.type("trace pr:7")
        await d.press("enter")
        await d.shows("pr:7 is ambiguous")
        await d.press("enter")
        await d.until(lambda: isinstance(d.app.screen, TraceScreen), "the trace of one of them")
        await d.press("escape", ":")
        await d.type("where nobody")
        await d.press("enter")
        await d.until(lambda: any("nothing here is called nobody" in said for said in d.toasts), "said")


@pytest.mark.parametrize("size", [(80, 24), (60, 14), (200, 60)])
async def test_it_is_readable_in_any_size(size: tuple[int, int]) -> None:
    silent = Rows("engine-2", [made.box("x", "x", "staging")], environment="staging")
    silent.error = Unavailable("listing", source="engine-2", why="timeout")
    async with deck([*sources(), silent], config=CONFIG, size=size) as d:
        d.app.deck.trace_words("trace", "api-1")
        await d.until(lambda: isinstance(d.app.screen, TraceScreen), "the trace")
        await d.shows("commit")
        assert all(len(line) <= size[0] for line in d.text.splitlines())
