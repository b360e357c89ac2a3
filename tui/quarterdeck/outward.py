"""Ways out of the deck: the operator's own commands, `:!program`, a found kubeconfig, the calls made. A mixin."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from msgspec.structs import replace

from quarterdeck.panes.lines import place_words
from quarterdeck_config.schema import Command
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.ledger import Entry, op_id
from quarterdeck_lifecycle.owner import owner_of
from quarterdeck_lifecycle.records import Record
from quarterdeck_lifecycle.state import StateError
from quarterdeck_lifecycle.text import clean_line
from quarterdeck_lifecycle.verbs import Verb

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen

PREFIX = "commands."
KUBE_S = 5.0
OWNERS = 4
"""How far a row's owners are followed for a page."""


class Outward:
    """Programs that take the terminal and give it back. Argv only, never a shell; each is in the ledger."""

    @property
    def _leaving(self) -> DeckScreen:
        return cast("DeckScreen", self)

    def do_link(self) -> None:
        """The web address of the row under the cursor."""
        self.link(self._leaving.record)

    def link(self, record: Record | None) -> None:
        """A row's web address, shown and copied; several to choose from where it has no page of its own."""
        from quarterdeck_lifecycle.webaddress import addresses, hosts_of

        app = self._leaving.app
        if record is None:
            return
        records = app.boot.hub.records()
        owners: list[Record] = []
        while len(owners) < OWNERS and (owner := owner_of(owners[-1] if owners else record, records)) is not None:
            if owner is record or owner in owners:
                break
            owners.append(owner)
        sources = {name: source.address for name, source in app.boot.hub.sources.items()}
        hosts = hosts_of(sources.values(), [row.url for row in records if row.kind == "repository"])
        found = addresses(record, owners, sources, hosts)
        good = [address for address in found if not address.why_not]
        if not found:
            kind = record.kind.replace("_", " ")
            app.say(f"this row has no web address: no page of a {kind} is known, nor of what owns it", "warning")
        elif not good:
            app.say(f"{found[0].why_not}: {found[0].url[:80]} (not copied)", "warning")
        elif len(good) == 1 or good[0].url == record.url:
            app.copy(good[0].url)
        else:
            app.choose(f"web address of {record.name}", [(each.what, each.url) for each in good], app.copy)

    def do_log(self) -> None:
        """Every call that was made."""
        from quarterdeck.screens.calls import CallsScreen

        self._leaving.app.push_screen(CallsScreen())

    def do_kube(self) -> None:
        """The contexts of the kubeconfig here."""
        self._leaving.app.work(self._kube(), "reading the kubeconfig")

    async def _kube(self) -> None:
        from quarterdeck.screens.kube import KubeScreen
        from quarterdeck_adapters.blocking import call
        from quarterdeck_config.kubeconfig import read_kube

        app = self._leaving.app
        found = await call(
            lambda: read_kube(app.boot.env), deadline=KUBE_S, source="kube", what="reading the kubeconfig"
        )
        app.push_screen(KubeScreen(found))

    # commands of the config

    def own_command(self, verb: Verb) -> Command | None:
        """The command behind a verb; None for a verb of the program's."""
        if not verb.id.startswith(PREFIX):
            return None
        return self._leaving.app.boot.loaded.config.commands.get(verb.id.removeprefix(PREFIX))

    def own_why_not(self, command: Command, record: Record | None) -> str:
        """Why a command cannot run on a row now; empty when it may."""
        boot = self._leaving.app.boot
        if not command.dangerous:
            return ""
        if record is not None:
            access = boot.policy.access(boot.operator.place(record.ref, record))
            return "" if access.open else access.why
        return "the deck was started with --read-only" if boot.policy.read_only else boot.unreadable

    def run_own(self, verb: Verb) -> None:
        """Fill the template from the row under the cursor, have it confirmed, run it."""
        from quarterdeck_lifecycle.owncommands import fields, filled, filled_env

        command, deck = self.own_command(verb), self._leaving
        if command is None:
            return
        record = deck.record
        if command.scopes:
            if deck.table.cursor_is_ghost or record is None or record.kind not in command.scopes:
                deck.app.say(f"{verb.title}: not for this row, but for {', '.join(command.scopes)}", "warning")
                return
            if len(deck.refs) > 1:
                deck.app.say(f"{verb.title} works on one row at a time", "warning")
                return
        if why := self.own_why_not(command, record if command.scopes else None):
            deck.app.say(f"{verb.title}: {why}", "warning")
            if record is not None:
                deck.app.work(deck.app.boot.operator.refuse(verb, record.ref, why), "ledger")
            return
        try:
            values = fields(record) if record is not None else {}
            argv = filled(verb.title, command.argv, values)
            env = filled_env(verb.title, command.env, values)
        except QuarterdeckError as error:
            deck.app.say(str(error), "error")
            return
        self._confirm_own(verb, command, record if command.scopes else None, argv, env)

    def _confirm_own(
        self, verb: Verb, command: Command, record: Record | None, argv: Sequence[str], env: Mapping[str, str]
    ) -> None:
        from quarterdeck.screens.dialogs import Choice, MenuDialog
        from quarterdeck.screens.typed import TypedDialog

        app = self._leaving.app
        line = shown(argv, app.boot.loaded.config.secret_names)
        ref = str(record.ref) if record is not None else ""

        def confirmed(answer: str | None) -> None:
            if answer in (None, "no"):
                return
            why = self.own_why_not(command, record)
            if why:
                app.say(f"{verb.title}: {why}", "warning")
            else:
                self.run_program(argv, action=verb.id, ref=ref, env=env, pause=command.pause)

        if command.dangerous:
            where = f" → {place_words(app.boot.operator.place(record.ref, record)).upper()}" if record else ""
            warnings = [f"runs  {line}", "what it does is not previewed and not verified"]
            expected = clean_line(record.name if record is not None else verb.title)
            app.push_screen(TypedDialog(f"{verb.title.upper()}{where}", warnings, expected), confirmed)
        elif command.confirm:
            lines = [Choice("yes", f"run {line}"), Choice("no", "stay")]
            app.push_screen(MenuDialog(f"{verb.title}: in this terminal, until it ends", lines), confirmed)
        else:
            confirmed("yes")

    # :!program

    def escape(self, text: str) -> None:
        """`!program args`: hand the terminal over; `!!program` waits for Enter behind its output. No shell."""
        app = self._leaving.app
        pause = text.startswith("!!")
        try:
            argv = shlex.split(text.lstrip("!"))
        except ValueError as error:
            app.say(f"not understood: {error}", "warning")
            return
        if not argv:
            app.say("which program? :!lazygit, :!k9s --context NAME, :!!git log -3", "warning")
        elif app.boot.policy.read_only:
            app.say("no program: the deck was started with --read-only (name it under commands: instead)", "warning")
        else:
            self.run_program(argv, action="program", pause=pause)

    def run_program(
        self, argv: Sequence[str], *, action: str, ref: str = "", env: Mapping[str, str] | None = None,
        pause: bool = False,
    ) -> None:  # fmt: skip
        """Hand the terminal to a program until it ends; intent and outcome are in the ledger."""
        self._leaving.app.work(self._program(argv, action, ref, env or {}, pause), argv[0])

    async def _program(self, argv: Sequence[str], action: str, ref: str, env: Mapping[str, str], pause: bool) -> None:
        from quarterdeck.handover import hand_over

        app = self._leaving.app
        name = clean_line(argv[0], 60)
        note = shown(argv, app.boot.loaded.config.secret_names)
        start = Entry(op=op_id(), action=action, phase="intent", ref=ref, step="session", after=note)
        try:
            await app.boot.ledger.append(start)
        except StateError as error:
            app.say(f"{name} is not run: the ledger cannot be written: {error}", "error")
            return
        result = "FAILED: the deck ended before it did"
        try:
            code = await hand_over(app, argv, {**app.boot.env, **env}, cwd=app.boot.cwd, pause=pause)
            result = f"{'SUCCEEDED' if code == 0 else 'FAILED'}: exit code {code}"
            app.say(f"{name} ended with {code}", "information" if code == 0 else "warning")
        except FileNotFoundError:
            result = "FAILED: it is not installed"
            app.say(f"{name} is not installed, or not on the PATH", "error")
        except OSError as error:
            result = f"FAILED: it could not be started: {error}"
            app.say(f"{name} did not start: {error}", "error")
        finally:
            with suppress(StateError):
                await app.boot.ledger.append(replace(start, phase="outcome", result=result))
        app.refresh()


def shown(argv: Sequence[str], secret_names: Sequence[str]) -> str:
    """An argv as it would be typed, without secrets."""
    from quarterdeck_config.masking import mask_args

    return clean_line(shlex.join(mask_args(argv, secret_names)), 400)
