"""What leaves the deck: shells and the pager, which take the terminal, and files. A mixin of the app."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from msgspec.structs import replace

from quarterdeck.handover import hand_over
from quarterdeck.panes.lines import place_words
from quarterdeck.terminal import save_private
from quarterdeck_adapters.blocking import call
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.ledger import Entry, op_id
from quarterdeck_lifecycle.policy import Place
from quarterdeck_lifecycle.ports import OpensShell
from quarterdeck_lifecycle.records import Record
from quarterdeck_lifecycle.state import StateError, state_folder

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp

SAVE_S = 30.0


class Sessions:
    """Shells, the pager, saved texts."""

    @property
    def _owner(self) -> QuarterdeckApp:
        return cast("QuarterdeckApp", self)

    def open_shell(self, record: Record) -> None:
        """Hand the terminal over to a shell; the start, the end and the exit code are in the ledger."""
        from quarterdeck.screens.dialogs import Choice, MenuDialog
        from quarterdeck.screens.typed import TypedDialog

        source = self._owner.boot.hub.sources.get(record.ref.source)
        place = self._owner.boot.operator.place(record.ref, record)
        access = self._owner.boot.policy.access(place)
        if not access.open:
            self._owner.say(f"no shell: {access.why}", "warning")
            return
        if not isinstance(source, OpensShell):
            self._owner.say("no shell can be opened there", "warning")
            return

        def confirmed(answer: str | None) -> None:
            if answer not in (None, "no"):
                self._owner.work(self._shell(source, record, place), "shell")

        warning, unverified = "what it prints reaches your terminal unchecked", "what is done in it is not verified"
        if self._owner.boot.policy.guarded(place):
            title = f"SHELL IN {record.name} → {place_words(place).upper()}"
            self._owner.push_screen(TypedDialog(title, [warning, unverified], record.name), confirmed)
        else:
            lines = [Choice("yes", f"open the shell; {warning}"), Choice("no", "stay")]
            self._owner.push_screen(MenuDialog(f"shell in {record.name}", lines), confirmed)

    async def _shell(self, source: OpensShell, record: Record, place: Place) -> None:
        access = self._owner.boot.policy.access(place)
        if not access.open:
            self._owner.say(f"no shell: {access.why}", "warning")
            return
        session = source.shell(record.ref)
        op = op_id()
        start = Entry(op=op, action="container.shell", phase="intent", ref=str(record.ref), step="session")
        try:
            await self._owner.boot.ledger.append(start)
        except StateError as error:
            self._owner.say(f"no shell: the ledger cannot be written: {error}", "error")
            return
        result = "FAILED: the deck ended before the shell did"
        try:
            code = await hand_over(self._owner, session.argv, {**self._owner.boot.env, **session.env})
            result = f"{'SUCCEEDED' if code == 0 else 'FAILED'}: exit code {code}"
            self._owner.say(f"the shell in {record.name} ended with {code}", "information" if code == 0 else "warning")
        except OSError as error:
            result = f"FAILED: it could not be started: {error}"
            self._owner.say(f"no shell in {record.name}: {error}", "error")
        finally:
            with suppress(StateError):
                await self._owner.boot.ledger.append(replace(start, phase="outcome", result=result))
        self._owner.refresh()

    def save_text(self, name: str, text: str) -> None:
        """To a private file in the state folder; says where."""
        self._owner.work(self._save(name, text), "save")

    async def _save(self, name: str, text: str) -> None:
        try:
            path = await self._kept(name, text)
        except OSError as error:
            self._owner.say(f"not saved: {error}", "error")
        else:
            self._owner.say(f"saved to {path}")

    async def _kept(self, name: str, text: str) -> str:
        """The path of a private file; a long text is redacted and written off the loop. Raises OSError, Timeout."""
        folder = state_folder(self._owner.boot.env) / "saved"
        return await call(
            lambda: save_private(folder, name, redact(text)), deadline=SAVE_S, source="", what="writing the file"
        )

    def page_text(self, text: str) -> None:
        """In $PAGER, with the terminal handed over; the systems are still listened to."""
        self._owner.work(self._page(text), "pager")

    async def _page(self, text: str) -> None:
        path = ""
        try:
            argv = shlex.split(self._owner.boot.env.get("PAGER") or "less -R")
            path = await self._kept("pager", text)
            await hand_over(self._owner, [*argv, path], self._owner.boot.env)
        except (OSError, ValueError) as error:
            self._owner.say(f"no pager: {error}", "error")
        finally:
            if path:
                os.unlink(path)
        self._owner.refresh()
