"""Every picture in screenshots/, SVG and PNG, at 80x24 and 160x45, of the practice world: `make screenshots`."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from quarterdeck.boot import Boot
from quarterdeck.commands.demo import practice_world
from quarterdeck.commands.screenshot import picture

FOLDER = Path(__file__).parent.parent / "screenshots"
FONT = "DejaVu Sans Mono"
SIZES = ((80, 24), (160, 45))
SCREENS: dict[str, str] = {
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
    "models": "4 z",
    "training-runs": "4 z right_square_bracket right_square_bracket",
    "endpoints": "4 z right_square_bracket right_square_bracket right_square_bracket",
    "metrics": "5 enter",
    "alerts": "5 z right_square_bracket",
    "hosts": "5 z right_square_bracket right_square_bracket",
    "needs": "0",
    "changes": "c",
    "ledger": "v",
    "help": "3 question_mark",
    "command-line": "3 colon",
    "mend": "5 e",
}


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
            for width, height in SIZES:
                boot = Boot(cwd=world.cwd, discovery=("git", "host"), env=world.env, title="practice world")
                keys = tuple({"-": "minus"}.get(key, key) for key in pressed.split())
                svg = asyncio.run(picture(boot, width, height, keys))
                path = FOLDER / f"{name}-{width}x{height}"
                path.with_suffix(".svg").write_text(svg, encoding="utf-8")
                path.with_suffix(".png").write_bytes(png(svg))
                print(path.name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
