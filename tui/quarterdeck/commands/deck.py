"""Opening the deck in this terminal."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from quarterdeck.boot import Boot
from quarterdeck.terminal import refusal


def open_deck(
    *,
    config: Path | None = None,
    read_only: bool = False,
    mouse: bool = True,
    debug: bool = False,
    last_view: bool = True,
    boot: Boot | None = None,
) -> int:
    """Run the deck; answers the exit code."""
    why = refusal(os.environ, sys.stdin.isatty(), sys.stdout.isatty())
    if why:
        print(f"quarterdeck: {why}", file=sys.stderr)
        return 2
    if config is not None and not config.is_file():
        print(f"quarterdeck: --config {config}: no such file", file=sys.stderr)
        return 2
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    boot = boot or Boot(config=config, read_only=read_only)
    from quarterdeck.terminal import slow_link

    if slow_link(boot.loaded.config.slow_link, boot.env):
        os.environ.setdefault("TEXTUAL_FPS", "15")
    # Nothing of what starts the deck is garbage; the app turns the collector on once it is painted.
    gc.disable()
    from quarterdeck.app import QuarterdeckApp
    from quarterdeck.driver import DeckDriver

    async def run() -> int:
        app = QuarterdeckApp(boot, mouse=mouse, debug=debug, last_view=last_view)
        app.driver_class = DeckDriver
        loop = asyncio.get_running_loop()
        for name in (signal.SIGHUP, signal.SIGTERM):
            with suppress(NotImplementedError):
                loop.add_signal_handler(name, app.exit, 128 + name)
        try:
            code = await app.run_async(mouse=mouse)
        finally:
            if app.watching is not None:
                app.watching.leave()
        return code or (70 if app.crash_file else 0)

    return asyncio.run(run())
