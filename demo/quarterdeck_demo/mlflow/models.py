"""Registered models, their versions, aliases and tags.

Source: https://mlflow.org/docs/latest/api_reference/rest-api.html#create-registeredmodel and what follows it there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.mlflow.filters import Lookup, Value, fits_all, parse_filter, sorted_by
from quarterdeck_demo.mlflow.state import Model, State, Version
from quarterdeck_demo.mlflow.wire import Field, MlflowError, found, invalid, page, parameters, reply, stamp

__all__ = ["ModelRegistry"]

NAME, VERSION, KEY = Field("name", required=True), Field("version", required=True), Field("key", required=True)
SEARCH = (Field("filter"), Field("order_by", "array"), Field("page_token"))
STAGES = ("None", "Staging", "Production", "Archived")
ORDERS = {"name", "timestamp", "last_updated_timestamp"}


def bad_clause(text: str) -> MlflowError:
    return invalid(f"Invalid clause(s) in filter string: {text}")


def version_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise invalid(f"Parameter 'version' must be an integer, got '{text}'.") from None


class ModelRegistry:
    """The registry's endpoints on a state."""

    def __init__(self, state: State, clock: Callable[[], float]) -> None:
        self.state, self.clock = state, clock
        self.routes: dict[str, dict[str, Callable[[Request], Response]]] = {
            "registered-models/create": {"POST": self.create_model},
            "registered-models/search": {"GET": self.search_models},
            "registered-models/get": {"GET": self.get_model},
            "registered-models/update": {"PATCH": self.update_model},
            "registered-models/delete": {"DELETE": self.delete_model},
            "registered-models/alias": {"GET": self.get_alias, "POST": self.set_alias, "DELETE": self.delete_alias},
            "registered-models/set-tag": {"POST": self.set_model_tag},
            "registered-models/delete-tag": {"DELETE": self.delete_model_tag},
            "model-versions/create": {"POST": self.create_version},
            "model-versions/search": {"GET": self.search_versions},
            "model-versions/get": {"GET": self.get_version},
            "model-versions/get-download-uri": {"GET": self.download_uri},
            "model-versions/update": {"PATCH": self.update_version},
            "model-versions/delete": {"DELETE": self.delete_version},
            "model-versions/transition-stage": {"POST": self.transition},
            "model-versions/set-tag": {"POST": self.set_version_tag},
            "model-versions/delete-tag": {"DELETE": self.delete_version_tag},
        }

    def now(self) -> int:
        return stamp(self.clock())

    def create_model(self, request: Request) -> Response:
        asked = parameters(request, (NAME, Field("tags", "array"), Field("description")))
        name = asked["name"]
        if name in self.state.models:
            raise MlflowError("RESOURCE_ALREADY_EXISTS", f"Registered Model (name={name}) already exists.")
        now = self.now()
        made = Model(name, now, now, asked.get("description"), tags_of(asked))
        self.state.models[name] = made
        return reply({"registered_model": made.payload})

    def search_models(self, request: Request) -> Response:
        asked = parameters(request, (Field("filter"), Field("max_results", "int", most=1000), *SEARCH[1:]))
        clauses = parse_filter(asked.get("filter", ""), bad_clause)
        orders = asked.get("order_by", [])
        for order in orders:
            if (key := order.split()[0]) not in ORDERS:
                valid = "{'name', 'timestamp'}"
                raise invalid(f"Invalid order by key '{key}' specified. Valid keys are '{valid}'")
        rows = [one for _, one in sorted(self.state.models.items()) if fits_all(clauses, model_lookup(one))]
        rows = sorted_by(rows, orders, model_lookup)
        kept, following = page(rows, asked.get("max_results", 100), asked.get("page_token", ""))
        return reply(found("registered_models", [one.payload for one in kept], following))

    def get_model(self, request: Request) -> Response:
        return reply({"registered_model": self.state.model(parameters(request, (NAME,))["name"]).payload})

    def update_model(self, request: Request) -> Response:
        asked = parameters(request, (NAME, Field("description")))
        model = self.state.model(asked["name"])
        model.description, model.updated = asked.get("description", ""), self.now()
        return reply({"registered_model": model.payload})

    def delete_model(self, request: Request) -> Response:
        del self.state.models[self.state.model(parameters(request, (NAME,))["name"]).name]
        return reply({})

    def get_alias(self, request: Request) -> Response:
        asked = parameters(request, (NAME, Field("alias", required=True)))
        model, alias = self.state.model(asked["name"]), asked["alias"]
        if alias.lower() == "latest" and model.versions:
            return self.told(model.versions[max(model.versions)])
        if alias not in model.aliases:
            raise invalid(f"Registered model alias {alias} not found.")
        return self.told(self.state.version(model.name, model.aliases[alias]))

    def set_alias(self, request: Request) -> Response:
        asked = parameters(request, (NAME, Field("alias", required=True), VERSION))
        alias = asked["alias"]
        if not re.fullmatch(r"[\w\-]+", alias):
            only = "Names may only contain alphanumerics, underscores (_), and dashes (-)."
            raise invalid(f"Invalid alias name: '{alias}'. {only}")
        if len(alias) > 255:
            raise invalid("'Registered model alias name' exceeds the maximum length of 255 characters")
        if alias.lower() == "latest":
            raise invalid("'latest' alias name (case insensitive) is reserved.")
        if re.fullmatch(r"[vV]\d+", alias):
            raise invalid(f"Version alias name '{alias}' is reserved.")
        version = self.version(asked)
        self.state.models[version.name].aliases[alias] = version.version
        return reply({})

    def delete_alias(self, request: Request) -> Response:
        asked = parameters(request, (NAME, Field("alias", required=True)))
        self.state.model(asked["name"]).aliases.pop(asked["alias"], None)
        return reply({})

    def set_model_tag(self, request: Request) -> Response:
        asked = parameters(request, (NAME, KEY, Field("value")))
        self.state.model(asked["name"]).tags[asked["key"]] = asked.get("value", "")
        return reply({})

    def delete_model_tag(self, request: Request) -> Response:
        asked = parameters(request, (NAME, KEY))
        self.state.model(asked["name"]).tags.pop(asked["key"], None)
        return reply({})

    def create_version(self, request: Request) -> Response:
        fields = (NAME, Field("source", required=True), Field("run_id"), Field("tags", "array"), Field("description"))
        asked = parameters(request, (*fields, Field("model_id")))
        model = self.state.model(asked["name"])
        source = asked["source"]
        if source.startswith("models:/m-") and asked.get("model_id", "") != source.removeprefix("models:/"):
            problem = "The model_id request parameter must identify the resource that contains the source."
            raise invalid(f"Invalid model version source: '{source}'. {problem}")
        logged = self.state.logged_models.get(asked.get("model_id", ""))
        run = asked.get("run_id") or (logged.run_id if logged else "")
        now, number = self.now(), max(model.versions, default=0) + 1
        made = Version(model.name, number, now, now, asked.get("description", ""), source, run, tags_of(asked))
        model.versions[number], model.updated = made, now
        return reply({"model_version": made.payload()})

    def search_versions(self, request: Request) -> Response:
        asked = parameters(request, (Field("filter"), Field("max_results", "int", most=200_000), *SEARCH[1:]))
        count = asked.get("max_results", 200_000)
        if count < 1:
            raise invalid(f"Invalid value for max_results. It must be a positive integer, but got {count}")
        clauses = parse_filter(asked.get("filter", ""), bad_clause)
        every = [version for model in self.state.models.values() for version in model.versions.values()]
        rows = [one for one in every if fits_all(clauses, version_lookup(one))]
        rows.sort(key=lambda one: (-one.updated, one.name, -one.version))
        rows = sorted_by(rows, asked.get("order_by", []), version_lookup)
        kept, following = page(rows, count, asked.get("page_token", ""))
        return reply(found("model_versions", [one.payload() for one in kept], following))

    def get_version(self, request: Request) -> Response:
        return self.told(self.version(parameters(request, (NAME, VERSION))))

    def download_uri(self, request: Request) -> Response:
        source = self.version(parameters(request, (NAME, VERSION))).source
        logged = self.state.logged_models.get(source.removeprefix("models:/"))
        return reply({"artifact_uri": f"mlflow-artifacts:/{logged.folder}" if logged else source})

    def update_version(self, request: Request) -> Response:
        asked = parameters(request, (NAME, VERSION, Field("description")))
        version = self.version(asked)
        version.description, version.updated = asked.get("description", ""), self.now()
        return self.told(version)

    def delete_version(self, request: Request) -> Response:
        version = self.version(parameters(request, (NAME, VERSION)))
        model = self.state.models[version.name]
        del model.versions[version.version]
        for alias in model.aliases_of(version.version):
            del model.aliases[alias]
        model.updated = self.now()
        return reply({})

    def transition(self, request: Request) -> Response:
        archive = Field("archive_existing_versions", "bool")
        asked = parameters(request, (NAME, VERSION, Field("stage", required=True), archive))
        stage = next((known for known in STAGES if known.lower() == asked["stage"].lower()), "")
        if not stage:
            told = f"Value must be one of {', '.join(STAGES)}."
            raise invalid(f"Invalid Model Version stage: {asked['stage']}. {told}")
        if asked.get("archive_existing_versions") and stage not in ("Staging", "Production"):
            told = f"'{stage}' is not an Active stage. Valid stages are ['Staging', 'Production']"
            cannot = "Model version transition cannot archive existing model versions because"
            raise MlflowError("INTERNAL_ERROR", f"{cannot} {told}")
        version = self.version(asked)
        model, now = self.state.models[version.name], self.now()
        if asked.get("archive_existing_versions"):
            for other in model.versions.values():
                if other.stage == stage and other is not version:
                    other.stage, other.updated = "Archived", now
        version.stage, version.updated, model.updated = stage, now, now
        return self.told(version)

    def set_version_tag(self, request: Request) -> Response:
        asked = parameters(request, (NAME, VERSION, KEY, Field("value")))
        self.version(asked).tags[asked["key"]] = asked.get("value", "")
        return reply({})

    def delete_version_tag(self, request: Request) -> Response:
        asked = parameters(request, (NAME, VERSION, KEY))
        self.version(asked).tags.pop(asked["key"], None)
        return reply({})

    def version(self, asked: dict[str, Any]) -> Version:
        return self.state.version(asked["name"], version_number(asked["version"]))

    def told(self, version: Version) -> Response:
        aliases = self.state.models[version.name].aliases_of(version.version)
        return reply({"model_version": version.payload(aliases)})


def tags_of(asked: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in asked.get("tags", [])}


def model_lookup(model: Model) -> Lookup:
    attributes: dict[str, Value] = {
        "name": model.name,
        "timestamp": model.updated,
        "last_updated_timestamp": model.updated,
    }
    return lambda kind, key: model.tags.get(key) if kind == "tag" else attributes.get(key)


def version_lookup(version: Version) -> Lookup:
    attributes: dict[str, Value] = {
        "name": version.name, "version_number": version.version, "run_id": version.run_id,
        "source_path": version.source, "creation_timestamp": version.created,
        "last_updated_timestamp": version.updated,
    }  # fmt: skip
    return lambda kind, key: version.tags.get(key) if kind == "tag" else attributes.get(key)
