"""`quarterdeck wait REF`: until what matters about it happens, by the rules of the deck's watches."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import click
import msgspec

from quarterdeck.boot import Boot
from quarterdeck.commands.ending import ended, fail
from quarterdeck.commands.refs import find
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.feed import Feed, Snapshot
from quarterdeck_lifecycle.records import PANES, Record, Ref, State
from quarterdeck_lifecycle.text import clean_line
from quarterdeck_lifecycle.waiting import absent, at_once, step
from quarterdeck_lifecycle.watches import Watch, begun, look, unseen
from quarterdeck_lifecycle.watchrules import LISTED_WHILE_ACTIVE, Told

TIMED_OUT = 124
"""As timeout(1) ends."""
LEFT = 130
ANSWER_S = 10.0
SILENT_S = 300.0
"""A source that has not answered for so long is not waited for any more, in seconds."""
DOWN = (State.ERROR, State.AUTH, State.UNSUPPORTED)


@click.command()
@click.argument("ref")
@click.option("--for", "word", default="", metavar="WORD", help="until it is WORD: success, healthy, firing, gone ...")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="seconds; 124 when they are over")
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
@click.pass_context
def wait(ctx: click.Context, ref: str, word: str, timeout: float | None, as_json: bool) -> None:
    """Wait for REF: a run, training run or operation ends, an alert fires or clears, an alias moves, a container is
    healthy or ends; with --for, until its state is WORD.

    Exit codes: 0 it happened well, 1 it ended badly, fires, or is not there, 2 usage, 4 its source does not answer,
    124 the time is over, 130 Ctrl-C.
    """
    boot = Boot(config=ctx.obj["config"], read_only=True)
    try:
        ctx.exit(asyncio.run(ended(boot, wait_for(boot, ref, word=word, timeout=timeout, as_json=as_json))))
    except KeyboardInterrupt:
        ctx.exit(LEFT)


async def wait_for(
    boot: Boot, words: str, *, word: str = "", timeout: float | None = None, as_json: bool = False
) -> int:
    """Wait, and print; answers the exit code. Raises Ambiguous."""
    said = Lines(words, as_json)
    try:
        async with asyncio.timeout(timeout):
            return await _wait(boot, words, word, said)
    except TimeoutError:
        return said.end("TIMEOUT", f"not within {timeout:g} s; {said.state}", TIMED_OUT)
    except Unavailable as error:
        return said.end("UNAVAILABLE", str(error), 4)


async def _wait(boot: Boot, words: str, word: str, said: Lines) -> int:
    ref = await _ref(boot, words)
    if ref is None:
        return said.end("NOT_THERE", "nothing here is called that", 1)
    said.ref = str(ref)
    source = boot.hub.sources.get(ref.source)
    if source is None or ref.kind not in source.kinds:
        return said.end("NOT_THERE", f"there is no source {ref.source} with rows of kind {ref.kind}", 1)
    news: asyncio.Queue[Snapshot] = asyncio.Queue()
    feed = Feed(source, ref.kind, lambda _old, new: news.put_nowait(new), boot.busy, now=boot.now)
    first = await feed.once()
    record = _row(first, ref)
    watch = begun("wait", record, boot.now()) if record is not None else Watch(id="wait", ref=ref, name=ref.id, at=0.0)
    if first.state is not State.FRESH:
        raise Unavailable(f"waiting for {ref}", source=ref.source, why=str(first.error or first.state))
    view = look(first, ref, record)
    if record is None and not view.gone and word != "gone":
        return said.end("NOT_THERE", f"not among the rows: {view.why}", 1)
    if record is None and ref.kind in LISTED_WHILE_ACTIVE:
        watch = absent(watch)
    said.name = watch.name
    told = at_once(watch, record, word)
    if told is not None:
        return said.told(told)
    said.line(f"waits until it is {word}" if word else f"waits for {watch.aim}", record.state if record else "inactive")
    feed.start()
    try:
        return await _follow(feed, news, watch, word, said)
    finally:
        await feed.stop()


async def _follow(feed: Feed, news: asyncio.Queue[Snapshot], watch: Watch, word: str, said: Lines) -> int:
    """Look at every answer until one ends the waiting."""
    loop = asyncio.get_running_loop()
    silent: float | None = None
    while True:
        try:
            async with asyncio.timeout(None if silent is None else max(0.0, silent + SILENT_S - loop.time())):
                snapshot = await news.get()
        except TimeoutError:
            why = f"{feed.source.name} has not answered for {SILENT_S:g} s: {feed.snapshot.error}"
            return said.end("UNAVAILABLE", why, 4)
        record = _row(snapshot, watch.ref)
        view = look(snapshot, watch.ref, record)
        if view.record is None and not view.gone:
            told, facts = unseen(watch, view.why)
            if view.lasting:
                return said.end("UNAVAILABLE", view.why, 4)
            silent = loop.time() if silent is None else silent
        else:
            silent = None
            told, facts = step(watch, view.record, word)
        watch = msgspec.structs.replace(watch, facts=facts)
        if told is not None and told.final:
            return said.told(told)
        if told is not None:
            said.line(told.text, record.state if record is not None else "")


async def _ref(boot: Boot, words: str) -> Ref | None:
    """What the words name; None for nothing. Only where they are no ref is everything asked."""
    boot.take_configured()
    try:
        ref = Ref.parse(words)
    except ValueError:
        pass
    else:
        if ref.source not in boot.hub.sources:
            await boot.discover()
        return ref
    await boot.discover()
    await boot.hub.once(ANSWER_S, (*PANES, ""))
    try:
        found = find(words, boot.hub.records())
    except LookupError:
        down = [snap for snap in boot.hub.snapshots() if snap.state in DOWN and snap.error is not None]
        if down:
            raise Unavailable(f"nothing is called {words} here", why=str(down[0].error)) from None
        return None
    return found.ref if isinstance(found, Record) else found


def _row(snapshot: Snapshot, ref: Ref) -> Record | None:
    return next((row for row in snapshot.rows if row.ref == ref), None)


class Lines:
    """What is printed: words for people, or one JSON object a line `{ref, seq, at, state, message}`, the last one
    `{ref, result, message}`. Results: DONE, FAILED, NOT_THERE, TIMEOUT, UNAVAILABLE."""

    def __init__(self, words: str, as_json: bool) -> None:
        self.ref = clean_line(words, 300)
        self.name = self.ref
        self.state = "it was not found yet"
        self._json = as_json
        self._seq = 0

    def line(self, message: str, state: str) -> None:
        """Something on the way."""
        self._seq += 1
        self.state = f"it is {state}"
        if self._json:
            at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            self._print({"ref": self.ref, "seq": self._seq, "at": at, "state": state, "message": message})
        else:
            click.echo(clean_line(redact(f"{self.name} ({state}) {message}")))

    def told(self, told: Told) -> int:
        """The end, by what was told."""
        if told.word == "gone":
            return self.end("NOT_THERE", told.text, 1)
        return self.end("FAILED", told.text, 1) if told.good is False else self.end("DONE", told.text, 0)

    def end(self, result: str, message: str, code: int) -> int:
        """The result, and its exit code."""
        if self._json:
            self._print({"ref": self.ref, "result": result, "message": message})
        elif code in (0, 1) and result != "NOT_THERE":
            click.echo(clean_line(redact(f"{self.name}: {message}")))
        else:
            fail(clean_line(redact(f"{self.name}: {message}")), code)
        return code

    def _print(self, fields: dict[str, object]) -> None:
        click.echo(redact(json.dumps(fields)))
