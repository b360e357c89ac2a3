"""The dialog before a release: all that it will do, what it goes back to, and a confirmation that no accident gives."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar

import msgspec
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static

from quarterdeck.screens.confirm import ConfirmDialog
from quarterdeck.screens.dialogs import line
from quarterdeck.screens.planscreens import commit_lines, config_lines, plan_screen
from quarterdeck.screens.text import TextScreen
from quarterdeck.screens.typed import TypedInput
from quarterdeck.views.asked import Asked, how_cells, offered
from quarterdeck.views.plan import Known, Line, plan_body
from quarterdeck.widgets.cells import Cell, literal
from quarterdeck.widgets.celltext import cell_text
from quarterdeck.widgets.palette import Palette
from quarterdeck.widgets.prompt import PromptInput
from quarterdeck.widgets.radio import Radio
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.release.model import Plan

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp
    from quarterdeck.releasing.between import Found
    from quarterdeck.releasing.proposal import Proposal

FIXED = 9
"""Lines of the dialog beside its body."""
WIDTH = 118
TALL = 40
ROOMY = 30
"""From this height on lines part what belongs together."""


class DeployDialog(ConfirmDialog, inherit_bindings=False):
    """Answers the reason when it was confirmed (`plan` is then what to start), None when cancelled.

    It opens at once and plans behind its own face; 300 ms after the plan stands it can be confirmed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False),
        Binding("y", "confirm", show=False),
        Binding("Y", "copy_command", show=False),
        Binding("c", "commits", show=False),
        Binding("v", "config", show=False),
        Binding("p,n", "whole_plan", show=False),
        Binding("up", "scroll_body(-1)", show=False),
        Binding("down", "scroll_body(1)", show=False),
        Binding("pageup", "page_body(-1)", show=False),
        Binding("pagedown", "page_body(1)", show=False),
        Binding("tab", "app.focus_next", show=False),
        Binding("shift+tab", "app.focus_previous", show=False),
    ]

    at_rest = "nothing is sent yet"

    def __init__(
        self,
        asked: Asked,
        proposal: Proposal,
        known: Known,
        app: QuarterdeckApp,
        clock: Callable[[], float] = time.monotonic,
        stamp: Callable[[events.Key], float] = attrgetter("time"),
    ) -> None:
        confirm = "typed" if asked.guarded else "key"
        super().__init__(asked.verb, [], confirm, asked.environment, asked.guarded, app, clock, stamp)  # type: ignore[arg-type]
        self.asked = asked
        self.plan: Plan | None = None
        self.found: Found | None = None
        self._proposal = proposal
        self._known = known
        self._problem = ""
        self._asking = False

    @property
    def expected(self) -> str:
        """The service's name."""
        return self.asked.service

    @property
    def reason_needed(self) -> bool:
        """Whether it may not be empty: a put-back in a bad night need not be explained first."""
        return (self.asked.guarded or bool(self.asked.closed)) and self.asked.verb.id != "service.rollback"

    def compose(self) -> ComposeResult:
        """Title, plan, choice of the put-back, reason, name, buttons."""
        asked = self.asked
        where = f" → {asked.environment.upper()}" if asked.environment else ""
        actor = self._owner.boot.actor
        yours = f"{'protected · ' if asked.guarded else ''}you {actor.user}@{actor.host}"
        with Vertical():
            yield line(f"{asked.word.upper()} {asked.service}{where}   {yours}", "bold")
            with VerticalScroll(classes="body", can_focus=False):
                yield Static("", id="plan", markup=False)
            yield Static("", id="more", classes="line", markup=False)
            yield Radio("back   ", id="back")
            with Horizontal(classes="field"):
                yield Static(Text("reason ", style="dim"), classes="label")
                yield PromptInput(id="reason")
                yield Static(Text("required" if self.reason_needed else "may be empty", style="dim"), classes="after")
            if self._confirm == "typed":
                with Horizontal(classes="field"):
                    yield Static(Text("type   ", style="dim"), classes="label")
                    yield TypedInput(id="typed", stamp=lambda key: self._stamp(key))
                    hint = f"{literal(self.expected)}   paste does not count"
                    yield Static(Text(hint, style="bold", no_wrap=True, overflow="ellipsis"), classes="after")
            with Horizontal(classes="buttons"):
                yield Button(Content("Cancel"), id="cancel")
                yield Button(Content(asked.word.capitalize()), id="go", disabled=True)
            yield Static("", id="how", classes="line", markup=False)

    def _begin(self) -> None:
        """Plan; the focus stands where nothing confirms by accident."""
        self._opened = self._clock()
        typed = self._confirm == "typed" and self.asked.verb.id == "service.rollback"
        (self.query_one(TypedInput) if typed else self.query_one("#cancel", Button)).focus()
        self._fit()
        self.watch(self.query_one(".body"), "scroll_y", self._show_more, init=False)
        self._ask("")

    def _fit(self) -> None:
        fixed = FIXED if self._confirm == "typed" else FIXED - 1
        self.query_one(".body").styles.max_height = max(2, min(TALL, self.app.size.height - fixed))
        self.call_after_refresh(self._paint)

    # the plan

    def _ask(self, back: str) -> None:
        self.plan, self._problem, self._asking = None, "", True
        self._paint()
        self._owner.work(self._plan(back), f"plan of {self.asked.word} {self.asked.service}")

    async def _plan(self, back: str) -> None:
        try:
            plan = await self._proposal.plan(back)
        except QuarterdeckError as error:
            self._problem = str(error)
            plan = None
        finally:
            self._asking = False
        if not self.is_attached:
            return
        self.plan, self._opened = plan, self._clock()
        if plan is not None and not back:
            self.query_one(Radio).offer(offered(plan, self.asked.backs), "")
            self._known = self._known._replace(tags=self._proposal.tags(), run=self._proposal.run(plan))
        self._paint()
        if plan is not None and self.found is None:
            await self._look_around(plan)

    async def _look_around(self, plan: Plan) -> None:
        """What the plan does not say, once it can be read already."""
        with suppress(QuarterdeckError):
            self._known = self._known._replace(outlives=await self._proposal.outlives())
        try:
            self._known = self._known._replace(busy=await self._proposal.busy(plan))
        except QuarterdeckError as error:
            self._known = self._known._replace(busy=f"not known who else deploys: {error.what}")
        self._paint()
        self.found = await self._proposal.between(plan)
        commits: Line = (Cell(self.found.words, "dim"),)
        if self.found.between is not None:
            commits = (Cell(self.found.words), Cell("   c shows them", "dim"))
        self._known = self._known._replace(commits=commits, migrations=self.found.migrations)
        self._paint()

    def _paint(self) -> None:
        """The plan as it is known now, at the width that there is."""
        if not self.is_attached:
            return
        body = self.query_one(".body")
        width = max(30, min(WIDTH, self.app.size.width) - 4)
        lines = self._body(width)
        if len(lines) > (body.styles.max_height.value if body.styles.max_height else TALL):
            lines = self._body(width - 1)
        self.query_one("#plan", Static).update(cell_text(lines, Palette.of(self.app)))
        self._show_how()
        self.call_after_refresh(self._show_more)

    def _body(self, width: int) -> list[Line]:
        if self.plan is None:
            words = "planning: every target is looked at, nothing is sent; at most 60 s"
            if self._asking:
                return [(Cell(words, "dim"),)]
            return [(Cell(row, "bad"),) for row in self._problem.splitlines()]
        known = self._known._replace(tight=self.app.size.height < ROOMY)
        return plan_body(self.plan, known, width, self._owner.now())

    @on(Radio.Chosen)
    def back_chosen(self, event: Radio.Chosen) -> None:
        """Another put-back is another plan."""
        event.stop()
        self._ask(event.value)

    # confirming

    def _locked(self) -> str:
        """Why it cannot be confirmed now; empty when it can."""
        if self.asked.shut:
            return self.asked.shut
        if self.plan is None:
            return "there is no plan" if not self._asking else "planning"
        if self._confirm != "typed" and self._proposal.typed(self.plan):
            return "a place of the plan is protected and wants the name typed: use the command"
        if self.reason_needed and not self.query_one("#reason", Input).value.strip():
            return "a reason is required"
        if self._confirm == "typed" and self.query_one("#typed", Input).value.strip() != self.expected:
            return "the name is not typed"
        return ""

    def _show_how(self) -> None:
        """On the button why it is locked, or what starts it; beneath, the keys that look closer."""
        locked, typed = self._locked(), self._confirm == "typed"
        word = self.asked.word.capitalize()
        go = self.query_one("#go", Button)
        label = f"{word} (locked: {locked})" if locked else f"{word} ({'Enter' if typed else 'y'})"
        if str(go.label) != label:
            go.label = Content(label)
            go.refresh(layout=True)
        go.disabled = bool(locked)
        line = how_cells(in_field=isinstance(self.focused, Input), copies="y" if typed else "Y")
        self.query_one("#how", Static).update(cell_text([line], Palette.of(self.app)))

    def on_descendant_focus(self) -> None:
        """Other keys may count now."""
        self._show_how()

    @on(Input.Changed)
    def field_changed(self, event: Input.Changed) -> None:
        """What is locked may be open now."""
        event.stop()
        self._show_how()

    @on(Input.Submitted, "#reason")
    def reason_given(self, event: Input.Submitted) -> None:
        """On to the name, or to the button."""
        event.stop()
        self.focus_next()

    def _entered(self, value: str) -> None:  # noqa: ARG002
        """Enter in the name's field."""
        self._go()

    @on(Button.Pressed)
    def pressed(self, event: Button.Pressed) -> None:
        """A button, by Enter or by a click."""
        event.stop()
        if event.button.id == "cancel":
            self.dismiss(None)
        else:
            self._go()

    def action_confirm(self) -> None:
        """`y`: starts it where one key is enough; elsewhere it copies the command."""
        if self._confirm == "key":
            self._go()
        else:
            self.action_copy_command()

    def _go(self) -> None:
        locked = self._locked()
        if locked or not self.armed():
            self.app.bell()
            if locked == "a reason is required":
                self.query_one("#reason", Input).focus()
            return
        self.dismiss(self.query_one("#reason", Input).value.strip())

    # looking closer

    def action_commits(self) -> None:
        """The commits between."""
        if self.found is not None:
            self.app.push_screen(TextScreen(f"commits: {self.found.words}", commit_lines(self.found), wrap=True))

    def action_config(self) -> None:
        """Every difference of the configuration."""
        if self.plan is not None:
            self.app.push_screen(TextScreen("configuration, secrets masked", config_lines(self.plan), wrap=True))

    def action_whole_plan(self) -> None:
        """Every step, as the ledger would hold it."""
        if self.plan is not None:
            self.app.push_screen(plan_screen(self.plan))

    def action_copy_command(self) -> None:
        """The command line that does the same."""
        if self.plan is not None:
            reason = self.query_one("#reason", Input).value.strip()
            self._owner.copy(self._proposal.command(msgspec.structs.replace(self.plan, reason=reason)))

