"""What needs me, on the deck: its line, its screen, its mutes, and the header; driven by keys."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from deckcase import deck
from quarterdeck import needing
from quarterdeck.boot import Boot
from quarterdeck.needsline import NeedsBar, TopBar
from quarterdeck.panes.header import header_cells, need_cells
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck.releasing.servicesource import ServiceSource
from quarterdeck.screens.operation import OperationScreen
from quarterdeck.views.needs import line_cells
from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import Cell
from quarterdeck_config.load import Loaded
from quarterdeck_config.schema import Config, Environment
from quarterdeck_lifecycle.actor import Actor, op_id
from quarterdeck_lifecycle.errors import AuthFailed
from quarterdeck_lifecycle.kinds import Alert, Container, Run
from quarterdeck_lifecycle.need import Harm, Need
from quarterdeck_lifecycle.needrows import of_rows
from quarterdeck_lifecycle.policy import Place
from quarterdeck_lifecycle.records import Record, Ref, Status
from quarterdeck_lifecycle.release.model import Identity, Plan
from scripted import Scripted, container

PROD = Config(environments={"prod": Environment(protected=True), "dev": Environment()})


def sick(name: str, state: str = "unhealthy 3/5") -> Container:
    return container(name, state, Status.BAD, environment="prod", health="unhealthy", note="timeout after 400ms")


def boxes(*rows: Record) -> Scripted:
    return Scripted(rows=rows, environment="prod")


def others() -> list[Scripted]:
    alert = Alert(ref=Ref("prom", "alert", "a"), name="P95High", state="firing", status=Status.BAD, severity="warning")
    run = Run(ref=Ref("gh", "run", "acme/api/1"), name="api #1", system="github", repository="acme/api", number="1",
              workflow="ci", branch="main", status=Status.BAD, state="failure", note="unit-tests / pytest")  # fmt: skip
    return [
        Scripted("prom", [alert], kind="alert", system="prometheus"), Scripted("gh", [run], kind="run", system="github")
    ]


def text(cells: list[Cell]) -> str:
    return "".join(cell.text for cell in cells)


async def test_what_needs_me_is_on_the_second_line_and_enter_on_its_screen_goes_there() -> None:
    well = [container(f"box-{place}") for place in range(9)]
    async with deck([boxes(sick("api"), *well), *others()], config=PROD) as d:
        lines = d.text.splitlines()
        assert lines[1].startswith("! ✗api unhealthy 3/5 prod  ✗run#1 unit-tests  ▲P95High")
        assert lines[1].rstrip().endswith("[0]all")
        assert lines[0].rstrip().endswith("✗2 ▲1")
        shown = (await d.press("0")).splitlines()
        assert "what needs me: 3" in shown[0]
        assert "MUTED" not in shown[1]
        assert [line.split()[1:3] for line in shown[2:5]] == [
            ["prod", "api"], ["gh", "run#1"], ["prom", "P95High"],
        ]  # fmt: skip
        await d.press("/")
        await d.type("pytest")
        await d.press("enter")
        assert "what needs me: 1 of 3" in d.text
        await d.press("enter")
        assert d.app.screen is d.app.deck
        assert (d.app.deck.focused_pane, d.app.deck.pane.ref) == ("pipelines", Ref("gh", "run", "acme/api/1"))
        await d.press("0", "?")
        assert "1. a release is stuck" in d.text
        assert "m          mute " in d.text
        assert "mouse" not in d.text
        await d.press("escape", "0")
        assert d.app.screen is d.app.deck


async def test_a_refused_credential_is_named_and_explained() -> None:
    source = boxes()
    source.error = AuthFailed("listing container", source="local", why="the token has expired", mend="renew it")
    async with deck([source]) as d:
        assert "! ✗local 401 prod" in d.text
        await d.press("0", "enter")
        assert "how local is fed" in d.text
        assert "the token has expired" in d.text


async def test_a_mute_survives_a_restart_is_listed_and_ends_when_it_gets_worse() -> None:
    source = boxes(sick("api"), sick("etl"))
    async with deck([source], config=PROD) as d:
        await d.press("0")
        first = d.app.screen.query_one("RecordTable").cursor_key  # type: ignore[attr-defined]
        await d.press("m", "b")
        assert "what needs me: 1 · 1 muted" in d.text
        assert "8h00 left" in d.text
        assert "MUTED" in d.text
        await d.press("escape")
        assert "! ✗etl unhealthy" in d.text
    assert "id-api" in str(first)
    async with deck([source], config=PROD) as d:
        assert d.text.splitlines()[1].startswith("! ✗etl unhealthy")
        assert d.text.splitlines()[0].rstrip().endswith("✗1")
        async with deck([boxes(sick("api"), sick("etl"))], config=PROD) as second:
            await second.press("0", "m", "c")
            assert "what needs me: 0 · 2 muted" in second.text
            assert "till change" in second.text
        await d.press("0")
        assert "what needs me: 0 · 2 muted" in d.text
        await d.press("m")
        assert "what needs me: 1 · 1 muted" in d.text
        await d.press("m", "c", "escape")
        assert "!" not in d.text.splitlines()[1]
        assert "✓" in d.text.splitlines()[0]
        source.rows = [sick("api", "exited 137 OOM"), sick("etl")]
        d.app.boot.hub.poke()
        await d.rest()
        assert "! ✗api exited 137 OOM prod" in d.text
        d.app.deck.refresh_all()
        await d.rest()
        assert list(await d.app.needing._book.read()) == [str(sick("etl").ref)]
        source.rows = [sick("api", "exited 137 OOM")]
        d.app.boot.hub.poke()
        await d.rest()
        d.app.deck.refresh_all()
        await d.rest()
        assert await d.app.needing._book.read() == {}


async def test_a_release_that_waits_for_a_second_user_needs_them_and_not_the_one_who_started_it() -> None:
    for user, needed in (("somebody-else", True), (Actor.current().user, False)):
        async with deck(config=PROD) as d:
            boot = d.app.boot
            actor = Actor(user=user, origin="local", host="bastion")
            image = Identity(kind="image", name="team/api", digest="sha256:bb")
            plan = Plan(
                op=op_id(), kind="deploy", service=f"api-{user}", environment="prod", actor=user, origin="local",
                host="bastion", reason="release 1.42", at="2026-11-23T09:00:00.000000Z", to=image, back=None,
                approval=True,
            )  # fmt: skip
            await boot.desk.store.begin(plan, actor)
            folder = OpFolder(boot.state.path.parent, plan.op)
            folder.make()
            held = folder.hold("worker")
            assert held is not None
            boot.hub.add(ServiceSource(boot, boot.desk))
            await d.rest()
            assert ("deploy api-somebody-else waits for you prod" in d.text.splitlines()[1]) is needed
            assert d.app.deck.running
            if needed:
                await d.press("0")
                assert "by somebody-else: release 1.42" in d.text
                await d.press("enter")
                assert isinstance(d.app.screen, OperationScreen)
                await d.press("escape")
            await boot.desk.store.finish(plan.op, "ABORTED", "")
            os.close(held)


async def test_300_needs_at_once_are_made_once_and_nothing_is_painted_when_nothing_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    painted: list[str] = []
    line = Bar.render_line

    def render(self: Bar, y: int) -> object:
        painted.append(type(self).__name__)
        return line(self, y)

    def counting(kind: str, rows: list[Record], *more: object) -> list[Need]:
        made.append(len(rows))
        return of_rows(kind, rows, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Bar, "render_line", render)
    monkeypatch.setattr(needing, "of_rows", counting)
    source, quiet = boxes(container("api")), Scripted("prom", kind="alert", system="prometheus")
    async with deck([source, quiet], config=PROD, painting=True) as d:
        assert "!" not in d.text.splitlines()[1]
        source.rows = [sick(f"box-{place:03}") for place in range(300)]
        made.clear()
        d.app.boot.hub.poke()
        await d.rest()
        assert "+298 [0]all" in d.text
        assert "✗300" in d.text
        assert made == [300]
        assert {"NeedsBar", "TopBar"} <= set(painted)
        painted.clear()
        source.rows = [msgspec.structs.replace(row) for row in source.rows]
        d.app.boot.hub.poke()
        await d.rest()
        d.app.deck.refresh_window()
        await d.press("j")
        assert made == [300]
        assert not {"NeedsBar", "TopBar"} & set(painted)


def need(name: str, **more: object) -> Need:
    made = {"status": Status.BAD, "word": "firing", "harm": Harm.SERVING} | more
    return Need(ref=Ref("p", "alert", name), key=name, text=name, **made)  # type: ignore[arg-type]


def test_the_line_names_the_worst_that_fit_and_counts_the_others() -> None:
    many = [need("First", environment="prod", since=0.0), need("Second"), need("Third"), need("Fourth")]
    for width, told in ((200, 4), (44, 3), (36, 2), (12, 1)):
        left, right = line_cells(many, width, 400.0)
        rest = len(many) - told
        assert text(right) == (f" +{rest} [0]all" if rest else " [0]all")
        assert text(left).count("✗") == told
        assert told == 1 or len(text(left).rstrip()) + len(text(right)) <= width
    assert text(line_cells(many, 200, 400.0)[0]).startswith("! ✗First prod 5m  ✗Second  ")
    assert line_cells([], 80, 0.0) == ([], [])


def test_the_header_keeps_who_and_what_is_open_for_how_long_where_there_is_little_room(tmp_path: Path) -> None:
    names = ("prod", "staging", "development", "acceptance")
    config = Config(environments={name: Environment(protected=name == "prod") for name in names})
    env = {"SSH_CONNECTION": "10.0.4.9 4711 10.0.0.1 22", "QUARTERDECK_STATE": str(tmp_path)}
    boot = Boot(cwd=tmp_path, loaded=Loaded(config), discovery=False, title="acme/fraud", env=env)
    for name in names:
        boot.hub.add(Scripted(name, environment=name, address="unix:///x"))
    who = f"as {boot.actor.user}@{boot.actor.host} via ssh 10.0.4.9"
    wide, right = header_cells(boot, [need("one"), need("two", status=Status.WAITING)], 160)
    assert text(wide).startswith("quarterdeck acme/fraud │ prod:RO staging development acceptance │ ")
    assert who in text(wide)
    assert text(right) == "needs you 2: ✗1 ‖1 "
    boot.policy.open_for(Place("prod", "prod"), "INC-412", 600)
    for width in (110, 90, 80, 70):
        left, right = header_cells(boot, [need("one")], width)
        assert len(text(left)) + len(text(right)) <= width
        assert "prod:WRITE 10m00 " in text(left)
        assert who in text(left)
        assert text(right) == "✗1 "
    assert "+3 " in text(header_cells(boot, [], 70)[0])
    assert text(header_cells(boot, [], 70)[1]) == "? "
    boot.policy.open_for(Place("git", ""), "a source that no environment names", 600)
    assert "git:WRITE 10m00" in text(header_cells(boot, [], 160)[0])


async def test_what_is_wrong_with_the_config_stands_before_what_needs_me(tmp_path: Path) -> None:
    boot = Boot(cwd=tmp_path, loaded=Loaded(Config(), notice="x" * 90), discovery=False, env={"HOME": str(tmp_path)})
    left = need_cells(boot, [need("First"), need("Second")], 80, 0.0)[0]
    assert text(left).startswith("xxx")
    assert "…  ! ✗First  ✗Second" in text(left)
    assert text(need_cells(boot, [], 80, 0.0)[0]).strip() == "x" * 90
    async with deck([boxes()]) as d:
        assert d.app.deck.query_one(NeedsBar).text == ""
        assert d.app.deck.query_one(TopBar).text.rstrip().endswith("✓")
