"""What haproxy tells about a backend, read: its servers, their sessions, and what a plan has to say about them.

`show servers state` and `show stat`: https://docs.haproxy.org/2.6/management.html#9.3
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import msgspec

from quarterdeck_adapters.proxy.base import Health, Server, State
from quarterdeck_lifecycle.errors import Malformed

OURS = 1_500_000_000
"""Ids from here on mark servers that were added at runtime by a release."""
HASHES = ("source", "uri", "url_param", "hdr", "rdp-cookie", "hash")
"""Algorithms that take servers at runtime only with `hash-type consistent`, which haproxy does not tell."""
MAINT, DRAIN = 0x01 | 0x02 | 0x20, 0x08 | 0x10
CONFIGURED = 0x02
PASSED = ("3", "4")
FREE = ("0.0.0.0", "::")  # noqa: S104
NAMELESS = ".invalid"
"""The end of the names of lasting slots: no resolver ever finds one (RFC 6761), so none takes the address away."""
SLOT = "server-template slot 4 free.invalid:80 init-addr last,0.0.0.0 check disabled"


class Row(msgspec.Struct, frozen=True):
    """A server's line of `show servers state`. `ours`: added at runtime by a release; `free`: a slot that nobody has;
    `lasting`: a slot that keeps its address over a reload; `resolved`: its address comes from DNS."""

    server: Server
    id: int
    ours: bool
    free: bool
    lasting: bool
    checked: bool
    tls: bool
    resolved: bool
    admin: int


def read_rows(answer: str, source: str) -> list[Row]:
    """The answer to `show servers state BACKEND`. Raises Malformed."""
    lines = answer.splitlines()
    if len(lines) < 2 or lines[0].strip() != "1" or not lines[1].startswith("# be_id"):
        raise Malformed("show servers state", source=source, why=f"haproxy said: {answer[:200]}")
    names = lines[1][2:].split()
    try:
        return [_read(dict(zip(names, line.split(), strict=True))) for line in lines[2:] if line.strip()]
    except (KeyError, ValueError) as error:
        raise Malformed("show servers state", source=source, why=f"a line cannot be read: {error}") from error


def read_stat(answer: str, backend: str, source: str) -> dict[str, dict[str, str]]:
    """The counters of `show stat` by server, the backend's own as BACKEND. Raises Malformed."""
    if not answer.startswith("# pxname,"):
        raise Malformed("show stat", source=source, why=f"haproxy said: {answer[:200]}")
    return {row["svname"]: row for row in csv.DictReader(io.StringIO(answer[2:])) if row["pxname"] == backend}


def in_progress(counts: Mapping[str, str]) -> int:
    """Sessions that are open or queued, from a server's counters. Raises Malformed."""
    try:
        return sum(int(counts.get(name) or 0) for name in ("scur", "qcur"))
    except ValueError as error:
        raise Malformed("show stat", why=str(error)) from error


def blocked(backend: str, rows: Sequence[Row], stat: Mapping[str, Mapping[str, str]], level: str) -> tuple[str, str]:
    """Why a server cannot be added or moved here, and what to do; both empty when it can."""
    if level != "admin":
        return f"the haproxy socket has the level {level}", "give it a stats socket of `level admin`"
    if any(row.free for row in rows):
        return "", ""
    if stat.get("BACKEND", {}).get("algo") == "static-rr":
        why = f"{backend} balances by static-rr, which takes no servers at runtime, and has no free slot"
        return why, f"`balance roundrobin` or `leastconn`, or slots: {SLOT}"
    if any(row.tls for row in rows):
        why = f"the servers of {backend} use TLS, one added at runtime would not, and it has no free slot"
        return why, f"declare slots: {SLOT} ssl ..."
    return "", ""


def told(backend: str, rows: Sequence[Row], stat: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """What a plan has to say: what a reload forgets, what is not checked."""
    said = []
    free = [row for row in rows if row.free]
    if any(row.lasting for row in free):
        said.append(
            f"haproxy keeps the addresses of {backend}'s slots over a reload only with server-state-file and "
            "load-server-state-from-file, written before each reload"
        )
    elif free:
        said.append(
            f"haproxy loses the addresses of {backend}'s slots when it reloads, since they are declared by an address "
            f"and not by a name: {SLOT}"
        )
    else:
        said.append(
            f"haproxy forgets servers added to {backend} when it reloads, also with server-state-file; slots in its "
            f"configuration last: {SLOT}"
        )
    if not free and (algorithm := stat.get("BACKEND", {}).get("algo")) in HASHES:
        said.append(f"{backend} balances by {algorithm}: without `hash-type consistent` no server can be added to it")
    if not all(row.checked for row in free):
        said.append(f"free slots of {backend} have no `check`: haproxy will not see a server fail there")
    if any(stat.get(row.server.name, {}).get("cookie") for row in rows):
        said.append(f"cookies bind clients to servers of {backend}: they stay on a draining one until it goes")
    return tuple(said)


def _read(line: Mapping[str, str]) -> Row:
    admin, check = int(line["srv_admin_state"]), int(line["srv_check_state"])
    address, port, number = line["srv_addr"], line["srv_port"], int(line["srv_id"])
    state: State = "maint" if admin & MAINT else "drain" if admin & DRAIN else "ready"
    name = line.get("srv_fqdn", "-")
    lasting = name.endswith(NAMELESS)
    resolved = name != "-" and not lasting
    checked = bool(check & CONFIGURED)
    return Row(
        server=Server(
            name=line["srv_name"], address=f"[{address}]:{port}" if ":" in address else f"{address}:{port}",
            state=state, health=_health(line, checked),
        ),
        id=number, ours=number >= OURS and line.get("srv_f_forced_id") == "1",
        free=state == "maint" and address in FREE and not resolved, lasting=lasting, checked=checked,
        tls=line.get("srv_use_ssl") == "1", resolved=resolved, admin=admin,
    )  # fmt: skip


def _health(line: Mapping[str, str], checked: bool) -> Health:
    if not checked:
        return "none"
    if line["srv_op_state"] != "0":
        return "up" if line["srv_check_result"] in PASSED else "starting"
    return "down" if line["srv_check_result"] == "2" else "starting"
