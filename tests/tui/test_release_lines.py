"""Lines of the release dialog and rows of the ledger: what is told once, what is cut, and what is never claimed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from quarterdeck.releasing.belonging import tags_by_digest
from quarterdeck.views.asked import back_options, offered
from quarterdeck.views.fmt import day_time
from quarterdeck.views.history import entries, history_row
from quarterdeck.views.ledger import merged
from quarterdeck.views.plan import Known, Line, check_cells, labelled, middle_lines, side_lines, step_cells
from quarterdeck.views.planwords import NO_BACK, gate_words, whole_lines
from quarterdeck.widgets.cells import Cell
from quarterdeck_lifecycle.changelog import ChangeRow
from quarterdeck_lifecycle.kinds import Image, Tag
from quarterdeck_lifecycle.ledger import Row as LedgerRow
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.release.choosing import Point
from quarterdeck_lifecycle.release.model import Change, Check, Identity, Place, Plan, ProbeRule, Step

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


def image(digit: str) -> Identity:
    return Identity(kind="image", name="reg/api", digest=f"sha256:{digit * 64}")


def change(source: str, name: str = "api", kind: str = "container", mode: str = "stop-start") -> Change:
    place = Place(kind=kind, source=source, name=name)  # type: ignore[arg-type]
    return Change(place=place, service="api", environment="prod", op="op", mode=mode, to=image("b"))  # type: ignore[arg-type]


def plan(*changes: Change, **more: Any) -> Plan:
    """Every target is pulled and created first, then stopped, started and gated one by one."""
    changes = changes or (change("one"),)
    named = [("lease", "", "whole")]
    named += [(name, each.target, "prepare") for each in changes for name in ("pull", "create")]
    named += [(name, each.target, "switch") for each in changes for name in ("stop", "start")]
    named += [("verify", "", "whole"), *(("prune", each.target, "keep") for each in changes)]
    steps = tuple(
        Step(id=f"{n:02d} {name} {target}".rstrip(), name=name, title=name, phase=phase, deadline_s=60, target=target)  # type: ignore[arg-type]
        for n, (name, target, phase) in enumerate(named, 1)
    )
    made = {
        "op": "op-1", "kind": "deploy", "service": "api", "environment": "prod", "actor": "me", "origin": "local",
        "host": "here", "reason": "", "at": "2026-01-01T00:00:00Z", "to": image("b"), "before": image("a"),
        "back": image("a"), "changes": changes, "steps": steps,
    }  # fmt: skip
    return Plan(**(made | more))


def text(lines: list[Line]) -> list[str]:
    return ["".join(cell.text for cell in line).rstrip() for line in lines]


def words(cells: list[Cell]) -> str:
    return "".join(cell.text for cell in cells)


def test_steps_name_no_target_where_there_is_one_and_tell_once_what_is_done_to_all() -> None:
    assert words(step_cells(plan())) == "1 lease  2 pull  3 create  4 stop  5 start  6 verify  7 prune  "
    several = words(step_cells(plan(change("one"), change("two"))))
    assert several == (
        "1 lease  2-5 pull, create x2  6 stop one  7 start one  8 stop two  9 start two  10 verify  11-12 prune x2  "
    )
    same_host = plan(change("one", "api-1"), change("one", "api-2"))
    assert "6 stop api-1  7 start api-1  8 stop api-2" in words(step_cells(same_host))


def test_with_little_room_a_long_warning_says_where_all_of_it_is() -> None:
    warning = "a migration lies between, " * 20
    made = plan(warnings=(warning, "short"))
    roomy, tight = (text(middle_lines(made, Known(tight=each), 60)) for each in (False, True))
    assert len(roomy) > len(tight)
    assert sum(line.endswith(" … p") for line in tight) == 1
    assert all(len(line) <= 60 for line in (*roomy, *tight))
    assert any("short" in line for line in tight)
    assert warning in "\n".join(whole_lines(made))
    assert text(labelled("x", [Cell("fits")], 20, most=1)) == ["x      fits"]


def test_that_nobody_else_deploys_is_claimed_only_once_it_was_asked() -> None:
    assert "asking who else deploys" in words(check_cells((), Known()))
    assert "✓ nobody else deploys" in words(check_cells((), Known(busy="")))
    held = check_cells((), Known(busy="ana deploys from bast-2 since 02:14Z"))
    assert "✗ ana deploys from bast-2" in words(held)
    assert "nobody" not in words(held)


def test_with_little_room_what_is_fine_is_counted_and_what_is_not_is_told() -> None:
    checks = (
        Check(name="disk", ok=True, said="disk 41G"), Check(name="image", ok=True, said="image is here"),
        Check(name="port", ok=False, said="the port is taken"), Check(name="node", ok=None, said="unseen"),
    )  # fmt: skip
    tight = words(check_cells(checks, Known(tight=True, busy="")))
    assert "✓ 2 more fine: p" in tight
    assert "disk 41G" not in tight
    assert "✗ the port is taken" in tight
    assert "? unseen" in tight
    assert "disk 41G" in words(check_cells(checks, Known(busy="")))
    whole = whole_lines(plan(checks=checks))
    assert "check     disk 41G" in whole
    assert "check     NOT FINE: the port is taken" in whole
    assert "check     not known: unseen" in whole


def test_a_failure_goes_back_to_what_the_plan_says_first_and_no_choice_is_told_twice() -> None:
    a, c = image("a").digest, image("c").digest
    backs = back_options([("v41", "current", False), ("v40", c, True), ("v39", "x", True), ("v38", "y", True)])
    assert offered(plan(), backs) == [("v41 runs now, unproven", ""), ("v40 ✓proven", c), ("v39 ✓proven", "x")]
    proven = offered(plan(back=image("c")), backs)
    assert proven == [("v40 ✓proven", ""), ("v41 runs now, unproven", "current"), ("v39 ✓proven", "x")]
    assert offered(plan(), ()) == [(f"{image('a').short} runs now", "")]
    assert offered(plan(back=image("c")), ()) == [(image("c").short, ""), (f"{image('a').short} runs now", "current")]
    assert a not in str(proven)


def test_a_new_alias_goes_back_to_nothing_and_every_place_says_so() -> None:
    model = Identity(kind="model", name="fraud", digest="18")
    alias = change("ml", "fraud@next", "alias", "alias")
    made = plan(alias, kind="promote", to=model, before=None, back=None, probe=ProbeRule(engine=True))
    assert offered(made, ()) == [(NO_BACK, "")]
    assert "the alias is removed again" in NO_BACK
    assert f"put back  {NO_BACK}" in whole_lines(made)
    lines = text(side_lines(made, Known(), 69, NOW))
    assert lines[0] == "from   nothing is there yet"
    assert "fraud v18" in lines[1]
    assert gate_words(made).startswith("the alias is read back: ")


def test_a_digest_is_called_by_its_shortest_tag_and_by_latest_only_where_there_is_no_other() -> None:
    b = image("b").digest
    tags = [
        Tag(ref=Ref("reg", "tag", tag), name=tag, registry="reg", repository="team/api", tag=tag, digest=b)
        for tag in ("latest", "1.42.0", "v42")
    ]
    boxes = [
        Image(ref=Ref("one", "image", digit), name="i", digests=(f"reg/team/api@{image(digit).digest}",),
              tags=tuple(f"reg/team/api:{tag}" for tag in tags))
        for digit, tags in (("c", ("latest",)), ("d", ("latest", "2026.11.23-release")))
    ]  # fmt: skip
    called = {b: "api:v42", image("c").digest: "api:latest", image("d").digest: "api:2026.11.23-release"}
    assert tags_by_digest([*tags, *boxes]) == called
    point = Point(
        identity=image("b"), revision=3, op="", at=NOW, proven=True, current=False, ids={"t": "i"}, missing=()
    )  # fmt: skip
    [entry] = entries([], [point], tags_by_digest(tags))
    cells = [cell.text for cell in history_row(entry, NOW).cells]
    assert cells[1:4] == ["v3", "v42 bbbbbbb", "11-23 12:00"]


def ledger(seq: int, action: str, phase: str, result: str, step: str = "") -> LedgerRow:
    return LedgerRow(
        seq=seq, at=f"2026-11-23T11:00:{seq:02}.5Z", op="op", actor="me", origin="local", host="here", action=action,
        ref="services/service/api@prod", before="", after="", why="", step=step, phase=phase,  # type: ignore[arg-type]
        result=result, prev="", hash="",
    )  # fmt: skip


def test_the_ledger_names_steps_below_their_release_and_services_by_their_name() -> None:
    rows = [
        ledger(1, "release.deploy", "intent", ""),
        ledger(2, "release.gate", "outcome", "DONE: well", "07 gate one/api"),
        ledger(3, "release.soak", "outcome", "FAILED: no", "08 soak"),
        ledger(4, "container.restart", "refused", "no"),
    ]  # fmt: skip
    outside = ChangeRow(
        id="c1", at=datetime(2026, 11, 23, 11, 0, 3, tzinfo=UTC), ref="one/container/x", kind="container",
        system="docker", source="one", environment="prod", name="redis", what="state", before="up", after="down",
        by="outside", op="", actor="",
    )  # fmt: skip
    found = [[cell.text for cell in row.cells] for row in merged(rows, [outside], NOW)]
    assert [row[3] for row in found] == ["container.restart", "· 08 soak", "docker container", "· 07 gate", "deploy"]
    assert [row[5] for row in found] == ["api@prod", "api@prod", "redis", "api@prod", "api@prod"]
    assert found[0][1] == "11-23 11:00:04"
    styles = {row.cells[3].text: row.cells[6].style for row in merged(rows, [], NOW)}
    assert styles["· 08 soak"] == "bad"
    assert styles["· 07 gate"] == ""


def test_a_time_of_another_year_is_told_with_its_year() -> None:
    assert day_time(NOW, NOW) == "11-23 12:00"
    assert day_time(NOW - 366 * 86400, NOW) == "2025-11-22"
    assert day_time(None, NOW) == "-"
