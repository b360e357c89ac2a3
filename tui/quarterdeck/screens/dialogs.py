"""Small dialogs: a menu, arguments, a reason. None opens by itself."""

from __future__ import annotations

from typing import ClassVar, Generic, NamedTuple, TypeVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from quarterdeck.widgets.cells import literal
from quarterdeck.widgets.prompt import PromptInput
from quarterdeck_lifecycle.verbs import Verb

T = TypeVar("T")
LETTERS = "abcdefghijklmnopqrstuvwx"


class Choice(NamedTuple):
    """One line of a menu; greyed with its reason when there is one."""

    id: str
    title: str
    why_not: str = ""


class Dialog(ModalScreen[T | None], Generic[T]):
    """A framed dialog that Escape cancels."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", show=False)]

    def action_cancel(self) -> None:
        """Nothing was chosen."""
        self.dismiss(None)


def line(text: str, style: str = "", *, classes: str = "line") -> Static:
    """One literal line."""
    return Static(Text(literal(text), style=style, no_wrap=True, overflow="ellipsis"), classes=classes)


def whole(text: str, style: str = "") -> Static:
    """Literal text that wraps: nothing of it may be hidden."""
    return Static(Text(literal(text), style=style, overflow="fold"), classes="whole")


class MenuDialog(Dialog[str]):
    """One of several, by letter or by Enter."""

    def __init__(self, title: str, choices: list[Choice]) -> None:
        super().__init__()
        self._title = title
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Title and lines."""
        with Vertical():
            yield line(self._title, "bold")
            options = []
            for letter, choice in zip(LETTERS, self._choices, strict=False):
                text = Text(f"{letter}  {literal(choice.title)}", no_wrap=True, overflow="ellipsis")
                if choice.why_not:
                    text.append(f"   {literal(choice.why_not)}", style="italic")
                text.truncate(max(20, min(72, self.app.size.width - 6)), overflow="ellipsis")
                options.append(Option(text, id=choice.id, disabled=bool(choice.why_not)))
            yield OptionList(*options)

    def on_mount(self) -> None:
        """The list has the keyboard."""
        self.query_one(OptionList).focus()

    def on_key(self, event: events.Key) -> None:
        """A letter chooses its line."""
        if len(event.key) == 1 and event.key in LETTERS:
            place = LETTERS.index(event.key)
            if place < len(self._choices):
                event.stop()
                choice = self._choices[place]
                if not choice.why_not:
                    self.dismiss(choice.id)

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Enter."""
        event.stop()
        self.dismiss(event.option_id)


class ArgumentsDialog(Dialog[dict[str, str]]):
    """Asks for what a verb needs before its preview. Enter goes on, from the last field to the end."""

    def __init__(self, verb: Verb, given: dict[str, str] | None = None) -> None:
        super().__init__()
        self._verb = verb
        self._given = given or {}

    def compose(self) -> ComposeResult:
        """A field for each argument."""
        with Vertical():
            yield line(self._verb.title, "bold")
            with VerticalScroll(classes="body", can_focus=False):
                for argument in self._verb.args:
                    words = argument.prompt + (f" ({' | '.join(argument.choices)})" if argument.choices else "")
                    yield line(words if argument.required else f"{words} (may be empty)", "dim")
                    yield PromptInput(self._given.get(argument.name, argument.default), id=f"arg-{argument.name}")
            yield Static("", id="problem", classes="line")
            yield line("Enter goes on to the preview, Esc cancels; nothing is sent yet", "dim")

    def on_mount(self) -> None:
        """The first field has the keyboard."""
        self.query(PromptInput).first().focus()

    @on(Input.Submitted)
    def submitted(self, event: Input.Submitted) -> None:
        """The next field, or the end."""
        event.stop()
        fields = list(self.query(PromptInput))
        place = fields.index(event.input)  # type: ignore[arg-type]
        if place + 1 < len(fields):
            fields[place + 1].focus()
            return
        args = {a.name: self.query_one(f"#arg-{a.name}", PromptInput).value.strip() for a in self._verb.args}
        for argument in self._verb.args:
            value, choices = args[argument.name], argument.choices
            problem = f"{argument.prompt} is needed" if argument.required and not value else ""
            if choices and value and value not in choices:
                problem = f"{argument.prompt}: {' or '.join(choices)}, not {value}"
            if problem:
                self.query_one("#problem", Static).update(Text(literal(problem), style="bold yellow"))
                self.query_one(f"#arg-{argument.name}", PromptInput).focus()
                return
        self.dismiss(args)


class AskDialog(Dialog[str]):
    """One question with one line of answer, which must not be empty."""

    def __init__(self, title: str, question: str, value: str = "") -> None:
        super().__init__()
        self._title, self._question, self._value = title, question, value

    def compose(self) -> ComposeResult:
        """Question and field."""
        with Vertical():
            yield line(self._title, "bold")
            yield line(self._question, "dim")
            yield PromptInput(self._value, id="answer")
            yield line("Enter accepts, Esc cancels", "dim")

    def on_mount(self) -> None:
        """The field has the keyboard."""
        self.query_one(PromptInput).focus()

    @on(Input.Submitted)
    def submitted(self, event: Input.Submitted) -> None:
        """The answer."""
        event.stop()
        if event.value.strip():
            self.dismiss(event.value.strip())
