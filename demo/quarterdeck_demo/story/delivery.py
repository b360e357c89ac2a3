"""Releases, images and the containers that run them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from random import Random

from quarterdeck_demo.oci import Image, build_image
from quarterdeck_demo.story.code import DAY, HOUR, MINUTE
from quarterdeck_demo.story.records import Container, Mount, Port, Release, Repository, Run

GiB = 1024**3
MiB = 1024**2
OUTPUT = "timeout after 400ms\n"
HEALTHCHECK = {
    "Test": ["CMD-SHELL", "wget -q -O- http://127.0.0.1:8080/healthz"],
    "Interval": 5_000_000_000,
    "Timeout": 2_000_000_000,
    "Retries": 5,
}
SERVICES: dict[str, str] = {
    "fraud-api": "acme/fraud-api",
    "scorer": "acme/scorer",
    "etl": "acme/etl",
    "dashboards": "acme/dashboards",
    "churn": "acme/churn",
}
PUBLIC: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("redis", "7.2", ("redis-server",)),
    ("postgres", "16", ("postgres",)),
    ("ghcr.io/mlflow/mlflow", "v3.4.0", ("mlflow", "server", "--host", "0.0.0.0")),  # noqa: S104
)


def releases(repositories: Mapping[str, Repository], runs: Sequence[Run]) -> dict[str, tuple[Release, ...]]:
    """The releases of each service, oldest first: one for each tag that names a version."""
    built = {(run.repository, run.sha): run for run in reversed(runs) if run.event == "push"}
    made: dict[str, tuple[Release, ...]] = {}
    for service, slug in SERVICES.items():
        repository = repositories[slug]
        found = []
        for tag, sha in repository.tags.items():
            run = built[slug, sha]
            created = (run.started_at or run.created_at) + 3 * MINUTE
            image = _image(service, slug, tag, sha, run, created)
            broken = (service, tag) == ("fraud-api", "v41")
            found.append(Release(service, tag, sha, run.id, run.number, created, image, broken))
        made[service] = tuple(sorted(found, key=lambda release: release.created_at))
    return made


def _image(service: str, slug: str, tag: str, sha: str, run: Run, created: float) -> Image:
    env = ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHON_VERSION=3.12.8"]
    if service == "fraud-api":
        env.append(f"FRAUD_TIMEOUT_MS={400 if tag == 'v41' else 800}")
        env += ["FRAUD_CACHE=1"] if tag == "v42" else []
    number = tag.removeprefix("v")
    version = f"1.{number}.0" if "." not in number else number
    tags = (tag,) if version == tag else (tag, version)
    return build_image(
        f"team/{service}",
        tags,
        created=created,
        layers=[_base("python"), {f"app/{service}.py": f"REVISION = {sha!r}\n".encode()}],
        env=env,
        cmd=("python", "-m", "app"),
        labels={
            "org.opencontainers.image.created": _rfc3339(created),
            "org.opencontainers.image.revision": sha,
            "org.opencontainers.image.source": f"https://github.com/{slug}",
            "org.opencontainers.image.title": service,
            "org.opencontainers.image.version": version,
            "com.acme.run": str(run.number),
        },
        ports=("8080/tcp",),
        user="1000",
        workdir="/app",
        healthcheck=HEALTHCHECK,
        with_index=service == "scorer",
        docker=service == "etl",
    )


def _base(name: str) -> dict[str, bytes]:
    return {"etc/os-release": b'NAME="Debian"\nVERSION_ID="12"\n', f"bin/{name}": f"#!{name}\n".encode() * 64}


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def public_images(now: float) -> dict[str, Image]:
    """Images of others, by repository: they are on the engine, not in the team's registry."""
    return {
        repository: build_image(
            repository, (tag,), created=now - 45 * DAY, layers=[_base(command[0])], cmd=command,
            env=("PATH=/usr/local/bin:/usr/bin:/bin",), docker=True,
        )
        for repository, tag, command in PUBLIC
    }  # fmt: skip


class Yard:
    """Makes containers, with ids and starting times drawn from the seed."""

    def __init__(
        self,
        now: float,
        random: Random,
        registry: str,
        released: Mapping[str, Sequence[Release]],
        public: Mapping[str, Image],
    ) -> None:
        self._now, self._random, self._registry = now, random, registry
        self._released, self._public = released, public

    def container(
        self, name: str, service: str, version: str, environment: str, age: float, *,
        number: int = 1, env: Mapping[str, str] | None = None, labels: Mapping[str, str] | None = None,
        host_port: int | None = None, project: str = "", up: float | None = None, **more: object,
    ) -> Container:  # fmt: skip
        """A container created `age` seconds ago and started `up` seconds ago (by default just after)."""
        release = next((r for r in self._released.get(service, ()) if r.version == version), None)
        image = release.image if release else self._public[version]
        reference = f"{self._registry}/{image.repository}" if release else image.repository
        tag = version if release else image.tags[0]
        created = self._now - age - self._random.random()
        project = project or f"fraud-{environment}"
        seed = f"{name}/{self._random.random()}"
        variables = dict(item.split("=", 1) for item in image.settings["config"]["Env"])
        return Container(
            id=hashlib.sha256(seed.encode()).hexdigest(), name=name, service=service, environment=environment,
            project=project, number=number, image=image, reference=f"{reference}:{tag}", release=release,
            created_at=created, started_at=created + 0.4 if up is None else self._now - up,
            env={**variables, "ENVIRONMENT": environment, **(env or {})},
            labels={
                **image.labels,
                "com.docker.compose.project": project,
                "com.docker.compose.service": service,
                "com.docker.compose.container-number": str(number),
                "com.docker.compose.oneoff": "False",
                "com.docker.compose.version": "2.39.1",
                "com.acme.environment": environment,
                **(labels or {}),
            },
            ports=(Port(8080, host_port),), networks=(f"{project}_default",), **more,  # type: ignore[arg-type]
        )  # fmt: skip


def containers(
    now: float,
    random: Random,
    registry: str,
    released: Mapping[str, Sequence[Release]],
    public: Mapping[str, Image],
    models: Mapping[str, str],
) -> tuple[Container, ...]:
    """What the engine runs. `models` maps a model and version (`fraud/17`) to its training run."""
    make = Yard(now, random, registry, released, public).container
    secret = {"DB_PASSWORD": "hunter2-" + format(random.getrandbits(48), "012x")}
    api = {"FRAUD_MODEL": "fraud", "FRAUD_MODEL_VERSION": "17", "DB_HOST": "db", **secret}
    serving = {"MODEL_NAME": "fraud", "MODEL_VERSION": "17", "MLFLOW_RUN_ID": models["fraud/17"]}
    trial = {"MODEL_NAME": "fraud", "MODEL_VERSION": "18", "MLFLOW_RUN_ID": models["fraud/18"]}
    data = Mount("fraud-prod_redis-data", "/data")
    return (
        make("fraud-api-1", "fraud-api", "v41", "prod", 11 * MINUTE, env=api, host_port=18081, cpu=40.0,
             memory=1126 * MiB, health="healthy", memory_limit=2 * GiB),
        make("fraud-api-2", "fraud-api", "v41", "prod", 11 * MINUTE, env=api, number=2, host_port=18082,
             cpu=91.0, memory=1843 * MiB, failing_streak=1, health_output=OUTPUT, health="healthy",
             memory_limit=2 * GiB),
        make("fraud-api-3", "fraud-api", "v41", "prod", 11 * MINUTE, env=api, number=3, host_port=18083, cpu=88.0,
             memory=1945 * MiB, health="unhealthy", failing_streak=5, health_output=OUTPUT, restarts=4,
             up=95.0, memory_limit=2 * GiB),
        make("scorer-1", "scorer", "2.3.0", "prod", 9 * DAY, env=serving, up=43 * MINUTE, cpu=22.0,
             memory=3482 * MiB, memory_limit=6 * GiB, health="healthy"),
        make("redis", "redis", "redis", "prod", 40 * DAY, cpu=1.0, memory=205 * MiB, mounts=(data,), health="healthy"),
        make("churn-1", "churn", "0.4.0", "prod", 3 * DAY, env={"MODEL_URI": "models:/churn@champion"}, cpu=2.0,
             memory=512 * MiB, project="churn-prod", health="healthy"),
        make("dashboards-1", "dashboards", "v9", "prod", 9 * DAY, host_port=13000, cpu=1.5, memory=180 * MiB,
             project="dashboards", health="healthy"),
        make("staging-fraud-api-1", "fraud-api", "v42", "staging", 40 * MINUTE, env=api, host_port=18181, cpu=3.0,
             memory=614 * MiB, health="healthy", memory_limit=2 * GiB),
        make("staging-scorer-1", "scorer", "2.3.0", "staging", 2 * HOUR, env=trial, cpu=4.0, memory=3380 * MiB,
             health="healthy"),
        make("etl", "etl", "v9", "staging", 3 * HOUR, up=31 * MINUTE, finished_at=now - 11 * MINUTE, cpu=0.0,
             state="exited", exit_code=137, oom_killed=True, restarts=6, restart_policy="on-failure",
             memory_limit=512 * MiB, env={"BATCH": "100000", **secret}),
        make("dev-fraud-api-1", "fraud-api", "v40", "dev", 25 * HOUR, env=api, cpu=0.4,
             memory=240 * MiB, health="healthy"),
        make("dev-redis", "redis", "redis", "dev", 25 * HOUR, cpu=0.3, memory=20 * MiB),
        make("db", "db", "postgres", "dev", 25 * HOUR, cpu=0.8, memory=96 * MiB,
             mounts=(Mount("fraud-dev_db", "/var/lib/postgresql/data"),), env=secret),
        make("mlflow", "mlflow", "ghcr.io/mlflow/mlflow", "dev", 25 * HOUR, cpu=1.1, memory=415 * MiB),
        make("dev-etl", "etl", "v8", "dev", 25 * HOUR, state="exited", finished_at=now - 24 * HOUR,
             restart_policy="no"),
        make("fraud-api-next", "fraud-api", "v42", "prod", 8 * MINUTE, env=api, state="created",
             restart_policy="no", project="fraud-trial"),
    )  # fmt: skip
