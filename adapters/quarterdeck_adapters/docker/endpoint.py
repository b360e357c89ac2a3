"""Where an engine is: addresses as the docker command writes them, docker contexts, and the ssh command line."""

from __future__ import annotations

import hashlib
import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from quarterdeck_adapters.base import SourceConfig
from quarterdeck_adapters.http import is_loopback
from quarterdeck_lifecycle.errors import Forbidden, NotFound, Unavailable

DEFAULT_SOCKET = "/var/run/docker.sock"
Scheme = Literal["unix", "http", "https", "ssh"]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One engine's address. `path` is a unix socket's; the files are PEM; `evidence` says where the address is from."""

    scheme: Scheme
    url: str
    path: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    verify: bool = True
    control: str = ""
    evidence: str = ""

    @property
    def host(self) -> str:
        """The machine whose ports the containers publish."""
        return "127.0.0.1" if self.scheme == "unix" else (urlsplit(self.url).hostname or "")

    @property
    def local(self) -> bool:
        """Whether the engine is on this machine."""
        return self.scheme == "unix" or (self.scheme != "ssh" and is_loopback(self.host))


def docker_folder(env: Mapping[str, str]) -> Path:
    """Where the docker command keeps its config."""
    return Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME") or "~").expanduser() / ".docker")


def current_context(env: Mapping[str, str]) -> str:
    """The name of the current docker context, `default` when none is set."""
    if name := env.get("DOCKER_CONTEXT"):
        return name
    config = _json(docker_folder(env) / "config.json")
    name = config.get("currentContext") if isinstance(config, dict) else None
    return name if isinstance(name, str) and name else "default"


def context_endpoint(name: str, env: Mapping[str, str], source: str = "docker") -> Endpoint:
    """The endpoint of a docker context, with its TLS files. Raises NotFound, Unavailable.

    The store is `contexts/meta/<sha256 of the name>/meta.json`
    (https://docs.docker.com/engine/manage-resources/contexts/).
    """
    if name == "default":
        return endpoint_of(env.get("DOCKER_HOST") or default_url(env), env, source=source, evidence="the default")
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    store = docker_folder(env) / "contexts"
    meta = _json(store / "meta" / digest / "meta.json")
    if not isinstance(meta, dict):
        raise NotFound(f"no docker context {name}", source=source, mend="docker context ls shows those there are")
    found = (meta.get("Endpoints") or {}).get("docker") or {}
    if not isinstance(found, dict) or not found.get("Host"):
        raise Unavailable(f"the docker context {name} names no engine", source=source)
    tls = store / "tls" / digest / "docker"
    endpoint = endpoint_of(str(found["Host"]), {}, source=source, evidence=f"docker context {name}")
    if endpoint.scheme not in ("http", "https") or not (tls.is_dir() or found.get("SkipTLSVerify")):
        return endpoint
    return _secured(endpoint, tls, verify=not found.get("SkipTLSVerify"))


def default_url(env: Mapping[str, str]) -> str:
    """The default socket, or a rootless engine's where only that is there."""
    rootless = f"{env['XDG_RUNTIME_DIR']}/docker.sock" if env.get("XDG_RUNTIME_DIR") else ""
    if rootless and not os.path.exists(DEFAULT_SOCKET) and os.path.exists(rootless):
        return f"unix://{rootless}"
    return f"unix://{DEFAULT_SOCKET}"


def endpoint_of(url: str, env: Mapping[str, str], *, source: str, evidence: str = "") -> Endpoint:
    """Read an address: unix://, tcp://, http(s)://, ssh://, or a path. Raises Unavailable.

    tcp:// is TLS when DOCKER_TLS_VERIFY is set or DOCKER_CERT_PATH names a folder, as for the docker command.
    """
    if url.startswith("/"):
        url = f"unix://{url}"
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return Endpoint(scheme="unix", url=url, path=unquote(parts.netloc + parts.path), evidence=evidence)
    if parts.scheme == "ssh" and parts.hostname:
        return Endpoint(scheme="ssh", url=url, evidence=evidence)
    if parts.scheme not in ("tcp", "http", "https") or not parts.hostname:
        raise Unavailable(
            f"no address of an engine: {url}", source=source,
            mend="write unix:///path, tcp://host:2376, https://host:2376 or ssh://user@host",
        )  # fmt: skip
    folder, wanted = env.get("DOCKER_CERT_PATH", ""), bool(env.get("DOCKER_TLS_VERIFY"))
    secure = parts.scheme == "https" or (parts.scheme == "tcp" and bool(wanted or folder))
    netloc = parts.netloc if parts.port else f"{parts.netloc}:{2376 if secure else 2375}"
    if not secure:
        return Endpoint(scheme="http", url=f"http://{netloc}{parts.path}".rstrip("/"), evidence=evidence)
    plain = Endpoint(scheme="https", url=f"https://{netloc}{parts.path}".rstrip("/"), evidence=evidence)
    certs = Path(folder) if folder else docker_folder(env) if wanted else None
    # Without DOCKER_TLS_VERIFY the docker command does not verify; here a server is verified unless told per source.
    return _secured(plain, certs) if certs is not None else plain


def resolve(config: SourceConfig, env: Mapping[str, str]) -> Endpoint:
    """The endpoint of a configured source: its url, or the docker context or DOCKER_HOST it leaves to be used."""
    url = config.url or ""
    context = config.options.get("context", "")
    if url and "://" not in url and not url.startswith("/"):
        context, url = url, ""
    if context:
        endpoint = context_endpoint(str(context), env, config.name)
    elif url:
        endpoint = endpoint_of(url, env, source=config.name, evidence="the config")
    elif env.get("DOCKER_HOST"):
        endpoint = endpoint_of(env["DOCKER_HOST"], env, source=config.name, evidence="DOCKER_HOST")
    else:
        endpoint = context_endpoint(current_context(env), env, config.name)
    if endpoint.scheme == "https":
        endpoint = msgspec.structs.replace(
            endpoint,
            ca=config.ca_file or endpoint.ca,
            cert=config.cert_file or endpoint.cert,
            key=config.key_file or endpoint.key,
            verify=endpoint.verify and not config.insecure,
        )
    if not config.credentials:
        if endpoint.scheme == "ssh":
            why = "this project's file is not trusted, so no SSH key goes to a host it names"
            raise Forbidden("not connected", source=config.name, why=why, mend="quarterdeck trust")
        endpoint = msgspec.structs.replace(endpoint, cert="", key="")
    return endpoint


def ssh_argv(endpoint: Endpoint) -> list[str]:
    """`ssh` to the host's own docker, without a prompt, sharing one login among all connections.

    The control socket lies in a folder of ours with mode 0700: a login of its own for each call takes a second.
    """
    parts = urlsplit(endpoint.url)
    argv = ["ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ForwardAgent=no"]
    argv += ["-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-o", "PermitLocalCommand=no"]
    if endpoint.control:
        argv += ["-o", "ControlMaster=auto", "-o", f"ControlPath={endpoint.control}/%C", "-o", "ControlPersist=60"]
    if parts.port:
        argv += ["-p", str(parts.port)]
    if parts.username:
        argv += ["-l", unquote(parts.username)]
    command = "docker system dial-stdio"
    if parts.path.strip("/"):
        command = f"docker --host {shlex.quote(f'unix://{unquote(parts.path)}')} system dial-stdio"
    return [*argv, "--", parts.hostname or "", command]


def ssh_exit_argv(endpoint: Endpoint) -> list[str]:
    """Ask the shared login to end."""
    program, *options, _ = ssh_argv(endpoint)
    return [program, "-O", "exit", *options]


def control_folder() -> str:
    """A new folder, readable by nobody else, for ssh's control sockets; short, since a socket's path is bounded."""
    return tempfile.mkdtemp(prefix="qd-ssh-")


def _secured(endpoint: Endpoint, folder: Path, verify: bool = True) -> Endpoint:
    files = {name: str(folder / f"{name}.pem") for name in ("ca", "cert", "key") if (folder / f"{name}.pem").exists()}
    url = "https://" + endpoint.url.partition("://")[2]
    return msgspec.structs.replace(endpoint, scheme="https", url=url, verify=verify, **files)


def _json(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
