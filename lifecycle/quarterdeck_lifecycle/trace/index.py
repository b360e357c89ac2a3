"""Which records tell which fact. It grows and shrinks with them; of a fact that nobody tells any more nothing stays.

Facts are kept by the kind of record that tells them: a thousand containers of one image are not looked at by who
looks for its tag.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable, Iterator

from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.trace.facts import SHORT, Fact, FactKind

FEW = 8
"""Up to so many refs are held in a tuple, more in a set."""
Refs = Ref | tuple[Ref, ...] | set[Ref]


class Index:
    """Facts by kind and value, and whole shas by their first seven digits. `links` counts the facts told."""

    def __init__(self) -> None:
        self.links = 0
        self._told: dict[str, dict[str, dict[str, Refs]]] = {}
        self._begins: dict[str, str | tuple[str, ...]] = {}

    def telling(self, kind: FactKind, value: str, of: Container[str] | None = None) -> Iterator[Ref]:
        """The refs of the records that tell a fact; `of` names the kinds of records that are wanted."""
        for record_kind, values in self._told.get(kind, {}).items():
            if of is None or record_kind in of:
                held = values.get(value, ())
                yield from (held,) if isinstance(held, Ref) else tuple(held)

    def told(self, kind: FactKind) -> Iterable[str]:
        """Every value of a kind of fact."""
        return dict.fromkeys(value for values in self._told.get(kind, {}).values() for value in values)

    def whole(self, beginning: str) -> tuple[str, ...]:
        """The whole shas that begin so; at least seven digits are asked for."""
        if len(beginning) < SHORT:
            return ()
        held = self._begins.get(beginning[:SHORT], ())
        return tuple(sha for sha in ((held,) if isinstance(held, str) else held) if sha.startswith(beginning))

    @property
    def values(self) -> int:
        """How many different facts are told, by each kind of record."""
        return sum(len(values) for kinds in self._told.values() for values in kinds.values())

    @property
    def bytes(self) -> int:
        """Bytes of the index: tables, values and the groups of refs, not the refs themselves."""
        held = sys.getsizeof(self._begins) + sum(map(sys.getsizeof, self._begins.values()))
        for values in (values for kinds in self._told.values() for values in kinds.values()):
            held += sys.getsizeof(values) + sum(map(sys.getsizeof, values))
            held += sum(sys.getsizeof(refs) for refs in values.values() if not isinstance(refs, Ref))
        return held

    def tell(self, fact: Fact, ref: Ref) -> None:
        """A record tells a fact."""
        self.links += 1
        value = fact.value[:SHORT] if fact.kind == "short" else fact.value
        values = self._told.setdefault(fact.kind, {}).setdefault(ref.kind, {})
        held = values.get(value)
        if held is None:
            values[value] = ref
            if fact.kind == "commit" and not self._begun(value):
                self._begin(value)
        elif isinstance(held, set):
            held.add(ref)
        else:
            refs = (held,) if isinstance(held, Ref) else held
            if ref not in refs:
                values[value] = (*refs, ref) if len(refs) < FEW else {*refs, ref}

    def forget(self, fact: Fact, ref: Ref) -> None:
        """A record that told a fact went."""
        self.links -= 1
        value = fact.value[:SHORT] if fact.kind == "short" else fact.value
        values = self._told[fact.kind][ref.kind]
        held = values.get(value, ())
        if isinstance(held, set):
            held.discard(ref)
            if len(held) <= FEW:
                values[value] = tuple(held)
            return
        left = tuple(each for each in ((held,) if isinstance(held, Ref) else held) if each != ref)
        if left:
            values[value] = left[0] if len(left) == 1 else left
        elif values.pop(value, None) is not None and fact.kind == "commit" and not any(self.telling("commit", value)):
            self._end(value)

    def _begun(self, sha: str) -> bool:
        held = self._begins.get(sha[:SHORT], ())
        return held == sha if isinstance(held, str) else sha in held

    def _begin(self, sha: str) -> None:
        held = self._begins.get(sha[:SHORT], ())
        shas = (held,) if isinstance(held, str) else held
        self._begins[sha[:SHORT]] = sha if not shas else (*shas, sha)

    def _end(self, sha: str) -> None:
        held = self._begins.get(sha[:SHORT], ())
        left = tuple(each for each in ((held,) if isinstance(held, str) else held) if each != sha)
        if left:
            self._begins[sha[:SHORT]] = left[0] if len(left) == 1 else left
        else:
            self._begins.pop(sha[:SHORT], None)
