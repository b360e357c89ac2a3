"""The program on the screen: themes, clipboard, sessions, work in the background, and the end."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rich.text import Text
from textual.app import App
from textual.binding import BindingType
from textual.notifications import SeverityLevel
from textual.theme import Theme
from textual.widget import Widget
from textual.widgets import Static

from quarterdeck.boot import Boot
from quarterdeck.crash import report
from quarterdeck.deck import DeckScreen
from quarterdeck.keynames import pretty
from quarterdeck.lately import Lately
from quarterdeck.needing import Needing
from quarterdeck.panes.lines import place_words
from quarterdeck.sessions import Sessions
from quarterdeck.terminal import copy_text, slow_link, speaks_utf8
from quarterdeck.typeahead import KeyGate
from quarterdeck.viewing import Viewing
from quarterdeck.widgets import scrollbars
from quarterdeck_config.secrets import redact
from quarterdeck_config.themes import THEMES, environment_colours, resolve_theme
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.instant import TimeCursor
from quarterdeck_lifecycle.ledger import Entry, op_id
from quarterdeck_lifecycle.policy import Place
from quarterdeck_lifecycle.state import StateError
from quarterdeck_lifecycle.text import clean

if TYPE_CHECKING:
    from quarterdeck.keeping import Keeping
    from quarterdeck.watching import Watching

IDLE_S = 600.0


class QuarterdeckApp(Sessions, App[int]):
    """One deck on one boot."""

    CSS_PATH = "deck.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self, boot: Boot, *, mouse: bool = True, debug: bool = False, now: Callable[[], float] = time.time,
        last_view: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(ansi_color=None)
        self.boot = boot
        self.now = now
        self.busy = boot.busy
        self.needing = Needing(boot)
        self.deck = DeckScreen()
        self.viewing = Viewing(self, remembers=last_view)
        self.ascii_glyphs = not speaks_utf8(boot.env)
        self.slow_link = slow_link(boot.loaded.config.slow_link, boot.env)
        self.lately = Lately(boot)
        self.moment = TimeCursor()
        self.history: list[str] = []
        self.mouse = mouse
        self.debug_mode = debug
        self.crash_file = ""
        self.operation: tuple[str, float, float] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._pace = 1.0
        self._last_key = time.monotonic()
        self.keys_pressed = 0
        self.watching: Watching | None = None
        self.keeping: Keeping | None = None
        self._keys = KeyGate(self, self.busy, super().on_event)
        for name in (*(data.name for data in THEMES.values()), *boot.loaded.config.themes):
            self._add_theme(name)
        # Before anything is styled: a theme chosen later has every style made twice.
        self.set_reactive(App.theme, self._theme_wanted())
        self.stylesheet.set_variables(self.get_css_variables())
        self._refresh_truecolor_filter(self.ansi_theme)

    @property
    def recent(self) -> deque[ChangeRow]:
        """The newest changes, newest first."""
        return self.lately.recent

    @property
    def colours(self) -> dict[str, str]:
        """Environments with their colours: the configured one, red for what is protected, else one of a few."""
        return environment_colours(self.boot.loaded.config.environments)

    def get_default_screen(self) -> DeckScreen:
        """The deck itself: no empty screen is made and styled before it."""
        return self.deck

    def get_loading_widget(self) -> Widget:
        """Words, not an animation: that alone would cost 105 KB a second."""
        return Static("asking")

    def on_mount(self) -> None:
        """Paint first; ask systems after."""
        scrollbars.choose(self.ascii_glyphs)
        self.call_after_refresh(self._begin)
        self.set_interval(30, self._rest)

    def _theme_wanted(self) -> str:
        if self.boot.env.get("NO_COLOR"):
            return "ansi-dark"
        chosen = self.boot.loaded.config.theme
        if chosen:
            return chosen
        return "ansi-dark" if self.slow_link else "deck-dark"

    def _add_theme(self, name: str) -> None:
        data, _ = resolve_theme(name, self.boot.loaded.config.themes)
        if data is None:
            return
        known = {
            "primary", "secondary", "accent", "foreground", "background", "surface", "panel", "success", "warning",
            "error",
        }  # fmt: skip
        colours = dict(data.colors)
        self.register_theme(
            Theme(
                name=data.name,
                dark=data.dark,
                variables={key: value for key, value in colours.items() if key not in known},
                **{key: value for key, value in colours.items() if key in known},  # type: ignore[arg-type]
            )
        )

    def use_theme(self, name: str, quiet: bool = False) -> None:
        """Change the theme."""
        if name not in self.available_themes:
            self.say(f"no theme {name}: {', '.join(sorted(self.available_themes))}", "warning")
            return
        self.theme = name
        if not quiet:
            self.say(f"theme {name}")

    def _begin(self) -> None:
        if not gc.isenabled():
            # Looking through 50,000 kept log lines for garbage takes 100 ms: the deck does it seldom.
            gc.freeze()
            gc.set_threshold(20_000, 20, 50)
            gc.enable()
        with self.busy.work("begin"):
            self.boot.take_configured()
            self.deck.listen()
        self.work(self._discover(), "discovery")
        self.work(self._recall(), "changes")

    async def _recall(self) -> None:
        self.lately.moved.append(self.deck.refresh_bars)
        await self.lately.read()
        self.deck.refresh_bars()
        from quarterdeck.keeping import Keeping
        from quarterdeck.watching import Watching

        self.watching = Watching(self)
        self.keeping = Keeping(self)
        if "QUARTERDECK_DRILL" in self.boot.env:
            from quarterdeck.drilling import DrillWatch

            DrillWatch(self).start()
        self.work(self.watching.open(), "watches")

    async def _discover(self) -> None:
        await self.boot.discover()
        self.boot.watch_aliases()
        for pane in self.deck.panes:
            pane.looked_for = self.boot.looked_for(pane.pane)
        self.deck.refresh_all()

    # work in the background, counted

    def work(self, job: Coroutine[Any, Any, None], name: str) -> None:
        """Run a coroutine that an operator waits for. A failure becomes a line on the screen, never the end."""

        async def run() -> None:
            with self.busy.work(name):
                try:
                    await job
                except QuarterdeckError as error:
                    self.say(str(error), "error")
                except Exception as error:
                    self.say(f"{name} failed: {type(error).__name__}: {error}", "error")
                    if self.debug_mode:
                        raise

        task = asyncio.create_task(run(), name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def begin_operation(self, title: str, deadline: float) -> None:
        """Show that a verb is under way, since when and until when at the latest."""
        self.operation = (title, time.monotonic(), deadline)
        self.deck.refresh_bars()

    def end_operation(self) -> None:
        """The verb is done."""
        self.operation = None
        self.deck.refresh_bars()

    # what the operator is told

    def say(self, text: str, severity: SeverityLevel = "information") -> None:
        """A toast: literal, redacted, without taking the focus."""
        text = clean(redact(text), 600)
        if self.keeping is not None:
            self.keeping.said(text, severity)
        self.notify(text, severity=severity, markup=False, timeout=8 if severity == "error" else 4)

    def copy(self, text: str) -> None:
        """To the clipboard, by the way that works here; says which."""
        self.work(self._copy(redact(text)), "copy")

    async def _copy(self, text: str) -> None:
        way = await copy_text(text, self.boot.env, self.copy_to_clipboard)
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        self.say(f"copied by {way}: {shown}")

    def choose(self, title: str, choices: Sequence[tuple[str, str]], then: Callable[[str], None]) -> None:
        """A menu of (label, value)."""
        from quarterdeck.screens.dialogs import Choice, MenuDialog

        values = dict(choices)

        def chosen(label: str | None) -> None:
            if label is not None:
                then(values[label])

        lines = [
            Choice(label, label if label == value else f"{label:<10} {value[:80]}") for label, value in choices
        ]
        self.push_screen(MenuDialog(title, lines), chosen)

    def remember(self, command: str) -> None:
        """Keep a command for the history."""
        if command in self.history:
            self.history.remove(command)
        self.history.append(command)
        del self.history[:-200]

    # writing

    def toggle_writing(self, place: Place) -> None:
        """Open a read-only place with a reason, or shut an open window."""
        from quarterdeck.screens.dialogs import AskDialog

        policy, name = self.boot.policy, place_words(place)
        if place in policy.windows():
            policy.shut(place)
            self.say(f"{name} is read-only again")
            self.deck.refresh_bars()
            return
        access = policy.access(place)
        if access.open:
            self.say(f"{name} is open for writing: it is on this machine and not protected")
            return

        def answered(reason: str | None) -> None:
            if reason is None:
                return
            seconds = self.boot.loaded.config.confirm.write_window
            opened = policy.open_for(place, reason, seconds)
            self.say(
                f"{name} is open for {seconds / 60:.0f} min" if opened.open else f"{name} stays shut: {opened.why}",
                "information" if opened.open else "warning",
            )
            self.work(self._note("write.open", "/".join(filter(None, place)), reason, opened.open), "ledger")
            self.deck.refresh_window()
            self.deck.refresh_bars()

        title = f"open {name} for writing"
        self.push_screen(AskDialog(title, f"{access.why}. Why do you need to write there?"), answered)

    async def _note(self, action: str, ref: str, why: str, allowed: bool) -> None:
        phase: Literal["note", "refused"] = "note" if allowed else "refused"
        with suppress(StateError):
            await self.boot.ledger.append(Entry(op=op_id(), action=action, phase=phase, ref=ref, why=why))

    def open_query(self, expression: str) -> None:
        """A chart of any expression."""
        from quarterdeck.screens.metrics import MetricsScreen

        self.push_screen(MetricsScreen(self.boot, None, expression))

    # config, mouse, pace

    def reload_config(self) -> None:
        """Read the config again."""
        self.work(self._reload(), "config")

    async def _reload(self) -> None:
        old = self.boot.loaded.config
        loaded = await self.boot.reload()
        if not loaded.errors:
            for name in loaded.config.themes:
                self._add_theme(name)
            self.deck.bind_keys()
            if loaded.config.theme != old.theme:
                self.use_theme(self._theme_wanted(), quiet=True)
            elif loaded.config.themes != old.themes:
                self.mutate_reactive(App.theme)
        self.viewing.declare()
        for pane in self.deck.panes:
            pane.colours = self.colours
            pane.looked_for = self.boot.looked_for(pane.pane)
        self.deck.listen()
        self.deck.refresh_all()
        if loaded.errors:
            self.say(f"the old config stays, the new one has errors: {loaded.errors[0]}", "warning")
        else:
            told = self.boot.notice
            self.say(f"config read again: {told or 'no problems'}", "warning" if told else "information")

    def action_help_quit(self) -> None:
        """Ctrl-C ends nothing: it may have been meant for a program that ran here before."""
        self.say(f"{pretty(self.boot.registry.keys('quit')) or ':quit'} leaves the deck")

    def toggle_mouse(self) -> None:
        """Take the mouse, or leave it to the terminal's own selection."""
        driver = self._driver
        self.mouse = not self.mouse
        if driver is not None:
            getattr(driver, "_enable_mouse_support" if self.mouse else "_disable_mouse_support", lambda: None)()
        self.say("mouse on" if self.mouse else "mouse off: the terminal selects text itself")

    async def on_event(self, event: Any) -> None:
        """Remember when the operator was last seen, and let keys act in the order they were typed."""
        from textual import events

        if isinstance(event, events.Key | events.MouseDown):
            self._last_key = time.monotonic()
            self._looked_at()
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self.keys_pressed += 1
            await self._keys.take(event)
        else:
            await super().on_event(event)

    def on_app_blur(self) -> None:
        """Nobody looks: poll slower."""
        self._set_pace(4.0)

    def on_app_focus(self) -> None:
        """Somebody looks again."""
        self._looked_at()

    def _looked_at(self) -> None:
        self._set_pace(1.0)
        if self.watching is not None:
            self.watching.looked_at()

    def _rest(self) -> None:
        if time.monotonic() - self._last_key > IDLE_S:
            self._set_pace(4.0)

    def _set_pace(self, pace: float) -> None:
        if pace != self._pace:
            self._pace = pace
            self.boot.hub.pace(pace)

    # the end

    async def on_unmount(self) -> None:
        """Let everything go."""
        tasks = list(self._background)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2)
        if self.watching is not None:
            await self.watching.close()
        if self.keeping is not None:
            self.keeping.close()
        await self.viewing.keep()
        await self.boot.close()

    def _fatal_error(self) -> None:
        """A crash: a private, redacted report without locals, and one line for the operator."""
        self.bell()
        self.crash_file = report(self.boot.env)
        message = "quarterdeck met a fault of its own and had to end; nothing it started elsewhere ends with it."
        self._exit_renderables.append(Text(f"{message}\nThe report is in {self.crash_file}"))
        self._close_messages_no_wait()
