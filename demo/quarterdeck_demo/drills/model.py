"""What a drill is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from quarterdeck_demo.drills.calm import KEPT, calm
from quarterdeck_demo.story import Story

if TYPE_CHECKING:
    from quarterdeck_demo.drills.stage import Stage


class Goal(NamedTuple):
    """Something that has to be so at the end, read from the world's own state."""

    words: str
    met: bool


class Drill:
    """One incident: how the world looks before it, what happens, and when it is over."""

    name: ClassVar[str]
    title: ClassVar[str]
    task: ClassVar[str]
    """What the operator is told at the beginning; it does not say what will happen."""
    hints: ClassVar[tuple[str, ...]]
    """The first says least."""
    worth: ClassVar[dict[str, str]]
    """Screens of the deck that tell about this incident, and what each tells."""

    def dress(self, story: Story) -> Story:
        """The story before the incident."""
        return calm(story)

    def configure(self, config: dict[str, Any]) -> None:
        """Change the operator's config, which was made of the dressed story: what is kept is no target."""
        for service in config["services"].values():
            for place in service["environments"].values():
                place["targets"] = [each for each in place["targets"] if KEPT not in each["name"]]

    def set_up(self, stage: Stage) -> None:
        """Change the servers' state before anybody asks them."""

    async def play(self, stage: Stage) -> None:
        """Let it happen. Calls `stage.begins` with the first change."""
        raise NotImplementedError

    def react(self, stage: Stage) -> None:
        """Let the world follow what the operator did; called with every tick from the beginning on."""

    def goals(self, stage: Stage) -> list[Goal]:
        """What has to be so; the drill is solved when all of it is."""
        raise NotImplementedError
