"""The config file of a grid: its keys, their types and defaults (config/README.md explains them)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from seqgra.architecture.schema import Network
from seqgra.stages.attribute import Options as AttributeOptions
from seqgra.stages.attribute import Settings, Variant
from seqgra.stages.options import Count, CountOrAuto, DeviceName, Natural
from seqgra.stages.train import Computing
from seqgra.stages.tune import Trials
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


def entries(given: Any) -> Any:
    """Turn a list of names into {name: {}}; a mapping holds variants."""
    if isinstance(given, list):
        return {str(name): {} for name in given}
    if isinstance(given, dict):
        return {
            str(name): _json_like({} if changes is None else changes, str(name))
            for name, changes in given.items()
        }
    return given


def _json_like(value: Any, place: str) -> Any:
    """Return a part of a variant's changes with keys as JSON has them, which are text."""
    if isinstance(value, dict):
        keys = {
            key: key if isinstance(key, str) else json.dumps(_json_like(key, place))
            for key in value
        }
        return {keys[key]: _json_like(part, f"{place}.{keys[key]}") for key, part in value.items()}
    if isinstance(value, list):
        return [_json_like(part, f"{place}[{number}]") for number, part in enumerate(value)]
    if value is not None and not isinstance(value, str | int | float):
        kind = type(value).__name__
        raise ValueError(f"{place} is a {kind}, {value}; put it in quotes if text is meant")
    return value


def _with_bases(entries: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for name, changes in entries.items():
        try:
            _path_text(str(changes.get("from", name)))
        except ValueError as error:
            raise ValueError(f"{name}.from {error}") from None
    return entries


Name = Annotated[str, AfterValidator(_path_safe)]
Entries = Annotated[
    dict[Name, dict[str, Any]], BeforeValidator(entries), AfterValidator(_with_bases)
]
Seeds = Annotated[tuple[Natural, ...], Field(min_length=1), AfterValidator(_distinct)]
_SMALLEST, _SIZE_WORDS = 10, ("all", "largest")
Size = Annotated[int, Field(ge=_SMALLEST)]


def _listed(given: Any) -> Any:
    """Turn one size, or a word for sizes, into a list."""
    return [given] if isinstance(given, (str, int)) else given


def _chosen_size(given: Any) -> Any:
    whole = isinstance(given, int) and not isinstance(given, bool)
    if given not in _SIZE_WORDS and not (whole and given >= _SMALLEST):
        raise ValueError(f"is {given!r}; expected a size of the grid, largest or all")
    return given


_WORDS: dict[str, Any] = {"enum": list(_SIZE_WORDS)}
_ITEMS: dict[str, Any] = {"anyOf": [_WORDS, {"minimum": _SMALLEST, "type": "integer"}]}
#: Some of a grid's sizes.
ChosenSizes = Annotated[
    tuple[Annotated[Any, AfterValidator(_chosen_size)], ...],
    Field(min_length=1),
    BeforeValidator(_listed),
    AfterValidator(_distinct),
    WithJsonSchema({"anyOf": [_WORDS, {"items": _ITEMS, "minItems": 1, "type": "array"}]}),
]
_CHOSEN = "list of the grid's sizes, `largest` (that of each source) or `all`"


class RealData(Strict):
    """A dataset that ``seqgra ingest`` made, beside the grammars of a grid."""

    folder: Annotated[str, Field(min_length=1), AfterValidator(_path_text)]


class TestSet(Strict):
    """The test set that all sizes and seeds of a grammar share."""

    examples: Count = Field(
        20_000,
        description="test examples; all sizes and seeds of a grammar share one test set",
    )
    seed: Natural = Field(
        0,
        description="data seed of the test set; it may equal a training seed, since every set has its own "
        "random numbers",
    )


class MethodPlan(Variant):
    """An attribution method and its options, by the names of ``seqgra attribute``.

    `name` stands in paths and tables; `method` is what it is, the name itself where not given.
    """

    name: Name
    method: str = ""

    @property
    def kind(self) -> str:
        """The method."""
        return self.method or self.name

    @property
    def settings(self) -> dict[str, Any]:
        """The options that are given, in the order of their declaration."""
        given = self.model_fields_set
        return {name: getattr(self, name) for name in Settings.model_fields if name in given}

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield options and what is wrong with them; no option: with the method."""
        from seqgra.attribute.methods import METHODS, method_problems, options_of

        if self.kind not in METHODS:
            yield "", f"unknown method {self.kind!r}; {suggest(self.kind, list(METHODS))}"
            return
        for problem in method_problems(self.kind, self.correct):
            yield problem.file, problem.message
        known = options_of(self.kind, self.baseline)
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
    """Which attribution methods to score grammar recovery with, at which sizes, on how many examples."""

    methods: Methods = Field(
        (MethodPlan(name="integrated-gradients"),),
        description="methods by name, or with options, see [below](#attribution-methods); `[]`: none",
        json_schema_extra={"type_words": "list", "default_words": "`[integrated-gradients]`"},
    )
    examples: Count = Field(
        AttributeOptions.model_fields["examples"].default,
        description="test examples of each condition to attribute; at most 2,000 in all",
    )
    steps: CountOrAuto = Field(
        Settings.model_fields["steps"].default,
        description="points on the path of integrated gradients, for methods that do not give `steps`; "
        "`auto`: as many as [completeness](../docs/attribution.md#completeness) needs",
        json_schema_extra={"type_words": "whole number from 1, or `auto`"},
    )
    sizes: ChosenSizes = Field(
        ("all",),
        description="at which of the grid's sizes models are explained",
        json_schema_extra={"type_words": _CHOSEN, "default_words": "`all`"},
    )

    def settings_of(self, method: MethodPlan) -> Settings:
        """Return the options of one of the methods."""
        return Settings(**{"steps": self.steps, **method.settings})


class TrainPlan(Computing):
    """Where and by what to train, and whether architectures may run code of the user's own."""

    device: DeviceName = Field(
        "auto",
        description="`auto` is CUDA where there is one; also used to evaluate and attribute",
        json_schema_extra={"type_words": "`auto`, `cpu`, `cuda`"},
    )
    allow_custom_code: bool = Field(
        False,
        description="run the Python files that the `module` of architectures names "
        "([modules of your own](../docs/architecture.md#modules-of-your-own))",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_stack(cls, given: Any) -> Any:
        if isinstance(given, dict) and "stack" in given:
            raise ValueError("has stack, which is gone: every model trains by itself; delete it")
        return given


class TunePlan(Trials):
    """How optimiser settings are chosen, the same for every network, before anything is trained."""

    seed: Natural = Field(999, description="data seed of the tuning, none of `data_seeds`")

    def trials(self, network: Network) -> int:
        """Return how many candidates a network has."""
        return len(network.tune or self.candidates)


class PackPlan(Strict):
    """What one job holds: all seeds of a grammar, architecture and backend, and sizes while it is short."""

    minutes_per_job: Annotated[float, Field(gt=0)] = Field(
        30, description="how long a job may be, see below"
    )


class AdaptivePlan(Strict):
    """Run only the sizes that bracket the examples needed, found by bisection."""

    tau: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.9, description="share of the way from chance to the ceiling that is bracketed"
    )


class ProbePlan(Strict):
    """Which models are probed (docs/probes.md), and the seed of the sequences."""

    sizes: ChosenSizes = Field(
        ("largest",),
        description="dataset sizes whose models are probed",
        json_schema_extra={"type_words": _CHOSEN, "default_words": "`largest`"},
    )
    seed: Natural = Field(0, description="of the constructed sequences")


def _not_empty(given: Any) -> Any:
    """Refuse a key without value, which may be meant as the defaults or as nothing."""
    if given is None:
        raise ValueError("is empty; write {} for the defaults, or delete the key")
    return given


def _switch(given: Any) -> Any:
    """Turn true into the defaults and false into nothing."""
    return {True: {}, False: None}[given] if isinstance(given, bool) else _not_empty(given)


def _gres(text: str) -> str:
    if text == "gpus":
        return text
    parts = re.fullmatch(r"([A-Za-z0-9_]+)(?::([A-Za-z0-9_.+-]+))?:([1-9][0-9]*)", text)
    if parts is None:
        raise ValueError(
            f"is {text!r}; give gpus, or NAME:COUNT or NAME:TYPE:COUNT as `sbatch --gres` takes it, such as "
            "gpu:1, gpu:a100:1 or shard:4"
        )
    name, kind, count = parts.groups()
    if name == "gpu" and count != "1":
        raise ValueError(f"is {text!r}; a job uses one GPU, so the count is 1")
    if name != "gpu" and kind and re.search(r"[+-]", kind):
        raise ValueError(
            f"is {text!r}; of {name} Snakemake's plugin takes no type with '-' or '+', give {name}:COUNT"
        )
    return text


class ClusterPlan(Strict):
    """What a job asks a cluster for: its GPU, and at most how much time and memory."""

    gpu: Annotated[str, AfterValidator(_gres)] = Field(
        "gpus",
        description="how jobs of networks ask a cluster for a GPU where `train.device` is `cuda`: "
        "`--gpus=1`, or `--gres=` this ([cluster.md](../docs/cluster.md#gpus))",
        json_schema_extra={
            "type_words": "`gpus`, or what your site calls one, such as `gpu:1`, `gpu:TYPE:1`, `shard:4`"
        },
    )
    max_runtime: Count | None = Field(
        None, description="minutes that a job asks for at most, however often it is tried again"
    )
    max_mem_mb: Count | None = Field(None, description="memory in MiB that a job asks for at most")


class GridConfig(Strict):
    """The config file (config/README.md explains every key)."""

    name: Name = Field(
        description="results go to `results/<name>/`; letters, digits, `.`, `_`, `+`, `-`, a letter or digit "
        "first"
    )
    question: str = Field("", description="what the grid is to answer; the report says it first")
    at: Size | None = Field(
        None,
        description="your number of examples, within `sizes`: the report says what is best there",
    )
    at_prevalence: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="share of positives where you will use the model, such as 0.01 in a scan of a genome: "
        "the report adds PR AUC there, each condition in turn being the rare one",
    )
    grammars: Entries = Field(
        {},
        description="ids of grammars, see below; a grid needs grammars, datasets or both",
        json_schema_extra={"type_words": "list or mapping", "default_words": "empty"},
    )
    datasets: dict[Name, RealData] = Field(
        {},
        description="real datasets by name, see [below](#real-datasets)",
        json_schema_extra={"type_words": "mapping", "default_words": "empty"},
    )
    architectures: Annotated[Entries, Field(min_length=1)] = Field(
        description="ids of architectures, or descriptors, see below",
        json_schema_extra={"type_words": "list or mapping"},
    )
    sizes: Annotated[tuple[Size, ...], Field(min_length=1), AfterValidator(_distinct)] = Field(
        description="`all`: the largest that each real dataset has; dataset sizes n: floor(0.7 n) examples "
        "train, floor(0.1 n) validate",
        json_schema_extra={"type_words": "list of whole numbers from 10, or `all`"},
    )
    data_seeds: Seeds = Field((0,), description="each is a dataset of its own; list a seed once")
    model_seeds: Seeds = Field(
        (0,),
        description="initial weights, order of examples, dropout, augmentation; list a seed once",
    )
    seeds: SeedDesign = Field(
        "nested",
        description="`nested`: these follow from the dataset (not its size) and the model seed, so that "
        "every data seed is another initialisation; `crossed`: from the model seed alone, for studies of "
        "initialisations; claims then need three model seeds and five data seeds "
        "([comparison.md](../docs/comparison.md#seeds))",
    )
    backends: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_distinct)] = Field(
        ("pytorch",),
        description="backends of the networks, `pytorch` and `tensorflow`; a baseline's file names its own",
        json_schema_extra={"type_words": "list"},
    )
    test: TestSet = TestSet()
    attribution: AttributionPlan = AttributionPlan()
    probe: Annotated[ProbePlan | None, BeforeValidator(_switch)] = Field(
        ProbePlan(),
        description="[probe](../docs/probes.md) the models of simulated grammars: did they learn the rules? "
        "`false`: do not",
        json_schema_extra={"type_words": "mapping, true or false", "default_words": "`{}`"},
    )
    tune: Annotated[TunePlan | None, BeforeValidator(_not_empty)] = Field(
        None,
        description="`{}` or with keys: choose each network's optimiser first, see [below](#tuning)",
    )
    train: TrainPlan = TrainPlan()
    cluster: ClusterPlan = ClusterPlan()
    adaptive: Annotated[AdaptivePlan | None, BeforeValidator(_not_empty)] = Field(
        None,
        description="`{}` or with `tau`: run only the sizes that bracket the examples needed, see "
        "[below](#adaptive-grids)",
    )
    pack: PackPlan = PackPlan()

    @model_validator(mode="after")
    def _has_examples(self) -> GridConfig:
        if not self.grammars and not self.datasets:
            raise ValueError("needs grammars, datasets or both")
        if both := self.grammars.keys() & self.datasets.keys():
            raise ValueError(f"{min(both)!r} is a grammar and a dataset; rename one of them")
        return self
