"""No secret leaves in any of the forms it travels in, and plain text stays as it is."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck_config.masking import looks_secret, mask_args, mask_mapping
from quarterdeck_config.redact import MAX_VALUES, Redactor

SECRET = 's3cr3t/ca+na"ry é%x'


@pytest.fixture
def redactor() -> Redactor:
    made = Redactor()
    made.register(SECRET)
    return made


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        quote_plus(SECRET),
        quote(SECRET, safe="").replace("%2F", "%2f"),
        json.dumps(SECRET),
        json.dumps({"a": [SECRET]}, ensure_ascii=False),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"user:{SECRET}".encode()).decode(),
        base64.b64encode(f"u:{SECRET}".encode()).decode(),
        base64.b64encode(f"ab:{SECRET}".encode()).decode(),
        base64.urlsafe_b64encode(f"ab:{SECRET}".encode()).decode(),
    ],
)
def test_by_value_in_every_form(redactor: Redactor, form: str) -> None:
    shown = redactor.redact(f"before {form} after")
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert "***" in shown
    left = shown.removeprefix("before ").removesuffix(" after").replace("***", "")
    assert len(left) <= 12
    assert "cr3t" not in left


@given(st.text(min_size=6, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_any_value_is_gone(value: str, before: str, after: str) -> None:
    made = Redactor()
    made.register(value)
    shown = made.redact(before + value + after)
    assert value not in shown.replace("***", "") or value in before + after or set(value) <= {"*"}
    basic = base64.b64encode(f"user:{value}".encode("utf-8", "surrogatepass")).decode()
    assert made.redact(basic) != basic


LOOKS = [
    ("ghp_" + "a1" * 18, "***"),
    ("x=gho_" + "a1" * 18 + ".", "x=***."),
    ("github_pat_" + "a_1" * 20, "***"),
    ("glpat-" + "x" * 20, "***"),
    ("xoxb-123456-abcdef", "***"),
    ("key AKIAIOSFODNN7EXAMPLE!", "key ***!"),
    ("ASIAIOSFODNN7EXAMPLE", "***"),
    ("hf_" + "aB" * 17, "***"),
    ("t eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN z", "t *** z"),
    ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
    ("authorization: abc", "authorization: ***"),
    ('> AUTHORIZATION: Digest username="a", response="b"', '> AUTHORIZATION: Digest ***"a", response="b"'),
    ("Proxy-Authorization: Basic dXNlcjpwYXNz", "Proxy-Authorization: Basic ***"),
    ('{"Authorization": "token abc", "b": 1}', '{"Authorization": "token ***", "b": 1}'),
    ("-H 'PRIVATE-TOKEN: abc' x", "-H 'PRIVATE-TOKEN: ***' x"),
    ("X-Api-Key=abc x", "X-Api-Key=*** x"),
    ("postgres://u:p%40ss@h:5432/db", "postgres://u:***@h:5432/db"),
    ("https://u:p@ss@h/x", "https://u:***@h/x"),
    ("redis://:pw@h", "redis://:***@h"),
    ("https://h/hook?a=1&sig=abc%2F&b=2", "https://h/hook?a=1&sig=***&b=2"),
    ("https://b.s3/x?X-Amz-Signature=abc", "https://b.s3/x?X-Amz-Signature=***"),
    ("a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b", "a *** b"),
    ("-----BEGIN PRIVATE KEY-----\\nMII", "***"),
]


@pytest.mark.parametrize(("text", "shown"), LOOKS)
def test_by_look(text: str, shown: str) -> None:
    assert Redactor().redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "the authorization failed twice",
        "https://user@host:8080/path?q=1#x",
        "ssh://ops@prod-1",
        "hf_hub_download gh-pages glob akia eyJ",
        "image 127.0.0.1:5000/team/api@sha256:0123456789abcdef",
        "-----BEGIN CERTIFICATE-----",
        "2026-01-02T03:04:05Z INFO status=200 path=/score latency_ms=12.4",
        "",
    ],
)
def test_plain_text_stays_the_same_object(redactor: Redactor, text: str) -> None:
    assert redactor.redact(text) is text


def test_key_over_several_lines() -> None:
    line = Redactor().lines()
    key = ["a", "-----BEGIN OPENSSH PRIVATE KEY-----", "b3BlbnNzaC1r", "-----END OPENSSH PRIVATE KEY-----", "b"]
    assert [line(text) for text in key] == ["a", "***", "***", "***", "b"]


def test_key_without_an_end_hides_a_bounded_number_of_lines() -> None:
    line = Redactor().lines()
    shown = [line(text) for text in ["-----BEGIN PRIVATE KEY-----", *["x"] * 300]]
    assert shown.count("***") == 201


def test_short_and_many_values() -> None:
    made = Redactor()
    made.register("abc")
    assert made.redact("abc") == "abc"
    for number in range(MAX_VALUES + 1):
        made.register(f"v{number:05}")
    assert made.redact(f"v00000 v00001 v{MAX_VALUES:05}") == "v00000 *** ***"


def test_longer_value_wins_over_its_own_beginning() -> None:
    made = Redactor()
    made.register("token-one")
    made.register("token-one-and-more")
    assert made.redact("token-one-and-more token-one") == "*** ***"


NAMES = {
    "POSTGRES_PASSWORD": True, "db_passwd": True, "GITHUB_TOKEN": True, "githubToken": True, "clientSecret": True,
    "AWS_SECRET_ACCESS_KEY": True, "API_KEY": True, "apiKey": True, "SIGNINGKEY": True, "SENTRY_DSN": True,
    "GOOGLE_APPLICATION_CREDENTIALS": True, "PGPASSWORD": True, "com.acme.webhook": True, "BASIC_AUTH": True,
    "DB_PWD": True, "MYSQL_PWD": True, "SSH_PASSPHRASE": True, "session_cookie": True, "KEYS": True,
    "PWD": False, "OLDPWD": False, "PATH": False, "HOME": False, "KEYCLOAK_URL": False, "PATTERN": False,
    "TOKENIZERS_PARALLELISM": False, "AUTHOR": False, "FRAUD_TIMEOUT_MS": False, "compass": False, "LICENCE": False,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    assert looks_secret(name) is NAMES[name]


def test_configured_names_are_masked_too() -> None:
    assert looks_secret("ACME_LICENCE", ["*_licence"])
    assert mask_mapping({"ACME_LICENCE": "x", "B": "y"}, ["ACME_*"]) == {"ACME_LICENCE": "***", "B": "y"}


def test_mapping_by_name_and_by_value(redactor: Redactor) -> None:
    env = {"A_TOKEN": "x", "EMPTY_TOKEN": "", "URL": "postgres://u:p@h", "NOTE": f"is {SECRET}", "MODE": "fast"}
    assert mask_mapping(env, redactor=redactor) == {
        "A_TOKEN": "***",
        "EMPTY_TOKEN": "",
        "URL": "postgres://u:***@h",
        "NOTE": "is ***",
        "MODE": "fast",
    }
    assert env["A_TOKEN"] == "x"


def test_arguments() -> None:
    argv = ["run", "--token", "abc", "--password=abc", "-e", "API_KEY=abc", "--keep", "3", "X-Auth-Token: abc", "--key"]
    assert mask_args(argv) == (
        *("run", "--token", "***", "--password=***", "-e", "API_KEY=***", "--keep", "3", "X-Auth-Token:***", "--key"),
    )
    assert mask_args(["--token", "--verbose", "x"]) == ("--token", "--verbose", "x")
    assert mask_args(["--token", "-abc"]) == ("--token", "***")
