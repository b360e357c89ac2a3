"""Every picture in screenshots/, SVG and PNG, at 80x24 and 160x45, of the practice world: `make screenshots`."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from pathlib import Path

from quarterdeck.app import QuarterdeckApp
from quarterdeck.boot import Boot
from quarterdeck.commands.demo import practice_world
from quarterdeck_config.secrets import redact

FOLDER = Path(__file__).parent.parent / "screenshots"
FONT = "DejaVu Sans Mono"
SIZES = ((80, 24), (160, 45))
FRAUD = "3 z right_square_bracket slash f r a u d - a p i enter "
"""To the services of that name: first in prod, where it is in trouble."""
STAGING = "3 z right_square_bracket slash s t a g i n g enter ~fraud-api down"
"""To fraud-api in staging, which stands below etl, for that is in trouble there."""
ENDED = "~" * 30
"""Time for the release of the picture before to end."""
SETTLE_S = 30.0
SCREENS: dict[str, str | tuple[str, ...]] = {
    "deck": "",
    "repositories": "1 z",
    "repository-detail": "1 d right_square_bracket",
    "pipelines": "2 z",
    "run-jobs": "2 enter",
    "pull-requests": "2 z right_square_bracket",
    "containers": "3 z",
    "container-detail": "3 d",
    "container-log": "3 l",
    "services": "3 z right_square_bracket",
    "images": "3 z right_square_bracket right_square_bracket",
    "registry-tags": "3 z right_square_bracket right_square_bracket right_square_bracket",
    "restart-confirm": "3 W I N C - 4 enter R",
    "deploy": f"{FRAUD} D enter ~runs·now ~~ tab",
    "operation": (
        f"{STAGING} D down enter ~Deploy·(y) ~~ y ~soak·0:04",
        f"{ENDED} {STAGING} D down enter ~Deploy·(y) ~~ y ~soak·0:04",
    ),
    "history": f"{ENDED} {STAGING} enter",
    "operations": "9",
    "models": "4 z",
    "training-runs": "4 z right_square_bracket right_square_bracket",
    "endpoints": "4 z right_square_bracket right_square_bracket right_square_bracket",
    "metrics": "5 enter",
    "alerts": "5 z right_square_bracket",
    "hosts": "5 z right_square_bracket right_square_bracket",
    "needs": "0",
    "trace": "3 t",
    "where": "3 colon w h e r e enter",
    "changes": "c",
    "ledger": "v",
    "help": "3 question_mark",
    "command-line": "3 colon",
    "mend": "5 e",
}


async def picture(boot: Boot, width: int, height: int, keys: list[str]) -> str:
    """An SVG of the deck after these keys: `~words` waits until the screen shows them (`·` is a blank), each other `~`
    a second more."""
    app = QuarterdeckApp(boot, last_view=False)
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.pause()
        await app.busy.idle(SETTLE_S)
        for key in keys:
            if key.strip("~"):
                words = key.strip("~").replace("·", " ")
                if key.startswith("~"):
                    until = time.monotonic() + SETTLE_S
                    while words not in _text(app):
                        if time.monotonic() > until:
                            raise SystemExit(f"{words} is not shown:\n{_text(app)}")
                        await pilot.pause(0.1)
                else:
                    await pilot.press({"-": "minus"}.get(key, key))
                    await pilot.pause()
                    await app.busy.idle(SETTLE_S)
            else:
                await pilot.pause(float(len(key)))
        await pilot.pause(2.0)
        return redact(app.export_screenshot(title="quarterdeck"))


def _text(app: QuarterdeckApp) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def png(svg: str) -> bytes:
    """The SVG as a PNG, with a font that is installed and holds braille."""
    import resvg_py

    plain = re.sub(r"@font-face\s*\{[^}]*\}", "", svg).replace("Fira Code", FONT)
    return bytes(resvg_py.svg_to_bytes(svg_string=plain, font_family=FONT, monospace_family=FONT))


def main(wanted: list[str]) -> None:
    """Make all, or those named."""
    FOLDER.mkdir(exist_ok=True)
    with practice_world(1) as (world, _):
        for name, pressed in SCREENS.items():
            if wanted and name not in wanted:
                continue
            for place, (width, height) in enumerate(SIZES):
                boot = Boot(cwd=world.cwd, discovery=("git", "host"), env=world.env, title="practice world")
                keys = pressed if isinstance(pressed, str) else pressed[place]
                svg = asyncio.run(picture(boot, width, height, keys.split()))
                path = FOLDER / f"{name}-{width}x{height}"
                path.with_suffix(".svg").write_text(svg, encoding="utf-8")
                path.with_suffix(".png").write_bytes(png(svg))
                print(path.name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
