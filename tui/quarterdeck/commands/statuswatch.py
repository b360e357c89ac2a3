"""`quarterdeck status --watch`: for pipes, a line whenever something changed, without a screen."""

from __future__ import annotations

import asyncio
import json
import select
import time

import click

from quarterdeck.boot import Boot
from quarterdeck.commands.status import DOWN, one_line, pane_json
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.records import PANES, State

PACE_S = 1.0
SETTLE_S = 10.0
"""So long the first line waits for sources that were not heard yet."""
READER_S = 0.5


def watch_status(boot: Boot, *, as_json: bool) -> int:
    """Ask as a deck does, and print what changed, at most once a second, until the reader or the user ends it."""
    try:
        return asyncio.run(_watch(boot, as_json))
    except KeyboardInterrupt:
        return 130


async def _watch(boot: Boot, as_json: bool) -> int:
    changed = asyncio.Event()
    reader = select.poll()
    reader.register(1, 0)
    began, said, code = time.monotonic(), "", 0
    try:
        boot.take_configured()
        leave = boot.hub.listen(lambda _kinds: changed.set())
        await boot.discover()
        changed.set()
        while not reader.poll(0):
            try:
                async with asyncio.timeout(READER_S):
                    await changed.wait()
            except TimeoutError:
                continue
            changed.clear()
            snapshots = boot.hub.snapshots()
            if any(snap.state is State.LOADING for snap in snapshots) and time.monotonic() - began < SETTLE_S:
                await asyncio.sleep(READER_S / 2)
                changed.set()
                continue
            code = 4 if boot.failed or any(snap.state in DOWN for snap in snapshots) else 0
            line, same = _said(boot, as_json)
            if same != said:
                said = same
                click.echo(line)
            await asyncio.sleep(PACE_S)
        leave()
        return code
    finally:
        await boot.close()


def _said(boot: Boot, as_json: bool) -> tuple[str, str]:
    """What is printed, and that of it which makes another line: ages alone do not."""
    views = [boot.hub.pane(pane) for pane in PANES]
    line = redact(one_line(views, boot))
    if not as_json:
        return line, line
    found = {view.pane: pane_json(view, boot) for view in views}
    still = {
        name: [pane["state"], pane["rows"], [source | {"age_s": None} for source in pane["sources"]]]
        for name, pane in found.items()
    }
    return redact(json.dumps(found, ensure_ascii=True)), json.dumps(still, default=str)
