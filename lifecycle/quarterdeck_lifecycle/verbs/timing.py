"""Verbs about time: the list of what changed, and the one instant that everything is shown at."""

from quarterdeck_lifecycle.verbs.model import Verb, VerbKind


def _view(id: str, key: str, title: str, help: str, screen: str) -> Verb:
    return Verb(id=id, key=key, title=title, kind=VerbKind.VIEW, help=help, screen=screen)


TIMING = (
    _view("instant.take", "i", "this moment",
          "metrics, logs, changes and runs all go to when this happened; n makes them live again", "*"),
    _view("instant.set", "", "go to a time", "metrics, logs, changes and runs go to a time: 02:14:31, -10m or a date",
          "deck"),
    _view("instant.live", "", "live again", "metrics, logs, changes and runs show what is now", "deck"),
    _view("chart.take", "enter", "this moment", "what the read-out stands on, for logs, changes and runs too",
          "metrics"),
    _view("chart.compare", "equals_sign", "before/after",
          "the window before the read-out or the instant against the one after, and what changed between", "metrics"),
)  # fmt: skip

CHANGES_SCREEN = (
    _view("change.open", "enter", "open", "the operation that did it, its commits, else the row; a gone row's diff",
          "changes"),
    _view("change.diff", "d,equals_sign", "diff", "all that is known of it, and what it was before and after",
          "changes"),
    _view("change.environment", "at", "environment", "only one environment's, or all", "changes"),
    _view("change.system", "s", "system", "only one system's, or all", "changes"),
    _view("change.by", "b", "by whom", "only by us, only from outside, or all", "changes"),
    _view("change.good", "h", "last good hour",
          "go to the newest hour in which no alert fired, no run of a default branch failed and no container was "
          "unhealthy, restarting or dead, by the changes kept and by what is so now; silenced alerts do not count, "
          "and before the oldest change nothing is known", "changes"),
    _view("change.again", "r", "read again", "what other decks saw meanwhile", "changes"),
)  # fmt: skip
