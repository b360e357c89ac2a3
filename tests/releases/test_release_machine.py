"""hypothesis drives releases into deaths: no state it reaches has the old version stopped, the new one unproven and no
recovery recorded; and whoever recovers last, everywhere serves the one version."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from quarterdeck_lifecycle.release.engine import Ended, Engine
from quarterdeck_lifecycle.release.model import Plan
from releases.fakeclock import run
from releases.memoryports import Book
from releases.memoryworld import Killed, Process
from releases.releasecase import NEW, OLD, WAYS, Case, Way, identity

LONG = 120


@dataclass
class Operation:
    """One release with its ledger, on a host of its own."""

    plan: Plan
    book: Book

    @property
    def settled(self) -> bool:
        ends = {self.plan.steps[-1].id, self.plan.back_steps[-1].id}
        return any(row.step in ends and row.result.startswith("DONE") for row in self.book.rows)

    @property
    def proven(self) -> bool:
        return any("verify" in row.step and row.result.startswith("DONE") for row in self.book.rows)

    def tells_how_to_put_back(self, old: str) -> bool:
        """An intent that names the old one, written down before anything happened to it."""
        return any(row.phase == "intent" and f'"old":"{old}"' in row.text for row in self.book.rows)


class Releases(RuleBasedStateMachine):
    """Operations are begun, killed, recovered and found by others, on one world."""

    @initialize(way=st.sampled_from(WAYS), places=st.sampled_from([1, 2]), kind=st.sampled_from(["deploy", "rollback"]))
    def begin(self, way: Way, places: int, kind: str) -> None:
        self.case = Case(way, kind, places)  # type: ignore[arg-type]
        self.operations = [Operation(self.case.plan, self.case.book)]
        self.old = {source: next(iter(host.containers)) for source, host in self.case.world.hosts.items()}
        self.gap = way == "stop-start"
        self.rebooted = False
        self.case.world.watchers.append(self.watch)

    def watch(self, moment: str) -> None:
        """At every point of every process."""
        for source, id in self.old.items():
            old = self.case.world.hosts[source].containers.get(id)
            if (old is not None and old.running) or any(each.proven for each in self.operations) or self.rebooted:
                continue
            assert any(each.tells_how_to_put_back(id) for each in self.operations), f"no recovery recorded: {moment}"

    def act(self, operation: Operation, way: str, death: int | None) -> Ended | None:
        process = Process(self.case.world, f"{operation.plan.op} {way}")
        if death is not None:
            process.befalls[death] = process.kill
        engine: Engine = self.case.engine(process, operation.plan, operation.book)
        try:
            return run(self.case.world.timeline, engine.run() if way == "run" else engine.recover())
        except Killed:
            return None

    @precondition(lambda self: not self.operations[0].book.rows)
    @rule(death=st.integers(0, LONG))
    def deploy(self, death: int) -> None:
        self.act(self.operations[0], "run", death)

    @rule(death=st.none() | st.integers(0, LONG // 2), which=st.integers(0, 5))
    def recover(self, death: int | None, which: int) -> None:
        operation = self.operations[which % len(self.operations)]
        if operation.book.rows:
            self.act(operation, "recover", death)

    @precondition(lambda self: len(self.operations) < 4 and self.operations[0].book.rows)
    @rule(death=st.none() | st.integers(0, LONG))
    def another_host_deploys(self, death: int | None) -> None:
        op = f"op-{len(self.operations) + 1:04d}"
        changes = tuple(replace(change, op=op) for change in self.case.plan.changes)
        plan = replace(self.case.plan, op=op, actor="ben", host=f"bastion-{op}", changes=changes)
        self.operations.append(Operation(plan, Book()))
        self.act(self.operations[-1], "run", death)

    @rule(seconds=st.sampled_from([1.0, 10.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        self.case.world.timeline.suspend(seconds)

    @precondition(lambda self: self.case.world.hosts)
    @rule()
    def hosts_reboot(self) -> None:
        self.rebooted = True
        for host in self.case.world.hosts.values():
            host.boot(self.case.world.now)

    @invariant()
    def something_is_always_routed(self) -> None:
        if hasattr(self, "case") and not self.gap and not self.rebooted:
            assert self.case.world.unserved == []

    @invariant()
    def nobody_writes_without_the_lease(self) -> None:
        if hasattr(self, "case"):
            assert self.case.world.trespasses == []

    def teardown(self) -> None:
        if not hasattr(self, "case"):
            return
        world, results = self.case.world, set()
        for _ in range(2):
            begun = [operation for operation in self.operations if operation.book.rows]
            ends = [self.act(operation, "recover", None) for operation in begun]
            results = {end.result for end in ends if end is not None}
        assert "STUCK" not in results
        version = NEW if "SUCCEEDED" in results else OLD
        assert not begun or self.case.serving() == {identity(self.case.way, version).digest}, results
        assert len(self.case.serving()) == 1, self.case.serving()
        assert "-" not in self.case.serving() or self.rebooted
        assert not world.leases
        assert all(not each.book.open() for each in self.operations)
        before, writes = world.snapshot(), len(world.writes)
        for operation in self.operations:
            if operation.settled:
                self.act(operation, "recover", None)
        assert world.snapshot() == before
        assert world.writes[writes:] == []


Releases.TestCase.settings = settings(
    max_examples=60, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestReleases = Releases.TestCase
