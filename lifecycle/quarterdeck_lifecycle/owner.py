"""What a row belongs to, by the links that it carries. Pure."""

from __future__ import annotations

from quarterdeck_lifecycle.records import Record


def owner_of(record: Record, records: list[Record]) -> Record | None:
    """The record that this one's links point to: by commit, by image digest, by model and version, by run id."""
    wanted = {(str(link.kind), link.value) for link in record.links}
    by_kind = {
        "container": ("tag", "image", "run", "repository"),
        "image": ("tag", "run", "repository"),
        "tag": ("run", "repository"),
        "run": ("pull_request", "repository"),
        "pull_request": ("repository",),
        "deployment": ("run", "repository"),
        "version": ("model", "training_run"),
        "endpoint": ("version", "container"),
        "alert": ("series", "container"),
    }
    for kind in by_kind.get(record.kind, ()):
        for other in records:
            if other.kind == kind and other.ref != record.ref and _joined(wanted, other):
                return other
    return _working_copy(record, records)


def _working_copy(record: Record, records: list[Record]) -> Record | None:
    """The one repository here whose remote ends in the same path, for a run that another host built."""
    path = getattr(record, "repository", "")
    found = [row for row in records if row.kind == "repository" and row.link("repository").endswith(f"/{path}")]
    return found[0] if path and len(found) == 1 else None


_SHARED = frozenset({"repository", "branch", "pull_request"})
"""Many rows have these in common: a repository joins to itself, and to nothing in it."""


def _joined(wanted: set[tuple[str, str]], other: Record) -> bool:
    same = {(link.kind, link.value) for link in other.links} & wanted
    kinds = {kind for kind, _ in same}
    if kinds - _SHARED or (other.kind == "repository" and "repository" in kinds):
        return True
    if other.kind == "pull_request" and "repository" in kinds and kinds & {"branch", "pull_request"}:
        return True
    return _is_it(wanted, other)


def _is_it(wanted: set[tuple[str, str]], other: Record) -> bool:
    facts = {
        ("commit", getattr(other, "head", "")), ("digest", getattr(other, "digest", "")), ("model", other.name),
        ("training_run", getattr(other, "run_id", "")), ("run", other.ref.id), ("digest", other.ref.id),
        ("container", other.name),
    }  # fmt: skip
    return any(value and (kind, value) in wanted for kind, value in facts)
