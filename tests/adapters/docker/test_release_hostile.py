"""What an operator named and set by hand is carried over as it is, whatever it looks like."""

from __future__ import annotations

from releases.memoryports import Book

from .boxcase import Box
from .test_release_container_engine import engine, planned

WORDS = "--help; $(touch /pwned) `touch /pwned` ' \" \\ | # é\ntwo"
SERVES = ("sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.05; done", "sh", WORDS, "--version")


async def test_a_whole_release_and_its_way_back_under_hostile_names(box: Box) -> None:
    box.image("1", "ENV CODE=0", keep=True)
    box.image("2", "ENV CODE=0")
    first = box.start(Env=[f"OWN={WORDS}", "--DASH=1"], Labels={"own": WORDS, "--dash": WORDS}, Cmd=list(SERVES))
    named = {"service": f"shop {WORDS}", "environment": f"-{WORDS}", "actor": WORDS, "reason": WORDS, "host": WORDS}
    ended = await engine(box, plan := await planned(box, "2", f"op-1 {WORDS}", **named), Book()).run()
    assert ended.result == "SUCCEEDED", ended
    found = box.inspect()
    assert {f"OWN={WORDS}", "--DASH=1"} <= set(found["Config"]["Env"])
    assert found["Config"]["Cmd"] == list(SERVES)
    assert (found["Config"]["Labels"]["own"], found["Config"]["Labels"]["--dash"]) == (WORDS, WORDS)
    assert found["Config"]["Labels"]["quarterdeck.service"] == plan.service
    back = await planned(box, "", f"op-2 {WORDS}", kind="rollback", **named)
    ended = await engine(box, back, Book()).run()
    assert ended.result == "SUCCEEDED", ended
    found = box.inspect()
    assert {f"OWN={WORDS}", "--DASH=1"} <= set(found["Config"]["Env"])
    assert found["Id"] != first
    assert len(box.running()) == 1
    assert not [name for name in box.names() if "lease" in name or "-qd-new-" in name]


async def test_a_prefix_of_an_id_is_no_name(box: Box) -> None:
    """The engine takes it for one; a release of a service called `3f2a` must not hit what has such an id."""
    box.image("1", keep=True)
    id = box.start()
    assert await box.target().calls.named(id[:12]) is None
    assert (await box.target().calls.named("app") or {})["Id"] == id
    assert await box.target().calls.container(id[:12]) is None
