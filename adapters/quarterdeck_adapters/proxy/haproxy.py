"""haproxy as a release's proxy, over its runtime API (https://docs.haproxy.org/2.6/management.html#9.3).

A new server waits in `drain` until a real check has passed: haproxy believes a server well from the moment it leaves
maintenance until its first check, and would send requests to one that is not listening yet. Free slots of the
configuration (in maintenance, at 0.0.0.0) go before servers added at runtime. Over a reload the state file brings
back the address of a slot that is declared by a name (SLOT); to one declared by an address it brings back only port
and state, and haproxy 2.6 then takes 0.0.0.0, itself, for a server that is well.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping

import msgspec

from quarterdeck_adapters.proxy.base import (
    POLL_S,
    Server,
    Settings,
    State,
    checked_name,
    chosen,
    joined,
    parsed_address,
)
from quarterdeck_adapters.proxy.haproxy_state import (
    FREE,
    OURS,
    SLOT,
    Row,
    blocked,
    in_progress,
    read_rows,
    read_stat,
    told,
)
from quarterdeck_adapters.proxy.runtime_api import RuntimeSocket
from quarterdeck_lifecycle.errors import Conflict, NotFound, Unsupported

CHECKS = "check inter 2s fastinter 500ms downinter 500ms rise 2 fall 3"
"""A server added at runtime takes nothing from `default-server`; how it is asked comes from the backend."""
REMOVE_S = 10.0


class Haproxy:
    """One backend of one haproxy. See `Proxy`."""

    def __init__(self, source: str, settings: Settings) -> None:
        self.source, self.drain_s = source, settings.drain_s
        self.backend = checked_name(source, settings.backend)
        self._socket = RuntimeSocket(source, settings.socket)

    async def servers(self) -> Mapping[str, Server]:
        """The backend's servers by name, with the sessions that are open or queued on them."""
        rows, counts = await self._rows(), await self._stat()
        return {
            name: msgspec.structs.replace(row.server, sessions=in_progress(counts.get(name, {})))
            for name, row in rows.items()
        }

    async def find(self, address: str) -> str | None:
        """The name of the server with this address; one in use before one in maintenance."""
        wanted = joined(*parsed_address(self.source, address))
        found = chosen({name: row.server for name, row in (await self._rows()).items()}, wanted)
        return found.name if found else None

    async def add(self, server: str, address: str) -> str:
        """Put the address in a free slot, or add a server, in drain and under checks. Answers its name."""
        checked_name(self.source, server)
        ip, port = parsed_address(self.source, address)
        wanted, rows = joined(ip, port), await self._rows()
        there = chosen({name: row.server for name, row in rows.items()}, wanted)
        if there is None:
            name = await self._take(rows, server, str(ip), port)
            rows = await self._rows()
            there = rows[name].server if name in rows else None
            if there is None or there.address != wanted:
                raise Conflict(
                    f"{self.backend}/{name} is not {wanted}", source=self.source,
                    why=f"it is {there.address if there else 'gone'}: somebody else changed it at the same time",
                )  # fmt: skip
        if there.state == "maint":
            await self._arrive(rows[there.name], "drain")
        return there.name

    async def healthy(self, server: str) -> bool:
        """Whether its own checks passed since it was added; true for a slot without checks."""
        row = await self._row(server)
        return row.server.state != "maint" and row.server.health in ("up", "none")

    async def ready(self, server: str) -> None:
        """Give it traffic: at once when its checks have passed, else when they have."""
        row = await self._row(server)
        if row.server.state == "ready":
            return
        if row.server.state == "maint":
            await self._arrive(row, "ready")
        else:
            await self._socket.write(f"set server {self._path(row)} state ready")
        await self._confirm(row.server.name, "ready")

    async def drain(self, server: str) -> None:
        """Nothing new for it, but what a cookie binds to it. Gone already is fine."""
        row = await self._known(server)
        if row is not None and row.server.state == "ready":
            await self._socket.write(f"set server {self._path(row)} state drain")
            await self._confirm(row.server.name, "drain")

    async def sessions(self, server: str) -> int:
        """Requests (connections in tcp mode) that are open or queued on it."""
        name = server
        if server not in (counts := await self._stat()):
            row = await self._known(server)
            name = row.server.name if row else server
        return in_progress(counts.get(name, {}))

    async def remove(self, server: str) -> None:
        """Delete a server that was added at runtime; empty a slot, or a server of the configuration, and keep it in
        maintenance. Sessions that are left are shut down, since the workload behind them goes."""
        row = await self._known(server)
        if row is None or row.free:
            return
        path = self._path(row)
        if row.server.state != "maint":
            await self._socket.write(f"set server {path} state maint")
        if not row.ours:
            if not row.resolved:
                await self._socket.write(f"set server {path} addr {FREE[0]} port 0")
            return
        try:
            async with asyncio.timeout(REMOVE_S):
                while True:
                    try:
                        await self._socket.write(f"del server {path}")
                        return
                    except NotFound:
                        return
                    except Conflict as error:
                        if "connections" not in error.why:
                            raise
                    await self._socket.write(f"shutdown sessions server {path}")
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise Conflict(
                f"{path} was not removed", source=self.source, why=f"connections are left after {REMOVE_S:g} s",
                mend=f"it gets no traffic; later: del server {path}",
            ) from error  # fmt: skip

    async def warnings(self) -> tuple[str, ...]:
        """What a reload forgets, what is not checked. Raises Unsupported for what would stop a release."""
        rows, stat = list((await self._rows()).values()), await self._stat()
        why, mend = blocked(self.backend, rows, stat, (await self._socket.read("show cli level")).strip())
        if why:
            raise Unsupported(f"no server of {self.backend} can be changed", source=self.source, why=why, mend=mend)
        return told(self.backend, rows, stat)

    async def _take(self, rows: Mapping[str, Row], server: str, ip: str, port: int) -> str:
        """The name of the slot or new server that has the address now."""
        slot = min((row for row in rows.values() if row.free), key=lambda row: not row.lasting, default=None)
        if slot is not None:
            await self._socket.write(f"set server {self._path(slot)} addr {ip} port {port}")
            return slot.server.name
        if server in rows:
            raise Conflict(
                f"{self.backend}/{server} is there already", source=self.source,
                why=f"with the address {rows[server].server.address}",
            )  # fmt: skip
        if any(row.tls for row in rows.values()):
            raise Unsupported(
                f"{self.backend}/{server} was not added", source=self.source,
                why="the backend's servers use TLS, one added at runtime would not",
                mend=f"declare slots: {SLOT} ssl ...",
            )  # fmt: skip
        taken = {row.id for row in rows.values()}
        number = OURS + zlib.crc32(server.encode()) % 100_000_000
        while number in taken:
            number += 1
        at = f"ipv6@[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
        await self._socket.write(f"add server {self.backend}/{server} {at} {CHECKS} id {number}")
        return server

    async def _arrive(self, row: Row, state: State) -> None:
        """Out of maintenance, down until its checks pass: haproxy would believe it well until the first one."""
        path = self._path(row)
        if row.checked:
            await self._socket.write(
                f"enable health {path}", f"set server {path} state {state}", f"set server {path} health down"
            )
        else:
            await self._socket.write(f"set server {path} state {state}")

    async def _confirm(self, name: str, state: State) -> None:
        row = await self._row(name)
        if row.server.state != state:
            raise Conflict(
                f"{self.backend}/{name} is not {state}", source=self.source,
                why=f"haproxy says {row.server.state} (srv_admin_state {row.admin})",
                mend="the server may track another one, or its name may not resolve",
            )  # fmt: skip

    def _path(self, row: Row) -> str:
        return f"{self.backend}/{checked_name(self.source, row.server.name)}"

    async def _row(self, server: str) -> Row:
        row = await self._known(server)
        if row is None:
            raise NotFound(
                f"no server {server} in {self.backend}", source=self.source, why="haproxy may have been reloaded"
            )
        return row

    async def _known(self, server: str) -> Row | None:
        rows = await self._rows()
        found = chosen({name: row.server for name, row in rows.items()}, server)
        return rows[found.name] if found else None

    async def _rows(self) -> dict[str, Row]:
        answer = await self._socket.read(f"show servers state {self.backend}")
        if "find backend" in answer:
            raise NotFound(f"no backend {self.backend}", source=self.source, why=answer)
        return {row.server.name: row for row in read_rows(answer, self.source)}

    async def _stat(self) -> dict[str, dict[str, str]]:
        return read_stat(await self._socket.read(f"show stat {self.backend} 6 -1"), self.backend, self.source)
