"""The haproxy driver against a real haproxy and against sockets that misbehave: repeats, refusals, errors, warnings."""

from __future__ import annotations

import asyncio
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.proxyrig import SOURCE, OpenHaproxy, backends, driver
from parts.haproxy import CHECKED, SLOTS
from quarterdeck_adapters.proxy import Server, make, runtime_api, wait_healthy
from quarterdeck_adapters.proxy.base import checked_name, chosen, parsed_address
from quarterdeck_lifecycle.errors import (
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    Refused,
    Timeout,
    Unavailable,
    Unsupported,
)
from quarterdeck_lifecycle.permit import permit

HOSTILE = [
    "a;shutdown sessions server app/web", "a\nset server app/web state maint", "a b", "", "#1", "app/web", "a\\", "ü",
    "a\r", "$(reboot)", "-" * 201, "<<", "\0", "a\n",
]  # fmt: skip
DEAD = "127.0.0.1:1"


@pytest.mark.parametrize("slots", [(), (SLOTS,)], ids=["added", "slots"])
async def test_what_is_so_already_is_not_written_again(open_haproxy: OpenHaproxy, slots: tuple[str, ...]) -> None:
    async with backends("one", "two") as (old, new):
        haproxy = open_haproxy({"app": [*CHECKED, *slots, f"server web {old.address} check"]})
        proxy = driver(haproxy)
        with permit(SOURCE):
            name = await proxy.add("web-2", new.address)
        # A write without the permit is refused, so these are reads.
        assert await proxy.add("web-2", new.address) == name
        assert await proxy.add("another", new.address) == name
        await wait_healthy(proxy, name)
        with permit(SOURCE):
            await proxy.ready(name)
        await proxy.ready(name)
        with permit(SOURCE):
            await proxy.drain(name)
        await proxy.drain(name)
        with permit(SOURCE):
            await proxy.remove(name)
        await proxy.remove(name)
        await proxy.remove(new.address)
        await proxy.drain(new.address)
        assert await proxy.sessions(name) == 0
        assert await proxy.find(new.address) is None


async def test_nothing_is_written_without_the_permit(open_haproxy: OpenHaproxy) -> None:
    haproxy = open_haproxy({"app": [*CHECKED, SLOTS, f"server web {DEAD} check"]})
    proxy, before = driver(haproxy), haproxy.command("show servers state app")
    for write in (proxy.add("x", "127.0.0.1:2"), proxy.drain("web"), proxy.remove("web")):
        with pytest.raises(Refused, match="would write"):
            await write
    assert _steady(haproxy.command("show servers state app")) == _steady(before)


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_name_that_could_end_a_command_is_never_sent(open_haproxy: OpenHaproxy, name: str) -> None:
    haproxy = open_haproxy({"app": [*CHECKED, f"server web {DEAD} check"]})
    before = haproxy.command("show servers state app")
    with pytest.raises(Refused):
        driver(haproxy, name)
    with permit(SOURCE):
        with pytest.raises(Refused):
            await driver(haproxy).add(name, "127.0.0.1:2")
        with pytest.raises(Refused):
            await driver(haproxy).add("fine", name)
        with pytest.raises(NotFound):
            await driver(haproxy).ready(name)
        await driver(haproxy).remove(name)
    assert _steady(haproxy.command("show servers state app")) == _steady(before)


@given(st.text(max_size=30))
def test_what_passes_the_name_check_holds_nothing_that_ends_a_command(name: str) -> None:
    with suppress(Refused):
        assert not set(checked_name(SOURCE, name)) - set(string.ascii_letters + string.digits + "_.:-")


@pytest.mark.parametrize("address", ["example.org:80", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", ":80", "1.2.3:x"])
def test_only_an_ip_and_a_port_are_an_address(address: str) -> None:
    with pytest.raises(Refused):
        parsed_address(SOURCE, address)


async def test_ipv6_is_added_and_found(open_haproxy: OpenHaproxy) -> None:
    proxy = driver(open_haproxy({"app": [*CHECKED, f"server web {DEAD} check"]}))
    with permit(SOURCE):
        assert await proxy.add("six", "[::1]:8080") == "six"
        assert await proxy.add("again", "[0:0::1]:8080") == "six"
    assert (await proxy.servers())["six"].address == "[::1]:8080"


async def test_the_socket_over_tcp(open_haproxy: OpenHaproxy) -> None:
    haproxy = open_haproxy({"app": [*CHECKED, f"server web {DEAD} check"]})
    proxy = make(SOURCE, {"kind": "haproxy", "backend": "app", "socket": haproxy.tcp_socket})
    with permit(SOURCE):
        await proxy.drain("web")
    assert (await proxy.servers())["web"].state == "drain"


async def test_errors_say_what_to_do(open_haproxy: OpenHaproxy) -> None:
    haproxy = open_haproxy(
        {
            "app": [*CHECKED, f"server web {DEAD} check"],
            "static": ["balance static-rr", f"server web {DEAD}"],
            "secure": [f"server web {DEAD} ssl verify none"],
        }
    )
    weak = make(SOURCE, {"kind": "haproxy", "backend": "app", "socket": haproxy.weak_socket})
    with permit(SOURCE):
        with pytest.raises(NotFound, match="no backend nope"):
            await driver(haproxy, "nope").servers()
        with pytest.raises(NotFound, match="no server gone in app"):
            await driver(haproxy).ready("gone")
        with pytest.raises(Unsupported, match="balance roundrobin"):
            await driver(haproxy, "static").add("x", "127.0.0.1:2")
        with pytest.raises(Unsupported, match="TLS"):
            await driver(haproxy, "secure").add("x", "127.0.0.1:2")
        with pytest.raises(Conflict, match="there already"):
            await driver(haproxy).add("web", "127.0.0.1:2")
        with pytest.raises(Forbidden, match="level admin"):
            await weak.drain("web")
        haproxy.stop()
        with pytest.raises(Unavailable, match="check that haproxy runs"):
            await driver(haproxy).drain("web")
    with pytest.raises(Unsupported):
        make(SOURCE, {"kind": "haproxy", "backend": "app", "socket": "http://x:1"})
    with pytest.raises(Unsupported):
        make(SOURCE, {"kind": "nginx", "backend": "app"})
    with pytest.raises(Refused, match="cannot be read"):
        make(SOURCE, {"kind": "haproxy"})


@asynccontextmanager
async def answering(folder: Path, answer: bytes | None) -> AsyncIterator[str]:
    """A socket that answers everything with this; None: never."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(serve, str(folder / "s"))
    try:
        yield f"unix://{folder / 's'}"
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, Timeout), (b"", Malformed), (b"HTTP/1.0 400 Bad request\r\n\r\n", Malformed), (b"\xff" * 100, Malformed),
        (b"1\n# be_id be_name srv_id\n3 app\n", Malformed), (b"1\n# be_id x\n" + b"1\n" * 10, Malformed),
        (b"Can't find backend.\n", NotFound),
    ],
)  # fmt: skip
async def test_an_answer_that_is_none_is_a_typed_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, error: type[QuarterdeckError]
) -> None:
    monkeypatch.setattr(runtime_api, "DEADLINE_S", 0.2)
    monkeypatch.setattr(runtime_api, "MAX_ANSWER", 1_000_000)
    async with answering(tmp_path, answer) as url:
        proxy = make(SOURCE, {"kind": "haproxy", "backend": "app", "socket": url})
        with pytest.raises(error) as caught:
            await proxy.servers()
        assert type(caught.value) is error


async def test_an_answer_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_api, "MAX_ANSWER", 100_000)
    async with answering(tmp_path, b"x" * 1_000_000) as url:
        with pytest.raises(Malformed, match="larger"):
            await make(SOURCE, {"kind": "haproxy", "backend": "app", "socket": url}).servers()


def test_one_in_use_is_chosen_before_one_in_maintenance() -> None:
    def server(name: str, state: str) -> Server:
        return Server(name=name, address="1.2.3.4:5", state=state, health="up")  # type: ignore[arg-type]

    both = {"a": server("a", "maint"), "b": server("b", "ready")}
    assert chosen(both, "1.2.3.4:5") is both["b"]
    assert chosen(both, "a") is both["a"]
    assert chosen(both, "c") is None


def _steady(state: str) -> list[list[str]]:
    """Name, address, port and what an administrator set, of `show servers state`."""
    lines = [line.split(" ") for line in state.splitlines()[2:]]
    return [[line[3], line[4], line[18], line[6]] for line in lines]
