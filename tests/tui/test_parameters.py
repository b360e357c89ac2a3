"""What a new run may be given is asked of its system first: a field each, choices and defaults with them."""

from __future__ import annotations

from collections.abc import Sequence

from deckcase import Deck, deck
from quarterdeck.screens.dialogs import ArgumentsDialog
from quarterdeck.starting import MOST, answered, form
from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import Parameter
from quarterdeck_lifecycle.records import Ref, Status
from quarterdeck_lifecycle.verbs import built_in
from scripted import Scripted

TRIGGER = next(verb for verb in built_in() if verb.id == "run.trigger")
RUN = Run(
    ref=Ref("ci", "run", "1"), name="deploy #1", status=Status.RUNNING, state="running", system="ci",
    repository="acme/api", number="1", workflow="deploy", branch="release/9",
)  # fmt: skip
TARGET = Parameter(name="TARGET", default="staging", choices=("staging", "prod"), required=True)
NOTE = Parameter(name="release note", title="what it is for")
KEY = Parameter(name="KEY", secret=True)


class Ci(Scripted):
    """A CI system whose pipelines take parameters."""

    def __init__(self, parameters: Sequence[Parameter] | Exception) -> None:
        super().__init__("ci", [RUN], kind="run", system="ci")
        self.known = parameters
        self.actions = {"run.trigger": self.stop}

    async def parameters(self, ref: Ref) -> Sequence[Parameter]:
        if isinstance(self.known, Exception):
            raise self.known
        return self.known


def test_what_was_left_at_its_default_is_not_sent_and_words_with_spaces_stay_whole() -> None:
    fields = form(TRIGGER, RUN, (TARGET, NOTE, KEY)).args
    assert [(field.default, field.choices, field.required) for field in fields] == [
        ("release/9", (), True), ("staging", ("staging", "prod"), True), ("", (), False), ("", (), False),
    ]  # fmt: skip
    assert "env:NAME" in fields[-1].prompt
    args = {"ref": "main", "input-0": "staging", "input-1": "it's urgent", "input-2": "env:DEPLOY_KEY"}
    assert answered(args, (TARGET, NOTE, KEY)) == {
        "ref": "main", "inputs": """'release note=it'"'"'s urgent' KEY=env:DEPLOY_KEY""",
    }  # fmt: skip


def test_more_than_a_dialog_holds_are_given_as_words() -> None:
    many = [Parameter(name=f"P{place}") for place in range(MOST + 3)]
    fields = form(TRIGGER, None, many).args
    assert [field.name for field in fields][-2:] == [f"input-{MOST - 1}", "inputs"]
    args = {"ref": "main", "input-0": "a", "inputs": f"P{MOST}=b"}
    assert answered(args, many)["inputs"] == f"P0=a P{MOST}=b"


async def asked(d: Deck) -> None:
    await d.press("2", "T")
    await d.until(lambda: isinstance(d.app.screen, ArgumentsDialog), "the dialog")


async def test_each_has_a_field_and_every_field_can_be_seen_at_80_by_24() -> None:
    many = [TARGET, NOTE, *(Parameter(name=f"P{place}", default=str(place)) for place in range(20))]
    source = Ci(many)
    async with deck([source]) as d:
        await asked(d)
        assert "TARGET (staging | prod)" in d.text
        assert "release note: what it is for (may be empty)" in d.text
        await d.press(*["enter"] * 21)
        assert "P18" in d.text
        assert "Enter goes on to the preview" in d.text
        await d.press("escape")
        await asked(d)
        await d.press("enter", "ctrl+u")
        await d.type("nowhere")
        await d.press(*["enter"] * 22)
        await d.shows("staging or prod, not nowhere")


async def test_where_the_system_does_not_say_the_plain_dialog_stands_in() -> None:
    async with deck([Ci(Unavailable("its parameters", source="ci", why="502"))]) as d:
        await asked(d)
        assert any("not known: " in toast for toast in d.toasts)
        assert "inputs: key=value" in d.text
