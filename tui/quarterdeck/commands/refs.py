"""REF on the command line: from words to one row. Contract: ambiguous ends with the candidates."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck_lifecycle.kinds import (
    Container,
    Image,
    ModelVersion,
    Operation,
    PullRequest,
    RegisteredModel,
    Repository,
    Tag,
)
from quarterdeck_lifecycle.records import Record, Ref


class Ambiguous(Exception):
    """Several rows answer to the words."""

    def __init__(self, words: str, candidates: Sequence[Ref]) -> None:
        self.candidates = tuple(candidates)
        super().__init__(f"{words} is ambiguous")


def find(words: str, records: Sequence[Record]) -> Record | Ref:
    """The row that `words` name; a ref that no row has is answered as it is. Raises Ambiguous, LookupError."""
    try:
        ref = Ref.parse(words)
    except ValueError:
        pass
    else:
        return next((record for record in records if record.ref == ref), ref)
    found = [record for record in records if answers(words, record)]
    unique = list({record.ref: record for record in found}.values())
    if not unique:
        raise LookupError(f"nothing here is called {words}")
    if len(unique) > 1:
        raise Ambiguous(words, [record.ref for record in unique])
    return unique[0]


def answers(words: str, record: Record) -> bool:
    """Whether a record is what the words of the contract's REF name."""
    form, _, rest = words.partition(":")
    if words.startswith("sha256:"):
        prefix = words if len(words) >= 7 + 12 else ""
        digests = (record.ref.id, getattr(record, "digest", ""), getattr(record, "image_id", ""))
        return bool(prefix) and any(digest.startswith(prefix) for digest in digests)
    if form == "git" and rest:
        head = getattr(record, "head", "")
        return isinstance(record, Repository) and (rest in (record.branch, record.tag) or head.startswith(rest))
    if form == "pr" and rest.isdigit():
        return isinstance(record, PullRequest) and record.number == int(rest)
    if form == "image" and rest:
        if isinstance(record, Tag):
            names = (f"{record.registry}/{record.repository}", record.repository)
            return any(rest in (f"{n}:{record.tag}", f"{n}@{record.digest}") for n in names)
        return isinstance(record, Image) and (rest in record.tags or rest in record.digests)
    if form == "model" and rest:
        if isinstance(record, ModelVersion):
            by_alias = any(rest == f"{record.model}@{alias}" for alias in record.aliases)
            return by_alias or rest == f"{record.model}/{record.version}"
        return isinstance(record, RegisteredModel) and rest == record.name
    if isinstance(record, Container):
        return words in (record.name, record.ref.id) or (len(words) >= 12 and record.ref.id.startswith(words))
    if isinstance(record, Operation):
        return words in (record.name, record.op) or (len(words) >= 8 and record.op.startswith(words))
    return words in (record.name, record.ref.id)
