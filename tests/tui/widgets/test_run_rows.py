"""What the line of a run says, and what of it the filter finds."""

from __future__ import annotations

import pytest

from quarterdeck.panes.lines import joined
from quarterdeck.views.fmt import against
from quarterdeck.views.model import Look, haystack
from quarterdeck.views.pipelines import run_row
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.records import Ref


def test_a_run_of_no_branch_names_its_repository_alone_and_is_found_by_its_number_as_shown() -> None:
    run = Run(ref=Ref("s", "run", "q47"), name="train", system="jenkins", repository="acme/api", number="q47")
    shown = [cell.text for cell in run_row(run, Look(now=0.0)).cells]
    assert "api" in shown
    assert "#q47" in shown
    assert "#q47" in haystack(run)


@pytest.mark.parametrize(
    ("took", "median", "said"),
    [(90.0, 60.0, "+0:30"), (60.0, 90.5, "-0:30"), (60.2, 60.9, "+0:00"), (None, 60.0, "-"), (60.0, None, "-")],
)
def test_what_is_off_by_less_than_a_second_is_not_quicker(took: float | None, median: float | None, said: str) -> None:
    assert against(took, median) == said


def test_verbs_of_one_key_that_begin_alike_are_shortened() -> None:
    assert joined(["re-run", "re-run failed jobs"]) == "re-run…"
    assert joined(["restart", "start"]) == "restart/start"
    assert joined(["stop"]) == "stop"
