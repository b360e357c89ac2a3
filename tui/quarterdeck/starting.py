"""Starting a run: what its pipeline may be given is asked of the system first, and has a field each."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from quarterdeck.screens.dialogs import ArgumentsDialog
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Parameter, TakesParameters
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.verbs import Argument, Verb

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen

ASK_S = 20.0
MOST = 30
"""Fields of one dialog; a pipeline that takes more is given the rest as key=value."""


def form(verb: Verb, run: Run | None, parameters: Sequence[Parameter]) -> Verb:
    """The verb with an argument for each parameter instead of one line for all."""
    kept = []
    for argument in verb.args:
        if argument.name == "ref" and run is not None and run.branch:
            kept.append(msgspec.structs.replace(argument, default=run.branch))
        elif argument.name != "inputs":
            kept.append(argument)
    for place, parameter in enumerate(parameters[:MOST]):
        words = parameter.name + (f": {parameter.title}" if parameter.title else "")
        where = ", as env:NAME or file:/PATH" if parameter.secret else ""
        field = Argument(
            name=f"input-{place}", prompt=words + where, default=parameter.default, choices=parameter.choices,
            required=parameter.required,
        )  # fmt: skip
        kept.append(field)
    if len(parameters) > MOST:
        kept.append(Argument(name="inputs", prompt="further inputs: key=value ...", required=False))
    return msgspec.structs.replace(verb, args=tuple(kept))


def answered(args: dict[str, str], parameters: Sequence[Parameter]) -> dict[str, str]:
    """The fields of the form as the verb's own arguments. What was left at its default is not sent."""
    made = {name: value for name, value in args.items() if not name.startswith("input-")}
    given = [
        f"{parameter.name}={value}"
        for place, parameter in enumerate(parameters[:MOST])
        if (value := args.get(f"input-{place}", "")) != parameter.default
    ]
    made["inputs"] = " ".join(filter(None, (shlex.join(given), made.get("inputs", ""))))
    return made


def ask(deck: DeckScreen, verb: Verb, ref: Ref, go: Callable[[dict[str, str]], None]) -> bool:
    """Ask what a new run is given, then `go` on with its arguments. False where the system does not say."""
    source = deck.app.boot.hub.sources.get(ref.source)
    if not isinstance(source, TakesParameters):
        return False
    deck.app.work(_ask(deck, source, verb, ref, go), f"what {verb.title} may be given")
    return True


async def _ask(
    deck: DeckScreen, source: TakesParameters, verb: Verb, ref: Ref, go: Callable[[dict[str, str]], None]
) -> None:
    record, pressed = deck.app.boot.hub.find(ref), deck.app.keys_pressed
    run = record if isinstance(record, Run) else None
    deck.app.say(f"asking {ref.source} what a new run may be given")
    parameters: Sequence[Parameter] = ()
    whole = True
    try:
        parameters = await deck.app.boot.bounded(source.parameters(ref), ASK_S, "its parameters", ref.source)
    except QuarterdeckError as error:
        whole = False
        deck.app.say(f"what it may be given is not known: {error.short}", "warning")
    if deck.app.keys_pressed != pressed or deck.app.screen is not deck:
        # A dialog that comes late would take keys that were meant for something else.
        deck.app.say(f"{verb.title} is ready; press its key again", "warning")
        return
    dialog = ArgumentsDialog(form(verb, run, parameters) if whole else verb)
    deck.app.push_screen(
        dialog, lambda args: None if args is None else go(answered(args, parameters) if whole else args)
    )
