"""A new champion scores a feature wrongly: its inputs and its scores drift."""

from __future__ import annotations

from dataclasses import replace

from quarterdeck_demo.docker import lifecycle
from quarterdeck_demo.drills.calm import calm
from quarterdeck_demo.drills.model import Drill, Goal
from quarterdeck_demo.drills.serving import PLACE, SERVED, alias, move, resolve_at_start, served, with_versions
from quarterdeck_demo.drills.stage import Stage
from quarterdeck_demo.story import Alert, Series, Story

ALERT = "ScorerDriftHigh"
BAD, GOOD = "18", "17"
HOLD_S = 30.0


class DriftedModel(Drill):
    """Version 18 is promoted properly, and is bad."""

    name = "drifted-model"
    title = "a champion whose scores drift"
    task = "Something will go wrong with the model in prod. Have prod serve a version whose scores can be trusted."
    hints = (
        "The alert names a feature that drifts; draw (5, :) fraud_score_mean and model_feature_null_ratio beside it.",
        "The changes (c) show a promotion right before: 18 is the champion since then, it was 17.",
        "On version 17 (4): W opens prod for writing, D promotes it and has the scorer served anew.",
    )
    worth = {
        "changes": "the changes (c) show the promotion",
        "metrics": "the charts (5, Enter) show that scores and inputs drift since then",
        "compare": "two marked versions (=) show what was trained otherwise",
    }

    def dress(self, story: Story) -> Story:
        """Scores, nulls and stability of a feature follow the version that is served."""
        story = calm(story)
        since = story.now - 40 * 86_400.0
        labels = {"job": "scorer", "service": "scorer", "env": PLACE, "model": "fraud"}

        def gauge(name: str, help: str, base: float, hurt: float, **more: str) -> Series:
            return Series(name, {**labels, **more}, "gauge", help, base, 0.0, base / 20, hurt, since=since,
                          service=SERVED, environment=PLACE)  # fmt: skip

        psi = gauge("model_feature_psi", "Population stability index", 0.06, 0.4, feature="merchant")
        drifts = (
            psi,
            gauge("fraud_score_mean", "Mean of the scores", 0.031, 0.055),
            gauge("model_feature_null_ratio", "Share of missing values", 0.004, 0.22, feature="merchant"),
        )
        story = with_versions(story, drifts)
        rule = Alert(
            ALERT, 'model_feature_psi{feature="merchant"} > 0.25', HOLD_S,
            {"severity": "critical", "service": "scorer", "env": PLACE},
            {"summary": "merchant drifts", "runbook_url": "https://runbooks.acme.example/drift"}, psi, 0.25,
        )  # fmt: skip
        return replace(story, alerts=(rule, *(alert for alert in story.alerts if alert.name != ALERT)))

    def set_up(self, stage: Stage) -> None:
        """The scorer asks when it starts; version 18 does harm."""
        resolve_at_start(stage, frozenset({BAD}))

    async def play(self, stage: Stage) -> None:
        """A colleague promotes it and starts the scorer."""
        stage.begins("chen promoted version 18 of fraud to champion and started the scorer of prod")
        move(stage, BAD)
        await lifecycle.restart(stage.docker.world, stage.docker.world.container("scorer-1"), 1)
        await stage.until(lambda: stage.firing(ALERT))
        if stage.firing(ALERT):
            stage.tell(f"{ALERT} was raised")

    def goals(self, stage: Stage) -> list[Goal]:
        """An earlier version is named and served."""
        named, serves = alias(stage), served(stage)
        return [
            Goal("champion names an earlier version", named not in ("", BAD)),
            Goal("prod serves what champion names", named == serves and serves != BAD),
            Goal("the scorer of prod is healthy", stage.well("scorer", PLACE)),
            Goal("no release of it is under way", stage.at_rest("scorer", PLACE)),
            Goal(f"the alert {ALERT} is over", not stage.firing(ALERT)),
        ]
