"""What a Makefile offers is read; nothing in it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck_adapters.local.definitions import UNTRUSTED, Pipeline, pipelines_of
from quarterdeck_adapters.local.inputs import given, parameters
from quarterdeck_adapters.local.makefile import MOST, parse
from quarterdeck_config.inert import inert
from quarterdeck_config.schema import Config, LocalPipeline
from quarterdeck_lifecycle.errors import Refused

WHOLE = """\
# build things
.PHONY: all test \\
        deploy clean
.DEFAULT_GOAL := all
CFLAGS ?= -O2 # as ever
EPOCHS?=3
LAZY := $(shell touch pwned)
A != touch pwned
ifeq ($(OS),Windows)
  include win.mk
endif
-include local.mk
define HOOK
ghost: nobody
\ttouch pwned
endef
all: build test ## everything
build: src/a.o; echo linked
\techo built
test::
\tpytest -q \\
\t  --no-header
\t@echo tested
deploy: export ENV = prod
deploy: all
\t./deploy.sh
clean nothing: ; rm -rf out
%.o: %.c
\tcc -c $<
$(LAZY): x
src/a.o: src/a.c
a=b: c
"""


def test_phony_targets_are_offered_with_what_they_say_need_and_do() -> None:
    made = parse(WHOLE)
    assert [target.name for target in made.offered()] == ["all", "test", "deploy", "clean"]
    assert (made.targets["all"].help, made.targets["all"].needs) == ("everything", ("build", "test"))
    assert made.targets["build"].recipe == ("echo linked", "echo built")
    assert made.targets["test"].recipe == ("pytest -q --no-header", "@echo tested")
    assert made.targets["clean"].recipe == made.targets["nothing"].recipe == ("rm -rf out",)
    assert made.targets["deploy"].needs == ("all",)
    assert made.includes == 2
    assert not {"ghost", "%.o", "a", "c", "$(LAZY)"} & set(made.targets)


def test_variables_that_are_left_open_may_be_given() -> None:
    assert parse(WHOLE).variables == {"CFLAGS": "-O2", "EPOCHS": "3"}


def test_files_are_offered_only_by_their_name() -> None:
    assert [target.name for target in parse(WHOLE).offered(("src/a.o", "gone"))] == ["src/a.o"]


def test_another_sign_may_begin_recipes() -> None:
    made = parse(".RECIPEPREFIX = >\n.PHONY: go\ngo:\n> echo hi\n\techo: no recipe\n")
    assert made.targets["go"].recipe == ("echo hi",)


@pytest.mark.parametrize(
    "text", ["", "\n\n\\", "\x00\x1b]0;x\x07: y", ":", "a" * 100_000, " " * 100_000 + "x", "=\n:=\n"],
    ids=["empty", "cut", "hostile", "colon", "long", "blank", "signs"],
)  # fmt: skip
def test_what_is_no_makefile_offers_nothing(text: str) -> None:
    assert parse(text).offered() == []


def test_so_many_targets_are_bounded() -> None:
    names = " ".join(f"t{number}" for number in range(3 * MOST))
    assert len(parse(f".PHONY: {names}\n{names}:\n\ttrue\n").offered()) == MOST


def made_of(folder: Path, **pipeline: object) -> tuple[list[Pipeline], list[str]]:
    return pipelines_of({"api": LocalPipeline(makefile=str(folder), **pipeline)}, str(folder))  # type: ignore[arg-type]


def test_a_target_is_a_pipeline_by_argv_and_shows_its_recipes(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(WHOLE)
    (tmp_path / "GNUmakefile").write_text(WHOLE)
    found, trouble = made_of(tmp_path, targets=("all", "-rf"))
    assert trouble == []
    all_of_it, missing = found
    argv = ("make", "--no-print-directory", "-f", "GNUmakefile", "--", "all")
    assert (all_of_it.name, all_of_it.steps[0].argv, all_of_it.steps[0].folder) == ("api:all", argv, str(tmp_path))
    assert all_of_it.shown[:2] == ("build: echo linked", "build: echo built")
    assert missing.why_not == "GNUmakefile has no target -rf"
    assert not (tmp_path / "pwned").exists()


def test_a_changed_recipe_is_another_pipeline(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(WHOLE)
    before = made_of(tmp_path)[0][0]
    (tmp_path / "Makefile").write_text(WHOLE.replace("echo built", "echo other"))
    after = made_of(tmp_path)[0][0]
    assert (before.key, before.digest == after.digest) == (after.key, False)


def test_a_missing_one_is_said_and_spoils_no_other(tmp_path: Path) -> None:
    found, trouble = made_of(tmp_path)
    assert (found, trouble) == ([], [f"api: no Makefile there ({tmp_path})"])
    (tmp_path / "Makefile").mkdir()
    assert made_of(tmp_path)[1] == [f"api: no Makefile there ({tmp_path})"]


def test_that_of_an_untrusted_config_is_not_even_read(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(WHOLE)
    config = Config(pipelines={"api": LocalPipeline(makefile=str(tmp_path), targets=("all",))})
    found, trouble = pipelines_of(inert(config)[0].pipelines, str(tmp_path))
    assert ([(p.name, p.why_not, p.steps[0].argv) for p in found], trouble) == ([("api:all", UNTRUSTED, ())], [])


def test_only_what_is_declared_may_be_given_and_make_expands_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(WHOLE)
    pipeline = made_of(tmp_path, inputs={"ENV": "dev"})[0][0]
    assert [(each.name, each.default) for each in parameters(pipeline)] == [
        ("CFLAGS", "-O2"), ("EPOCHS", "3"), ("ENV", "dev"),
    ]  # fmt: skip
    assert given("EPOCHS='5 $(shell id)'", pipeline, "here") == {"EPOCHS": "5 $$(shell id)"}
    for words in ("SHELL=/bin/evil", "EPOCHS", "EPOCHS='", f"EPOCHS={'x' * 5000}"):
        with pytest.raises(Refused):
            given(words, pipeline, "here")
