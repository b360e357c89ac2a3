"""Start, stop, restart, kill, pause, unpause and remove a container.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from quarterdeck_adapters.docker.acting import Mutation, size, truth, whole
from quarterdeck_lifecycle.errors import Conflict, NotFound
from quarterdeck_lifecycle.kinds import Container
from quarterdeck_lifecycle.ports import Outcome, Preview, Step
from quarterdeck_lifecycle.records import Record, Ref

Json = Mapping[str, Any]
RUNNING = frozenset({"running", "healthy", "unhealthy", "starting"})
SETTLE_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
ENDING = frozenset({"KILL", "TERM", "INT", "QUIT", "ABRT"})
_SIGNAL = re.compile(r"(?:SIG)?([A-Z]+[0-9]*(?:[+-][0-9]+)?)|([0-9]{1,2})")


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a container's state: from which states, what is to be read back, and what undoes it."""

    word: str
    allowed: frozenset[str]
    after: str
    inverse: str = ""
    why_no_inverse: str = ""
    timed: bool = False


SPECS = {
    "container.start": Spec(
        word="start", allowed=frozenset({"created", "exited"}), after="running", inverse="container.stop"
    ),
    "container.stop": Spec(
        word="stop", allowed=frozenset({"running", "restarting", "paused"}), after="exited",
        inverse="container.start", timed=True,
    ),
    "container.restart": Spec(
        word="restart", allowed=frozenset({"running", "restarting", "exited", "created", "paused"}), after="running",
        why_no_inverse="what it held in memory is gone", timed=True,
    ),
    "container.kill": Spec(
        word="kill", allowed=frozenset({"running", "restarting", "paused"}), after="exited", inverse="container.start"
    ),
    "container.pause": Spec(
        word="pause", allowed=frozenset({"running"}), after="paused", inverse="container.unpause"
    ),
    "container.unpause": Spec(
        word="unpause", allowed=frozenset({"paused"}), after="running", inverse="container.pause"
    ),
}  # fmt: skip


def condition(record: Container) -> str:
    """The engine's word for a row's state."""
    word = record.state.split(" ")[0].rstrip(",")
    return "running" if word in RUNNING else word


def token(inspected: Json) -> tuple[str, str, str, str]:
    """What makes a container the one that the operator saw: id, status, start and image."""
    state = inspected.get("State") or {}
    return (
        str(inspected.get("Id")), str(state.get("Status")), str(state.get("StartedAt")), str(inspected.get("Image"))
    )  # fmt: skip


def cautions(inspected: Json, word: str) -> list[str]:
    """What the operator may not have in mind."""
    found = []
    host, labels = inspected.get("HostConfig") or {}, (inspected.get("Config") or {}).get("Labels") or {}
    policy = (host.get("RestartPolicy") or {}).get("Name") or "no"
    if word in ("stop", "kill") and host.get("AutoRemove"):
        found.append("it was started with --rm: the engine removes it when it stops")
    if word == "kill" and policy in ("always", "unless-stopped", "on-failure"):
        found.append(f"restart policy {policy}")
    if word == "stop" and policy == "always":
        found.append("restart policy always: it comes back when the engine restarts")
    if labels.get("com.docker.swarm.service.name"):
        found.append(f"Swarm runs it for {labels['com.docker.swarm.service.name']} and starts another one")
    if word == "remove" and labels.get("quarterdeck.service"):
        found.append(f"a release of {labels['quarterdeck.service']} may want to go back to it")
    return found


class _OnContainer(Mutation):
    async def inspect(self, ref: Ref, *, sizes: bool = False) -> dict[str, Any]:
        """The container as it is now. Raises NotFound when it is gone."""
        self.check(ref)

        def ask(client: Any) -> dict[str, Any]:
            if not sizes:
                return dict(client.inspect_container(ref.id))
            url = client._url("/containers/{0}/json", ref.id)
            return dict(client._result(client._get(url, params={"size": 1}), True))

        return await self.source.engine().call(ask, what=f"looking at container {ref.id[:12]}")

    async def record(self, ref: Ref) -> Record | None:
        """Its row."""
        rows = (await self.source.inventory().list("container")).rows
        return next((row for row in rows if row.ref == ref), None)


class Change(_OnContainer):
    """One of the changes of state in `SPECS`."""

    def __init__(self, source: Any, verb: str, spec: Spec) -> None:
        super().__init__(source, verb)
        self.spec = spec

    def permitted(self, record: Record) -> str | None:
        """None when its state allows it."""
        if not isinstance(record, Container):
            return super().permitted(record)
        return self._refusal(condition(record))

    def _refusal(self, state: str) -> str | None:
        if state in self.spec.allowed:
            return None
        return {
            "running": "it runs already", "paused": "it is paused: unpause it first", "dead": "it is dead",
            "exited": "it does not run", "created": "it was never started",
        }.get(state, f"it is {state}")  # fmt: skip

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """Read its state and say what would be sent. Raises Conflict where the state forbids it."""
        found = await self.inspect(ref)
        state = str((found.get("State") or {}).get("Status"))
        name = str(found.get("Name") or "").removeprefix("/")
        if (why := self._refusal(state)) is not None:
            raise Conflict(f"{self.spec.word} {name}", source=self.source.name, why=why)
        query, flags, kept = self._arguments(args)
        inverse: tuple[str, dict[str, str]] | None = (self.spec.inverse, {}) if self.spec.inverse else None
        why_none = self.spec.why_no_inverse
        warnings = cautions(found, self.spec.word)
        if inverse and any("--rm" in text for text in warnings):
            inverse, why_none = None, "it was started with --rm and will be gone"
        if self.spec.word == "kill" and not self._ends(kept):
            inverse, why_none = None, "a signal cannot be taken back"
        return Preview(
            verb=self.verb, ref=ref, record=await self.record(ref), args=kept,
            title=f"{self.spec.word} {name}", deadline_s=120 + float(kept.get("timeout", 0)),
            steps=(Step(call=f"POST /containers/{ref.id}/{self.spec.word}{query}", detail=name),),
            impact=(f"{name} · {found.get('Config', {}).get('Image', '')}",), warnings=tuple(warnings),
            before=state, after=self.spec.after if self._ends(kept) else "the signal was taken", token=token(found),
            inverse=inverse, why_no_inverse=why_none, command=self.command(self.spec.word, *flags, "--", name),
        )  # fmt: skip

    def _arguments(self, args: Mapping[str, str]) -> tuple[str, list[str], dict[str, str]]:
        if self.spec.timed:
            seconds = whole(args, "timeout", 10, 3600)
            return f"?t={seconds}", ["--time", str(seconds)], {"timeout": str(seconds)}
        if self.spec.word == "kill":
            name = args.get("signal", "").strip().upper() or "KILL"
            match = _SIGNAL.fullmatch(name)
            if match is None:
                raise Conflict(f"{name} is no signal", source=self.source.name, mend="write KILL, TERM, HUP or USR1")
            signal = match[2] or f"SIG{match[1]}"
            return f"?signal={signal}", ["--signal", signal], {"signal": signal}
        return "", [], {}

    def _ends(self, args: Mapping[str, str]) -> bool:
        return self.spec.word != "kill" or args.get("signal", "").removeprefix("SIG") in (*ENDING, "9", "15", "2")

    async def execute(self, preview: Preview) -> str:
        """Send it once. Raises Conflict when it changed since the preview; any other failure as the engine put it."""
        self.moved(preview, token(await self.inspect(preview.ref)))
        id, args = preview.ref.id, preview.args
        seconds = float(args.get("timeout", 0))
        params = {"t": args["timeout"]} if "timeout" in args else {"signal": args["signal"]} if args else {}

        def send(client: Any) -> None:
            url = client._url(f"/containers/{{0}}/{self.spec.word}", id)
            client._raise_for_status(client._post(url, params=params))

        engine = self.source.engine()
        await engine.call(send, what=preview.title, deadline=engine.deadline + seconds + 5)
        return "done"

    async def verify(self, preview: Preview) -> Outcome:
        """Read its state back, a few times where the engine answers before the program has ended."""
        for pause in (*SETTLE_S, None):
            try:
                now = token(await self.inspect(preview.ref))
            except NotFound:
                gone = self.spec.word in ("stop", "kill") and preview.inverse is None
                return Outcome(verified=gone, message="it is gone", observed="removed")
            if self._reached(preview, now) or pause is None:
                break
            await asyncio.sleep(pause)
        return Outcome(
            verified=self._reached(preview, now), message=f"it is {now[1]}", observed=f"{now[1]}, started {now[2]}"
        )

    def _reached(self, preview: Preview, now: tuple[str, str, str, str]) -> bool:
        restarted = now[2] != preview.token[2]
        if not self._ends(preview.args):
            return True
        if self.spec.word == "restart":
            return restarted and now[1] in ("running", "exited")
        # A short program may have run and ended already, and a restart policy may have started one that was killed.
        return now[1] == self.spec.after or (self.spec.word in ("start", "kill") and restarted)


class Remove(_OnContainer):
    """Remove a container; its volumes stay, the anonymous ones too."""

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:
        """What goes and what stays. Raises Conflict for one that runs, unless forced."""
        force = truth(args, "force")
        found = await self.inspect(ref, sizes=True)
        name = str(found.get("Name") or "").removeprefix("/")
        state = str((found.get("State") or {}).get("Status"))
        if state in ("running", "paused", "restarting") and not force:
            raise Conflict(
                f"remove {name}", source=self.source.name, why=f"it is {state}", mend="stop it first, or use force=true"
            )
        kept = [
            f"kept: volume {mount['Name']} ({mount.get('Destination')})"
            for mount in found.get("Mounts") or ()
            if mount.get("Name")
        ]
        gone = f"gone: its file system changes ({size(found.get('SizeRw'))}) and its log"
        return Preview(
            verb=self.verb, ref=ref, record=await self.record(ref), args={"force": "true"} if force else {},
            title=f"remove {name}",
            steps=(Step(call=f"DELETE /containers/{ref.id}?force={int(force)}&v=0", detail=name),),
            impact=(*kept, gone), warnings=tuple(cautions(found, "remove")), before=state, after="removed",
            token=token(found), why_no_inverse="its file system and its log are gone; the image stays",
            command=self.command("rm", *(["--force"] if force else []), "--", name),
        )  # fmt: skip

    async def execute(self, preview: Preview) -> str:
        """Send it once. Raises Conflict when it changed since the preview."""
        self.moved(preview, token(await self.inspect(preview.ref)))
        force = preview.args.get("force") == "true"
        await self.source.engine().call(
            lambda client: client.remove_container(preview.ref.id, v=False, force=force),
            what=preview.title,
            deadline=60,
        )
        return "removed"

    async def verify(self, preview: Preview) -> Outcome:
        """It is verified when the engine knows it no more."""
        try:
            now = token(await self.inspect(preview.ref))
        except NotFound:
            return Outcome(verified=True, message="it is gone", observed="404")
        return Outcome(verified=False, message=f"it is still there: {now[1]}", observed=now[1])
