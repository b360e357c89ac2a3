"""Probes against a peer on loopback that does all that a sick service does."""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.peerrig import Authority, Script, answers, authority, drips, drops, hangs, peer, says
from quarterdeck_adapters.releasing.dialing import our_side, split
from quarterdeck_adapters.releasing.probe import MOST_BODY, NetProber
from quarterdeck_config.redact import Redactor
from quarterdeck_lifecycle.release.model import ProbeRule
from quarterdeck_lifecycle.release.ports import Prober, Sample

PATIENT = 20.0
SHORT = 0.3
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


async def get(url: str, address: str = "", *, prober: NetProber | None = None, **rule: object) -> Sample:
    given = {"timeout_s": PATIENT, **rule}
    return await (prober or NetProber(now=lambda: 77.0)).http(url, address, ProbeRule(http=url, **given))  # type: ignore[arg-type]


def test_it_is_a_prober() -> None:
    prober: Prober = NetProber()
    assert prober


async def test_a_pass() -> None:
    async with peer(answers(200, b"ready")) as there:
        sample = await get(f"http://{there.address}/health?deep=1")
        assert (sample.verdict, sample.at) == ("pass", 77.0)
        assert sample.said.startswith("200 after ")
        assert there.heard[0].line == "GET /health?deep=1 HTTP/1.1"
        assert there.heard[0].headers["host"] == there.address


SICK: list[tuple[str, Script, dict[str, object], str]] = [
    ("wrong status", answers(503, b"warming \x1b[31mup\n"), {}, "not 200: warming ␛up"),
    ("another success", answers(204), {}, "204 after"),
    ("redirect", answers(302, location="https://u:p@login.example:8443/in"), {}, "redirect to login.example:8443,"),
    ("redirect to itself", answers(301, location="/health/"), {}, "a redirect to 127.0.0.1:"),
    ("redirect to nowhere", answers(302, location="http://[broken"), {}, "a redirect to no web address"),
    ("redirect without a place", answers(302), {}, "302 after"),
    ("wrong body", answers(200, b'{"state": "loading"}'), {"body": '"state": "ready"'}, 'match "state": "ready": {'),
    ("the match is beyond the bound", answers(200, b"." * MOST_BODY + b"ready"), {"body": "ready"}, "does not match"),
    ("reset", drops, {}, "no answer: "),
    ("ends without an answer", says(b""), {}, "no answer: "),
    ("no http", says(b"SSH-2.0-OpenSSH_9.2\r\n"), {}, "no answer: "),
    ("hang", hangs(), {"timeout_s": SHORT}, "no answer within 0.3 s"),
    ("hang in the head", hangs(b"HTTP/1.1 200 OK\r\nX:"), {"timeout_s": SHORT}, "no answer within 0.3 s"),
    ("slow head", drips(b"HTTP/1.1 200 OK\r\nX: ", b"y"), {"timeout_s": SHORT}, "no answer within 0.3 s"),
    ("slow body", drips(HEAD), {"timeout_s": SHORT}, "200, and no whole answer: within 0.3 s"),
    ("cut body", says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrea"), {}, "200, and no whole answer: "),
    ("sick and slow", drips(b"HTTP/1.1 500 Oh\r\n\r\nno"), {"timeout_s": SHORT}, "500 after"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "rule", "words"), [each[1:] for each in SICK], ids=[each[0] for each in SICK])
async def test_a_fail(script: Script, rule: dict[str, object], words: str) -> None:
    async with peer(script) as there:
        sample = await get(f"http://{there.address}/health", **rule)
        assert sample.verdict == "fail"
        assert words in sample.said
        assert "u:p" not in sample.said
        assert there.connections == 1


async def test_the_expected_status_may_be_any() -> None:
    async with peer(answers(401)) as there:
        assert (await get(f"http://{there.address}/", expect=401)).verdict == "pass"
    async with peer(answers(302, location="/login")) as there:
        assert (await get(f"http://{there.address}/", expect=302)).verdict == "pass"


async def test_a_body_without_an_end_matches_within_the_bound() -> None:
    async with peer(drips(HEAD + b"ready" + b"." * MOST_BODY * 2)) as there:
        assert (await get(f"http://{there.address}/", body="^ready")).verdict == "pass"


async def test_each_probe_has_a_connection_of_its_own() -> None:
    prober = NetProber()
    async with peer(answers(200, connection="keep-alive")) as there:
        for _ in range(3):
            assert (await get(f"http://{there.address}/", prober=prober)).verdict == "pass"
        assert there.connections == 3


async def test_it_goes_to_the_address_in_the_name_of_the_url() -> None:
    async with peer(answers(200)) as there:
        sample = await get("http://fraud.acme.example:8080/health", there.address)
        assert sample.verdict == "pass"
        assert there.heard[0].headers["host"] == "fraud.acme.example:8080"
        assert there.heard[0].line == "GET /health HTTP/1.1"


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer(answers(200)) as there, peer(answers(500)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy.address}")
        monkeypatch.setenv("ALL_PROXY", f"http://{proxy.address}")
        assert (await get(f"http://{there.address}/")).verdict == "pass"
        assert proxy.connections == 0


async def test_refused_is_a_fail() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        sample = await get(f"http://127.0.0.1:{port}/")
        assert (sample.verdict, "refused" in sample.said) == ("fail", True)
        tcp = await NetProber().tcp(f"127.0.0.1:{port}", ProbeRule())
        assert (tcp.verdict, "refused" in tcp.said) == ("fail", True)


async def test_secrets_in_what_came_are_masked() -> None:
    redactor = Redactor()
    redactor.register("hunter22")
    async with peer(answers(500, b"cannot log in with hunter22")) as there:
        sample = await get(f"http://{there.address}/", prober=NetProber(redact=redactor.redact))
        assert "cannot log in with ***" in sample.said


@contextmanager
def no_more_files() -> Iterator[None]:
    """Every file descriptor is taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [socket.socket()]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0].fileno() + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in held:
            each.close()


async def test_our_own_trouble_is_unknown() -> None:
    prober = NetProber()
    async with peer(answers(200)) as there:
        url = f"http://{there.address}/"
        assert (await get(url, prober=prober)).verdict == "pass"
        with no_more_files():
            sample, tcp = await get(url, prober=prober), await prober.tcp(there.address, ProbeRule())
        assert (sample.verdict, tcp.verdict) == ("unknown", "unknown")
        assert "Too many open files" in sample.said
        assert "Too many open files" in tcp.said
        assert there.connections == 1


@pytest.mark.parametrize(
    ("url", "address", "rule", "words"),
    [
        ("ftp://127.0.0.1/", "", {}, "no http or https url"),
        ("http:///health", "", {}, "not probed"),
        ("http://127.0.0.1/", "nowhere", {}, "nowhere is no HOST:PORT"),
        ("http://127.0.0.1/", "", {"body": "("}, "not probed"),
    ],
)
async def test_what_cannot_be_asked_is_unknown(url: str, address: str, rule: dict[str, object], words: str) -> None:
    sample = await get(url, address, **rule)
    assert sample.verdict == "unknown"
    assert words in sample.said


def test_whose_side_it_is() -> None:
    def wrapped(*errors: OSError) -> Exception:
        outer = OSError("All connection attempts failed")
        outer.__cause__ = errors[0] if len(errors) == 1 else ExceptionGroup("several", list(errors))
        return outer

    refused, no_files, no_route = OSError(111, "refused"), OSError(24, "too many"), OSError(101, "unreachable")
    assert our_side(wrapped(no_files))
    assert our_side(wrapped(no_files, no_route))
    assert not our_side(wrapped(no_route, refused))
    assert not our_side(wrapped(refused))
    assert our_side(socket.gaierror(socket.EAI_AGAIN, "temporary"))
    assert not our_side(socket.gaierror(socket.EAI_NONAME, "no such name"))
    assert not our_side(RuntimeError("something else"))


@pytest.mark.parametrize("address", ["", ":80", "host", "host:", "host:0", "host:70000", "host:8o", "host:١"])
def test_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="no HOST:PORT"):
        split(address)


def test_addresses() -> None:
    assert split("[::1]:8080") == ("::1", 8080)
    assert split("api.test:443") == ("api.test", 443)


async def test_tcp() -> None:
    async with peer(answers(200)) as there:
        sample = await NetProber(now=lambda: 5.0).tcp(there.address, ProbeRule())
        assert (sample.verdict, sample.at) == ("pass", 5.0)
        assert sample.said.startswith("connected after ")


@pytest.mark.parametrize("linger", [None, struct.pack("ii", 1, 0)], ids=["end", "reset"])
async def test_tcp_to_a_forwarder_with_nothing_behind_it(linger: bytes | None) -> None:
    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if linger is not None:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sample = await NetProber().tcp(f"127.0.0.1:{port}", ProbeRule())
    assert sample.verdict == "fail"
    assert "accepted and closed at once" in sample.said


async def test_tcp_that_greets_passes() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert (await NetProber().tcp(f"127.0.0.1:{port}", ProbeRule())).verdict == "pass"


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


async def test_tls_is_verified_for_the_urls_host(private: Authority) -> None:
    tls = private.context(["DNS:fraud.acme.test"])
    prober = NetProber(ca_file=str(private.ca_file))
    async with peer(answers(200), tls=tls) as there:
        sample = await get("https://fraud.acme.test/health", there.address, prober=prober)
        assert sample.verdict == "pass", sample.said
        assert there.names == ["fraud.acme.test"]
        other = await get("https://other.acme.test/health", there.address, prober=prober)
        assert other.verdict == "fail"
        assert "not valid for 'other.acme.test'" in other.said
        public = await get("https://fraud.acme.test/health", there.address)
        assert public.verdict == "fail"
        assert "CERTIFICATE_VERIFY_FAILED" in public.said
        assert len(there.heard) == 1


async def test_an_authority_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    sample = await get("https://127.0.0.1:9/", prober=NetProber(ca_file=str(tmp_path / "none.pem")))
    assert sample.verdict == "unknown"
