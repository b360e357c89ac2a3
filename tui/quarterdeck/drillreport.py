"""What a drill comes to: what was seen and done, and when, from the world's record, the deck's notes and the ledger.

Pure, but for what reads files and the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quarterdeck_lifecycle.ledger import Filter, Row

if TYPE_CHECKING:
    from quarterdeck.boot import Boot
    from quarterdeck.releasing.desk import Operation

RECORD = "QUARTERDECK_DRILL"
"""The variable that names the file of the world's record."""
MOST_ROWS = 5_000
WORDS = {"began": "it began", "world": "in the world", "trouble": "trouble shown first", "key": "the first key",
         "verb": "the first verb", "release": "a release began", "solved": "solved", "hint": "a hint was asked for",
         "broken": "the drill met a fault of its own"}  # fmt: skip


def seen_file(record: Path) -> Path:
    """Where the deck notes what was seen."""
    return record.with_name("seen.jsonl")


def read(record: Path) -> dict[str, Any]:
    """The world's record; empty where there is none yet."""
    with suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(record.read_text("utf-8"))
        return found
    return {}


def seen(record: Path) -> list[dict[str, Any]]:
    """What the deck noted, oldest first."""
    with suppress(OSError):
        return [json.loads(line) for line in seen_file(record).read_text("utf-8").splitlines()]
    return []


async def gather(boot: Boot, record: Path, seed: int) -> dict[str, Any]:
    """The report of the drill whose record this is. Raises StateError."""
    operations = await boot.desk.operations()
    rows = await boot.ledger.rows(Filter(), limit=MOST_ROWS)
    return report(read(record), seen(record), rows, operations, seed)


def report(
    record: dict[str, Any], seen: Sequence[dict[str, Any]], rows: Sequence[Row], operations: Sequence[Operation],
    seed: int,
) -> dict[str, Any]:  # fmt: skip
    """The report as data. Times are seconds since the incident began; None for what did not happen."""
    events = list(record.get("events") or ())
    began = next((event["at"] for event in events if event["what"] == "began"), None)
    ours = set(record.get("ops") or ())
    # What is done to a colleague's operation is written under its id; all else under it the colleague did.
    mine = [row for row in reversed(rows) if row.op not in ours or row.action.startswith("operation.")]
    done = [row for row in mine if began is not None and _epoch(row.at) >= int(began)]
    listed = {each.op for each in operations}
    done = [row for row in done if not (row.step and row.action.startswith("release."))]
    asked = [row for row in done if row.phase in ("intent", "refused", "note")]
    released = [each for each in reversed(operations) if began is not None and _epoch(each.created_at) >= int(began)]
    released = [each for each in released if each.op not in ours]
    times = [*events, *(entry for entry in seen if entry["what"] in WORDS)]
    times += [{"at": _epoch(row.at), "what": "verb", "words": f"{row.action} {row.ref}"} for row in asked[:1]]
    times += [
        {"at": _epoch(each.created_at), "what": "release", "words": _operation(each)} for each in released
    ]
    solved = record.get("state") == "solved"
    looked = list(dict.fromkeys(entry["words"] for entry in seen if entry["what"] == "look"))

    def after(what: str) -> float | None:
        at = min((entry["at"] for entry in times if entry["what"] == what), default=None)
        return None if at is None or began is None else round(max(0.0, at - began), 1)

    goals = list(record.get("goals") or ())
    return {
        "drill": record.get("drill", ""), "title": record.get("title", ""), "seed": seed,
        "result": "solved" if solved else "broken" if record.get("state") == "broken" else "given up",
        "began_at": datetime.fromtimestamp(began, UTC).isoformat() if began is not None else None,
        "trouble_shown_s": after("trouble"), "first_key_s": after("key"), "first_verb_s": after("verb"),
        "release_started_s": after("release"), "solved_s": after("solved"),
        "timeline": [
            {"after_s": round(max(0.0, entry["at"] - began), 1), "what": entry["what"], "words": entry["words"]}
            for entry in sorted(times, key=lambda entry: entry["at"]) if began is not None
        ],
        "goals": goals,
        "operations": [
            {"op": each.op, "kind": each.kind, "service": each.service, "environment": each.environment,
             "result": each.result or each.state, "by_the_world": each.op in ours}
            for each in reversed(operations)
        ],
        "verbs": [
            {"after_s": round(max(0.0, _epoch(row.at) - (began or 0.0)), 1), "action": row.action, "ref": row.ref,
             "phase": row.phase, "result": row.result, "why": row.why}
            for row in done if row.phase != "intent"
            and not (row.op in listed and row.action.startswith("release."))
        ],
        "looked_at": looked, "hints": sum(entry["what"] == "hint" for entry in seen),
        "missed": [
            *(f"not reached: {goal['words']}" for goal in goals if not goal["met"]),
            *(words for screen, words in (record.get("worth") or {}).items()
              if began is not None and screen not in looked),
        ],
    }  # fmt: skip


def lines(found: dict[str, Any]) -> list[str]:
    """The report for people."""
    took = found["solved_s"]
    head = f"drill {found['drill']}: {found['result']}{f' in {_long(took)}' if took is not None else ''}"
    made = [head, found["title"], ""]
    if found["began_at"] is None:
        made.append("it was left before anything had happened")
    for entry in found["timeline"]:
        words = ": ".join(filter(None, (WORDS[entry["what"]], entry["words"])))
        made.append(f"  {'+' + _long(entry['after_s']):>12}  {words}")
    for title, rows in (
        ("the goal", [f"{'✓' if goal['met'] else '✗'} {goal['words']}" for goal in found["goals"]]),
        ("operations", [_told(each) for each in found["operations"]]),
        ("verbs", [
            f"+{_long(each['after_s'])} {each['action']} {each['ref']}: {each['result'] or each['phase']}"
            for each in found["verbs"]
        ]),
        ("looked at", [", ".join(found["looked_at"])] if found["looked_at"] else []),
        ("missed", found["missed"]),
    ):  # fmt: skip
        if rows:
            made += ["", f"{title}:", *(f"  {row}" for row in rows)]
    if found["hints"]:
        made += ["", f"hints: {found['hints']}"]
    return made


def _told(each: dict[str, Any]) -> str:
    whose = " (by a colleague)" if each["by_the_world"] else ""
    return f"{each['kind']} {each['service']} in {each['environment']}: {each['result']}{whose}"


def _operation(each: Operation) -> str:
    return f"{each.kind} {each.service} in {each.environment}"


def _epoch(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def _long(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
