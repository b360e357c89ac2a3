"""Joining containers with the model versions they say they load. Pure; the rule is `served`'s."""

from __future__ import annotations

from collections.abc import Iterable

from quarterdeck_lifecycle.kinds import Container, Endpoint, ModelVersion
from quarterdeck_lifecycle.records import Record
from quarterdeck_lifecycle.served import AliasMove, Evidence, declared, move_told, served_by


def served_words(records: Iterable[Record]) -> dict[tuple[str, str], str]:
    """For each (model, version) the workloads that serve it, in words: `prod scorer ✓v17`, `prod churn likely v4`.

    What an endpoint proved counts before what a container only declares.
    """
    rows = list(records)
    aliases: dict[str, dict[str, str]] = {}
    moves: dict[str, dict[str, AliasMove | None]] = {}
    for row in rows:
        if isinstance(row, ModelVersion):
            for alias in row.aliases:
                aliases.setdefault(row.model, {})[alias] = row.version
                moves.setdefault(row.model, {})[alias] = move_told(alias, row.tags)
    found: dict[tuple[str, str], list[str]] = {}
    proven: set[str] = set()
    for row in rows:
        if isinstance(row, Endpoint) and row.served:
            proven.add(row.service or row.name)
            where = " ".join(part for part in (row.environment, row.name) if part)
            found.setdefault((row.model, row.served), []).append(f"{where} ✓v{row.served}")
    for row in rows:
        if not isinstance(row, Container) or row.state.startswith(("exited", "created", "dead")):
            continue
        if (row.service or row.name) in proven:
            continue
        for said in declared(row.labels, "label"):
            evidence = Evidence("declared", said.version, said.alias, row.started_at, said.evidence)
            served = served_by([evidence], aliases.get(said.model, {}), moves.get(said.model, {}))
            number = served.version or aliases.get(said.model, {}).get(said.alias, "")
            where = " ".join(part for part in (row.environment, row.name) if part)
            if number:
                found.setdefault((said.model, number), []).append(served.words(where))
    return {key: ", ".join(words) for key, words in found.items()}
