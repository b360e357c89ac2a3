"""The champion is another version, and production goes on serving the old one."""

from __future__ import annotations

from dataclasses import replace

from quarterdeck_demo.drills.calm import calm
from quarterdeck_demo.drills.model import Drill, Goal
from quarterdeck_demo.drills.serving import PLACE, alias, move, resolve_at_start, served, with_versions
from quarterdeck_demo.drills.stage import Stage
from quarterdeck_demo.story import Alert, Series, Story

ALERT = "ServedModelStale"
STALE = "fraud-stale"
HOLD_S = 15.0
SLOPE_S = 5.0


class StaleAlias(Drill):
    """An alias is moved by hand; nobody starts the server anew."""

    name = "stale-alias"
    title = "an alias that moved without its server"
    task = "Something will go wrong with the model in prod. Have prod serve the version that champion names."
    hints = (
        "An alert says that what is served is not what is named. Where is champion (4), and since when?",
        "The scorer reads the alias when it starts: it has not been started since.",
        "W opens prod for writing; R on scorer-1 starts it again. Or move the alias back (M): both are right.",
    )
    worth = {
        "changes": "the changes (c) name who moved the alias, and when",
        "detail": "the detail (d) of the version or of the service says what is served, and on what evidence",
    }

    def dress(self, story: Story) -> Story:
        """A rule compares what is named with what is served."""
        story = calm(story)
        story.timeline.rise = story.timeline.fall = SLOPE_S
        labels = {"job": "scorer", "service": "scorer", "env": PLACE, "model": "fraud", "alias": "champion"}
        stale = Series("model_alias_stale", labels, "gauge", "1 where the alias names another version than is served",
                       0.0, hurt=1.0, since=story.now - 86_400.0, service=STALE, environment=PLACE)  # fmt: skip
        rule = Alert(
            ALERT, "model_alias_stale > 0.5", HOLD_S,
            {"severity": "warning", "service": "scorer", "env": PLACE},
            {"summary": "prod does not serve the champion", "runbook_url": "https://runbooks.acme.example/alias"},
            stale, 0.5,
        )  # fmt: skip
        story = with_versions(story, [stale])
        return replace(story, alerts=(rule, *story.alerts))

    def set_up(self, stage: Stage) -> None:
        """The scorer asks when it starts."""
        resolve_at_start(stage)

    async def play(self, stage: Stage) -> None:
        """A colleague moves the alias in MLflow's own page."""
        stage.begins("chen moved champion of fraud from 17 to 18, in MLflow")
        move(stage, "18")

    def react(self, stage: Stage) -> None:
        """The exporter sees whether both are the same."""
        line, now = stage.story.timeline, stage.clock()
        state = "same" if alias(stage) == served(stage) else "stale"
        if (line.version(STALE, PLACE, now) or "same") != state:
            line.deployed(now, STALE, PLACE, state, broken=state == "stale")

    def goals(self, stage: Stage) -> list[Goal]:
        """Named and served are one."""
        named = alias(stage)
        return [
            Goal("prod serves the version that champion names", bool(named) and named == served(stage)),
            Goal("the scorer of prod is healthy", stage.well("scorer", PLACE)),
            Goal(f"the alert {ALERT} is over", not stage.firing(ALERT)),
        ]
