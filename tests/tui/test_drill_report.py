"""What a drill's report makes of the record, the notes and the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from quarterdeck.drillreport import lines, report
from quarterdeck_lifecycle.ledger import Row

BEGAN = 1_795_412_000.0


def at(seconds: float) -> str:
    return datetime.fromtimestamp(BEGAN + seconds, UTC).isoformat()


def row(action: str, seconds: float, **more: Any) -> Row:
    made = Row(1, at(seconds), "mine", "ana", "", "host", action, "engine/container/x", "", "", "", "", "intent", "",
               "", "")  # fmt: skip
    return replace(made, **more)


def record(**more: Any) -> dict[str, Any]:
    return {
        "drill": "lost-link", "title": "a link", "state": "on", "ops": ["theirs"], "worth": {"log": "the log says it"},
        "events": [{"at": BEGAN, "what": "began", "words": "it broke"}], "goals": [{"words": "well", "met": False}],
    } | more  # fmt: skip


def test_what_colleagues_did_and_what_came_before_is_not_the_operators() -> None:
    rows = [
        row("operation.recover", 31, op="theirs", phase="outcome", step="recover"),
        row("operation.recover", 30, op="theirs", step="recover"), row("release.deploy", 25, step="01 lease"),
        row("container.restart", 20, step="restart"),
        row("write.open", 10, op="theirs", phase="note"), row("container.stop", -60),
    ]  # fmt: skip
    found = report(record(), [], rows, [], 1)
    assert (found["first_verb_s"], found["result"], found["solved_s"]) == (20.0, "given up", None)
    assert [(each["action"], each["phase"]) for each in found["verbs"]] == [("operation.recover", "outcome")]
    assert found["missed"] == ["not reached: well", "the log says it"]


def test_times_are_told_since_it_began_and_in_their_order() -> None:
    seen = [{"at": BEGAN + 70, "what": "key", "words": ""}, {"at": BEGAN + 12, "what": "trouble", "words": "api"},
            {"at": BEGAN + 80, "what": "look", "words": "log"}]  # fmt: skip
    solved = [{"at": BEGAN, "what": "began", "words": "it broke"}, {"at": BEGAN + 95, "what": "solved", "words": ""}]
    found = report(record(state="solved", events=solved, goals=[]), seen, [], [], 7)
    assert (found["trouble_shown_s"], found["first_key_s"], found["solved_s"], found["seed"]) == (12.0, 70.0, 95.0, 7)
    assert (found["looked_at"], found["missed"]) == (["log"], [])
    text = "\n".join(lines(found))
    assert text.startswith("drill lost-link: solved in 1 min 35 s\n")
    assert text.index("+12 s  trouble shown first: api") < text.index("+1 min 10 s  the first key")


def test_one_that_never_began_has_no_times() -> None:
    found = report(record(state="calm", events=[], goals=[]), [], [], [], 1)
    assert (found["began_at"], found["timeline"], found["missed"]) == (None, [], [])
    assert "it was left before anything had happened" in lines(found)
