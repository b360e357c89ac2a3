"""The model registry: models, and the versions worth a row. Never all versions of anything."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from quarterdeck_adapters.mlflow import mapping
from quarterdeck_adapters.mlflow.api import Api, Pages, code_of, only, together, translated
from quarterdeck_adapters.mlflow.mapping import CHAMPION, model_name
from quarterdeck_adapters.mlflow.moves import Moves
from quarterdeck_adapters.mlflow.primary import Primary, primary
from quarterdeck_adapters.mlflow.sources import RunBook, Signatures
from quarterdeck_adapters.mlflow.values import Json, pairs, quoted, rows, text
from quarterdeck_config.schema import ModelOptions
from quarterdeck_lifecycle.errors import Conflict, Forbidden, NotFound, Unsupported
from quarterdeck_lifecycle.kinds import ModelVersion, RegisteredModel
from quarterdeck_lifecycle.ports import Listing
from quarterdeck_lifecycle.records import Ref

MOST_MODELS = 2000
MODELS_A_PAGE = 1000
NEWEST = 100
MOST_NAMED = 200
NAMED_KEPT_S = 300.0
Key = tuple[str, str]
Served = Callable[[str, str], str]


class Registry:
    """Registered models and their versions as rows."""

    def __init__(
        self,
        api: Api,
        *,
        environment: str,
        now: Callable[[], float],
        options: Mapping[str, ModelOptions],
        runs: RunBook,
        served: Served,
    ) -> None:
        self.api = api
        self.moves = Moves()
        self.signatures = Signatures(api, now)
        self._environment = environment
        self._now = now
        self._options = options
        self._runs = runs
        self._served = served
        self._named: OrderedDict[Key, tuple[float, Json]] = OrderedDict()
        self._made: dict[str, tuple[Key, ...]] = {}

    # models

    async def read_models(self) -> tuple[list[Json], str]:
        """Every registered model as the server sends it, and what is missing. Raises QuarterdeckError."""
        pages = Pages(model_name, MOST_MODELS)
        params: dict[str, Any] = {"max_results": MODELS_A_PAGE, "order_by": ["last_updated_timestamp DESC"]}
        found = await pages.read(
            lambda token: self.api.get(
                "registered-models/search", **params, **({"page_token": token} if token else {})
            ),
            "registered_models",
        )
        models = [raw for raw in found if model_name(raw) and not mapping.is_prompt(raw)]
        self.moves.observe({model_name(raw): mapping.aliases(raw) for raw in models}, self._now())
        return models, f"{pages.cut} models" if pages.cut else ""

    async def models(self) -> Listing:
        """Registered models as rows. Raises QuarterdeckError."""
        found, cut = await self.read_models()
        return Listing(rows=[self.model_row(raw) for raw in found], partial=cut)

    def model_row(self, raw: Json) -> RegisteredModel:
        """A model as a row."""
        return mapping.model(raw, self.api.source, self._environment, self.api.url, self.primary(raw))

    def primary(self, raw: Json) -> Primary:
        """The primary metric of a model as the server sent it."""
        return primary(model_name(raw), pairs(raw, "tags"), self._options)

    async def read_model(self, name: str) -> Json:
        """One model. Raises NotFound, QuarterdeckError."""
        return only(await self.api.get("registered-models/get", name=name), "registered_model", self.api.source)

    async def read_version(self, name: str, version: str) -> Json:
        """One version. Raises NotFound, QuarterdeckError."""
        body = await self.api.get("model-versions/get", name=name, version=version)
        return only(body, "model_version", self.api.source)

    async def alias(self, name: str, alias: str) -> Json | None:
        """The version an alias is on, None where there is no such alias (MLflow says 400). Raises QuarterdeckError."""
        answer = await self.api.http.request(
            "GET", "/api/2.0/mlflow/registered-models/alias", params={"name": name, "alias": alias}, ok=range(400, 600)
        )
        if answer.status < 400:
            return only(await answer.json(), "model_version", self.api.source)
        code, message = code_of(answer)
        if code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST") and "alias" in message.lower():
            return None
        raise translated(answer, f"reading @{alias} of {name}")

    # versions

    async def versions(self) -> Listing:
        """The newest versions of all models, and each one that an alias names. Raises QuarterdeckError."""
        models, cut = await self.read_models()
        body = await self.api.get(
            "model-versions/search", max_results=NEWEST, order_by=["creation_timestamp DESC", "name ASC"]
        )
        found = {key_of(raw): raw for raw in rows(body, "model_versions")[:NEWEST] if not mapping.is_prompt(raw)}
        named = [(model_name(raw), version) for raw in models for version in mapping.aliases(raw).values()]
        missing = [key for key in dict.fromkeys(named) if key not in found]
        lacking = await self._name(missing[:MOST_NAMED], found)
        rows_, more = await self.rows(list(found.values()), {model_name(raw): raw for raw in models})
        partial = [cut, f"the newest {NEWEST} versions, and those with an alias" if body.get("next_page_token") else ""]
        if len(missing) > MOST_NAMED:
            partial.append(f"without {len(missing) - MOST_NAMED} older versions that have an alias")
        if lacking:
            partial.append(f"without {lacking} versions that may not be read")
        return Listing(rows=rows_, partial="; ".join(part for part in (*partial, more) if part))

    async def page(self, name: str, token: str) -> tuple[Listing, str]:
        """A page of one model's versions, the newest first, and the next page's token. Raises QuarterdeckError."""
        condition = quoted(name)
        if condition is None:
            raise Unsupported(
                f"the versions of {name} can't be listed", source=self.api.source,
                why="a name with both kinds of quotes can't be written in MLflow's filter language",
            )  # fmt: skip
        params = {"max_results": NEWEST, "filter": f"name = {condition}", "order_by": ["version_number DESC"]}
        body = await self.api.get("model-versions/search", **params, **({"page_token": token} if token else {}))
        model = await self.read_model(name)
        found = {key_of(raw): raw for raw in rows(body, "model_versions")}
        champion = mapping.aliases(model).get(CHAMPION, "")
        wanted = [(name, champion)] if champion and (name, champion) not in found else []
        extra: dict[Key, Json] = {}
        await self._name(wanted, extra)
        made, more = await self.rows([*found.values(), *extra.values()], {name: model})
        shown = [row for row in made if isinstance(row, ModelVersion) and (row.model, row.version) in found]
        following = text(body.get("next_page_token"))
        return Listing(rows=shown, partial=more), "" if following == token else following

    async def rows(self, found: Sequence[Json], models: Mapping[str, Json]) -> tuple[list[ModelVersion], str]:
        """Versions as rows, with metrics and the difference to the champion among them. Raises QuarterdeckError."""
        origins = await self._runs.of(text(raw.get("run_id")) for raw in found)
        runs = origins.found
        self._made.update(_by_run(found))
        by_key = {key_of(raw): raw for raw in found}
        aliases = {name: mapping.aliases(raw) for name, raw in models.items()}
        newest = {name: mapping.newest_version(raw) for name, raw in models.items()}
        await self.signatures.read(_compared(by_key, aliases, newest))
        made = []
        for (name, number), raw in by_key.items():
            chosen = self.primary(models.get(name, {"name": name}))
            champion = by_key.get((name, aliases.get(name, {}).get(CHAMPION, "")))
            run = runs.get(text(raw.get("run_id")))
            best = None
            if champion is not None:
                best = mapping.metrics_of(champion, runs.get(text(champion.get("run_id")))).get(chosen.name)
            mine = self.signatures.known(raw)
            theirs = self.signatures.known(champion) if champion is not None else None
            made.append(
                mapping.version(
                    raw, source=self.api.source, environment=self._environment, base=self.api.url,
                    named=tuple(a for a, v in aliases.get(name, {}).items() if v == number), chosen=chosen, run=run,
                    champion=best, is_champion=champion is raw, signature=mine,
                    differs=mine.differs(theirs) if mine is not None and theirs is not None else (),
                    served_by=self._served(name, number), newest=newest.get(name) == number,
                    run_missing=text(raw.get("run_id")) in origins.missing,
                )
            )  # fmt: skip
        return made, origins.partial

    def made(self, run_id: str) -> Sequence[Key]:
        """The versions that are known to come from a run."""
        return self._made.get(run_id, ())

    def ref(self, name: str, version: str) -> Ref:
        """The identity of a version here."""
        return mapping.version_ref(self.api.source, name, version)

    async def _name(self, wanted: Sequence[Key], found: dict[Key, Json]) -> int:
        """Add versions by their keys, kept for minutes as they hardly change; how many may not be read."""
        now = self._now()

        async def one(key: Key) -> Json | None:
            known = self._named.get(key)
            if known is not None and 0 <= now - known[0] < NAMED_KEPT_S:
                return known[1]
            try:
                raw = await self.read_version(*key)
            except (NotFound, Conflict):
                # Gone meanwhile, or a name that the server itself does not take.
                return {}
            except Forbidden:
                return None
            self._named[key] = (now, raw)
            return raw

        answers = await together(one(key) for key in wanted)
        found.update({key: raw for key, raw in zip(wanted, answers, strict=True) if raw})
        while len(self._named) > 2 * MOST_NAMED:
            self._named.popitem(last=False)
        return sum(raw is None for raw in answers)


def key_of(raw: Json) -> Key:
    """Model and version number."""
    return model_name(raw), text(raw.get("version"))


def _by_run(found: Sequence[Json]) -> dict[str, tuple[Key, ...]]:
    made: dict[str, tuple[Key, ...]] = {}
    for raw in found:
        if run_id := text(raw.get("run_id")):
            made[run_id] = (*made.get(run_id, ()), key_of(raw))
    return made


def _compared(
    by_key: Mapping[Key, Json], aliases: Mapping[str, Mapping[str, str]], newest: Mapping[str, str]
) -> list[Json]:
    """The versions whose signature matters: of models with a champion, those with an alias and the newest."""
    wanted: dict[Key, Json] = {}
    for name, named in aliases.items():
        if CHAMPION in named:
            for number in (*named.values(), newest.get(name, "")):
                if (name, number) in by_key:
                    wanted[name, number] = by_key[name, number]
    return list(wanted.values())
