"""A verb on one row from a screen above the deck: a reason where its place is shut, preview, confirmation, outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from quarterdeck.panes.lines import place_words
from quarterdeck.screens.confirm import ConfirmDialog
from quarterdeck.screens.dialogs import ArgumentsDialog, AskDialog
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.operate import READ_DEADLINE_S, deadline
from quarterdeck_lifecycle.ports import Preview
from quarterdeck_lifecycle.records import Record
from quarterdeck_lifecycle.verbs import Verb

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp

OPEN_S = 120.0
"""How long the reason that was given opens the place."""


Done = Callable[[], None]


def act_on(app: QuarterdeckApp, verb: Verb, record: Record, done: Done | None = None) -> None:
    """Have `verb` confirmed and carried out on `record`, as it is known now; `done` is called behind its outcome."""
    operator = app.boot.operator
    try:
        why_not = operator.action(verb, record.ref).permitted(record)
    except QuarterdeckError as error:
        why_not = error.what
    if why_not:
        app.say(f"{verb.title}: {why_not}", "warning")
        return
    if any(argument.ask for argument in verb.args):
        app.push_screen(
            ArgumentsDialog(verb), lambda args: None if args is None else _opened(app, verb, record, args, done)
        )
    else:
        _opened(app, verb, record, {argument.name: argument.default for argument in verb.args}, done)


def _opened(
    app: QuarterdeckApp, verb: Verb, record: Record, args: dict[str, str], done: Done | None
) -> None:
    policy = app.boot.policy
    place = app.boot.operator.place(record.ref, record)
    access = policy.access(place)
    if access.open:
        app.work(_preview(app, verb, record, args, "", done), f"preview of {verb.title}")
        return

    def answered(reason: str | None) -> None:
        if reason is None:
            return
        opened = policy.open_for(place, reason, OPEN_S)
        if opened.open:
            app.work(_preview(app, verb, record, args, reason, done), f"preview of {verb.title}")
        else:
            app.say(f"{verb.title}: {opened.why}", "warning")

    question = f"{access.why.partition(': W ')[0]}. Why do you need to?"
    app.push_screen(AskDialog(f"{verb.title}: {record.name} in {place_words(place)}", question), answered)


async def _preview(
    app: QuarterdeckApp, verb: Verb, record: Record, args: dict[str, str], why: str, done: Done | None
) -> None:
    operator, pressed, screen = app.boot.operator, app.keys_pressed, app.screen
    preview = await operator.preview(verb, record.ref, args)
    confirm = operator.confirmation(verb, record.ref, record)
    if app.keys_pressed != pressed or app.screen is not screen:
        app.say(f"the preview of {verb.title} is ready; press its key again", "warning")
        return
    place = operator.place(record.ref, record)
    shown = preview if preview.record is not None else _with(preview, record)
    dialog = ConfirmDialog(verb, [shown], confirm, place_words(place), app.boot.policy.guarded(place), app)

    def answered(answer: str | None) -> None:
        if answer is not None:
            app.work(_perform(app, verb, shown, why or answer, done), verb.title)

    app.push_screen(dialog, answered)


def _with(preview: Preview, record: Record) -> Preview:
    import msgspec

    return msgspec.structs.replace(preview, record=record)


async def _perform(
    app: QuarterdeckApp, verb: Verb, preview: Preview, why: str, done: Done | None
) -> None:
    name = preview.record.name if preview.record is not None else preview.ref.id
    app.begin_operation(f"{verb.title} {name}", deadline(preview) + READ_DEADLINE_S)
    try:
        result = await app.boot.operator.perform(preview, why=why)
    finally:
        app.end_operation()
    well = result.result == "SUCCEEDED"
    app.say(f"{verb.title} {name}: {result.result.lower()}. {result.message}", "information" if well else "error")
    if done is not None:
        done()
