"""haproxy as a release's proxy, over its runtime API (https://docs.haproxy.org/2.6/management.html#9.3).

A new server waits in `drain` until a real check has passed: haproxy believes a server well from the moment it leaves
maintenance until its first check, and would send requests to one that is not listening yet. Free slots of the
configuration (in maintenance, at 0.0.0.0) go before servers added at runtime: a reload keeps only slots.
"""

from __future__ import annotations

import asyncio
import csv
import io
import zlib
from collections.abc import Mapping

import msgspec

from quarterdeck_adapters.proxy.base import (
    POLL_S,
    Health,
    Server,
    Settings,
    State,
    checked_name,
    chosen,
    joined,
    parsed_address,
)
from quarterdeck_adapters.proxy.runtime_api import RuntimeSocket
from quarterdeck_lifecycle.errors import Conflict, Malformed, NotFound, Unsupported

CHECKS = "check inter 2s fastinter 500ms downinter 500ms rise 2 fall 3"
"""A server added at runtime takes nothing from `default-server`; how it is asked comes from the backend."""
OURS = 1_500_000_000
"""Ids from here on mark servers that were added at runtime by a release."""
REMOVE_S = 10.0
DYNAMIC = ("roundrobin", "leastconn", "first", "random")
MAINT, DRAIN = 0x01 | 0x02 | 0x20, 0x08 | 0x10
CONFIGURED = 0x02
PASSED = ("3", "4")
FREE = ("0.0.0.0", "::", "-")  # noqa: S104


class _Row(msgspec.Struct, frozen=True):
    """A server's line of `show servers state`, with what the release decides by."""

    server: Server
    id: int
    ours: bool
    free: bool
    checked: bool
    tls: bool
    resolved: bool
    admin: int


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
            name: msgspec.structs.replace(row.server, sessions=_open(counts.get(name, {})))
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
        return _open(counts.get(name, {}))

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
        """What a reload forgets, what is not checked, what the socket may not."""
        rows, stat = await self._rows(), await self._stat()
        level = (await self._socket.read("show cli level")).strip()
        said = [f"the haproxy socket has the level {level}: a release needs `level admin`"] if level != "admin" else []
        if any(row.free for row in rows.values()):
            said.append(
                f"haproxy keeps the addresses of {self.backend}'s slots over a reload only with server-state-file and "
                "load-server-state-from-file, written before each reload"
            )
            if any(row.free and not row.checked for row in rows.values()):
                said.append(f"free slots of {self.backend} have no `check`: haproxy will not see a server fail there")
        else:
            algorithm = stat.get("BACKEND", {}).get("algo", "")
            said.append(
                f"haproxy forgets servers added to {self.backend} when it reloads, also with server-state-file: "
                "declare slots in its configuration, server-template NAME 4 0.0.0.0:0 check disabled"
            )
            if algorithm and algorithm.partition("(")[0] not in DYNAMIC:
                said.append(f"{self.backend} balances by {algorithm}, which takes no servers at runtime")
            if any(row.tls for row in rows.values()):
                said.append(f"the servers of {self.backend} use TLS, one added at runtime would not: declare slots")
        if any(stat.get(name, {}).get("cookie") for name in rows):
            said.append(f"cookies bind clients to servers of {self.backend}: they stay on a draining one until it goes")
        return tuple(said)

    async def _take(self, rows: Mapping[str, _Row], server: str, ip: str, port: int) -> str:
        """The name of the slot or new server that has the address now."""
        slot = next((row for row in rows.values() if row.free), None)
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
                mend="declare slots: server-template NAME 4 0.0.0.0:0 check disabled ssl ...",
            )  # fmt: skip
        taken = {row.id for row in rows.values()}
        number = OURS + zlib.crc32(server.encode()) % 100_000_000
        while number in taken:
            number += 1
        at = f"ipv6@[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
        await self._socket.write(f"add server {self.backend}/{server} {at} {CHECKS} id {number}")
        return server

    async def _arrive(self, row: _Row, state: State) -> None:
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

    def _path(self, row: _Row) -> str:
        return f"{self.backend}/{checked_name(self.source, row.server.name)}"

    async def _row(self, server: str) -> _Row:
        row = await self._known(server)
        if row is None:
            raise NotFound(
                f"no server {server} in {self.backend}", source=self.source, why="haproxy may have been reloaded"
            )
        return row

    async def _known(self, server: str) -> _Row | None:
        rows = await self._rows()
        found = chosen({name: row.server for name, row in rows.items()}, server)
        return rows[found.name] if found else None

    async def _rows(self) -> dict[str, _Row]:
        answer = await self._socket.read(f"show servers state {self.backend}")
        if "find backend" in answer:
            raise NotFound(f"no backend {self.backend}", source=self.source, why=answer)
        lines = answer.splitlines()
        if len(lines) < 2 or lines[0].strip() != "1" or not lines[1].startswith("# be_id"):
            raise Malformed("show servers state", source=self.source, why=f"haproxy said: {answer[:200]}")
        names = lines[1][2:].split()
        try:
            rows = [_read(dict(zip(names, line.split(), strict=True))) for line in lines[2:] if line.strip()]
        except (KeyError, ValueError) as error:
            raise Malformed("show servers state", source=self.source, why=f"a line cannot be read: {error}") from error
        return {row.server.name: row for row in rows}

    async def _stat(self) -> dict[str, dict[str, str]]:
        """The counters of the backend by server, the backend's own as BACKEND."""
        answer = await self._socket.read(f"show stat {self.backend} 6 -1")
        if not answer.startswith("# pxname,"):
            raise Malformed("show stat", source=self.source, why=f"haproxy said: {answer[:200]}")
        return {row["svname"]: row for row in csv.DictReader(io.StringIO(answer[2:])) if row["pxname"] == self.backend}


def _read(line: Mapping[str, str]) -> _Row:
    admin, check = int(line["srv_admin_state"]), int(line["srv_check_state"])
    address, port, number = line["srv_addr"], line["srv_port"], int(line["srv_id"])
    state: State = "maint" if admin & MAINT else "drain" if admin & DRAIN else "ready"
    resolved = line.get("srv_fqdn", "-") != "-"
    checked = bool(check & CONFIGURED)
    return _Row(
        server=Server(
            name=line["srv_name"], address=f"[{address}]:{port}" if ":" in address else f"{address}:{port}",
            state=state, health=_health(line, checked),
        ),
        id=number, ours=number >= OURS and line.get("srv_f_forced_id") == "1",
        free=state == "maint" and address in FREE and not resolved, checked=checked,
        tls=line.get("srv_use_ssl") == "1", resolved=resolved, admin=admin,
    )  # fmt: skip


def _health(line: Mapping[str, str], checked: bool) -> Health:
    if not checked:
        return "none"
    if line["srv_op_state"] != "0":
        return "up" if line["srv_check_result"] in PASSED else "starting"
    return "down" if line["srv_check_result"] == "2" else "starting"


def _open(counts: Mapping[str, str]) -> int:
    return sum(int(counts.get(name) or 0) for name in ("scur", "qcur"))
