"""The engine's other ports in memory: journal, control, probes, measures, hooks, news."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.release.model import GuardRule, ProbeRule, Step
from quarterdeck_lifecycle.release.ports import Ask, Reading, Sample, Say
from quarterdeck_lifecycle.state import StateError
from releases.memoryworld import Process, World


@dataclass(frozen=True)
class Entry:
    """One row of the ledger."""

    phase: str
    step: str
    result: str = ""
    text: str = ""


@dataclass
class Book:
    """A ledger on a disk: it survives the process. `full` raises as a full disk does; `full_at` is the row from which
    on it is full."""

    rows: list[Entry] = field(default_factory=list)
    notes: list[tuple[str, str, str]] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    full_at: int = 10**9

    def steps(self) -> list[str]:
        """The ids of the steps that were begun, each once, in order."""
        return list(dict.fromkeys(row.step for row in self.rows if row.phase == "intent"))

    def open(self) -> list[str]:
        """Intents without an outcome after them."""
        open_: list[str] = []
        for row in self.rows:
            if row.phase == "intent":
                open_.append(row.step)
            else:
                open_ = [step for step in open_ if step != row.step]
        return open_


class MemoryJournal:
    """`ports.Journal` on a book; each row is written at a point of its own."""

    def __init__(self, process: Process, book: Book) -> None:
        self._process, self.book = process, book
        self._lenient = False

    async def _append(self, row: Entry) -> None:
        await self._process.point("before", f"ledger {row.phase} {row.step}", "state")
        if len(self.book.rows) >= self.book.full_at:
            if self._lenient:
                return
            raise StateError("the ledger cannot be written", source="/state", why="no space is left on its disk")
        self.book.rows.append(row)
        await self._process.point("after", f"ledger {row.phase} {row.step}", "state")

    async def intent(self, step: Step, before: str = "") -> None:
        """Write it down before."""
        await self._append(Entry("intent", step.id, text=before))

    async def outcome(self, step: Step, result: str, after: str = "") -> None:
        """Write it down after."""
        await self._append(Entry("outcome", step.id, result, after))

    async def note(self, step: str, message: str, phase: str = "progress") -> None:
        """A line of the log."""
        if not self._process.dead:
            self.book.notes.append((step, phase, message))

    async def done(self) -> Mapping[str, str]:
        """The last outcome of each step that says done."""
        last = {row.step: row.result for row in self.book.rows if row.phase == "outcome"}
        return {step: result for step, result in last.items() if result.startswith("DONE")}

    async def begun(self) -> Mapping[str, str]:
        """Every intent with its last outcome."""
        told: dict[str, str] = {}
        for row in self.book.rows:
            told[row.step] = row.result if row.phase == "outcome" else ""
        return told

    async def head(self) -> str:
        """A stand-in for the hash."""
        return f"row {len(self.book.rows)}"

    def lenient(self) -> None:
        """A full disk stops nothing any more."""
        self._lenient = True

    async def keep(self, name: str, text: str) -> None:
        """Evidence."""
        self.book.kept[name] = text


@dataclass
class MemoryControl:
    """What viewers ask. `when` gives an ask once something is true."""

    asks: list[tuple[Ask, str]] = field(default_factory=list)
    approver: str = ""
    freeze: str = ""

    async def asked(self) -> Sequence[tuple[Ask, str]]:
        """Each once."""
        told, self.asks[:] = list(self.asks), []
        return told

    async def approved(self, digest: str) -> str:
        """Who said yes."""
        return self.approver

    async def frozen(self) -> str:
        """Why not now."""
        return self.freeze


class MemoryProber:
    """Probes over the memory world's network. `script`, where it is given, answers instead, one verdict a probe."""

    def __init__(self, process: Process) -> None:
        self._process, self.world = process, process.world
        self.script: Callable[[str], str | None] = lambda address: None

    async def http(self, url: str, address: str, rule: ProbeRule) -> Sample:
        """The place's front door, one container, or (empty) every front door there is."""
        await self._process.point("read", f"probe {address or url}", "network")
        if (said := self.script(address)) is not None:
            return Sample(verdict=said, said=f"scripted {said}", at=self.world.now)  # type: ignore[arg-type]
        places = [address] if address else [f"{place}/traffic" for place in self.world.places]
        well = all(self._well(*place.split("/", 1)) for place in places)
        return Sample(verdict="pass" if well else "fail", said="200" if well else "503", at=self.world.now)

    def _well(self, source: str, door: str) -> bool:
        world: World = self.world
        if door != "traffic":
            it = world.hosts[source].containers.get(door)
            return it is not None and world.healthy(it)
        if source in world.hosts:
            routed = world.hosts[source].routed()
            return bool(routed) and all(map(world.healthy, routed)) and not world.misrouted
        return bool(world.served(source))

    async def tcp(self, address: str, rule: ProbeRule) -> Sample:
        """As http."""
        return await self.http("", address, rule)


class MemoryMeasures:
    """What guards read: the last of `readings` that has come by that time."""

    def __init__(self, process: Process, readings: Callable[[float], Reading] | None = None) -> None:
        self._process, self._readings = process, readings

    async def read(self, guard: GuardRule, since: float) -> Reading:
        """The value now."""
        await self._process.point("read", f"query {guard.query}", "metrics")
        if self._readings is None:
            return Reading(value=0.0, samples=100)
        return self._readings(self._process.world.now)


@dataclass
class MemoryHooks:
    """Programs that end with `exits[argv[0]]`, after as many seconds as `takes` says."""

    process: Process
    exits: dict[str, int] = field(default_factory=dict)
    takes: dict[str, float] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    async def run(self, argv: Sequence[str], timeout_s: float, env: Mapping[str, str], say: Say) -> str:
        """Bounded."""
        self.ran.append(argv[0])
        took = self.takes.get(argv[0], 0.0)
        await self.process.clock.sleep(min(took, timeout_s))
        if took > timeout_s:
            raise Conflict(f"{argv[0]} did not end within {timeout_s:g} s")
        if code := self.exits.get(argv[0], 0):
            raise Conflict(f"{argv[0]} ended with {code}", why="its last line")
        return "exit 0"


@dataclass
class MemoryAnnouncer:
    """Keeps what was told."""

    told: list[Mapping[str, str]] = field(default_factory=list)

    async def tell(self, names: Sequence[str], facts: Mapping[str, str]) -> str:
        """Always arrives."""
        self.told.append(dict(facts))
        return f"told {', '.join(names)}"
