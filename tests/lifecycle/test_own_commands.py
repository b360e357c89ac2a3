"""The operator's own commands: a value of a row stays one argument, and never becomes an option, code or a program."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck_config.schema import Command
from quarterdeck_lifecycle.kinds import Repository
from quarterdeck_lifecycle.owncommands import Refused, fields, filled, verbs_of
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.verbs import Registry, built_in

HOSTILE = ["a b", "$(touch x)", "`id`", "; rm -rf ~", "a'b\"c", "*", "a\nb", "{name}", "{{", "--", "é ​"]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_arrives_as_one_argument_as_it_is(value: str) -> None:
    argv = filled("x", [sys.executable, "-c", "import sys; print(sys.argv[1:])", "--", "{name}"], {"name": value})
    assert argv[4:] == (value,)
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={"PYTHONIOENCODING": "utf-8"})
    assert done.stdout == f"{['--', value]!r}\n"


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_no_value_changes_how_many_arguments_there_are_nor_the_program(value: str) -> None:
    argv = ["tool", "--path={path}", "x{path}", "--", "{path}", "{{path}}"]
    made = filled("x", argv, {"path": value})
    assert made == ("tool", f"--path={value}", f"x{value}", "--", value, "{path}")


def test_a_value_that_would_be_an_option_is_refused_where_no_double_dash_stands_before() -> None:
    with pytest.raises(Refused, match="would be read as an option"):
        filled("x", ["git", "log", "{branch}"], {"branch": "--output=/etc/passwd"})
    assert filled("x", ["git", "log", "--", "{branch}"], {"branch": "-x"})[-1] == "-x"
    assert filled("x", ["k9s", "--context={name}"], {"name": "-x"})[-1] == "--context=-x"


@pytest.mark.parametrize(
    "argv",
    [["{name}"], ["sh", "-c", "echo {name}"], ["/bin/bash", "-lc", "{name}"], ["env", "A=1", "zsh", "-ec", "x {name}"],
     ["python3", "-c", "{name}"], ["perl", "-e", "{name}"]],
)  # fmt: skip
def test_a_value_is_never_the_program_nor_the_text_of_a_shell(argv: list[str]) -> None:
    with pytest.raises(Refused):
        filled("x", argv, {"name": "id"})
    assert filled("x", ["sh", "-c", 'echo "$1"', "sh", "{name}"], {"name": "$(id)"})[-1] == "$(id)"


def test_a_field_that_the_row_has_not_is_named_with_those_that_it_has() -> None:
    repo = Repository(ref=Ref("git", "repository", "/r"), name="r", path="/r", branch="main")
    with pytest.raises(Refused, match=r"no digest .*it has .*path.*branch"):
        filled("x", ["t", "{digest}"], fields(repo))
    assert filled("x", ["lazygit", "-p", "{path}", "{kind}"], fields(repo)) == ("lazygit", "-p", "/r", "repository")


def test_commands_become_verbs_whose_keys_take_none_of_the_programs() -> None:
    registry = Registry(built_in())
    found, problems = verbs_of(
        {
            "lazygit": Command(argv=("lazygit",), scopes=("repository",), key="f6"),
            "shout": Command(argv=("x",), key="l", scopes=("container",)),
            "free": Command(argv=("x",), key="l", scopes=("host",)),
            "reserved": Command(argv=("x",), key="y"),
            "nowhere": Command(argv=("x",), scopes=("containers",)),
        },
        registry,
    )
    assert {verb.title: verb.key for verb in found} == {"lazygit": "f6", "shout": "", "free": "l", "reserved": ""}
    assert [problem.partition(":")[0] for problem in problems] == [
        "commands.shout.key", "commands.reserved.key", "commands.nowhere.scopes",
    ]  # fmt: skip
    registry.exchange("commands.", found)
    assert registry.get("commands.lazygit") in registry.on("repository", "f6")
    registry.exchange("commands.", ())
    assert registry.get("commands.lazygit") is None
