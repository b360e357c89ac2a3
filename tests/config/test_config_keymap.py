"""Rebindings: what is allowed, and why the rest keeps its default."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck_config.keymap import Bindable, check_keymap, default_clashes, normal_key

PANES = frozenset({"containers"})
VERBS = [
    Bindable("logs", "l"),
    Bindable("detail", "d"),
    Bindable("filter", "/"),
    Bindable("container.restart", "R", PANES, mutation=True),
    Bindable("container.stop", "X", PANES, mutation=True),
    Bindable("run.rerun", "R", frozenset({"pipelines"}), mutation=True),
    Bindable("image.layers", "i", PANES),
]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("/", "slash"), ("?", "question_mark"), ("@", "at"), ("\\", "backslash"), ("-", "minus"), ("=", "equals_sign"),
        ("_", "underscore"), ("+", "plus"), (":", "colon"), (" ", "space"), ("g", "g"), ("G", "G"), ("F5", "f5"),
        ("Ctrl+X", "ctrl+x"), ("alt+ctrl+x", "ctrl+alt+x"), ("shift+g", "G"), ("PageUp", "pageup"), ("slash", "slash"),
        ("ctrl+/", "ctrl+slash"),
    ],
)  # fmt: skip
def test_key_names(key: str, name: str) -> None:
    assert normal_key(key) == name


@pytest.mark.parametrize("key", ["", "gg", "hyperspace+x", "ctrl+", "+x", "ctrl+ctrl+x", "f25", "é", "\x1b", "ctrl"])
def test_no_key(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        normal_key(key)


def test_defaults_and_a_plain_rebinding() -> None:
    made = check_keymap({"container.restart": "ctrl+r", "filter": "f"}, VERBS)
    assert made.problems == ()
    assert made.keys["container.restart"] == "ctrl+r"
    assert made.keys["filter"] == "f"
    assert made.keys["run.rerun"] == "R"


@pytest.mark.parametrize(
    ("rebindings", "problem"),
    [
        ({"lgs": "k"}, "keys.lgs: found an unknown id, expected logs (did you mean that?)"),
        ({"logs": "gg"}, "keys.logs: found an unknown key, expected one such as x, X, /, ctrl+x or f5"),
        ({"logs": "ctrl+c"}, "keys.logs: found ctrl+c, expected another key: this one is reserved"),
        (
            {"container.stop": "y"},
            "keys.container.stop: found y, expected another key: y confirms, so it must not act",
        ),
        (
            {"container.stop": "x"},
            "keys.container.stop: found x, expected another key: lower case looks, capitals act",
        ),
        (
            {"container.stop": "enter"},
            "keys.container.stop: found enter, expected another key: it is pressed too easily",
        ),
        ({"logs": "d"}, "keys.logs: found d, expected another key: detail has it in the same place"),
        (
            {"container.stop": "R"},
            "keys.container.stop: found R, expected another key: container.restart has it in the same place",
        ),
        ({"logs": "i"}, "keys.logs: found i, expected another key: image.layers has it in the same place"),
    ],
)
def test_refused_and_default_kept(rebindings: dict[str, str], problem: str) -> None:
    made = check_keymap(rebindings, VERBS)
    assert made.problems == (problem,)
    assert made.keys == check_keymap({}, VERBS).keys


def test_two_may_swap_and_other_screens_do_not_matter() -> None:
    made = check_keymap({"logs": "d", "detail": "l", "run.rerun": "X"}, VERBS)
    assert made.problems == ()
    assert (made.keys["logs"], made.keys["detail"], made.keys["run.rerun"]) == ("d", "l", "X")


def test_half_a_swap_that_is_refused_takes_the_other_half_along() -> None:
    made = check_keymap({"container.restart": "X", "container.stop": "y"}, VERBS)
    assert len(made.problems) == 2
    assert made.keys == check_keymap({}, VERBS).keys


def test_clashing_defaults_are_found() -> None:
    assert default_clashes(VERBS) == ()
    assert default_clashes([*VERBS, Bindable("x", "/", PANES)]) == ("filter and x both have /",)


_KEYS = st.sampled_from(["l", "d", "R", "X", "y", "i", "ctrl+r", "f5", "gg", "enter", "/"])


@given(st.dictionaries(st.sampled_from([v.id for v in VERBS] + ["nope"]), _KEYS))
def test_the_result_never_clashes(rebindings: dict[str, str]) -> None:
    made = check_keymap(rebindings, VERBS)
    assert set(made.keys) == {verb.id for verb in VERBS}
    rebound = [Bindable(v.id, made.keys[v.id], v.scopes, v.mutation) for v in VERBS]
    assert default_clashes(rebound) == ()
    assert not [v.id for v in rebound if v.mutation and ((v.key.islower() and len(v.key) == 1) or v.key == "enter")]
    changed = {v.id for v in VERBS if made.keys[v.id] != normal_key(v.key)}
    assert changed <= set(rebindings)
