"""Registered models, their versions, and the training runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from quarterdeck_demo.story.code import DAY, HOUR, MINUTE
from quarterdeck_demo.story.curves import Learning, TrainingRun
from quarterdeck_demo.story.records import Experiment, ModelVersion, RegisteredModel, Repository


@dataclass(frozen=True, slots=True)
class Registry:
    """All that the model registry and its tracking hold."""

    experiments: tuple[Experiment, ...]
    training: tuple[TrainingRun, ...]
    models: tuple[RegisteredModel, ...]


FRAUD_AUC = {14: 0.918, 15: 0.924, 16: 0.929, 17: 0.931, 18: 0.938}
CHURN_AUC = {1: 0.771, 2: 0.786, 3: 0.797, 4: 0.806, 5: 0.811}
AGES = {14: 95 * DAY, 15: 60 * DAY, 16: 31 * DAY, 17: 9 * DAY, 18: 2 * HOUR}


def learned(now: float, random: Random, repositories: Mapping[str, Repository]) -> Registry:
    """The registry and the runs: fraud 14 to 18, churn 1 to 5, a small basket of others, velocity 1 to 3."""
    model, churn = repositories["acme/fraud-model"], repositories["acme/churn"]
    experiments = (
        Experiment("0", "Default", now - 120 * DAY),
        Experiment("1", "fraud", now - 118 * DAY, {"mlflow.note.content": "Card fraud, nightly"}),
        Experiment("2", "velocity", now - 20 * DAY),
        Experiment("3", "churn", now - 110 * DAY),
    )
    training: list[TrainingRun] = []
    versions: dict[str, list[ModelVersion]] = {"fraud": [], "churn": []}
    for number, auc in FRAUD_AUC.items():
        run = _finished(f"fraud-{number}", "1", "chen-li", now - AGES[number] - 12 * MINUTE, auc, random,
                        model, model.tags[f"train-{number}"])  # fmt: skip
        training.append(run)
        versions["fraud"].append(_version("fraud", number, run, now - AGES[number], random))
    for number, auc in CHURN_AUC.items():
        age = (100 - number * 8) * DAY
        run = _finished(f"churn-{number}", "3", "dara-n", now - age - HOUR, auc, random, churn, churn.head)
        training.append(run)
        versions["churn"].append(_version("churn", number, run, now - age, random))
    training += _velocity(now, random, model)
    scored = {"validation_status": "passed", "task": "classification"}
    models = [
        RegisteredModel("fraud", "Probability that a card payment is fraud", now - 118 * DAY, now - 2 * HOUR,
                        {"team": "fraud", **scored}, tuple(versions["fraud"]),
                        {"champion": 17, "challenger": 18}),
        RegisteredModel("churn", "Probability that a customer leaves", now - 110 * DAY, now - 14 * MINUTE,
                        {"team": "growth"}, tuple(versions["churn"]), {"champion": 5}),
    ]  # fmt: skip
    for name in ("address-match", "basket-limit", "device-cluster", "merchant-risk"):
        run = _finished(f"{name}-1", "1", "op2", now - 80 * DAY, 0.8, random, model, model.tags["train-14"])
        training.append(run)
        version = _version(name, 1, run, now - 80 * DAY, random)
        models.append(RegisteredModel(name, "", version.created_at, version.created_at, {}, (version,), {}))
    return Registry(experiments, tuple(sorted(training, key=lambda run: -run.started_at)), tuple(models))


def _hex(random: Random) -> str:
    return format(random.getrandbits(128), "032x")


def _tags(name: str, user: str, repository: Repository, sha: str) -> dict[str, str]:
    return {
        "mlflow.runName": name,
        "mlflow.user": user,
        "mlflow.source.name": "train.py",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": sha,
        "mlflow.source.git.repoURL": f"https://github.com/{repository.slug}",
        "mlflow.source.git.branch": "main",
    }


def _finished(
    name: str, experiment: str, user: str, start: float, auc: float, random: Random,
    repository: Repository, sha: str,
) -> TrainingRun:  # fmt: skip
    identity = _hex(random)
    steps, seconds = 60, 11.0
    curves = {
        "loss": Learning(f"{identity}/loss", 0.68, 0.17 + random.random() / 50, steps, seconds, start),
        "auc": Learning(f"{identity}/auc", 0.5, auc, steps, seconds, start, wobble=0.0),
        "latency_ms": Learning(f"{identity}/latency", 9.0, 6.4, steps, seconds, start),
    }
    params = {"max_depth": str(random.randint(5, 9)), "learning_rate": "0.05", "epochs": "60",
              "features": "41", "optimizer": "adam"}  # fmt: skip
    return TrainingRun(
        identity, name, experiment, user, "FINISHED", start, start + steps * seconds, params,
        {**_tags(name, user, repository, sha), "dataset.digest": _hex(random)[:8]}, curves,
    )  # fmt: skip


def _version(model: str, number: int, run: TrainingRun, at: float, random: Random) -> ModelVersion:
    tags = {"signature": "amount:double,merchant:string,hour:long", "mlflow.source.git.commit":
            run.tags["mlflow.source.git.commit"]}  # fmt: skip
    if (model, number) == ("fraud", 16):
        tags["note"] = "last good before velocity"
    return ModelVersion(model, number, run.id, at, at, f"{model} {number}", run.user, tags, "m-" + _hex(random))


def _velocity(now: float, random: Random, repository: Repository) -> list[TrainingRun]:
    sha = repository.branches["retrain-nov"]
    epoch = 35.0
    start = now - 41.4 * epoch
    live, broken, first = _hex(random), _hex(random), _hex(random)
    made = [
        TrainingRun(
            live, "velocity-3", "2", "chen-li", "RUNNING", start, None,
            {"epochs": "60", "learning_rate": "0.01", "windows": "3"},
            _tags("velocity-3", "chen-li", repository, sha),
            {"loss": Learning(f"{live}/loss", 0.69, 0.166, 60, epoch, start),
             "auc": Learning(f"{live}/auc", 0.5, 0.941, 60, epoch, start)},
        ),
        TrainingRun(
            broken, "velocity-2", "2", "chen-li", "FAILED", now - 3.5 * HOUR, now - 2 * HOUR,
            {"epochs": "60", "learning_rate": "0.3", "windows": "3"},
            _tags("velocity-2", "chen-li", repository, sha),
            {"loss": Learning(f"{broken}/loss", 0.69, 0.2, 9000, 0.6, now - 3.5 * HOUR, 0.2, nan_from=8812)},
        ),
        TrainingRun(
            first, "velocity-1", "2", "chen-li", "KILLED", now - 28 * HOUR, now - 27 * HOUR,
            {"epochs": "60", "learning_rate": "0.05", "windows": "1"},
            _tags("velocity-1", "chen-li", repository, sha),
            {"loss": Learning(f"{first}/loss", 0.69, 0.21, 90, 40.0, now - 28 * HOUR)},
        ),
    ]  # fmt: skip
    return made
