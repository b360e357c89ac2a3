"""The release dialog by itself: what locks it, what starts it, and what never does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from textual import events
from textual.widgets import Button

from deckcase import Deck, deck
from quarterdeck.releasing.between import Found
from quarterdeck.screens.deploy import DeployDialog
from quarterdeck.views.asked import Asked, back_options
from quarterdeck.views.plan import Known
from quarterdeck_lifecycle.errors import QuarterdeckError, Refused
from quarterdeck_lifecycle.kinds import Commit, Run, Service
from quarterdeck_lifecycle.ports import Between
from quarterdeck_lifecycle.records import Ref, Status
from quarterdeck_lifecycle.release.model import Change, Check, Identity, Place, Plan, Step, service_ref
from quarterdeck_lifecycle.verbs import built_in

VERBS = {verb.id: verb for verb in built_in()}
NASTY = "[@click=app.quit]x[/] [/x"


def identity(digit: str, **more: Any) -> Identity:
    return Identity(kind="image", name="reg/api", digest=f"sha256:{digit * 64}", revision=digit * 40, **more)


def plan(**more: Any) -> Plan:
    change = Change(
        place=Place(kind="container", source="prod-1", name="api"), service="api", environment="prod", op="op",
        mode="stop-start", to=identity("b"),
    )  # fmt: skip
    steps = tuple(
        Step(id=f"{n:02d} {name}", name=name, title=f"{name} it", phase="whole", deadline_s=60.0)
        for n, name in enumerate(("lease", "preflight", "stop", "start", "gate", "soak", "verify", "release"), 1)
    )
    made = {
        "op": "0190-op", "kind": "deploy", "service": "api", "environment": "prod", "actor": "me", "origin": "local",
        "host": "here", "reason": "", "at": "2026-01-01T00:00:00Z", "to": identity("b"), "back": identity("a"),
        "before": identity("a"), "changes": (change,), "steps": steps, "gap_s": 4.0, "revision": 42,
        "config": ("env TIMEOUT_MS: 400 -> 800",), "warnings": ("migration 0042 lies between",),
        "checks": (Check(name="disk", ok=True, said="disk 41G"),), "protected": True,
    }  # fmt: skip
    return Plan(**(made | more))


class Proposed:
    """A proposal whose plans a test tells."""

    def __init__(self, *plans: Plan | QuarterdeckError) -> None:
        self.plans = list(plans)
        self.backs: list[str] = []
        self.ready = asyncio.Event()
        self.ready.set()
        self.holder = ""

    async def plan(self, back: str) -> Plan:
        self.backs.append(back)
        await self.ready.wait()
        found = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        if isinstance(found, QuarterdeckError):
            raise found
        return found

    async def between(self, _plan: Plan) -> Found:
        commit = Commit(ref=Ref("git", "commit", "x"), name="x", sha="b" * 40, subject=NASTY, author="ann")
        return Found(between=Between(commits=(commit,), files=("db/0042.sql",)), migrations=("migration db/0042.sql",))

    async def outlives(self) -> str:
        return "on here; outlives your SSH link"

    async def busy(self, _plan: Plan) -> str:
        return self.holder

    def tags(self) -> dict[str, str]:
        return {identity("b").digest: "api:1.42.0"}

    def run(self, _plan: Plan) -> Run | None:
        return Run(ref=Ref("ci", "run", "1839"), name="1839", system="ci", repository="api", number="1839",
                   state="success", status=Status.OK)  # fmt: skip

    def typed(self, made: Plan) -> bool:
        return made.protected

    def command(self, made: Plan) -> str:
        return f"quarterdeck deploy api --reason '{made.reason}'"


def asked(verb: str = "service.deploy", **more: Any) -> Asked:
    backs = back_options([("v40", "a" * 12, True), ("v41", "current", False)])
    return Asked(verb=VERBS[verb], service="api", environment="prod", word="deploy", backs=backs, **more)


async def opened(d: Deck, proposed: Proposed, about: Asked) -> tuple[DeployDialog, list[str | None]]:
    answers: list[str | None] = []
    row = Service(
        ref=service_ref("api", "prod"), name="api", service="api", environment="prod", status=Status.BAD,
        state="unhealthy 3/5", running=identity("a").short, revision=41, since=1.0, by="ci", model="fraud@champion",
    )  # fmt: skip
    dialog = DeployDialog(about, proposed, Known(service=row), d.app)  # type: ignore[arg-type]
    d.app.push_screen(dialog, answers.append)
    await d.rest()
    return dialog, answers


def go(d: Deck) -> Button:
    return d.app.screen.query_one("#go", Button)


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_it_shows_all_that_it_will_do(size: tuple[int, int]) -> None:
    async with deck(size=size) as d:
        await opened(d, Proposed(plan()), asked(guarded=True))
        shown = d.text
        await d.press("pagedown", "pagedown")
        shown += d.text
        for words in (
            "DEPLOY api → PROD", "protected", "v41", "unhealthy 3/5 now", "v42", "fraud@champion", "prod-1/api",
            "stop, then start", "gap about 4 s", "1 commit by 1 person", "TIMEOUT_MS: 400 -> 800", "migration 0042",
            "migration db/0042.sql", "✓ no freeze", "✓ nobody else deploys", "✓ disk 41G", "1 lease", "8 release",
            "outlives your SSH link", "(•) v41 runs now, unproven  ( ) v40 ✓proven", "required",
            "paste does not count", "c commits", "you ",
            "api:1.42.0  sha256:bbbbbb…bbbb", "run #1839 ✓ success", "Tab next", "Esc cancels",
        ):  # fmt: skip
            assert words in shown, words


async def test_a_protected_place_wants_a_reason_and_the_typed_name_and_enter_is_cancel_until_then() -> None:
    async with deck() as d:
        dialog, answers = await opened(d, Proposed(plan()), asked(guarded=True))
        assert dialog.focused is not None
        assert dialog.focused.id == "cancel"
        assert "locked: a reason is required" in str(go(d).label)
        await d.press("tab", "tab", "tab")
        d.by_hand()
        await d.type("api")
        await d.press("enter")
        assert answers == []
        assert dialog.focused.id == "reason"
        await d.type("INC-412")
        await d.press("enter")
        assert dialog.focused.id == "typed"
        assert not go(d).disabled
        await d.press("enter")
        assert answers == ["INC-412"]


async def test_the_wrong_name_a_paste_and_a_burst_start_nothing() -> None:
    async with deck() as d:
        dialog, answers = await opened(d, Proposed(plan()), asked("service.rollback", guarded=True))
        assert dialog.focused is not None
        assert dialog.focused.id == "typed"
        dialog.focused.post_message(events.Paste("api"))
        await d.rest()
        await d.burst("api", "enter")
        d.by_hand()
        await d.type("apj")
        await d.press("enter")
        assert answers == []
        await d.press("backspace")
        await d.type("i")
        await d.press("enter")
        assert answers == [""]


async def test_one_key_starts_it_elsewhere_but_not_at_once_nor_by_repeating() -> None:
    async with deck() as d:
        proposed = Proposed(plan(protected=False))
        dialog, answers = await opened(d, proposed, asked())
        now = dialog._opened + 0.1
        dialog._clock = lambda: now
        await d.press("y")
        assert answers == []
        now += 5
        dialog._last_key = now - 0.05
        await d.press("y")
        assert answers == []
        now += 1
        await d.press("y")
        assert answers == [""]


async def test_nothing_starts_without_a_plan_and_what_failed_is_said() -> None:
    async with deck() as d:
        proposed = Proposed(plan(protected=False))
        proposed.ready.clear()
        dialog = DeployDialog(asked(), proposed, Known(), d.app)  # type: ignore[arg-type]
        answers: list[str | None] = []
        d.app.push_screen(dialog, answers.append)
        await d.until(lambda: "planning" in d.text, "planning")
        await d.pilot.press("y")
        assert answers == []
        proposed.ready.set()
        await d.rest()
        await d.press("escape")
        assert answers == [None]
        error = Refused("nothing to do", why=NASTY, mend="choose another")
        await opened(d, Proposed(error), asked())
        assert "nothing to do" in d.text
        assert NASTY in d.text
        assert go(d).disabled


async def test_another_put_back_is_another_plan() -> None:
    async with deck() as d:
        proposed = Proposed(plan(protected=False), plan(protected=False, back=identity("c")))
        dialog, answers = await opened(d, proposed, asked())
        await d.press("shift+tab", "shift+tab", "right")
        assert proposed.backs == ["", "a" * 12]
        d.by_hand()
        await d.press("y")
        assert answers == [""]
        assert dialog.plan is not None
        assert dialog.plan.back == identity("c")


async def test_closer_looks_and_the_command() -> None:
    copied: list[str] = []
    async with deck() as d:
        await opened(d, Proposed(plan()), asked(guarded=True))
        d.app.copy = copied.append  # type: ignore[method-assign]
        await d.press("c")
        assert NASTY in d.text
        assert "db/0042.sql" in d.text
        await d.press("escape", "v")
        assert "env TIMEOUT_MS: 400 -> 800" in d.text
        await d.press("escape", "n")
        assert "08 release" in d.text
        assert "nothing is sent" in d.text
        await d.press("escape", "y")
        assert copied == ["quarterdeck deploy api --reason ''"]


async def test_a_closed_place_says_so_and_never_opens() -> None:
    async with deck() as d:
        shut = asked(shut="the deck was started with --read-only")
        _, answers = await opened(d, Proposed(plan(protected=False)), shut)
        assert "--read-only" in str(go(d).label)
        d.by_hand()
        await d.press("y")
        assert answers == []


async def test_a_plan_that_turns_out_to_touch_a_protected_place_is_not_started_by_one_key() -> None:
    async with deck() as d:
        _, answers = await opened(d, Proposed(plan(protected=True)), asked(guarded=False))
        assert "wants the name typed" in str(go(d).label)
        d.by_hand()
        await d.press("y")
        assert answers == []
