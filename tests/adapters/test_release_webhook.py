"""Announcements: what arrives, whom nothing reaches, and that no trouble of theirs becomes the release's."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.peerrig import Authority, Script, answers, authority, drips, drops, hangs, peer
from quarterdeck_adapters.releasing.message import FACTS
from quarterdeck_adapters.releasing.webhook import WebhookAnnouncer, addresses
from quarterdeck_config.redact import Redactor
from quarterdeck_config.schema import SecretRef, Webhook
from quarterdeck_lifecycle.errors import AuthFailed
from quarterdeck_lifecycle.release.ports import Announcer

HOST = "hooks.acme.test"
TOKEN = "tok-4711-abc"
LOOPBACK = ("127.0.0.0/8",)
FACTS_OF_ONE = {
    "op": "20261123T0910-ab12", "kind": "deploy", "service": "fraud-api", "environment": "prod",
    "result": "ROLLED_BACK", "from": "r/fraud@sha256:aa", "to": "r/fraud@sha256:bb", "actor": "op1",
    "origin": "ssh from 10.0.0.9", "host": "bastion", "reason": "hotfix <!channel> @here",
    "started_at": "2026-11-23T09:10:00Z",
    "ledger_head": "f00d", "message": "the soak failed: guard error rate is 0.2, more than 0.05",
}  # fmt: skip


class Resolver:
    """Answers one list after the other, the last one again and again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers) or [("127.0.0.1",)]
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Teller:
    """An announcer with one webhook, and what it waited for."""

    def __init__(self, ca_file: Path | None, **options: Any) -> None:
        self.redactor = Redactor()
        self.redactor.register(TOKEN)
        self.waited: list[float] = []
        self.resolver = options.pop("resolver", None) or Resolver()
        self.ca_file = str(ca_file) if ca_file else None
        self.deadline = options.pop("deadline", 20.0)
        self.secret: Callable[[SecretRef], str] = options.pop("secret", lambda _: TOKEN)
        self.options = {"peers": LOOPBACK, **options}

    async def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)

    def announcer(self, port: int, host: str = HOST) -> WebhookAnnouncer:
        webhook = Webhook(url=f"https://{host}:{port}/in?x=1", ca_file=self.ca_file, **self.options)
        return WebhookAnnouncer(
            {"ops": webhook}, self.secret, self.redactor.redact, resolve=self.resolver, sleep=self._sleep,
            now=lambda: 1_795_412_000.0, deadline=self.deadline,
        )  # fmt: skip

    async def tell(self, port: int, host: str = HOST) -> str:
        return await self.announcer(port, host).tell(["ops"], FACTS_OF_ONE)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = authority(tmp_path_factory.mktemp("ca"))
    made.context([f"DNS:{HOST}"])
    return made


def test_it_announces() -> None:
    announcer: Announcer = WebhookAnnouncer({}, lambda _: "")
    assert announcer


async def test_what_arrives(private: Authority) -> None:
    async with peer(answers(202), tls=private.context([f"DNS:{HOST}"])) as there:
        teller = Teller(private.ca_file, token=SecretRef(env="T"))
        said = await teller.tell(there.port)
        assert said.startswith("ops: 202 after ")
        assert there.names == [HOST]
        (heard,) = there.heard
        assert heard.line == "POST /in?x=1 HTTP/1.1"
        assert heard.headers["host"] == f"{HOST}:{there.port}"
        assert heard.headers["authorization"] == f"Bearer {TOKEN}"
        assert heard.headers["content-type"] == "application/json"
        sent = json.loads(heard.body)
        assert list(sent) == [*FACTS, "text"]
        assert {name: sent[name] for name in FACTS_OF_ONE} == FACTS_OF_ONE
        assert sent["ended_at"] == "2026-11-23T05:33:20+00:00"
        assert teller.resolver.asked == [(HOST, there.port)]


async def test_a_redirect_is_a_failure_and_nothing_goes_there(private: Authority) -> None:
    tls = private.context([f"DNS:{HOST}"])
    async with peer(answers(200), tls=private.context([f"DNS:{HOST}"])) as other:
        redirect = answers(307, location=f"https://{HOST}:{other.port}/")
        async with peer(redirect, tls=tls) as there:
            teller = Teller(private.ca_file, token=SecretRef(env="T"))
            assert await teller.tell(there.port) == "ops: not sent: 307: it redirects, which is not followed"
            assert (there.connections, other.connections, teller.waited) == (1, 0, [])


@pytest.mark.parametrize(
    ("scripts", "said", "connections", "waited"),
    [
        ([answers(503), drops, answers(200)], "ops: 200 after", 3, [1.0, 3.0]),
        ([answers(500, b"down")], "ops: not sent: 500: down (tried 3 times)", 3, [1.0, 3.0]),
        ([drops], "(tried 3 times)", 3, [1.0, 3.0]),
        ([answers(404, b"no such hook")], "ops: not sent: 404: no such hook", 1, []),
        ([answers(429)], "ops: not sent: 429", 1, []),
        ([answers(400, f"bad token {TOKEN}\x1b".encode())], "ops: not sent: 400: bad token ***␛", 1, []),
    ],
)
async def test_tries(
    private: Authority, scripts: list[Script], said: str, connections: int, waited: list[float]
) -> None:
    async with peer(*scripts, tls=private.context([f"DNS:{HOST}"])) as there:
        teller = Teller(private.ca_file)
        assert said in await teller.tell(there.port)
        assert (there.connections, teller.waited) == (connections, waited)


@pytest.mark.parametrize("script", [hangs(), drips(b"HTTP/1.1 200 OK\r\nX: ", b"y")], ids=["hang", "drip"])
async def test_a_hang_is_not_sent_twice(private: Authority, script: Script) -> None:
    async with peer(script, tls=private.context([f"DNS:{HOST}"])) as there:
        teller = Teller(private.ca_file, deadline=0.5)
        assert await teller.tell(there.port) == "ops: not sent: no answer within 0.5 s; it may have arrived"
        assert there.connections == 1


async def test_a_peer_without_tls_hangs_in_the_handshake(private: Authority) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        teller = Teller(private.ca_file, deadline=0.4)
        said = await teller.tell(server.sockets[0].getsockname()[1])
    assert "tried 3 times" in said
    assert teller.waited == [1.0, 3.0]


async def test_a_huge_answer_is_left_unread(private: Authority) -> None:
    endless = drips(b"HTTP/1.1 500 Oh\r\n\r\n", b"x" * 65536)
    async with peer(endless, tls=private.context([f"DNS:{HOST}"])) as there:
        said = await Teller(private.ca_file, deadline=600.0).tell(there.port)
        assert "500: xxx" in said
        assert len(said) < 300
    async with peer(drips(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), tls=private.context([f"DNS:{HOST}"])) as there:
        assert (await Teller(private.ca_file).tell(there.port)).startswith("ops: 200 after")


async def test_a_failure_whose_words_never_end(private: Authority) -> None:
    async with peer(
        hangs(b"HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\nnot you"), tls=private.context([f"DNS:{HOST}"])
    ) as there:
        assert await Teller(private.ca_file, deadline=1.0).tell(there.port) == "ops: not sent: 403: not you"


async def test_the_private_authority_alone_is_believed(private: Authority, tmp_path: Path) -> None:
    async with peer(answers(200), tls=private.context([f"DNS:{HOST}"])) as there:
        (tmp_path / "other").mkdir()
        other = Authority(tmp_path / "other", "Another authority")
        for ca_file in (other.ca_file, None):
            teller = Teller(ca_file, token=SecretRef(env="T"))
            said = await teller.tell(there.port)
            assert "CERTIFICATE_VERIFY_FAILED" in said
            assert teller.waited == []
        wrong = await Teller(private.ca_file).tell(there.port, host="other.acme.test")
        assert "not valid for 'other.acme.test'" in wrong
        assert there.heard == []
    assert "No such file" in await Teller(tmp_path / "none.pem").tell(1)


async def test_a_name_is_resolved_once_and_the_checked_address_is_reached(
    private: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[object] = []
    real = socket.getaddrinfo

    def watched(host: Any, *args: Any, **options: Any) -> Any:
        looked_up.append(host)
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", watched)
    rebinding = Resolver(["127.0.0.1"], ["169.254.169.254"])
    async with peer(answers(503), answers(200), tls=private.context([f"DNS:{HOST}"])) as there:
        teller = Teller(private.ca_file, resolver=rebinding)
        assert (await teller.tell(there.port)).startswith("ops: 200")
        assert len(rebinding.asked) == 1
        assert there.connections == 2
        assert set(looked_up) <= {"127.0.0.1", b"127.0.0.1"}
        said = await teller.tell(there.port)
        assert "169.254.169.254 is link-local or a cloud's metadata" in said
        assert there.connections == 2


async def test_one_forbidden_address_forbids_all(private: Authority) -> None:
    async with peer(answers(200), tls=private.context([f"DNS:{HOST}"])) as there:
        teller = Teller(private.ca_file, resolver=Resolver(["127.0.0.1", "10.0.0.8"]), token=SecretRef(env="T"))
        assert "10.0.0.8 is private, and peers: of this webhook does not allow it" in await teller.tell(there.port)
        assert there.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"])
async def test_loopback_by_any_name_is_refused_without_peers(private: Authority, host: str) -> None:
    async with peer(answers(200), tls=private.context(["IP:127.0.0.1"])) as there:
        announcer = WebhookAnnouncer({"ops": Webhook(url=f"https://{host}:{there.port}/")}, lambda _: "")
        said = await announcer.tell(["ops"], {})
        assert "not sent" in said
        assert "loopback" in said or "no single machine" in said or "Name or service" in said or "no address" in said
        assert there.connections == 0


async def test_it_resolves_by_the_system() -> None:
    assert "127.0.0.1" in await addresses("localhost", 443)


def raising(error: Exception) -> Callable[[SecretRef], str]:
    def secret(_: SecretRef) -> str:
        raise error

    return secret


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"token": SecretRef(env="T"), "secret": raising(AuthFailed("the variable T is not set"))}, "T is not set"),
        ({"token": SecretRef(env="T"), "secret": raising(KeyError("odd"))}, "KeyError"),
        ({"token": SecretRef(env="T"), "secret": raising(OSError(f"no {TOKEN}"))}, "no ***"),
        (
            {"token": SecretRef(env="T"), "secret": lambda _: f"{TOKEN}\r\nX: y"},
            "its token is empty or holds a character",
        ),
        ({"token": SecretRef(env="T"), "secret": lambda _: ""}, "its token is empty"),
        ({"peers": ("10.0.0.0/99",)}, "peers: '10.0.0.0/99'"),
        ({"resolver": Resolver([])}, "has no address"),
    ],
)
async def test_trouble_is_told_and_not_raised(options: dict[str, Any], said: str) -> None:
    told = await Teller(None, **options).tell(1)
    assert told.startswith("ops: not sent: ")
    assert said in told
    assert TOKEN not in told


async def test_each_is_told_on_its_own(private: Authority) -> None:
    async with peer(answers(200), tls=private.context([f"DNS:{HOST}"])) as there:
        announcer = Teller(private.ca_file).announcer(there.port)
        said = await announcer.tell(["gone", "ops", "ops"], FACTS_OF_ONE)
        first, second = said.split("; ")
        assert first == "gone: not sent, the config has no such webhook"
        assert second.startswith("ops: 200 after ")
        assert there.connections == 1
        assert await announcer.tell([], FACTS_OF_ONE) == ""


@pytest.mark.parametrize("url", ["https://u:p@hooks.acme.test/", "https:///in"])
async def test_odd_urls(url: str) -> None:
    announcer = WebhookAnnouncer({"ops": Webhook(url=url)}, lambda _: "", resolve=Resolver())
    assert "its url is not https, has no host, or holds a password" in await announcer.tell(["ops"], {})
