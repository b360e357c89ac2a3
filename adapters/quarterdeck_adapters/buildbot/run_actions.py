"""Rebuild, and stop a build or cancel a request.

https://docs.buildbot.net/latest/developer/raml/build.html (methods `rebuild` and `stop`)
https://docs.buildbot.net/latest/developer/raml/buildrequest.html (method `cancel`)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from quarterdeck_adapters.buildbot.acting import BuildbotAction, state_of
from quarterdeck_adapters.buildbot.mapping import Known, revisions
from quarterdeck_adapters.ci.values import sha_of, shown, whole
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref

ON = ("queued", "starting", "running", "pending")
_NO_APPROVAL = "Buildbot has no approvals: nothing of it waits for one"
_NO_STEP = "Buildbot does this to whole builds, never to one step: take its run"
CANNOT = {
    "run.rerun_failed": ("Buildbot builds a whole build again, never its failed steps alone: re-run it", "run"),
    "run.approve": (_NO_APPROVAL, "run"),
    "run.reject": (_NO_APPROVAL, "run"),
    "job.rerun": (_NO_STEP, "job"),
    "job.cancel": (_NO_STEP, "job"),
    "job.start": ("Buildbot has no manual steps: a step begins when the one before it has ended", "job"),
    "job.rollback": ("Buildbot keeps no older deployments: start a run of an older commit", "job"),
    "job.hold": ("Buildbot has no transitions between stages", "job"),
    "job.release": ("Buildbot has no transitions between stages", "job"),
}
"""Verbs that Buildbot has not: why, and the kind of row they would be for."""


class Seen(NamedTuple):
    """What the operator saw of a run. `build` is 0 while it has none; `key` is of this preview alone."""

    build: int
    state: str
    key: str

    def __str__(self) -> str:
        return f"build {self.build}, {self.state}" if self.build else self.state


class OnRun(BuildbotAction):
    """A verb on a run as it is now."""

    def seen(self, known: Known) -> Seen:
        """What is there."""
        return Seen(whole((known.build or {}).get("buildid")) or 0, state_of(known), self.key())

    async def _as_seen(self, preview: Preview) -> Known:
        """Read it again. Raises Conflict when it is another build, or in another state."""
        known = await self.source.runs.read(self.place(preview.ref))
        now = self.seen(known)
        if now[:2] != preview.token[:2]:
            raise self.moved(str(preview.token), str(now))
        return known


class Rerun(OnRun):
    """`run.rerun`: a new request for the same sources and properties, which has a row of its own."""

    verb = "run.rerun"

    def refusal(self, record: Record) -> str | None:
        """Runs that go on, and requests that were never built."""
        if not isinstance(record, Run) or record.state in ON:
            return f"it is {record.state}: only what has ended is built again"
        return None if record.started_at is not None else "it was never built: start a new run instead"

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent. Raises Conflict while it goes on."""
        known = await self.source.runs.read(self.place(ref))
        record = await self.source.runs.record(known)
        title = f"re-run {record.name}"
        self.checked(record, title)
        token = self.seen(known)
        floating = [each for each in known.sources if not sha_of(each.get("revision"))]
        old = revisions(known)
        warnings = []
        if floating:
            built = f", not {old[0][0][:10]}" if old else ""
            names = ", ".join(shown(each.get("branch")) or "the default branch" for each in floating)
            warnings.append(f"it was asked for without a commit: what is built is the tip of {names} then{built}")
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title,
            steps=(self.step("POST", f"/api/v2/builds/{token.build}", self.api.rpc("rebuild", {})),),
            impact=(f"a new build of {record.workflow} with the properties of this one",),
            warnings=tuple(warnings),
            before=str(token), after="a new build request, followed to its build", token=token,
            why_no_inverse="the run that it starts is cancelled on its own row",
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when the run moved."""
        await self._as_seen(preview)
        result = await self.api.control(f"builds/{preview.token.build}", self.api.rpc("rebuild", {}))
        return self.keep(preview.token.key, result)

    async def verify(self, preview: Preview) -> Outcome:
        """The new request is there, or its build."""
        return await self.follow(preview.token.key, preview)


class Cancel(OnRun):
    """`run.cancel`: stops the build, or takes back the request that has none."""

    verb = "run.cancel"

    def refusal(self, record: Record) -> str | None:
        """What has ended."""
        return None if record.state in ON else f"it has ended: {record.state}"

    def call(self, token: Seen, ref: Ref) -> tuple[str, dict[str, object]]:
        """Path and body of the control call."""
        reason = {"reason": "stopped from quarterdeck"}
        if token.build:
            return f"builds/{token.build}", self.api.rpc("stop", reason)
        return f"buildrequests/{self.place(ref).request}", self.api.rpc("cancel", reason)

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """What would be sent. Raises Conflict for what has ended."""
        known = await self.source.runs.read(self.place(ref))
        record = await self.source.runs.record(known)
        title = f"cancel {record.name}"
        self.checked(record, title)
        token = self.seen(known)
        path, body = self.call(token, ref)
        at = f"stops {record.where or 'the step that runs'}" if token.build else "it leaves the queue, and has no build"
        return Preview(
            verb=self.verb, ref=ref, record=record, title=title,
            steps=(self.step("POST", f"/api/v2/{path}", body),), impact=(at,), before=str(token), after="cancelled",
            token=token, inverse=("run.rerun", {}) if token.build else None,
            why_no_inverse="" if token.build else "Buildbot builds no cancelled request again: start a new run",
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Compare, then send it once. Raises Conflict when it moved: another call would be needed then."""
        await self._as_seen(preview)
        await self.api.control(*self.call(preview.token, preview.ref))
        return "Buildbot took it, and says nothing more"

    async def verify(self, preview: Preview) -> Outcome:
        """It has ended as cancelled. Buildbot answers the same for what it does not know: only this read tells."""
        place = self.place(preview.ref)

        async def ended() -> Known | None:
            known = await self.source.runs.read(place)
            return None if state_of(known) in ON else known

        state = state_of(await self.until(ended, preview, "it goes on"))
        return Outcome(verified=state == "cancelled", message=f"it is {state}", observed=state)
