"""Ending runs on this machine, and the list of what can be done with them."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.acting import Cannot, CiAction
from quarterdeck_adapters.local import identity, mapping
from quarterdeck_adapters.local.book import Kept
from quarterdeck_adapters.local.starting import Rerun, RerunFailed, Trigger
from quarterdeck_lifecycle.actor import Actor
from quarterdeck_lifecycle.errors import Conflict
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.permit import require
from quarterdeck_lifecycle.ports import Action, Outcome, Preview, Step
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.local.adapter import LocalSource

ENDED_S = (0.1, 0.2, 0.3, 0.5, *(1.0,) * 22)
"""Pauses between the reads after a cancel: a step has its grace."""


class Cancel(CiAction["LocalSource"]):
    """`run.cancel`: TERM to the group of the step that runs, KILL after a grace. `args`: force (KILL at once)."""

    verb = "run.cancel"

    def refusal(self, record: Record) -> str | None:
        if not isinstance(record, Run):
            return "not a run"
        if record.state == "elsewhere":
            return "it runs on another machine: cancel it there"
        if record.state == "lost" and "still runs as pid" in record.note:
            return None
        return None if record.state in ("running", "queued") else f"it is not running: {record.state}"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """Which processes would be ended. Raises Conflict when it has ended by now."""
        kept = await self.source.kept(ref)
        record = mapping.run_record(kept, self.source.home)
        title = f"cancel {record.name}"
        self.checked(record, title)
        force = args.get("force", "").strip().lower() == "true"
        state, at = kept.state, kept.state.current
        group = f"the group of {kept.spec.steps[at].name} (pid {state.steps[at].pid})" if at >= 0 else "no step yet"
        how = "KILL at once" if force else f"TERM, and KILL after {kept.spec.grace_s:g} s,"
        by = f"its runner (pid {state.pid})"
        if kept.lost:
            group = f"what its runner left: pid {', '.join(str(pid) for pid, _ in kept.orphans)}"
            how, by = "KILL" if force else "TERM", "the deck, as its runner is gone"
        return Preview(
            verb=self.verb, ref=ref, record=record, args=dict(args), title=title,
            steps=(Step(call=f"{how} to {group}", detail=f"by {by}; only if that process is still the one"),),
            impact=tuple(f"{step.name} is not run" for step in kept.spec.steps[at + 1 :]) if at >= 0 else (),
            before=record.state, after="cancelled", token=(state.pid, state.start),
            inverse=None if kept.lost else ("run.rerun", {}),
            why_no_inverse="its runner is gone" if kept.lost else "",
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when it has ended, or when the process is another one."""
        require(self.source.name, preview.title)
        kept = await self.source.kept(preview.ref)
        self.checked(mapping.run_record(kept, self.source.home), preview.title)
        if (kept.state.pid, kept.state.start) != preview.token:
            raise self.moved("run by another runner", f"run by pid {kept.state.pid}")
        force = preview.args.get("force", "").strip().lower() == "true"
        return await self.source.on_thread(lambda: self._send(kept, force), "ending it")

    def _send(self, kept: Kept, force: bool) -> str:
        state = kept.state
        if kept.orphans:
            number = signal.SIGKILL if force else signal.SIGTERM
            sent = [pid for pid, start in kept.orphans if identity.send(pid, start, number)]
            if not sent:
                raise self.moved("running", "gone")
            return f"{number.name} was sent to {', '.join(map(str, sent))}"
        actor = Actor.current(environ=self.source.context.env)
        self.source.book.wish(kept, f"{actor} ({actor.origin})", force=force)
        if not identity.send(state.pid, state.start, signal.SIGTERM):
            raise Conflict(
                "nothing was sent", source=self.source.name,
                why=f"pid {state.pid} is not the runner that began it", mend="end it where it was started",
            )  # fmt: skip
        return f"TERM was sent to its runner, pid {state.pid}"

    async def verify(self, preview: Preview) -> Outcome:
        """It has ended, by its journal; an orphan's process is gone. Raises Timeout."""

        async def ended() -> Kept | None:
            kept = await self.source.kept(preview.ref)
            return kept if kept.over and not kept.orphans else None

        kept = await self.until(ended, preview, "it still runs", ENDED_S)
        state = mapping.word(kept)
        if state == "lost":
            return Outcome(verified=True, message="what was left of it is gone", observed=state)
        done = state == "cancelled"
        return Outcome(verified=done, message="it is cancelled" if done else f"it ended as {state}", observed=state)


def actions(source: LocalSource) -> Mapping[str, Action]:
    """The verbs of this machine, and those that it has not, each with its reason."""
    gate = "a local pipeline waits for nobody"
    made = (
        Trigger(source), Rerun(source), RerunFailed(source), Cancel(source),
        Cannot(source, "run.approve", gate), Cannot(source, "run.reject", gate),
        Cannot(source, "job.rerun", "steps stand on those before them: R on the run, from the failed step on", "job"),
        Cannot(source, "job.cancel", "cancel the run: its later steps stand on this one", "job"),
        Cannot(source, "job.start", "steps start by themselves: none is manual", "job"),
        Cannot(source, "job.rollback", "nothing here is deployed by stages", "job"),
        Cannot(source, "job.hold", "steps have no transitions", "job"),
        Cannot(source, "job.release", "steps have no transitions", "job"),
    )  # fmt: skip
    return {action.verb: action for action in made}
