"""The way of a mutation: previewed, permitted, journalled, executed once, verified by reading back.

Nothing here knows a system or a screen; the screens and the command line both come through this door.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError, Refused, Timeout, Unavailable, Unsupported
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.kinds import PullRequest, Repository
from quarterdeck_lifecycle.ledger import Entry, Ledger, Phase, op_id
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.policy import Access, Confirm, Place, Policy
from quarterdeck_lifecycle.ports import Action, Acts, Adopts, Outcome, Preview
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.release.model import SERVICES
from quarterdeck_lifecycle.state import StateError
from quarterdeck_lifecycle.verbs import Registry, Verb

READ_DEADLINE_S = 30.0
WRITE_DEADLINE_S = 120.0
OURS_S = 10.0
"""How long after a verb's end a change of what it touched is still of its making."""
NOT_RUNNING = ("exited", "created", "dead")
T = TypeVar("T")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a verb ended. `unknown` means sent, and the read-back could not tell."""

    op: str
    verb: str
    ref: Ref
    result: Literal["SUCCEEDED", "FAILED", "UNKNOWN", "REFUSED"]
    message: str
    error: QuarterdeckError | None = None


def deadline(preview: Preview) -> float:
    """Seconds that the execution may take."""
    return preview.deadline_s or WRITE_DEADLINE_S


class Operator:
    """Carries out verbs for one person at one deck."""

    def __init__(
        self,
        hub: Hub,
        registry: Registry,
        policy: Policy,
        ledger: Ledger,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.hub = hub
        self.registry = registry
        self.policy = policy
        self.ledger = ledger
        self.last: Preview | None = None
        self._now = now
        self._ours: dict[Ref, tuple[float, str]] = {}

    def by(self, ref: Ref, at: float) -> tuple[Literal["us", "outside"], str, str]:
        """Whether a change seen now is of our making, and by which operation."""
        known = self._ours.get(ref)
        if known is not None and at <= known[0]:
            return "us", known[1], str(self.ledger.actor)
        return "outside", "", ""

    def place(self, ref: Ref, record: Record | None = None) -> Place:
        """Where a verb on this ref acts."""
        source = self.hub.sources.get(ref.source)
        return Place(ref.source, (record.environment if record else "") or (source.environment if source else ""))

    def touched(self, verb: Verb, ref: Ref) -> list[Record]:
        """The rows a verb on a whole source or compose project acts on; empty for a verb on a row."""
        if ref.kind == "project":
            return [row for row in self._of(ref.source, "container") if getattr(row, "project", "") == ref.id]
        if ref.kind == "source":
            rows = self._of(ref.source, verb.id.partition(".")[0])
            return [row for row in rows if row.kind != "container" or row.state.startswith(NOT_RUNNING)]
        return []

    def _of(self, source: str, kind: str) -> list[Record]:
        return [row for snap in self.hub.snapshots(kind) if snap.source == source for row in snap.rows]

    def places(self, verb: Verb, ref: Ref, record: Record | None) -> list[Place]:
        """Every place a verb writes to: the row's own, and those of all rows it would touch."""
        found = [self.place(ref, record), *(self.place(row.ref, row) for row in self.touched(verb, ref))]
        return list(dict.fromkeys(found))

    def access(self, verb: Verb, ref: Ref, record: Record | None) -> Access:
        """Whether all of those places are open; the first that is not says why."""
        found = [self.policy.access(place) for place in self.places(verb, ref, record)]
        return next((access for access in found if not access.open), found[0])

    def delegate(self, verb: Verb, ref: Ref, args: Mapping[str, str]) -> tuple[Verb, Ref, dict[str, str]]:
        """A verb that another system carries out: a pull request is checked out by the working copy here, a release
        on a container or an image is one of its service.

        Any other verb is answered as it is. Raises Unsupported when nobody here can, Refused when it is ambiguous.
        """
        if verb.id.startswith("service.") and ref.kind != "service":
            carrier = self.hub.sources.get(SERVICES)
            if not isinstance(carrier, Adopts):
                raise Unsupported("no service is configured here", mend="add it under services: in quarterdeck.yaml")
            return verb, carrier.adopt(verb.title, self.hub.find(ref), args), dict(args)
        if verb.id != "pull_request.checkout":
            return verb, ref, dict(args)
        pull = self.hub.find(ref)
        checkout = self.registry.get("repository.checkout_pull_request")
        if isinstance(pull, PullRequest) and checkout is not None:
            for row in self.hub.records():
                if isinstance(row, Repository) and row.link("repository").endswith(f"/{pull.repository}"):
                    return checkout, row.ref, {"number": str(pull.number)}
        name = pull.repository if isinstance(pull, PullRequest) else ref.id
        raise Unsupported(f"no working copy of {name} is known here", mend="name one under repositories:")

    def action(self, verb: Verb, ref: Ref) -> Action:
        """The source's action for a verb. Raises NotFound, Unsupported."""
        source = self.hub.sources.get(ref.source)
        if source is None:
            raise NotFound(f"no source is named {ref.source}", mend="see `quarterdeck doctor`")
        if not isinstance(source, Acts) or verb.id not in source.actions:
            raise Unsupported(f"{source.system} cannot {verb.title}", source=source.name)
        return source.actions[verb.id]

    def why_not(self, verb: Verb, ref: Ref, record: Record | None) -> str | None:
        """The reason a verb is greyed on a row, or None when it may be tried."""
        try:
            verb, target, _ = self.delegate(verb, ref, {})
            action = self.action(verb, target)
        except QuarterdeckError as error:
            return error.what
        if target != ref:
            ref, record = target, self.hub.find(target)
        access = self.access(verb, ref, record)
        if not access.open:
            return access.why
        if record is None:
            return None if ref.kind in ("source", "project") else "it is gone"
        return action.permitted(record)

    def confirmation(self, verb: Verb, ref: Ref, record: Record | None, count: int = 1) -> Confirm:
        """How the operator confirms this verb here: as the strictest of the places it touches asks."""
        asked = [self.policy.confirmation(verb, place, count=count) for place in self.places(verb, ref, record)]
        return max(asked, key=("none", "key", "typed").index)

    async def preview(self, verb: Verb, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What the verb would send. A refusal or a failure to read is in the ledger too."""
        try:
            verb, ref, args = self.delegate(verb, ref, args)
            action = self.action(verb, ref)
            for argument in verb.args:
                if argument.required and not args.get(argument.name):
                    raise Refused(f"{verb.id} needs {argument.name}", source=ref.source, mend=argument.prompt)
                if argument.choices and args.get(argument.name, argument.choices[0]) not in argument.choices:
                    raise Refused(f"{argument.name} is one of {', '.join(argument.choices)}", source=ref.source)
            reading = action.preview(ref, dict(args))
            return await self._bounded(reading, READ_DEADLINE_S, f"preview of {verb.title}", ref)
        except QuarterdeckError as error:
            await self._note(verb, ref, "refused", error)
            raise

    async def perform(self, preview: Preview, *, why: str = "", op: str = "") -> Result:
        """Carry a confirmed preview out, once. Never raises QuarterdeckError: the result says what happened."""
        verb = self.registry.get(preview.verb)
        if verb is None:
            raise ValueError(f"unknown verb {preview.verb}")
        ref, op = preview.ref, op or op_id()
        entry = Entry(
            op=op, action=verb.id, phase="intent", ref=str(ref), before=preview.before, after=preview.after, why=why,
            step=verb.title,
        )  # fmt: skip
        try:
            action = self.action(verb, ref)
            access = self.access(verb, ref, preview.record)
            if not access.open:
                raise Refused(f"{verb.title} was not sent", source=ref.source, why=access.why)
            entry = replace(entry, why=why or access.reason)
            await self._append(entry)
        except QuarterdeckError as error:
            await self._note(verb, ref, "refused", error, op=op)
            return Result(op=op, verb=verb.id, ref=ref, result="REFUSED", message=str(error), error=error)
        ours = [ref, *(row.ref for row in self.touched(verb, ref))]
        self._ours |= dict.fromkeys(ours, (math.inf, op))
        try:
            result = await self._carry_out(action, preview, op, verb)
        except asyncio.CancelledError:
            left = replace(entry, phase="outcome", result="UNKNOWN: the deck was left before it was read back")
            with suppress(Refused):
                await asyncio.shield(asyncio.ensure_future(self._append(left)))
            raise
        finally:
            self._ours |= dict.fromkeys(ours, (self._now() + OURS_S, op))
        if result.result == "SUCCEEDED" and preview.inverse is not None:
            self.last = preview
        try:
            await self._append(replace(entry, phase="outcome", result=f"{result.result}: {result.message}"))
        except Refused as error:
            result = replace(result, message=f"{result.message}; not in the ledger: {error.why}")
        self.hub.poke(ref.source)
        return result

    async def refuse(self, verb: Verb, ref: Ref, why: str) -> None:
        """Write down that a verb was refused before its preview."""
        await self._note(verb, ref, "refused", Refused(f"{verb.title} was refused", source=ref.source, why=why))

    async def _carry_out(self, action: Action, preview: Preview, op: str, verb: Verb) -> Result:
        def ended(
            result: Literal["SUCCEEDED", "FAILED", "UNKNOWN"], message: str, error: QuarterdeckError | None = None
        ) -> Result:
            return Result(op=op, verb=verb.id, ref=preview.ref, result=result, message=message, error=error)

        said, lost = "", None
        with permit(preview.ref.source), self.hub.busy.work(f"verb {verb.id}"):
            try:
                said = await self._bounded(action.execute(preview), deadline(preview), verb.title, preview.ref)
            except Unavailable as error:
                lost = error  # it may have arrived all the same: only reading back can tell
            except QuarterdeckError as error:
                return ended("FAILED", str(error), error)
        with self.hub.busy.work(f"verify {verb.id}"):
            try:
                seen: Outcome = await self._bounded(
                    action.verify(preview), READ_DEADLINE_S, f"reading back {verb.title}", preview.ref
                )
            except QuarterdeckError as error:
                return ended("UNKNOWN", f"sent, but it could not be read back: {error}", error)
        if seen.verified:
            return ended("SUCCEEDED", seen.message)
        if isinstance(lost, Timeout):
            return ended("UNKNOWN", f"{lost}; read back: {seen.message}", lost)
        if lost is not None:
            return ended("FAILED", f"{lost}; read back: {seen.message}", lost)
        return ended("FAILED", f"{seen.message}{f' ({said})' if said else ''}")

    async def _bounded(self, work: Awaitable[T], deadline: float, what: str, ref: Ref) -> T:
        try:
            async with asyncio.timeout(deadline):
                return await work
        except TimeoutError as error:
            raise Timeout(what, source=ref.source, why=f"no answer within {deadline:g} s") from error

    async def _append(self, entry: Entry) -> None:
        try:
            await self.ledger.append(entry)
        except StateError as error:
            raise Refused("the ledger cannot be written, so nothing was sent", why=str(error)) from error

    async def _note(self, verb: Verb, ref: Ref, phase: Phase, error: QuarterdeckError, op: str = "") -> None:
        entry = Entry(
            op=op or op_id(), action=verb.id, phase=phase, ref=str(ref), step=verb.title, why=str(error),
            result=error.word,
        )  # fmt: skip
        try:
            await self.ledger.append(entry)
        except StateError:
            return
