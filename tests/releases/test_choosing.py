"""Where a rollback goes and what a failed release is put back to, from what every target has."""

from __future__ import annotations

import pytest

from quarterdeck_lifecycle.errors import NotFound, Refused
from quarterdeck_lifecycle.release.choosing import choose_back, choose_rollback, points
from quarterdeck_lifecycle.release.model import Candidate, Identity


def identity(number: int) -> Identity:
    return Identity(kind="image", name="reg/app", digest=f"sha256:{number:064x}")


def had(target: str, number: int, *, proven: bool = True, ready: bool = True) -> Candidate:
    return Candidate(
        target=target, identity=identity(number), revision=number, op=f"op-{number:08d}", at=float(number),
        proven=proven, ready=ready, why_not="" if ready else "its image is gone", id=f"{target}-{number}",
    )  # fmt: skip


def test_a_rollback_goes_to_the_last_proven_one_and_names_what_brings_it_on_each_target() -> None:
    hosts = {"a": [had("a", 3), had("a", 2, proven=False), had("a", 1)], "b": [had("b", 3), had("b", 2), had("b", 1)]}
    chosen = choose_rollback("", hosts, "app")
    assert chosen.identity == identity(1)
    assert chosen.ids == {"a": "a-1", "b": "b-1"}
    assert chosen.warnings == ()


def test_a_revision_that_one_host_lost_is_refused_with_that_host() -> None:
    hosts = {"a": [had("a", 3), had("a", 2)], "b": [had("b", 3), had("b", 2, ready=False)]}
    with pytest.raises(Refused, match="b: its image is gone"):
        choose_rollback("v2", hosts, "app")
    with pytest.raises(Refused, match=r"v2 .*b: its image is gone"):
        choose_rollback("", hosts, "app")
    assert [point.ready for point in points(hosts)] == [True, False]
    absent = {"a": [had("a", 3), had("a", 2)], "b": [had("b", 3)]}
    with pytest.raises(Refused, match="b does not have it"):
        choose_rollback("2", absent, "app")


@pytest.mark.parametrize("word", ["v2", "2", "op-00000002", "sha256:" + "0" * 63 + "2"])
def test_a_revision_is_named_by_number_operation_or_digest(word: str) -> None:
    hosts = {"a": [had("a", 3), had("a", 2), had("a", 1)]}
    assert choose_rollback(word, hosts, "app").identity == identity(2)


def test_a_revision_that_nobody_has_is_not_found_and_says_what_there_is() -> None:
    with pytest.raises(NotFound, match=r"there are v2 "):
        choose_rollback("v9", {"a": [had("a", 3), had("a", 2)]}, "app")


def test_what_was_never_proven_is_offered_with_a_warning() -> None:
    chosen = choose_rollback("", {"a": [had("a", 3), had("a", 2, proven=False)]}, "app")
    assert chosen.warnings == (f"{identity(2).short} was never proven by a gate",)


def test_nothing_kept_is_nothing_to_go_back_to() -> None:
    with pytest.raises(Refused, match="nothing to go back to"):
        choose_rollback("", {"a": [had("a", 3)]}, "app")


def test_a_failed_release_goes_back_to_what_runs_when_that_was_proven() -> None:
    hosts = {"a": [had("a", 3), had("a", 2)]}
    assert choose_back("", identity(3), hosts).ids == {}
    assert choose_back("", identity(3), hosts).identity == identity(3)


def test_an_unproven_current_one_is_passed_over_for_the_last_proven_one_unless_it_is_asked_for() -> None:
    hosts = {"a": [had("a", 3, proven=False), had("a", 2)]}
    chosen = choose_back("", identity(3), hosts)
    assert (chosen.identity, chosen.ids) == (identity(2), {"a": "a-2"})
    assert "never proven" in chosen.warnings[0]
    assert choose_back("current", identity(3), hosts).identity == identity(3)
    assert choose_back("v2", identity(3), hosts).identity == identity(2)


def test_nothing_goes_back_to_what_it_goes_to() -> None:
    """A rollback from an unproven one, and it cannot be started: what ran is better than the same once more."""
    hosts = {"a": [had("a", 3, proven=False), had("a", 2), had("a", 1)]}
    assert choose_back("", identity(3), hosts, to=identity(2)).identity == identity(1)
    hosts = {"a": hosts["a"][:2]}
    chosen = choose_back("", identity(3), hosts, to=identity(2))
    assert (chosen.identity, dict(chosen.ids)) == (identity(3), {})
    assert "never proven" in chosen.warnings[0]


def test_a_first_release_goes_back_to_what_runs_and_says_that_it_was_never_proven() -> None:
    chosen = choose_back("", identity(1), {"a": [had("a", 1, proven=False)]})
    assert chosen.identity == identity(1)
    assert "never proven" in chosen.warnings[0]


def test_without_anything_running_there_is_no_way_back() -> None:
    with pytest.raises(Refused, match="nothing runs there"):
        choose_back("", None, {"a": []})


def test_an_alias_that_is_nowhere_goes_back_to_nowhere_unless_another_is_asked_for() -> None:
    hosts = {"a": [had("a", 0, proven=False, ready=False), had("a", 2)]}
    chosen = choose_back("", None, hosts, first="it is removed again")
    assert (chosen.identity, chosen.ids, chosen.warnings) == (None, {}, ("it is removed again",))
    assert choose_back("v2", None, hosts, first="it is removed again").identity == identity(2)


def test_hosts_that_run_different_things_have_no_common_current_one() -> None:
    hosts = {"a": [had("a", 3), had("a", 2)], "b": [had("b", 2), had("b", 3)]}
    assert not any(point.current for point in points(hosts))
    assert choose_rollback("", hosts, "app").identity == identity(3)
