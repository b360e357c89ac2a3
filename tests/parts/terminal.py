"""A program in a real tmux, driven by keys and read from the screen (tmux(1)); one private tmux server for each."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import psutil

from parts.needs import missing, program
from parts.process import DEADLINE, Process, clean_env, descendants, end_all, wait_until

OPTIONS = """\
set -g status off
set -g remain-on-exit on
set -g default-terminal tmux-256color
set -g set-clipboard on
set -g set-titles off
set -g allow-rename off
set -g focus-events on
set -g history-limit 5000
set -s escape-time 0
"""


class Terminal:
    """A tmux server with one pane of `width` x `height` cells that runs `command`. The pane stays when it ends."""

    def __init__(
        self,
        command: Sequence[str],
        width: int = 80,
        height: int = 24,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        home: Path | None = None,
        options: str = "",
    ) -> None:
        self.command, self.width, self.height, self.cwd = list(command), width, height, cwd
        self.folder = Path(tempfile.mkdtemp(prefix="qd-tmux-"))
        self.env = clean_env(home or self.folder, {"TMUX_TMPDIR": str(self.folder), "TERM": "xterm-256color"})
        self.extra = dict(env or {})
        self.grace = 5.0
        self._socket = f"qd-{secrets.token_hex(4)}"
        config = self.folder / "tmux.conf"
        config.write_text(OPTIONS + options)
        # -D keeps the server in the foreground: a child of ours, which ends with the tests.
        argv = [program("tmux"), "-L", self._socket, "-f", str(config), "-D"]
        self.process = Process(argv, self.folder / "log", self.env)

    @staticmethod
    def missing() -> str | None:
        """Why it cannot run here, naming the package that would bring it."""
        return missing("tmux")

    def start(self) -> None:
        """Start the program. It sees tmux's environment and `env`, and nothing of the developer's."""
        self.process.start()
        self.process.wait_ready(lambda: self._tmux("ls", check=False) is not None, "its socket was there")
        extra = [part for name, value in self.extra.items() for part in ("-e", f"{name}={value}")]
        where = ["-c", str(self.cwd)] if self.cwd else []
        size = ("-x", str(self.width), "-y", str(self.height))
        self.tmux("new-session", "-d", *size, *where, *extra, "--", *self.command)

    def tmux(self, *arguments: str) -> str:
        """One tmux command, and what it printed. Raises RuntimeError with tmux's own words where it fails."""
        answer = self._tmux(*arguments)
        assert answer is not None
        return answer

    def send_keys(self, *keys: str) -> None:
        """Press keys by tmux's names: "j", "Enter", "Escape", "C-c", "M-x", "F1"."""
        self.tmux("send-keys", "--", *keys)

    def type(self, text: str) -> None:
        """Type a text as it is."""
        self.tmux("send-keys", "-l", "--", text)

    def paste(self, text: str) -> None:
        """Paste a text, bracketed where the program asked for it."""
        self.tmux("set-buffer", "--", text)
        self.tmux("paste-buffer", "-p")

    def capture(self, escapes: bool = False) -> str:
        """The screen, one line for each row without trailing blanks; with `escapes` its colours too."""
        flags = ("-e",) if escapes else ()
        return self.tmux("capture-pane", "-p", *flags)

    def wait_for(self, wanted: str | re.Pattern[str] | Callable[[str], object], deadline: float = DEADLINE) -> str:
        """The screen, once it holds `wanted`: a text, a regular expression, or a question about the screen.

        Raises AssertionError with the last screen after `deadline` seconds, or as soon as the program has ended.
        """
        screen = ""

        def look() -> bool:
            nonlocal screen
            ended = self.exit_status is not None
            screen = self.capture()
            if _holds(wanted, screen):
                return True
            if ended:
                raise TimeoutError(f"the program ended with {self.exit_status}")
            return False

        try:
            wait_until(look, "the screen", deadline)
        except TimeoutError as error:
            frame = "\n".join(f"|{line}" for line in screen.splitlines())
            raise AssertionError(f"never on the screen: {wanted!r} ({error})\n{frame}") from error
        return screen

    def wait_exit(self, deadline: float = DEADLINE) -> int:
        """The program's exit status once it has ended; 128 + n where signal n ended it."""
        try:
            wait_until(lambda: self.exit_status is not None, "the program to end", deadline)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.capture()}") from error
        status = self.exit_status
        assert status is not None
        return status

    @property
    def exit_status(self) -> int | None:
        """The program's exit status, None while it runs; 128 + n where signal n ended it."""
        told = self.tmux("display-message", "-p", "#{pane_dead_status}/#{pane_dead_signal}")
        status, _, death = told.strip().partition("/")
        # tmux may see the end of the output before it has the status: then it knows neither yet.
        if status:
            return int(status)
        if death:
            return 128 + int(death)
        # tmux 3.3 sometimes misses the SIGCHLD of its pane; another one makes it look.
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE:
                os.kill(self.process.pid, signal.SIGCHLD)
        return None

    @property
    def pid(self) -> int:
        """The process id of the program."""
        return int(self.tmux("display-message", "-p", "#{pane_pid}"))

    @property
    def title(self) -> str:
        """The title that the program set."""
        return self.tmux("display-message", "-p", "#{pane_title}").rstrip("\n")

    @property
    def alternate(self) -> bool:
        """Whether the program uses the alternate screen."""
        return self.tmux("display-message", "-p", "#{alternate_on}").strip() == "1"

    def resize(self, width: int, height: int) -> None:
        """Give the pane another size."""
        self.tmux("resize-window", "-x", str(width), "-y", str(height))
        self.width, self.height = width, height

    def kill(self) -> None:
        """Close the terminal under the program: it gets SIGHUP, as when an SSH connection drops."""
        self.tmux("kill-server")
        wait_until(lambda: not self.process.alive, "tmux to end")

    def close(self) -> None:
        """End tmux and the program, and remove the folder."""
        below = descendants(self.process.pid) if self.process.alive else []
        if self.process.alive:
            with contextlib.suppress(RuntimeError):
                self.tmux("kill-server")
        # A program that handles SIGHUP gets `grace` seconds to do so; one that does not end is ended.
        psutil.wait_procs(below, timeout=self.grace)
        self.process.stop()
        end_all(below)
        shutil.rmtree(self.folder)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tmux(self, *arguments: str, check: bool = True) -> str | None:
        done = subprocess.run(
            [self.process.argv[0], "-L", self._socket, *arguments],
            env=self.env,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        if done.returncode == 0:
            return done.stdout.decode(errors="replace")
        if check:
            raise RuntimeError(f"tmux {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}")
        return None


def _holds(wanted: str | re.Pattern[str] | Callable[[str], object], screen: str) -> bool:
    if isinstance(wanted, str):
        return wanted in screen
    if isinstance(wanted, re.Pattern):
        return wanted.search(screen) is not None
    return bool(wanted(screen))
