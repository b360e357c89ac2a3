"""`make bench`: print value, reference measured in the same run, ratio and budget; keep them in .bench/."""

from __future__ import annotations

import sys
import time
import traceback

import click

from bench import containers, logs, memory, pipelines, quiet, releases, rows, startup, trace
from bench.report import HEAD, Bench, Run, Settings, shown
from bench.tap import KEPT

BENCHES = (
    Bench("first-paint", startup.first_paint),
    Bench("imports", startup.imports),
    Bench("status-line", startup.status_line),
    Bench("idle", quiet.idle),
    Bench("changes", quiet.changes),
    Bench("rows", rows.rows),
    Bench("pipelines", pipelines.pipelines),
    Bench("flood", logs.flood),
    Bench("line", logs.huge),
    Bench("containers", containers.events),
    Bench("trace", trace.trace),
    Bench("release", releases.deploys),
    Bench("memory", memory.resident),
    Bench("growth", memory.growth),
)


@click.command()
@click.option("--only", multiple=True, type=click.Choice([bench.name for bench in BENCHES]), help="these groups only")
@click.option("--quick", is_flag=True, help="half the repeats")
@click.option("--full", is_flag=True, help="ten minutes of growth instead of two")
def main(only: tuple[str, ...], quick: bool, full: bool) -> None:
    """Measure every budget. Exit code 1 when one is missed or could not be measured."""
    settings, run = Settings(quick, full), Run()
    click.echo(HEAD)
    for bench in BENCHES:
        if only and bench.name not in only:
            continue
        began = time.monotonic()
        try:
            found = bench.measure(settings)
        except Exception as error:
            run.failed[bench.name] = traceback.format_exc()
            click.echo(f"{bench.name:<46}not measured: {type(error).__name__}: {error}")
            continue
        finally:
            run.took[bench.name] = round(time.monotonic() - began, 1)
        for line in found:
            run.lines.append(line)
            click.echo(shown(line))
    missed = [line.name for line in run.lines if line.ok is False]
    seconds = sum(run.took.values())
    click.echo(f"\n{len(run.lines)} values in {seconds:.0f} s, {len(missed)} missed; {run.write(KEPT)}")
    sys.exit(1 if missed or run.failed else 0)


if __name__ == "__main__":
    main()
