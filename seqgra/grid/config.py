"""The config file of a grid: its keys, their types and defaults (config/README.md explains them)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from seqgra.architecture.optimizers import CANDIDATES, Candidates
from seqgra.architecture.schema import Network
from seqgra.streams import SeedDesign
from seqgra.yamlfile import Strict, suggest

#: Of a name, which is part of names of files: these have 255 bytes at most.
_LONGEST_NAME = 200


def _path_safe(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", name):
        raise ValueError(f"is {name!r}; use letters, digits, '.', '_', '+' and '-' only")
    if len(name) > _LONGEST_NAME:
        raise ValueError(
            f"has {len(name)} letters; use {_LONGEST_NAME} at most, for names of files"
        )
    return name


def _path_text(text: str) -> str:
    if not text.isprintable() or text.startswith("-"):
        raise ValueError(f"is {text!r}; give a path on one line that does not begin with '-'")
    return text


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if twice := [value for number, value in enumerate(values) if value in values[:number]]:
        raise ValueError(f"holds {twice[0]} twice")
    return values


def _entries(given: Any) -> Any:
    """Turn a list of names into {name: {}}; a mapping holds variants."""
    if isinstance(given, list):
        return {str(name): {} for name in given}
    if isinstance(given, dict):
        return {str(name): changes or {} for name, changes in given.items()}
    return given


def _with_bases(entries: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for name, changes in entries.items():
        try:
            _path_text(str(changes.get("from", name)))
        except ValueError as error:
            raise ValueError(f"{name}.from {error}") from None
    return entries


Name = Annotated[str, AfterValidator(_path_safe)]
Entries = Annotated[
    dict[Name, dict[str, Any]], BeforeValidator(_entries), AfterValidator(_with_bases)
]
Count = Annotated[int, Field(ge=1)]
Steps = Count | Literal["auto"]
Seed = Annotated[int, Field(ge=0)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_distinct)]
Size = Annotated[int, Field(ge=10)]


class RealData(Strict):
    """A dataset that ``seqgra ingest`` made, beside the grammars of a grid."""

    folder: Annotated[str, Field(min_length=1), AfterValidator(_path_text)]


class TestSet(Strict):
    """The test set that all sizes and seeds of a grammar share."""

    examples: Count = 20_000
    seed: Seed = 0


class MethodPlan(Strict):
    """An attribution method and its options, by the names of ``seqgra attribute``; None: its default.

    `name` stands in paths and tables; `method` is what it is, the name itself where not given.
    """

    name: Name
    method: str = ""
    baseline: str | None = None
    steps: Steps | None = None
    references: Count | None = None
    samples: Count | None = None
    noise: float | None = None
    width: Count | None = None
    mask: str | None = None
    threshold: float | None = None
    correct: bool = False
    untrained: bool = False

    @property
    def kind(self) -> str:
        """The method."""
        return self.method or self.name

    @property
    def settings(self) -> dict[str, Any]:
        """The options that are given and have values."""
        given = self.model_dump(exclude={"name", "method", "correct", "untrained"})
        return {name: value for name, value in given.items() if value is not None}

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield options and what is wrong with them; no option: with the method."""
        from seqgra.attribute.methods import METHODS, Settings, method_problems

        if self.kind not in METHODS:
            yield "", f"unknown method {self.kind!r}; {suggest(self.kind, list(METHODS))}"
            return
        for problem in method_problems(self.kind, self.correct, Settings(**self.settings)):
            yield problem.file, problem.message
        known = [*METHODS[self.kind].settings]
        known += ["references"] if self.baseline == "shuffled" else []
        for option in sorted(self.settings.keys() - known):
            yield option, f"is no option of {self.kind}; it has {', '.join(known) or 'none'}"


def _named(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


def _distinct_names(plans: tuple[MethodPlan, ...]) -> tuple[MethodPlan, ...]:
    _distinct(tuple(plan.name for plan in plans))
    return plans


Methods = Annotated[
    tuple[Annotated[MethodPlan, BeforeValidator(_named)], ...], AfterValidator(_distinct_names)
]


class AttributionPlan(Strict):
    """Which attribution methods to score grammar recovery with, and on how many test examples."""

    methods: Methods = (MethodPlan(name="integrated-gradients"),)
    examples: Annotated[int, Field(ge=1, description="of each condition")] = 500
    steps: Steps = 100


class TrainPlan(Strict):
    """Where to train, and whether architectures may run code of the user's own."""

    device: Annotated[str, Field(pattern="^(auto|cpu|cuda)$")] = "auto"
    threads: Count = 1
    #: What trains networks of PyTorch (docs/compiled.md).
    engine: Literal["auto", "compiled", "torch"] = "auto"
    allow_custom_code: bool = False

    @model_validator(mode="before")
    @classmethod
    def _without_stack(cls, given: Any) -> Any:
        if isinstance(given, dict) and "stack" in given:
            raise ValueError("has stack, which is gone: every model trains by itself; delete it")
        return given


class TunePlan(Strict):
    """How optimiser settings are chosen, the same for every network, before anything is trained."""

    #: Data seed that is used for nothing else.
    seed: Seed = 999
    #: That each candidate trains at most.
    epochs: Count = 20
    #: Of networks whose file lists none.
    candidates: Annotated[Candidates, Field(min_length=1)] = CANDIDATES

    def trials(self, network: Network) -> int:
        """Return how many candidates a network has."""
        return len(network.tune or self.candidates)


class PackPlan(Strict):
    """What one job holds: all seeds of a grammar, architecture and backend, and sizes while it is short."""

    minutes_per_job: Annotated[float, Field(gt=0)] = 30


class AdaptivePlan(Strict):
    """Run only the sizes that bracket the examples needed, found by bisection."""

    #: Share of the way from chance to the ceiling.
    tau: Annotated[float, Field(gt=0, lt=1)] = 0.9


class ProbePlan(Strict):
    """Which models are probed (docs/probes.md), and the seed of the sequences."""

    #: None: the largest size of the grid.
    sizes: (
        Annotated[tuple[Size, ...], Field(min_length=1), AfterValidator(_distinct)]
        | Literal["all"]
        | None
    ) = None
    seed: Seed = 0


def _switch(given: Any) -> Any:
    """Turn true into the defaults and false into nothing."""
    return {True: {}, False: None}[given] if isinstance(given, bool) else given


class ClusterPlan(Strict):
    """How a job asks a cluster for its GPU: ``gpus`` or what stands behind ``--gres=``."""

    gpu: Annotated[str, Field(pattern=r"^(gpus|gpu(:[A-Za-z0-9_.]+)?:1)$")] = "gpus"


class GridConfig(Strict):
    """The config file (config/README.md explains every key)."""

    name: Name
    question: str = ""
    at: Size | None = None
    grammars: Entries = Field(default={})
    datasets: dict[Name, RealData] = Field(default={})
    architectures: Annotated[Entries, Field(min_length=1)]
    sizes: Annotated[tuple[Size, ...], Field(min_length=1), AfterValidator(_distinct)]
    data_seeds: Seeds = (0,)
    model_seeds: Seeds = (0,)
    #: Whether every data seed has initialisations of its own.
    seeds: SeedDesign = "nested"
    backends: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_distinct)] = (
        "pytorch",
    )
    test: TestSet = TestSet()
    attribution: AttributionPlan = AttributionPlan()
    probe: Annotated[ProbePlan | None, BeforeValidator(_switch)] = ProbePlan()
    tune: TunePlan | None = None
    train: TrainPlan = TrainPlan()
    pack: PackPlan = PackPlan()
    cluster: ClusterPlan = ClusterPlan()
    adaptive: AdaptivePlan | None = None

    @model_validator(mode="after")
    def _has_examples(self) -> GridConfig:
        if not self.grammars and not self.datasets:
            raise ValueError("needs grammars, datasets or both")
        if both := self.grammars.keys() & self.datasets.keys():
            raise ValueError(f"{min(both)!r} is a grammar and a dataset; rename one of them")
        return self
