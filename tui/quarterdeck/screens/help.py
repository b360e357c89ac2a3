"""The keys that apply here, made of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.keynames import pretty
from quarterdeck.screens.text import TextScreen, plain
from quarterdeck_lifecycle.text import LogLine
from quarterdeck_lifecycle.verbs import Verb, VerbKind

if TYPE_CHECKING:
    from quarterdeck.boot import Boot


class HelpScreen(TextScreen):
    """Help."""

    def __init__(self, boot: Boot, screen: str, kind: str, verbs: list[Verb] | None = None) -> None:
        super().__init__("help", help_lines(boot, screen, kind, verbs))


def help_lines(boot: Boot, screen: str, kind: str, verbs: list[Verb] | None = None) -> list[LogLine]:
    """Verbs of the row first, then those of the screen, then what has no key; `verbs` if not all of the screen's."""
    registry = boot.registry
    verbs = registry.screen(screen) if verbs is None else verbs
    lines: list[LogLine] = []

    def part(title: str, some: list[Verb]) -> None:
        if some:
            lines.extend(plain([title], "bold"))
            for verb in some:
                key = pretty(registry.keys(verb.id)) or f":{verb.id}"
                risk = f"  [{verb.risk}, {verb.confirm}]" if verb.kind is VerbKind.MUTATION else ""
                text = f"  {key:<10} {verb.title:<24} {verb.help}{risk}"
                lines.append(LogLine(text, ((2, 2 + max(10, len(key)), "cyan"),)))
            lines.append(LogLine("", ()))

    part(f"on a {kind.replace('_', ' ')}", registry.on(kind) if kind else [])
    part("looking", [v for v in verbs if not v.applies_to and v.kind is not VerbKind.MUTATION and registry.keys(v.id)])
    if screen == "deck":
        part("on other rows", [v for v in verbs if v.applies_to and kind not in v.applies_to])
        part("on the command line", [v for v in verbs if not v.applies_to and not registry.keys(v.id)])
    if screen in ("deck", "needs"):
        from quarterdeck.views.needs import harm_lines

        lines += plain([*harm_lines(), ""])
    lines += plain(
        [
            "Lower case looks, capitals act. Harmless verbs run at once, disruptive ones",
            "ask once (y); in protected environments and where nothing can be undone the",
            "name is typed. Nothing confirms within 300 ms.",
            "Rebind keys in the config: keys: {container.restart: f5}",
        ],
        "dim",
    )
    return lines
