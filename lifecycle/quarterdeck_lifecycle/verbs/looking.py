"""Verbs that look: lower case and signs, in every pane."""

from quarterdeck_lifecycle.verbs.model import Verb, VerbKind

LOGS_OF = ("container", "run", "job", "project")


def _view(id: str, key: str, title: str, help: str = "", screen: str = "deck", *on: str) -> Verb:
    return Verb(id=id, key=key, title=title, kind=VerbKind.VIEW, help=help, screen=screen, applies_to=on)


VIEWS = (
    _view("open", "enter", "open", "drill into the row: jobs of a run, versions of a model, detail of anything"),
    _view("back", "escape,backspace", "back", "leave the filter, the screen or the drill-down", "*"),
    _view("pane.repositories", "1", "repositories", "focus the pane"),
    _view("pane.pipelines", "2", "pipelines", "focus the pane"),
    _view("pane.containers", "3", "containers", "focus the pane"),
    _view("pane.models", "4", "models", "focus the pane"),
    _view("pane.metrics", "5", "metrics", "focus the pane"),
    _view("needs", "0", "what needs me", "alerts, failed runs, approvals, sick containers: the worst first, to mute"),
    _view("pane.next", "tab", "next pane"),
    _view("pane.previous", "shift+tab", "previous pane"),
    _view("tab.next", "right_square_bracket", "next tab", "containers, images, volumes, networks, tags ..."),
    _view("tab.previous", "left_square_bracket", "previous tab"),
    _view("zoom", "z", "zoom", "the focused pane fills the screen"),
    _view("logs", "l", "logs", "live log of the row, or of all marked rows merged by time", "deck", *LOGS_OF),
    _view("detail", "d", "detail", "everything known of the row, in tabs"),
    _view("trace", "t", "trace", "from the commit to the model in production: the whole story of the row; :trace REF"),
    _view("where", "", "where", "in which environments the row runs; :where REF"),
    _view("changes", "c", "changes", "what changed, newest first, by us or from outside"),
    _view("copy", "y", "copy", "the row's ref, name, digest or address to the clipboard"),
    _view("link", "o", "link", "show and copy the row's web address"),
    _view("mend", "e", "mend", "what is wrong with this pane's sources and how to mend it"),
    _view("owner", "u", "owner", "jump to what the row belongs to"),
    _view("previous", "p", "previous", "the log of the container that this one replaced", "deck", "container"),
    _view("filter", "slash", "filter", "regex; a leading ! keeps what does not match", "*"),
    _view("sort", "s", "sort", "by the next column; once more reverses"),
    _view("environments", "at", "environments", "whose rows all panes show; :environments NAME... or all"),
    _view("view", "backslash", "views", "what the deck shows, by name; :view save NAME, delete NAME, reset"),
    _view("columns", "vertical_line", "columns", "which columns of this tab are shown"),
    _view("compare", "equals_sign", "compare", "two marked rows side by side, only the differences"),
    _view("mark", "space", "mark", "mark the row, for bulk verbs, merged logs and compare"),
    _view("top", "g,home", "top", "", "*"),
    _view("bottom", "G,end", "bottom", "", "*"),
    _view("down", "j,down", "down", "", "*"),
    _view("up", "k,up", "up", "", "*"),
    _view("refresh", "r", "refresh", "ask every source of this pane again now"),
    _view("command", "colon", "command", "the command line: every verb, :query, :theme, :set", "*"),
    _view("help", "question_mark", "help", "the keys that apply here", "*"),
    _view("ledger", "v", "ledger", "everything that was done from here, refused and failed too"),
    Verb(id="quit", key="q", title="quit", kind=VerbKind.LOCAL, help="leave; nothing that runs elsewhere ends"),
    Verb(id="mouse", key="m", title="mouse on/off", kind=VerbKind.LOCAL, screen="*",
         help="give the terminal its own selection back"),
    Verb(id="write.open", key="W", title="open for writing", kind=VerbKind.LOCAL,
         help="asks for a reason and opens the row's source for ten minutes; once more shuts it"),
    Verb(id="config.reload", title="reload the config", kind=VerbKind.LOCAL),
    Verb(id="theme", title="choose a theme", kind=VerbKind.LOCAL),
    _view("log", "", "calls", "every call that was made: of whom, how long, how it ended"),
    _view("kube", "", "kube contexts", "of the kubeconfig found here; opens k9s or kubectl for one"),
    Verb(id="watch", key="w", title="watch", kind=VerbKind.LOCAL,
         help="be told when it ends, fires, clears, moves or is healthy; once more ends the watch"),
    _view("watches", "", "watches", "what is watched, and what was heard"),
    Verb(id="query", title="query", kind=VerbKind.VIEW, help="a live chart of any expression"),
)  # fmt: skip

LOG_SCREEN = (
    _view("log.follow", "f", "follow", "on at the end, off when scrolled up", "log"),
    _view("log.pause", "space", "pause", "the screen stands still; lines are kept and counted", "log"),
    _view("log.wrap", "w", "wrap", "", "log"),
    _view("log.times", "t", "timestamps", "", "log"),
    _view("log.level", "v", "levels", "all, warnings and above, errors only", "log"),
    _view("log.columns", "c", "JSON columns", "fields of JSON lines as columns", "log"),
    _view("log.marker", "a", "marker line", "", "log"),
    _view("log.goto", "colon", "go to a time", "02:14:31, -10m or a date", "log"),
    _view("log.search", "slash", "search", "regex; n and N go to the next and the previous hit", "log"),
    _view("hit.next", "n", "next hit", "of the search; on the deck, the next row in trouble, or live again", "*"),
    _view("hit.previous", "N", "previous hit", "of the search; on the deck, the previous row in trouble", "*"),
    _view("log.filter", "ampersand", "filter", "regex; a leading ! keeps what does not match", "log"),
    _view("log.older", "o", "older lines", "what came before the first line; scrolling up reads them too", "log"),
    _view("log.copy", "y", "copy", "what the mouse selected, else the lines in sight", "log"),
    _view("log.save", "s", "save", "to a file of yours, 0600", "log"),
    _view("log.pager", "vertical_line", "pager", "the kept lines in $PAGER", "log"),
    _view("log.range", "r", "time range", "only lines of a window", "log"),
)

NEEDS_SCREEN = (
    _view("needs.mute", "m", "mute", "for 1 or 8 hours, or until it changes; what is muted is told of again", "needs"),
    _view("needs.watch", "w", "watch", "be told when it ends, clears or is healthy; once more ends the watch", "needs"),
    _view("needs.watches", "h", "heard", "what is watched, and what was heard", "needs"),
)

METRICS_SCREEN = (
    _view("chart.left", "left", "earlier", "move the read-out", "metrics"),
    _view("chart.right", "right", "later", "move the read-out", "metrics"),
    _view("chart.shorter", "left_square_bracket", "shorter window", "", "metrics"),
    _view("chart.longer", "right_square_bracket", "longer window", "", "metrics"),
    _view("chart.now", "n", "now", "live again", "metrics"),
    _view("chart.query", "colon", "query", "a chart of any expression; Tab completes", "metrics"),
    _view("chart.again", "r", "ask again", "", "metrics"),
)
