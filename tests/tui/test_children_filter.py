"""The jobs of a run under a filter."""

from __future__ import annotations

from deckcase import deck
from quarterdeck_lifecycle.kinds import Job, Run
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.records import Ref, Status
from scripted import Scripted


class Jobs(Scripted):
    async def children(self, ref: Ref, page: str = "") -> tuple[Listing, str]:
        job = Job(ref=Ref("gh", "job", "1"), name="build-image", run=ref.id, status=Status.OK, state="success")
        return Listing(rows=[job]), ""


async def test_a_filter_that_keeps_no_job_says_so_and_leaves_no_ghost() -> None:
    run = Run(ref=Ref("gh", "run", "1"), name="ci #1", system="github", repository="a/b", number="1", status=Status.OK)
    async with deck([Jobs("gh", [run], kind="run", system="github")]) as d:
        await d.press("2", "enter")
        await d.shows("build-image")
        await d.press("/")
        await d.type("zebra")
        await d.press("enter")
        await d.shows("nothing matches /zebra")
        assert "build-image" not in d.text
