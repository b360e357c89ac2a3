"""Broken files: the exact message for each, and what stays in use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quarterdeck_config.document import MAX_BYTES

from .conftest import Ship

F = "quarterdeck.yaml"
ONE = "- {name: a, system: docker, "

BROKEN = {
    "empty": ("", [f"{F}:1: found an empty file, expected keys such as sources, or no file at all"]),
    "comments": ("# x\n", [f"{F}:1: found an empty file, expected keys such as sources, or no file at all"]),
    "not utf-8": (b"a: 1\nb: \xff\n", [f"{F}:2: found the byte 0xff, expected text in UTF-8"]),
    "tab": ("sources:\n\t- {name: a}\n", [f"{F}:2: found a tab in the indentation, expected spaces"]),
    "control": ("theme: a\x01b\n", [f"{F}: found a control character, expected printable text"]),
    "a list": ("- a\n", [f"{F}:1: found no mapping, expected keys such as sources"]),
    "two documents": (
        "theme: a\n---\nb: 1\n",
        [f"{F}:2: found a second document (---), expected one document in the file"],
    ),
    "tag": (
        "theme: !!python/object/apply:os.system [echo]\n",
        [f"{F}:1: found a tag (!), expected plain YAML without tags"],
    ),
    "unknown alias": (
        "theme: *Sup3rS3cret\n",
        [f"{F}:1: found an alias (*) of nothing before it, expected an anchor (&) first, or quotes"],
    ),
    "recursive alias": (
        "sources: &a [*a]\n",
        [f"{F}:1: found an alias (*) of nothing before it, expected an anchor (&) first, or quotes"],
    ),
    "duplicate key": (
        "theme: a\nviews: {}\ntheme: b\n",
        [f"{F}:3: theme: found the key a second time, expected it once (line 1)"],
    ),
    "duplicate below": (
        "sources:\n  - name: a\n    system: docker\n    system: mlflow\n",
        [f"{F}:4: sources[0].system: found the key a second time, expected it once (line 3)"],
    ),
    "unknown key": ("sorces: []\n", [f"{F}:1: sorces: found an unknown key, expected sources (did you mean that?)"]),
    "unknown below": (
        f"sources:\n  {ONE}tokn: x}}\n",
        [f"{F}:2: sources[0].tokn: found an unknown key, expected token (did you mean that?)"],
    ),
    "secret as text": (
        f"sources:\n  - {{name: b, system: git}}\n  {ONE}token: hunter2}}\n",
        [f"{F}:3: sources[1].token: found a string, expected {{env|file|command|keyring}}"],
    ),
    "secret twice": (
        f"sources:\n  {ONE}token: {{env: A, keyring: B}}}}\n",
        [f"{F}:2: sources[0].token: found env and keyring, expected exactly one of {{env|file|command|keyring}}"],
    ),
    "missing": (
        "sources:\n  - {name: a}\n  - system: b\n",
        [
            f"{F}:2: sources[0].system: found nothing, expected a text",
            f"{F}:3: sources[1].name: found nothing, expected a text",
        ],
    ),
    "kinds": (
        f"sources:\n  {ONE}read_only: maybe, repos: x, interval: fast, deadline: .inf, rate_share: 3}}\n",
        [
            f"{F}:2: sources[0].read_only: found a string, expected true or false",
            f"{F}:2: sources[0].repos: found a string, expected a list",
            f"{F}:2: sources[0].interval: found another text, expected a duration such as 500ms, 2s, 10m or 1h30m",
            f"{F}:2: sources[0].deadline: found a huge number, "
            "expected a duration with its unit, such as 500ms, 2s, 10m or 1h30m",
            f"{F}:2: sources[0].rate_share: found the number 3.0, expected a number <= 1.0",
        ],
    ),
    "not finite": (
        f"sources:\n  {ONE}thresholds: {{cpu: {{max: .nan}}}}}}\n",
        [f"{F}:2: sources[0].thresholds.cpu.max: found no finite number, expected a number"],
    ),
    "number for text": (
        f"sources:\n  {ONE}repos: [12]}}\n",
        [f"{F}:2: sources[0].repos[0]: found the number 12, expected a text (put it in quotes)"],
    ),
    "url": (
        f"sources:\n  {ONE}url: 'http://u:hunter2@h'}}\n  - {{name: b, system: git, url: 'ssh://-oProxyCommand=x/'}}\n",
        [
            f"{F}:2: sources[0].url: found a password inside the url, "
            "expected the keys username and password: {env|file|command|keyring}",
            f"{F}:3: sources[1].url: found a url without a proper host name, "
            "expected a url (http://, https://, ssh://, tcp://, unix://)",
        ],
    ),
    "url user": (
        f"sources:\n  {ONE}url: 'ssh://-oProxyCommand=x@h'}}\n",
        [
            f"{F}:2: sources[0].url: found a url without a proper host name, "
            "expected a url (http://, https://, ssh://, tcp://, unix://)"
        ],
    ),
    "double name": (
        "sources:\n  - {name: a, system: git}\n  - {name: a, system: docker}\n",
        [f"{F}:3: sources[1].name: found a name that line 2 has already, expected a name of its own"],
    ),
    "bad name": (
        "sources:\n  - {name: --help, system: git}\n",
        [
            f"{F}:2: sources[0].name: found another text, "
            "expected a name of letters, digits, '_', '-' and '.', at most 63, no leading '-'"
        ],
    ),
    "unknown environment": (
        f"environments: {{prod: {{}}, staging: {{}}}}\nsources:\n  {ONE}environment: prd}}\n",
        [f"{F}:3: sources[0].environment: found an unknown environment, expected prod (did you mean that?)"],
    ),
    "service in an unknown environment": (
        "environments: {prod: {}}\nservices:\n  s:\n    environments:\n"
        "      moon: {targets: [{kind: container, source: local, name: x}]}\n",
        [f"{F}:5: services.s.environments.moon: found an unknown environment, expected prod"],
    ),
    "canary": (
        "environments: {p: {}}\nservices:\n  s:\n    environments:\n      p:\n"
        "        targets: [{kind: container, source: local, name: x}]\n        canary: other\n",
        [
            f"{F}:7: services.s.environments.p.canary: found a source that no target uses, "
            "expected the source of one of the targets"
        ],
    ),
    "no targets": (
        "environments: {p: {}}\nservices:\n  s: {environments: {p: {targets: []}}}\n",
        [f"{F}:3: services.s.environments.p.targets: found an empty list, expected at least one item"],
    ),
    "choices": (
        "models: {m: {primary_metric: auc, direction: maxx}}\nslow_link: sometimes\nviews: {v: {filter: {pods: x}}}\n",
        [
            f"{F}:1: models.m.direction: found a string, expected max (did you mean that?)",
            f"{F}:2: slow_link: found a string, expected true or false or auto",
            f"{F}:3: views.v.filter.pods: found an unknown key, "
            "expected one of: containers, metrics, models, pipelines, repositories",
        ],
    ),
    "probe": (
        "services:\n  a: {probe: maybe}\n  b: {probe: {http: 'http://h', tcp: 'h:1'}}\n  c: {probe: {tcp: h}}\n",
        [
            f"{F}:2: services.a.probe: found a string, expected {{http|tcp|exec|engine}}, or none",
            f"{F}:3: services.b.probe: found http and tcp, expected exactly one of {{http|tcp|exec|engine}}",
            f"{F}:4: services.c.probe.tcp: found another text, expected HOST:PORT",
        ],
    ),
    "pattern": (
        "views: {v: {filter: {containers: '(' }}}\n",
        [
            f"{F}:1: views.v.filter.containers: found a broken pattern, "
            "expected a regular expression (missing ), unterminated subpattern)"
        ],
    ),
    "sections": (
        "sources: {a: 1}\nservices: [x]\ncommands: no\n",
        [
            f"{F}:1: sources: found a mapping, expected a list",
            f"{F}:2: services: found a list, expected a mapping",
            f"{F}:3: commands: found false, expected a mapping",
        ],
    ),
    "key": ("? [a, b]\n: 1\n", [f"{F}:1: found a key that is no plain text, expected a text before the colon"]),
    "escapes in keys": (
        '"\\e]52;c;x\\a": 1\n',
        [
            f"{F}:1: \N{REPLACEMENT CHARACTER}]52;c;x\N{REPLACEMENT CHARACTER}: found an unknown key, "
            "expected one of: commands, confirm, environments, keys, models, notify, pipelines, releases, "
            "repositories, secret_names, services, slow_link, sources, theme, themes, views, webhooks"
        ],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_exact_message(ship: Ship, case: str) -> None:
    text, expected = BROKEN[case]
    ship.write(text)
    assert ship.messages() == expected


def test_broken_yaml_names_its_line(ship: Ship) -> None:
    ship.write("theme: deck-dark\nsources: [a,\n")
    (message,) = ship.messages()
    assert message.startswith(f"{F}:3: found broken YAML (")


def test_what_is_valid_is_used(ship: Ship) -> None:
    ship.write(
        """
environments: {prod: {protectd: true}, dev: {}}
sources:
  - {name: good, system: docker, environment: prod}
  - {name: bad, system: docker, read_ony: true}
  - {name: charts, system: prometheus, series: {ok: up, broken: {qery: up}}}
services:
  fine: {environments: {dev: {targets: [{kind: container, source: good, name: x}]}}}
  broken: {keep: none}
theme: [a]
slow_link: true
"""
    )
    loaded = ship.load()
    assert [problem.key for problem in loaded.errors] == [
        "environments.prod.protectd",
        "sources[1].read_ony",
        "sources[2].series.broken.qery",
        "sources[2].series.broken.query",
        "services.broken.keep",
        "theme",
    ]
    config = loaded.config
    assert config.environments["prod"].protected, "a broken environment counts as protected"
    assert [source.name for source in config.sources] == ["good", "charts"]
    assert list(config.sources[1].series) == ["ok"]
    assert list(config.services) == ["fine"]
    assert (config.theme, config.slow_link) == (None, True)


def test_alias_bomb_is_bounded(ship: Ship) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    ship.write("\n".join(lines))
    (message,) = ship.messages()
    assert message.endswith("found more than 50,000 values once aliases are followed, expected a smaller file")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 50_000, "\n".join(" " * i + "a:" for i in range(500))])
def test_depth_is_bounded(ship: Ship, text: str) -> None:
    ship.write(text)
    (message,) = ship.messages()
    assert message.endswith("found more than 32 levels, expected a flatter file")


def test_huge_file_is_not_read(ship: Ship) -> None:
    path = ship.project / F
    with path.open("wb") as file:
        file.truncate(10 * 1024**3)
    assert ship.messages() == [
        f"{F}: found more than {MAX_BYTES // 1024} KiB, expected a config file of at most that size"
    ]


def test_pipe_and_folder_are_not_waited_for(ship: Ship) -> None:
    path = ship.project / F
    os.mkfifo(path)
    expected = [f"{F}: found a file that cannot be read (not a regular file), expected a readable file"]
    assert ship.messages() == expected
    path.unlink()
    path.mkdir()
    assert ship.messages() == expected


def test_world_writable_user_file_is_not_believed(ship: Ship) -> None:
    path = ship.write_user("theme: deck-light\n")
    path.chmod(0o666)
    loaded = ship.load()
    assert loaded.config.theme is None
    assert [problem.found for problem in loaded.problems] == ["a file that other users may write"]


CANARY = "canary-5f4dcc3b5aa7"
SPOTS = [
    "theme: @", "sources: @", "sources: [@]", "slow_link: @", "environments: {p: @}", "environments: {p: {color: @ @}}",
    "sources: [{name: a, system: m, token: @}]", "sources: [{name: a, system: m, token: {env: [@]}}]",
    "sources: [{name: a, system: m, token: [@]}]", "sources: [{name: a, system: m, password: @}]",
    "sources: [{name: a, system: m, url: 'http://u:@@h'}]", "sources: [{name: a, system: m, url: '@ @'}]",
    "sources: [{name: a, system: m, interval: @}]", "sources: [{name: a, system: m, rate_share: @}]",
    "sources: [{name: a, system: m, url: 'http://h:@'}]", "sources: [{name: a, system: '-@'}]",
    "services: {s: {probe: @}}", "services: {s: {image: '-@'}}", "services: {s: {model: @}}",
    "services: {s: {gate: @}}",
    "models: {m: {primary_metric: a, direction: @}}", "views: {v: {filter: {containers: '(@'}}}",
    "environments: {p: {freeze: {reason: a, end: @}}}", "theme: *@", "theme: !@ x", "theme: '@", "theme: [@",
]  # fmt: skip


@pytest.mark.parametrize("spot", SPOTS)
def test_no_value_is_ever_quoted_in_a_problem(ship: Ship, spot: str) -> None:
    ship.write(spot.replace("@", CANARY))
    loaded = ship.load()
    if spot not in ("theme: @",):
        assert loaded.problems
    shown = "".join(f"{p} {p!r} {p.args!r}" for p in loaded.problems) + loaded.notice + "".join(loaded.held_back)
    assert CANARY not in shown


def test_a_file_that_vanishes_or_is_forbidden_is_a_problem(ship: Ship) -> None:
    (ship.project / F).symlink_to(Path("/nonexistent/x"))
    assert ship.messages() == [
        f"{F}: found a file that cannot be read (no such file or directory), expected a readable file"
    ]
