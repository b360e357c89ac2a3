"""`quarterdeck screenshot PATH`: a picture of the deck as it is here, redacted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from quarterdeck.boot import Boot
from quarterdeck_config.secrets import redact


async def picture(boot: Boot, width: int, height: int, keys: tuple[str, ...] = (), settle: float = 30.0) -> str:
    """An SVG of the deck after these keys, once nothing is under way any more (at most `settle` seconds)."""
    from quarterdeck.app import QuarterdeckApp

    app = QuarterdeckApp(boot)
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.pause()
        await app.busy.idle(settle)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
            await app.busy.idle(settle)
        await pilot.pause(2.0)
        return redact(app.export_screenshot(title="quarterdeck"))


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--size", default="120x40", show_default=True, help="WIDTHxHEIGHT in cells")
@click.option("--keys", "pressed", default="", help="keys to press first, separated by spaces, such as '3 enter'")
@click.pass_context
def screenshot(ctx: click.Context, path: Path, size: str, pressed: str) -> None:
    """Write an SVG of the deck. Look at it before you share it: names of your systems are in it."""
    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit() and 40 <= int(width) <= 400 and 10 <= int(height) <= 200):
        raise click.UsageError(f"--size {size}: WIDTHxHEIGHT, 40x10 to 400x200")
    boot = Boot(config=ctx.obj["config"], read_only=True)
    svg = asyncio.run(picture(boot, int(width), int(height), tuple(pressed.split())))
    path.write_text(svg, encoding="utf-8")
    click.echo(f"{path}: {width}x{height}")
