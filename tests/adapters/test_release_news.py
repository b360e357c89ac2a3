"""What an announcement says to a chat, and which addresses it may reach at all."""

from __future__ import annotations

import json

import pytest

from quarterdeck_adapters.releasing.message import body, plain
from quarterdeck_adapters.releasing.peers import networks, refusal
from quarterdeck_config.redact import Redactor

TOKEN = "tok-4711-abc"
FACTS = {
    "op": "20261123T0910-ab12", "kind": "deploy", "service": "fraud-api", "environment": "prod",
    "result": "ROLLED_BACK", "from": "r/fraud@sha256:aa", "to": "r/fraud@sha256:bb", "actor": "op1",
    "origin": "ssh from 10.0.0.9", "host": "bastion", "reason": "hotfix <!channel> @here",
    "started_at": "2026-11-23T09:10:00Z",
    "ledger_head": "f00d", "message": "the soak failed: guard error rate is 0.2, more than 0.05",
}  # fmt: skip


def test_texts_mean_nothing_to_a_chat() -> None:
    redactor = Redactor()
    redactor.register(TOKEN)
    hostile = f"<!channel> <@U1> @everyone [click](https://evil) `x` a|b &amp; \x1b[31m\u202e\n\0 {TOKEN}"
    raw = body({"message": hostile, "reason": hostile, "unknown": "x"}, redactor.redact)
    assert not any(sign in raw for sign in (b"<", b">", b"&", b"\x1b", TOKEN.encode()))
    sent = json.loads(raw)
    assert "unknown" not in sent
    assert sent["message"].startswith("<!channel> <@U1> @everyone [click](https://evil)")
    for text in sent.values():
        assert text.isprintable()
    for sign in "<>@[]`|":
        assert sign not in sent["text"]
    assert "&lt;!channel&gt;" in sent["text"]
    assert "***" in sent["text"]
    assert plain("a & b") == "a &amp; b"


def test_a_message_is_bounded() -> None:
    assert len(json.loads(body({"message": "x" * 1_000_000}, str))["message"]) == 2000


def test_the_line_reads_well() -> None:
    assert json.loads(body({**FACTS, "reason": "hotfix"}, str))["text"] == (
        "deploy of fraud-api in prod ROLLED_BACK: r/fraud＠sha256:aa → r/fraud＠sha256:bb by op1 on bastion (hotfix): "
        "the soak failed: guard error rate is 0.2, more than 0.05"
    )


ANY = networks(["0.0.0.0/0", "::/0"])
NEVER = [
    "169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%lo", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200",
    "168.63.129.16", "192.0.0.192", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1", "2001:0:808:808::5601:5601", "::169.254.169.254", "0.0.0.0", "::", "224.0.0.1", "ff02::1",
    "255.255.255.255", "::ffff:0.0.0.0", "nonsense", "",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1", "fec0::1",
    "192.0.2.1", "198.18.0.1", "240.0.0.1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1", "2002:7f00:1::", "::127.0.0.1", "2001:db8::1", "4000::1",
]  # fmt: skip
PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]


@pytest.mark.parametrize("address", NEVER)
def test_never(address: str) -> None:
    assert refusal(address)
    assert refusal(address, ANY)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_only_where_allowed(address: str) -> None:
    assert "does not allow it" in refusal(address)
    assert refusal(address, ANY) == ""


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert refusal(address) == ""


def test_allowed_is_what_is_named() -> None:
    allowed = networks(["10.0.0.0/8", "fd12::/16", "192.168.1.7"])
    assert refusal("10.200.0.1", allowed) == refusal("::ffff:10.200.0.1", allowed) == refusal("fd12::9", allowed) == ""
    assert refusal("192.168.1.7", allowed) == ""
    assert refusal("192.168.1.8", allowed)
    assert refusal("127.0.0.1", allowed)
