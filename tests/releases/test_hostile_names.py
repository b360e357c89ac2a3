"""Names with quotes, `$()`, newlines and leading dashes are refused where a config names things, and are only words
where an operator writes them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from parts.releasing import ReleaseWorld

NAMES = ("--help", 'it\'s "quoted"', "$(touch pwned)", "two\nlines", "../../pwned", "[/bold]@x", "-", "a;touch pwned")
WORDS = "--help; $(touch pwned) `touch pwned` ' \" \\ | # [/bold]"


@pytest.mark.parametrize("key", ["services", "environments"])
def test_no_service_and_no_environment_has_such_a_name(world: ReleaseWorld, key: str) -> None:
    before = world.serving()

    def rename(config: dict[str, Any], name: str) -> None:
        given = world.service if key == "services" else world.place
        config[key][name] = copy.deepcopy(config[key][given])

    for name in NAMES:
        world.reset()
        world.configure(lambda config: rename(config, name))  # noqa: B023
        done = world.release("deploy", world.other())
        assert (done.code, f"{key}." in done.err, "expected a name of letters" in done.err) == (2, True, True), done
    assert world.serving() == before
    assert not list(world.home.rglob("pwned"))


def test_a_reason_and_a_hooks_arguments_are_only_words(world: ReleaseWorld) -> None:
    argv = ["sh", "-c", 'printf "%s|" "$@" "$QUARTERDECK_REASON"', "hook", WORDS, "--help", "$(touch pwned)"]

    def hook(config: dict[str, Any]) -> None:
        config["services"][world.service]["hooks"] = {"pre": {"argv": argv, "timeout": "20s"}}

    world.configure(hook)
    before = world.serving()
    done = world.release("deploy", f"--reason={WORDS}", "--json", world.other())
    assert done.code == 0, done
    said = [line["message"] for line in done.lines]
    assert f"{WORDS}|--help|$(touch pwned)|{WORDS}|" in said
    assert {row["why"] for row in world.ledger() if row["op"] == done.lines[-1]["op"]} == {WORDS}
    assert world.serving() != before
    assert not list(world.home.rglob("pwned"))
