"""The desk of releases: what the commands and the screens do with them. No screen library, and no system of its own.

A plan is made here and carried out by a runner of its own; this side only starts it, asks it and looks on.
"""

from __future__ import annotations

from quarterdeck.releasing import planned
from quarterdeck.releasing.lookingon import Operation
from quarterdeck.releasing.starting import Starting
from quarterdeck_lifecycle.errors import NotFound, Refused
from quarterdeck_lifecycle.release.freezing import Freeze
from quarterdeck_lifecycle.release.model import Kind, Plan, service_ref
from quarterdeck_lifecycle.release.ports import Ask

__all__ = ["Desk", "Freeze", "Operation"]


class Desk(Starting):
    """Releases, as one person at one deck sees and starts them. Making one asks nothing of anybody."""

    # planning

    async def plan(
        self, service: str, environment: str, wanted: str, *, kind: Kind = "deploy", to_revision: str = "",
        back: str = "", reason: str = "",
    ) -> Plan:  # fmt: skip
        """Decide a release. Sends no write.

        `wanted` is a tag, a digest, or one of the contract's REF forms. Raises Refused, NotFound, Unavailable.
        """
        if kind == "rollback":
            await self.make_room()
        return await planned.service_plan(
            self.boot, service, environment, wanted, kind=kind, to_revision=to_revision, back=back, reason=reason
        )

    async def plan_promote(
        self, model: str, version: str, alias: str, environment: str, *, reason: str = "", back: str = "",
        service: str = "",
    ) -> Plan:  # fmt: skip
        """Decide a move of an alias to a version, with the service that serves it where one is configured.

        `environment` and `service` may be empty where they are not in question. Raises as `plan` does.
        """
        return await planned.alias_plan(
            self.boot, model, version, alias, environment, kind="promote", reason=reason, back=back, service=service
        )

    async def plan_alias_back(
        self, model: str, alias: str, environment: str, *, to_revision: str = "", reason: str = "", back: str = "",
        service: str = "",
    ) -> Plan:  # fmt: skip
        """Decide to move an alias back to its last champion, or to the version named. Raises as `plan` does."""
        await self.make_room()
        return await planned.alias_plan(
            self.boot, model, "", alias, environment, kind="rollback", to_revision=to_revision, reason=reason,
            back=back, service=service,
        )  # fmt: skip

    # what is asked of a running one

    async def ask(self, op: str, ask: Ask, why: str = "") -> None:
        """Ask a running operation to abort, keep, extend or put back. Raises Refused when nobody is there to hear."""
        self._writing(ask)
        row = await self.store.operation(op)
        if row.state != "ended" and not self.folder(row.op).alive():
            raise Refused(f"the runner of {row.op} is dead", mend=f"quarterdeck recover {row.op}")
        await self.store.ask(row.op, ask, self.boot.actor, why)

    async def approve(self, op: str, why: str = "") -> None:
        """Say yes to another user's plan, for 30 minutes. Raises Refused for one's own."""
        self._writing("the approval")
        row = await self.store.operation(op)
        await self.store.approve(row, row.decoded().digest(), self.boot.actor, why)
        ref = str(service_ref(row.service, row.environment))
        await self._write("release.approve", ref, "note", why, row.op, "approved for 30 minutes")

    # freezes

    async def freeze(self, service: str, environment: str, reason: str, until: float | None = None) -> Freeze:
        """Forbid releases of a service, until then (epoch seconds). Raises NotFound, ValueError without a reason."""
        self._writing("the freeze")
        self._known(service, environment)
        made = await self.store.freeze(service, environment, self.boot.actor, reason, until)
        await self._write("release.freeze", str(service_ref(service, environment)), "note", reason, "", str(made))
        return made

    async def unfreeze(self, service: str, environment: str) -> None:
        """Take one's own freeze away. Raises NotFound, and Refused for another's."""
        self._writing("it")
        await self.store.unfreeze(service, environment, self.boot.actor)
        await self._write("release.unfreeze", str(service_ref(service, environment)), "note", "", "", "unfrozen")

    async def freezes(self) -> list[Freeze]:
        """Every freeze that holds now; those that the config says are not among them."""
        return await self.store.freezes()

    def _known(self, service: str, environment: str) -> None:
        if (service, environment) not in self.services():
            places = ", ".join(f"{name} in {env}" for name, env in self.services()) or "none"
            raise NotFound(f"no service is called {service} in {environment}", why=f"known are {places}")
