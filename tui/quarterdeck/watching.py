"""The deck's watches: kept, marked on the rows, told by the terminal, a toast and a webhook. Begun after the paint."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quarterdeck.notices import Call, Caller, Terminal
from quarterdeck_lifecycle.records import Record
from quarterdeck_lifecycle.watchbook import WatchBook
from quarterdeck_lifecycle.watchkeeper import News, WatchKeeper

if TYPE_CHECKING:
    from textual.app import App

    from quarterdeck.app import QuarterdeckApp


class Watching:
    """What the app has of watches."""

    def __init__(self, app: QuarterdeckApp) -> None:
        boot, project = app.boot, app.boot.loaded.project
        self._app = app
        self.caller = Caller(self._call)
        self.posts = Caller(self._post)
        self.terminal = Terminal(self._write, boot.env, not app.ascii_glyphs)
        self.keeper = WatchKeeper(
            boot.hub,
            WatchBook(boot.state, boot.actor.user, str(project.parent if project is not None else boot.cwd)),
            self.caller.add,
            first=self._first,
            changed=self.show,
            settled=lambda: boot.discovered,
            now=app.now,
        )

    async def open(self) -> None:
        """Go on with the watches that are kept."""
        for signal, then in (
            (self._app.app_suspend_signal, self._suspended),
            (self._app.app_resume_signal, self._resumed),
        ):
            signal.subscribe(self._app, then, immediate=True)
        await self.keeper.open()
        if self.keeper.trouble:
            self._app.say(f"watches are not kept: {self.keeper.trouble}", "warning")

    async def close(self) -> None:
        """Tell nothing more; what was seen is written."""
        self.caller.close()
        self.posts.close()
        await self.keeper.close()

    def leave(self) -> None:
        """The deck is off the terminal: its title is what it was."""
        stream = sys.__stderr__
        if stream is not None and (back := self.terminal.title_back()):
            stream.write(back)
            stream.flush()

    def looked_at(self) -> None:
        """A key, or the focus: somebody looks."""
        self.terminal.looked_at()

    def show(self) -> None:
        """Mark the rows that are watched."""
        refs = self.keeper.refs
        if self._app.deck.is_mounted:
            for pane in self._app.deck.panes:
                pane.table.watched = refs

    def toggle(self, records: Sequence[Record]) -> None:
        """Watch these rows, or no more; says what happens."""
        try:
            made, left = self.keeper.toggle(records)
        except ValueError as error:
            self._app.say(str(error), "warning")
            return
        if len(left) > 1:
            self._app.say(f"{len(left)} rows are watched no more")
        elif left:
            self._app.say(f"{left[0].name} is watched no more")
        elif len(made) > 1:
            self._app.say(f"{len(made)} rows are watched: :watches lists them")
        elif made:
            so_far = " (it has ended; its next one)" if made[0].facts.get("phase") == "ended" else ""
            self._app.say(f"{made[0].name} is watched: {made[0].aim}{so_far}")

    def _write(self, data: str) -> None:
        driver = self._app._driver
        if driver is not None and not driver.is_headless:
            driver.write(data)

    def _suspended(self, _app: App[int]) -> None:
        self.caller.hold()

    def _resumed(self, _app: App[int]) -> None:
        self.caller.go_on()

    def _call(self, call: Call) -> None:
        if self._app.is_running and self._app.return_code is None:
            self.terminal.call(call, self._app.boot.loaded.config.notify)
            self._app.say(call.line, "warning" if call.bad else "information")

    def _first(self, news: Sequence[News]) -> None:
        if self._app.boot.loaded.config.notify.webhook is not None:
            self.posts.add(news)

    def _post(self, call: Call) -> None:
        self._app.work(self._told(call), "webhook")

    async def _told(self, call: Call) -> None:
        from quarterdeck_adapters.releasing.webhook import WebhookAnnouncer
        from quarterdeck_config.secrets import redact

        boot = self._app.boot
        name = boot.loaded.config.notify.webhook
        if name is None:
            return
        facts = {
            "kind": "watch", "service": call.lines[0].partition(":")[0] if call.count == 1 else f"{call.count} things",
            "environment": call.environment, "result": "badly" if call.bad else "well" if call.well else "changed",
            "actor": boot.actor.user, "origin": boot.actor.origin, "host": boot.actor.host,
            "message": call.line if call.count == 1 else "; ".join((call.line, *call.lines[1:])),
        }  # fmt: skip
        said = await WebhookAnnouncer(boot.loaded.config.webhooks, boot.context().secret, redact).tell([name], facts)
        if "not sent" in said:
            self._app.say(f"the webhook was not told: {said}", "warning")
