"""Ending builds, and taking items out of the queue.

https://www.jenkins.io/doc/book/using/aborting-a-build/
"""

from __future__ import annotations

from collections.abc import Mapping

from quarterdeck_adapters.ci.values import shown
from quarterdeck_adapters.jenkins import mapping
from quarterdeck_adapters.jenkins.acting import JenkinsAction, Seen
from quarterdeck_adapters.jenkins.builds import MADE_BY
from quarterdeck_adapters.jenkins.places import Place, path_of
from quarterdeck_adapters.jenkins.runs import is_pipeline
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

KILL_AFTER_S = (0.5, 1.0, 2.0, 4.0)
_GONE = "out of the queue"


class Cancel(JenkinsAction):
    """`run.cancel`: stop for a build; with `force` term, then kill. An item of the queue is taken out of it."""

    verb = "run.cancel"

    def refusal(self, record: Record) -> str | None:
        if not isinstance(record, Run):
            return "not a run"
        # The inverse of a verb that was done on an ended run cancels the run that it made.
        if record.state not in mapping.ENDED or any(on == record.ref.id for on, _ in self.source.made.values()):
            return None
        return f"it has ended: {record.state}"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What would be sent, for the run as it is now. Raises Conflict when it has ended."""
        if key := args.get(MADE_BY, ""):
            made = self.source.made.get(key)
            if made is None:
                raise Refused(
                    "which run that was is not known any more", source=self.source.name, mend="cancel it on its row"
                )
            ref = Ref(ref.source, "run", made[1])
        place = self.place(ref)
        now, run, payload = await self.seen(place)
        force = args.get("force", "").lower() in ("true", "yes", "1")
        title = f"cancel {run.name}"
        self.checked(run, title)
        if now.state in mapping.ENDED:
            raise Conflict(f"{title} was not sent", source=self.source.name, why=f"it has ended: {now.state}")
        if not now.number:
            return Preview(
                verb=self.verb, ref=ref, record=run, title=title, args={},
                steps=(self.step("POST", f"/queue/cancelItem?id={place.queue}"),),
                impact=(f"{run.name} waits: {run.queued_for}", "no build is made of it"), before=str(now), after=_GONE,
                token=(now, ()), why_no_inverse="start it anew (T): it has no build to be made again",
            )  # fmt: skip
        where = f"{path_of(place.job)}/{now.number}"
        pipeline = is_pipeline(payload)
        calls = ("term", "kill") if force and pipeline else ("stop",)
        warnings = []
        if force and pipeline:
            warnings = ["kill leaves no clean-up: locks and nodes of it may stay taken"]
        elif force:
            warnings = ["only Pipelines know more than stop: this build is stopped as without force"]
        steps = [self.step("POST", f"{where}/{calls[0]}")]
        if len(calls) > 1:
            late = self.step("POST", f"{where}/kill")
            steps.append(type(late)(call=late.call, detail=f"only if it still runs {sum(KILL_AFTER_S):g} s later"))
        return Preview(
            verb=self.verb, ref=ref, record=run, title=title, args={"force": "true"} if force else {},
            steps=tuple(steps), impact=(f"ends it{f' at {shown(run.where)}' if run.where else ''}",),
            warnings=tuple(warnings), before=str(now), after="aborted", token=(now, calls), inverse=("run.rerun", {}),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it. An item that became a build meanwhile is another call: Conflict."""
        place = self.place(preview.ref)
        before, calls = preview.token
        now = await self._now(place)
        if now.number != before.number or now.state in mapping.ENDED:
            raise self.moved(str(before), str(now))
        if not before.number:
            answer = await self.post(place.job, f"/queue/cancelItem?id={place.queue}")
            return f"Jenkins accepted it ({answer.status})"
        where = f"{path_of(place.job)}/{before.number}"
        answer = await self.post(place.job, f"{where}/{calls[0]}")
        said = f"{calls[0]}: {answer.status}"
        if len(calls) > 1 and not await self._ends(place):
            answer = await self.post(place.job, f"{where}/{calls[1]}")
            said += f", {calls[1]}: {answer.status}"
        return f"Jenkins accepted it ({said})"

    async def _now(self, place: Place) -> Seen:
        number = await self.source.runs.number(place)
        if not number:
            return Seen(0, "queued")
        return Seen(number, mapping.word(await self.source.runs.build(place, number)))

    async def _ends(self, place: Place) -> bool:
        for pause in KILL_AFTER_S:
            if (await self._now(place)).state in mapping.ENDED:
                return True
            await self.source.sleep(pause)
        return (await self._now(place)).state in mapping.ENDED

    async def verify(self, preview: Preview) -> Outcome:
        """It has ended as aborted, or it is out of the queue without a build."""
        place, (before, _) = self.place(preview.ref), preview.token

        async def ended() -> Seen | None:
            try:
                now = await self._now(place)
            except NotFound:
                return None if before.number else Seen(0, _GONE)
            return now if now.state in mapping.ENDED or (now.number and not before.number) else None

        now = await self.until(ended, preview, "it still goes on")
        done = now.state == ("aborted" if before.number else _GONE)
        return Outcome(verified=done, message=f"it is {now.state}" if done else f"it is {now}", observed=str(now))
