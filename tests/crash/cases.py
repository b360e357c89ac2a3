"""Which cases there are: what is released, which way, what befalls it, at which step, at its end or inside it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Fault = Literal["worker", "supervisor", "both", "deck", "hangup", "reset", "silent"]
Kind = Literal["deploy", "rollback"]
When = Literal["inside", "after"]
FAULTS: tuple[Fault, ...] = ("worker", "supervisor", "both", "deck", "hangup", "reset", "silent")
KINDS: tuple[Kind, ...] = ("deploy", "rollback")
WHENS: tuple[When, ...] = ("inside", "after")
CUTS_S = (0.3, 1.5, 5.0)
"""How long a link is cut: shorter than a beat is missed, than the lease, and longer than it."""
LONGEST_DELAY_S = 0.25


@dataclass(frozen=True)
class Case:
    """One case. `step` counts the steps of its plan from 0; `delay_s` passes between what is waited for and the fault,
    `cut_s` until a cut link works again."""

    target: str
    kind: Kind
    fault: Fault
    when: When
    step: int
    name: str
    delay_s: float
    cut_s: float

    @property
    def id(self) -> str:
        """What results are kept under."""
        return f"{self.target}/{self.kind}/{self.step:02d}-{self.name}/{self.when}/{self.fault}"


def cases_of(target: str, kind: Kind, steps: Sequence[str]) -> list[Case]:
    """Every case of a plan with these steps, in an order of no meaning that is always the same."""
    found = []
    for number, name in enumerate(steps):
        for when in WHENS:
            for fault in FAULTS:
                chance = random.Random(f"{target} {kind} {number} {name} {when} {fault}")
                delay = 0.0 if when == "after" else chance.choice((0.0, chance.uniform(0, LONGEST_DELAY_S)))
                found.append(Case(target, kind, fault, when, number, name, round(delay, 3), chance.choice(CUTS_S)))
    return found
