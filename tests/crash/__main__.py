"""`make crash [SHARD=i/n] [ARGS="--only stop-start"]`: every case on real engines.

Each result is a line of JSON in .crash/results.jsonl; cases that have one there are not done again, so that a run that
was ended goes on. Exit code 1 when one was lost.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from crash.arena import Arena
from crash.arenas import ARENAS
from crash.carry import carry_out
from crash.cases import KINDS, Case, cases_of
from parts.needs import ROOT

RESULTS = ROOT / ".crash" / "results.jsonl"


def all_cases(arena: type[Arena]) -> list[Case]:
    """Every case of that arena."""
    return [case for kind in KINDS for case in cases_of(arena.name, kind, arena.steps[kind])]


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The results so far, by case; a line that was cut off by a death is none."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        found[told["case"]] = told
    return found


def summary(results: Iterable[dict[str, Any]]) -> list[str]:
    """Cases, survived, lost per target; what traffic saw."""
    of: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for told in results:
        of[told["case"].split("/")[0]].append(told)
    lines = [
        f"{'target':<14}{'cases':>6}{'in time':>9}{'survived':>10}{'lost':>6}{'requests':>10}{'failed':>8}{'gap s':>14}"
    ]
    for target, all_ in sorted(of.items()):
        lost = [told for told in all_ if told["wrong"]]
        gaps = sorted(told["gap_s"] for told in all_)
        gap = f"{gaps[len(gaps) // 2]:.2f} to {gaps[-1]:.2f}"
        struck, sent, failed = (sum(told[key] for told in all_) for key in ("struck", "sent", "failed"))
        counts = (len(all_), struck, len(all_) - len(lost), len(lost), sent, failed)
        row = f"{target:<14}" + "".join(f"{count:>10}" for count in counts) + f"{gap:>16}"
        lines.append(row)
    return lines


@click.command()
@click.option("--shard", default="1/1", help="i/n: every n-th case, from the i-th")
@click.option("--only", multiple=True, type=click.Choice(list(ARENAS)), help="these targets only")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, help="where results are kept")
@click.option("--limit", type=int, default=10**9, help="at most so many of each target")
def main(shard: str, only: tuple[str, ...], out: Path, limit: int) -> None:
    """Run the crash matrix."""
    part, of = (int(each) for each in shard.split("/"))
    out.parent.mkdir(parents=True, exist_ok=True)
    done = read(out)
    for name, arena in ARENAS.items():
        if only and name not in only:
            continue
        if why := arena.missing():
            click.echo(f"{name}: not run, needs {why}")
            continue
        todo = [case for case in all_cases(arena)[part - 1 :: of] if case.id not in done][:limit]
        while todo:
            todo = _some(arena, todo, out, done)
    click.echo("\n".join(summary(read(out).values())))
    lost = [told for told in read(out).values() if told["wrong"]]
    for told in lost:
        click.echo(f"LOST {told['case']}: {told['result']}: {'; '.join(told['wrong'])}")
    sys.exit(1 if lost else 0)


def _some(arena: type[Arena], todo: list[Case], out: Path, done: dict[str, Any]) -> list[Case]:
    """Cases in one arena, until one is lost: the rest go on in a fresh one."""
    with arena() as place:
        for number, case in enumerate(todo, 1):
            told = carry_out(place, case)
            done[case.id] = told
            with out.open("a") as file:
                file.write(json.dumps(told.to_dict()) + "\n")
            word = "LOST" if told.wrong else "survived" if told.struck else "too late"
            click.echo(f"{word:<9}{told.seconds:6.1f} s  {case.id}  {told.result}  {'; '.join(told.wrong)}")
            if told.wrong:
                return todo[number:]
    return []


if __name__ == "__main__":
    main()
