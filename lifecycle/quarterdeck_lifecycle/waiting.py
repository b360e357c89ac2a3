"""Waiting for one row without a screen: by the same rules as a watch, or for a word of one's own. Pure.

What has ended or is healthy already has not to be waited for; an alert or an alias is waited for until it is another.
"""

from __future__ import annotations

import msgspec

from quarterdeck_lifecycle.kinds import Alert, Container, ModelVersion, Operation, PullRequest, RegisteredModel, Rule
from quarterdeck_lifecycle.records import Record
from quarterdeck_lifecycle.watches import Heard, Watch, hear
from quarterdeck_lifecycle.watchrules import LISTED_WHILE_ACTIVE, Told, ended, facts_of, gate, phase, well

QUIET = frozenset({"inactive", "clear", "clears", "cleared", "gone"})


def words(record: Record | None, kind: str) -> frozenset[str]:
    """The words, in lower case, that are true of a row now, or of its absence."""
    if record is None:
        return QUIET if kind in LISTED_WHILE_ACTIVE else frozenset({"gone"})
    found = {record.state, record.state.partition(" ")[0].rstrip(","), str(record.status)}
    if ended(record):
        found |= {"ended", "end"}
    match record:
        case Container():
            found |= {record.health, phase(record)}
        case Operation():
            found |= {record.result, f"gate {gate(record)}" if gate(record) else ""}
            found |= {"gate"} if gate(record) == "passed" else set()
        case RegisteredModel():
            found |= {f"{alias}={version}" for alias, version in record.aliases.items()}
        case ModelVersion():
            found |= {word for alias in record.aliases for word in (alias, f"@{alias}")}
        case PullRequest():
            found.add(record.review)
        case Alert() | Rule():
            found |= {"fires"} if record.state == "firing" else set()
            found |= QUIET - {"gone"} if record.state == "inactive" else set()
    return frozenset(word.lower() for word in found if word)


def at_once(watch: Watch, record: Record | None, word: str = "") -> Told | None:
    """What need not be waited for, because it is so already; None where it has to be."""
    if word:
        return asked(watch, record, word)
    if record is None:
        return None if watch.ref.kind in LISTED_WHILE_ACTIVE else Told("gone", "is not there", None, final=True)
    if isinstance(record, Container) and phase(record) == "healthy":
        return Told("healthy", record.state, True, final=True)
    return Told("ended", _state(record), well(record), final=True) if ended(record) else None


def asked(watch: Watch, record: Record | None, word: str) -> Told | None:
    """Whether what was asked for is so; or cannot become so, because it ended otherwise or is gone."""
    if word.lower() in words(record, watch.ref.kind):
        return Told("asked", f"is {word}", True, final=True)
    if record is None:
        gone = watch.ref.kind not in LISTED_WHILE_ACTIVE
        return Told("gone", f"is not there, and was to be {word}", None, final=True) if gone else None
    if ended(record):
        return Told("ended", f"ended, and is not {word}: {_state(record)}", False, final=True)
    return None


def step(watch: Watch, record: Record | None, word: str = "") -> Heard:
    """A later look: what is told, and the facts to go on from. With a word only that ends the waiting."""
    heard = hear(watch, record)
    if not word:
        return heard
    told = asked(watch, record, word)
    if told is None and heard.told is not None:
        told = heard.told._replace(final=False)
    return Heard(told, heard.facts)


def absent(watch: Watch) -> Watch:
    """A watch of a row that is not there yet."""
    return msgspec.structs.replace(watch, facts=dict(facts_of(None)))


def _state(record: Record) -> str:
    return f"{record.state}: {record.note}" if record.note else record.state
