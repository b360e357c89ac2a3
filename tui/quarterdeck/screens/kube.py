"""The contexts of the kubeconfig that was found, and the keys that open k9s or kubectl for one."""

from __future__ import annotations

import shutil
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from quarterdeck.panes.rows import Filter
from quarterdeck.screens.table import TableScreen
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.table import RecordTable
from quarterdeck_config.kubeconfig import Kube, KubeContext
from quarterdeck_lifecycle.text import clean_line

COLUMNS = (
    Column("current", "", 1),
    Column("context", "CONTEXT", 20, flex=2, min_width=10),
    Column("cluster", "CLUSTER", 16, flex=1, min_width=8, priority=1),
    Column("namespace", "NAMESPACE", 12, flex=1, min_width=6),
    Column("server", "SERVER", 30, flex=2, min_width=10, priority=2),
    Column("sign_in", "SIGNS IN BY", 12, priority=3),
)


class KubeScreen(TableScreen):
    """Read as data: nothing of it runs until a key here opens a program for a context."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "kubectl", show=False),
        Binding("y", "copy_name", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Enter", "k9s"), ("p", "kubectl get pods"), ("y", "copy the name"), ("/", "filter"),
    )  # fmt: skip

    def __init__(self, kube: Kube) -> None:
        empty = "no kubeconfig: $KUBECONFIG and ~/.kube/config were looked for"
        super().__init__("kube contexts", COLUMNS, empty if not kube.files else "the kubeconfig has no context")
        self._kube = kube

    def on_mount(self) -> None:
        """Show them."""
        super().on_mount()
        self.filtered()
        for problem in self._kube.problems:
            self.app.say(problem, "warning")

    def filtered(self) -> None:
        """The contexts that hold these words."""
        keeps = Filter(self.wanted).keeps
        rows = [context_row(context) for context in self._kube.contexts]
        self.table.set_rows([row for row in rows if keeps(" ".join(cell.text for cell in row.cells))], ghosts=False)
        files = ", ".join(self._kube.files)
        self.entitle(f"kube contexts{f' of {clean_line(files, 120)}' if files else ''}: read only, nothing was run")

    @property
    def chosen(self) -> KubeContext | None:
        """The context under the cursor."""
        return next((c for c in self._kube.contexts if c.name == self.table.cursor_key), None)

    @on(RecordTable.RowSelected)
    def opened(self) -> None:
        """k9s for it, else kubectl."""
        if shutil.which("k9s", path=self.app.boot.env.get("PATH")):
            self._run("k9s", *(["--readonly"] if self.app.boot.policy.read_only else []))
        else:
            self.app.say("k9s is not installed; p asks kubectl", "warning")

    def action_kubectl(self) -> None:
        """Its pods; the output stands until Enter."""
        if shutil.which("kubectl", path=self.app.boot.env.get("PATH")):
            self._run("kubectl", "get", "pods", "--output=wide", "--request-timeout=10s", pause=True)
        else:
            self.app.say("kubectl is not installed", "warning")

    def _run(self, *words: str, pause: bool = False) -> None:
        context = self.chosen
        if context is not None:
            self.app.deck.run_program([*words, f"--context={context.name}"], action=f"kube.{words[0]}", pause=pause)

    def action_copy_name(self) -> None:
        """To the clipboard."""
        if self.chosen is not None:
            self.app.copy(self.chosen.name)


def context_row(context: KubeContext) -> Row:
    """One context."""
    return Row(
        context.name,
        (
            Cell("*" if context.current else "", "ok"), Cell(clean_line(context.name)),
            Cell(clean_line(context.cluster), "dim"), Cell(clean_line(context.namespace) or "default", "dim"),
            Cell(clean_line(context.server), "dim"), Cell(context.sign_in, "dim"),
        ),
    )  # fmt: skip
