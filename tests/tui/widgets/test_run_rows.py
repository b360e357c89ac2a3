"""What the line of a run says, and what of it the filter finds."""

from __future__ import annotations

import pytest

from quarterdeck.boot import CI
from quarterdeck.panes.lines import joined
from quarterdeck.views import changes
from quarterdeck.views.fmt import against
from quarterdeck.views.model import Look, haystack
from quarterdeck.views.pipelines import DEPLOYMENT_COLUMNS, RUN_COLUMNS, run_row
from quarterdeck.widgets.cells import Column, fit_columns
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.records import Ref


def test_a_run_of_no_branch_names_its_repository_alone_and_is_found_by_its_number_as_shown() -> None:
    run = Run(ref=Ref("s", "run", "q47"), name="train", system="jenkins", repository="acme/api", number="q47")
    shown = [cell.text for cell in run_row(run, Look(now=0.0)).cells]
    assert "api" in shown
    assert "#q47" in shown
    assert "#q47" in haystack(run)


@pytest.mark.parametrize("columns", [RUN_COLUMNS, DEPLOYMENT_COLUMNS], ids=["runs", "deployments"])
@pytest.mark.parametrize(("width", "cut"), [(80, {"codepipeline"}), (160, set())])
def test_names_of_systems_are_whole_where_there_is_room(columns: tuple[Column, ...], width: int, cut: set[str]) -> None:
    beside = 2  # the gutter and the scrollbar
    widths = dict(zip((column.key for column in columns), fit_columns(columns, width - beside), strict=True))
    assert {name for name in CI if len(name) > widths["system"]} == cut
    assert len("fraud-api@cache…") <= widths["where" if "where" in widths else "what"]


def test_names_of_systems_are_whole_among_the_changes_of_a_wide_screen() -> None:
    widths = dict(zip((column.key for column in changes.COLUMNS), fit_columns(changes.COLUMNS, 158), strict=True))
    assert widths["system"] >= max(map(len, CI))


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
