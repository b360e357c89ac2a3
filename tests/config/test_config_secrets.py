"""References become secrets at the moment of use, and no text shows them."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import sys
import time
import types
from pathlib import Path

import pytest

from quarterdeck_config.redact import Redactor
from quarterdeck_config.schema import SecretRef
from quarterdeck_config.secrets import Secret, SecretError, resolve

CANARY = "canary-5f4dcc3b5aa7"


def get(redactor: Redactor | None = None, /, **ref: object) -> Secret:
    return resolve(SecretRef(**ref), redactor=redactor or Redactor())  # type: ignore[arg-type]


def secret_file(tmp_path: Path, text: str, mode: int = 0o600) -> str:
    path = tmp_path / "secret"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_env(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QD_TOKEN", f" {CANARY}\n")
    assert get(env="QD_TOKEN").reveal() == CANARY
    monkeypatch.setenv("QD_TOKEN", "")
    with pytest.raises(SecretError, match="the variable QD_TOKEN is not set"):
        get(env="QD_TOKEN")


def test_file(tmp_path: Path) -> None:
    assert get(file=secret_file(tmp_path, f"{CANARY}\n")).reveal() == CANARY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, CANARY, mode)
    with pytest.raises(SecretError, match=r"open to others .*run: chmod 600"):
        get(file=path)


def test_file_that_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir()
    for name, why in (("none", "cannot be read"), ("pipe", "not a regular file"), ("folder", "not a regular file")):
        with pytest.raises(SecretError, match=why):
            get(file=str(tmp_path / name))
    for text, why in (("", "gives nothing"), ("x" * 70_000, "more than 64 KiB")):
        with pytest.raises(SecretError, match=why):
            get(file=secret_file(tmp_path, text))
    Path(secret_file(tmp_path, "")).write_bytes(b"\xff")
    with pytest.raises(SecretError, match="no UTF-8"):
        get(file=str(tmp_path / "secret"))


def test_command_first_line_without_a_terminal() -> None:
    code = f"import os,sys; print('{CANARY}'); print('second'); sys.exit(os.isatty(0) or bool(sys.stdin.read()))"
    assert get(command=(sys.executable, "-c", code)).reveal() == CANARY


def test_command_that_fails_says_so_without_its_output(tmp_path: Path) -> None:
    code = f"import sys; print('{CANARY}'); print('{CANARY}', file=sys.stderr); sys.exit(3)"
    with pytest.raises(SecretError, match="exit code 3") as caught:
        get(command=(sys.executable, "-c", code, CANARY))
    assert CANARY not in f"{caught.value!r} {caught.value}"
    with pytest.raises(SecretError, match="cannot be started: No such file"):
        get(command=(str(tmp_path / "none"),))
    with pytest.raises(SecretError, match="gives nothing"):
        get(command=("true",))


def test_command_past_its_deadline_ends_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"sleep 300 & echo $! > {pid}; exec sleep 300"
    with pytest.raises(SecretError, match=r"no answer in 1 s"):
        resolve(SecretRef(command=("sh", "-c", code)), redactor=Redactor(), deadline_s=1)
    child = int(pid.read_text())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and "Z (" not in _state(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "Z (" in _state(child) or not Path(f"/proc/{child}").exists()


def _state(pid: int) -> str:
    try:
        return next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("State:"))
    except OSError:
        return "Z (gone)"


class _KeyringError(Exception):
    pass


def _keyring(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    """The keyring package's own two calls, https://keyring.readthedocs.io/en/latest/#api, over a fixed answer."""

    def entry(service: str, user: str | None) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer if service == "mlflow" else None

    made = types.ModuleType("keyring")
    made.get_password = entry  # type: ignore[attr-defined]
    made.get_credential = lambda service, user: (  # type: ignore[attr-defined]
        types.SimpleNamespace(password=found) if (found := entry(service, user)) else None
    )
    errors = types.ModuleType("keyring.errors")
    errors.KeyringError = _KeyringError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", made)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)


def test_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    _keyring(monkeypatch, CANARY)
    assert get(keyring="mlflow/me").reveal() == CANARY
    assert get(keyring="mlflow").reveal() == CANARY
    with pytest.raises(SecretError, match="no entry other"):
        get(keyring="other")
    _keyring(monkeypatch, _KeyringError(CANARY))
    with pytest.raises(SecretError, match="does not answer") as caught:
        get(keyring="mlflow")
    assert CANARY not in str(caught.value)


def test_keyring_missing_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(SecretError, match=r"pip install 'quarterdeck\[keyring\]'"):
        get(keyring="mlflow")


def test_no_text_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(CANARY, "env QD_TOKEN", redactor=Redactor())
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("t").warning("%s %r", secret, secret)
    shown = f"{secret} {secret!r} {secret!s:>40} {[secret]} {caplog.text}"
    assert CANARY not in shown
    assert "Secret(env QD_TOKEN)" in shown
    for leak in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            leak(secret)
    with pytest.raises(TypeError):
        hash(secret)


def test_resolved_secret_is_redacted_from_then_on(tmp_path: Path) -> None:
    redactor = Redactor()
    assert CANARY in redactor.redact(f"x {CANARY}")
    get(redactor, file=secret_file(tmp_path, CANARY))
    assert redactor.redact(f"x {CANARY}") == "x ***"
    assert CANARY not in repr(redactor)
