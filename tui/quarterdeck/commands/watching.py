"""Waiting for an operation: its events as they come, and what Ctrl-C asks. Leaving never aborts anything."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from contextlib import suppress
from datetime import datetime

import click

from quarterdeck.commands.ending import fail
from quarterdeck.releasing.desk import Desk
from quarterdeck_adapters.blocking import call
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.release.model import Event, Plan

EXIT = {"SUCCEEDED": 0, "ROLLED_BACK": 1, "FAILED": 1, "ABORTED": 1, "STUCK": 1, "REFUSED": 3}
LEFT = 130
FRESH_S = 1.0
"""An event that is older when it comes was not seen live."""
QUIET_S = 10.0
"""A step that says nothing for so long is mentioned, in seconds."""
QUESTION = "Ctrl-C: [d] detach, it goes on without you; [a] abort and put back; anything else waits on. d/a? "


async def watch(desk: Desk, op: str, *, as_json: bool, plan: Plan | None = None) -> int:
    """Print events until the last; answers the exit code of the result. Detached by Ctrl-C: 130."""
    loop = asyncio.get_running_loop()
    interrupts: asyncio.Queue[None] = asyncio.Queue()
    with suppress(NotImplementedError, ValueError):
        loop.add_signal_handler(signal.SIGINT, interrupts.put_nowait, None)
    printer = Printer(op, plan, as_json=as_json, live=sys.stderr.isatty())
    following = loop.create_task(_follow(desk, op, printer))
    asking = loop.create_task(_interrupted(desk, op, interrupts, answering=sys.stdin.isatty()))
    try:
        await asyncio.wait({following, asking}, return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            return following.result()
        if (failed := asking.exception()) is not None:
            raise failed
        printer.quiet()
        click.echo(f"quarterdeck: detached; it goes on: quarterdeck attach {op}", err=True)
        return LEFT
    finally:
        for task in (following, asking):
            task.cancel()
        with suppress(NotImplementedError, ValueError):
            loop.remove_signal_handler(signal.SIGINT)


async def _follow(desk: Desk, op: str, printer: Printer) -> int:
    events: asyncio.Queue[Event | None] = asyncio.Queue()

    async def pump() -> None:
        try:
            async for event in desk.follow(op):
                await events.put(event)
        finally:
            await events.put(None)

    pumping = asyncio.get_running_loop().create_task(pump())
    last: Event | None = None
    try:
        while True:
            try:
                event = await asyncio.wait_for(events.get(), 1.0)
            except TimeoutError:
                printer.tick()
                continue
            if event is None:
                break
            last = event
            printer.event(event)
        await pumping
    finally:
        pumping.cancel()
        printer.quiet()
    if last is None or not last.result:
        return fail(f"operation {op}: {last.message if last else 'it said nothing'}", 1)
    return EXIT.get(last.result, 1)


async def _interrupted(desk: Desk, op: str, interrupts: asyncio.Queue[None], *, answering: bool) -> None:
    """Return when the operator leaves; asks on a terminal, and leaves at once at the second Ctrl-C."""
    while True:
        await interrupts.get()
        if not answering:
            return
        click.echo(f"\n{QUESTION}", err=True, nl=False)
        loop = asyncio.get_running_loop()
        answer = loop.create_task(call(sys.stdin.readline, deadline=3600, source="terminal", what="your answer"))
        again = loop.create_task(interrupts.get())
        await asyncio.wait({answer, again}, return_when=asyncio.FIRST_COMPLETED)
        if again.done():
            answer.cancel()
            return
        again.cancel()
        said = answer.result().strip().lower()
        if said == "d" or not said:
            return
        if said == "a":
            try:
                await desk.ask(op, "abort", "Ctrl-C")
                click.echo("quarterdeck: abort asked; waiting for its end", err=True)
            except QuarterdeckError as error:
                click.echo(redact(f"quarterdeck: {error}"), err=True)


class Printer:
    """One line a step, with how long it took of how long it may; what it says meanwhile where it is long silent.

    With `live` the step under way has a line of its own on standard error, which is written over.
    """

    def __init__(self, op: str, plan: Plan | None, *, as_json: bool, live: bool) -> None:
        self._op = op
        self._plan = plan
        self._json = as_json
        self._live = live and not as_json
        self._step = ""
        self._said = ""
        self._began: tuple[float, float] = (0.0, 0.0)
        self._fresh = False
        self._heard = self._mentioned = time.monotonic()
        self._drawn = False

    def event(self, event: Event) -> None:
        """Take an event in."""
        self._heard = time.monotonic()
        if self._json:
            print(redact(json.dumps(event.to_dict())), flush=True)
            return
        if event.phase == "intent":
            at = _epoch(event.at)
            self._fresh = abs(time.time() - at) < FRESH_S
            self._step, self._said, self._began = event.step, "", (at, time.monotonic())
            self._mentioned = time.monotonic()
        elif event.result:
            self._line(f"{event.result}: {event.message}")
        elif event.phase == "outcome":
            word, _, rest = event.message.partition(": ")
            glyph = "✓" if word == "DONE" else "✗"
            self._line(f"{glyph} {event.step}  {_took(self._elapsed(event))}{self._limit(event.step)}  {rest}")
            self._step = ""
        elif event.phase == "progress":
            self._said = event.message
        else:
            self._line(f"  {event.message}")
        self.tick()

    def tick(self) -> None:
        """Say how the step under way is doing."""
        if self._json or not self._step:
            return
        quiet = time.monotonic() - self._heard
        running = time.monotonic() - self._began[1]
        told = f"  {self._step}  {_took(running)}{self._limit(self._step)}"
        told += f"  {self._said}" if self._said else ""
        if quiet >= QUIET_S / 2:
            told += f"  (last output {_took(quiet)} ago)"
        if self._live:
            self.quiet()
            sys.stderr.write(redact(told)[:200])
            sys.stderr.flush()
            self._drawn = True
        elif time.monotonic() - self._mentioned >= QUIET_S:
            self._mentioned = time.monotonic()
            click.echo(redact(told))

    def quiet(self) -> None:
        """Take the line of the step under way off the terminal."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False

    def _line(self, text: str) -> None:
        self.quiet()
        click.echo(redact(text.rstrip()))

    def _elapsed(self, event: Event) -> float:
        """By our own clock where the step was seen live; else by the runner's two times."""
        at, seen = self._began
        return time.monotonic() - seen if self._fresh else max(0.0, _epoch(event.at) - at)

    def _limit(self, id: str) -> str:
        step = self._plan.step(id) if self._plan is not None else None
        return f" of {step.deadline_s:g} s" if step is not None else ""


def _took(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def _epoch(at: str) -> float:
    try:
        return datetime.fromisoformat(at).timestamp()
    except ValueError:
        return 0.0


