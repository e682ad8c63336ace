"""The architecture file as frozen objects: layers, loss, optimiser, training; or a baseline."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from seqgra.architecture.layers import Layer, Positive, read_layers
from seqgra.architecture.optimizers import Candidates, Optimizer, Schedule, Sgd
from seqgra.yamlfile import Strict

#: What an epoch may be judged by, on the validation set.
Monitor = Literal["loss", "accuracy", "roc-auc", "pr-auc"]


class Augment(Strict):
    """Changes of training sequences, drawn anew in every epoch."""

    #: Reverse-complement each sequence with probability 1/2.
    reverse_complement: bool = False
    #: Move each sequence by a uniform number of positions in +-shift; what is freed is no letter.
    shift: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class Training(Strict):
    """How long and in what portions to train; the best epoch on the validation set is kept."""

    batch_size: Positive = 32
    epochs: Positive = 100
    patience: Positive = 10
    shuffle: bool = True
    monitor: Monitor = "loss"
    class_weights: Literal["none", "balanced"] = "none"
    #: Largest norm of all gradients together; larger ones are scaled down.
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    #: Largest size of each gradient; larger ones are cut.
    clip_value: Annotated[float, Field(gt=0)] | None = None
    augment: Augment = Augment()
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False

    @model_validator(mode="after")
    def _one_clip(self) -> Training:
        if self.clip_norm is not None and self.clip_value is not None:
            raise ValueError("needs at most one of clip_norm, clip_value")
        return self


class Predict(Strict):
    """How predictions are made."""

    #: Average the logits of a sequence and of its reverse complement.
    reverse_complement: bool = False


def _module(text: str) -> str:
    file, _, name = text.rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise ValueError(f"is {text!r}; expected FILE.py:NAME, such as architectures/my.py:MyModel")
    return text


#: A name in a Python file of the user's own: ``FILE.py:NAME``.
OwnName = Annotated[str, AfterValidator(_module)]


def _stored(value: Any, place: str = "options") -> Any:
    """Return a value that a file of results gives back as it is, and refuse any other."""
    if isinstance(value, dict):
        if foreign := [key for key in value if not isinstance(key, str)]:
            raise ValueError(f"{place} has the key {foreign[0]!r}; give keys as text")
        return {key: _stored(part, f"{place}.{key}") for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stored(part, f"{place}[{number}]") for number, part in enumerate(value)]
    if (
        value is None
        or isinstance(value, (str, bool, int))
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value
    raise ValueError(
        f"{place} is {value!r}; give text, a finite number, true, false, null or lists of them"
    )


#: Options of a function of the user's own: what YAML and JSON hold alike.
Options = Annotated[dict[str, Any], AfterValidator(_stored)]


class Network(Strict):
    """A neural network: layers before the implied output layer, and how to train it.

    Instead of layers, `module` may name a class of the user's own (see `architecture.custom`).
    """

    description: str = ""
    #: What trains it whatever the grid or the command says; None: what they say.
    backend: Literal["pytorch", "tensorflow"] | None = None
    layers: Annotated[tuple[Layer, ...], BeforeValidator(read_layers)] = ()
    module: OwnName | None = None
    options: Options = Field(default_factory=dict)
    #: A constant, so that models and files that hold it stay readable and the same.
    defaults: Literal["seqgra"] = "seqgra"
    loss: Literal["auto", "cross-entropy", "bce"] = "auto"
    optimizer: Optimizer = Optimizer(sgd=Sgd())
    #: Optimiser settings that `seqgra tune` chooses from; plain training knows nothing of them.
    tune: Candidates = ()
    schedule: Schedule = Schedule()
    training: Training = Training()
    predict: Predict = Predict()
    #: Text of the file that `module` names; part of the fingerprint, never of a YAML file.
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _layers_or_module(self) -> Network:
        if (not self.layers) == (self.module is None):
            raise ValueError("needs exactly one of layers, module")
        if self.options and self.module is None:
            raise ValueError("options are those of a module; there is none")
        return self

    def backends(self, otherwise: tuple[str, ...]) -> tuple[str, ...]:
        """Return what trains it, where a grid or a command says `otherwise`."""
        return otherwise if self.backend is None else (self.backend,)

    @property
    def own_names(self) -> dict[str, str]:
        """Names in files of the user's own that it runs, by the key that gives them."""
        return {"module": self.module} if self.module else {}

    @property
    def source(self) -> str:
        """Text of the file that `module` names."""
        return self._sources.get(self.module or "", "")

    def with_optimizer(self, chosen: Optimizer) -> Network:
        """Return the network with another optimiser and without candidates."""
        return self.model_copy(update={"optimizer": chosen, "tune": ()})

    def with_sources(self, texts: dict[str, str]) -> Network:
        """Return the network with the text of its module's file, by the module's name."""
        network = self.model_copy()
        network._sources = texts
        return network


#: Features of a baseline at most, so that their dense float32 matrix stays in memory.
MOST_FEATURES = 65_536
#: Gapped k-mers that are counted at most: two tables of so many numbers are held.
MOST_WORDS = 4_000_000
#: Strands that features are of; ``auto``: those that the dataset says its elements lie on.
Strands = Literal["auto", "forward", "both"]


class Kmers(Strict):
    """Counts of all k-mers as features, at most `MOST_FEATURES` of them.

    Of both strands, a k-mer and its reverse complement are one feature.
    """

    k: Annotated[int, Field(ge=1, le=8)] = 5
    strands: Strands = "auto"


class PwmScan(Strict):
    """Best log-odds score of each of the grammar's elements as features, on one strand or both."""

    strands: Strands = "auto"


class GappedKmers(Strict):
    """Counts of `informative` letters among `length`, the first of them at the first place.

    Of all such words (see `backends.gapped_kmers`) the `most` whose counts differ most between conditions of
    the training set are features. Of both strands, a word and its reverse complement are one.
    """

    length: Annotated[int, Field(ge=2, le=16)] = 10
    informative: Annotated[int, Field(ge=2, le=8)] = 6
    most: Annotated[int, Field(ge=1, le=MOST_FEATURES)] = 4096
    strands: Strands = "auto"

    @model_validator(mode="after")
    def _fits(self) -> GappedKmers:
        if self.informative > self.length:
            raise ValueError(f"{self.informative} informative letters do not fit in {self.length}")
        return self


class OneHot(Strict):
    """The letters themselves, one feature a letter and position."""


class RandomConvolutions(Strict):
    """Largest and mean rectified outputs of convolutions whose filters are random, and stay so.

    The control of embeddings by a pretrained model: what a frozen trunk gives that has learnt nothing.
    """

    filters: Annotated[int, Field(ge=1, le=MOST_FEATURES // 2)] = 256
    width: Annotated[int, Field(ge=1, le=1000)] = 15
    seed: Annotated[int, Field(ge=0)] = 0


class Features(Strict):
    """Kinds of features, side by side."""

    one_hot: OneHot | None = None
    kmers: Kmers | None = None
    gapped_kmers: GappedKmers | None = None
    pwm_scan: PwmScan | None = None
    random_convolutions: RandomConvolutions | None = None
    #: A function of the user's own, from sequences (list of N texts) to numbers (N, D).
    module: OwnName | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Features:
        if all(each is None for _, each in self):
            raise ValueError(f"needs one of {', '.join(type(self).model_fields)}, or several")
        return self


class DenseHead(Strict):
    """A network of one hidden dense layer with ReLU on the features, trained with Adam."""

    units: Annotated[int, Field(ge=1, le=MOST_FEATURES)] = 64
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    batch_size: Positive = 64
    epochs: Positive = 100
    patience: Positive = 10


class Boosting(Strict):
    """Gradient boosting of trees (scikit-learn's HistGradientBoostingClassifier).

    As many trees a condition, at most `trees`, as have the lowest validation loss; it stops `patience` trees
    after it.
    """

    trees: Annotated[int, Field(ge=1, le=10_000)] = 300
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    leaves: Annotated[int, Field(ge=2, le=1024)] = 31
    patience: Positive = 20


class Estimator(Strict):
    """A classifier that a function of the user's own makes; see `backends.estimators`."""

    module: OwnName
    options: Options = Field(default_factory=dict)


class Head(Strict):
    """What is fitted on the features; nothing named: a logistic regression.

    `given`: nothing is fitted, the features are the logits, or the probabilities, of the conditions.
    """

    dense: DenseHead | None = None
    boosting: Boosting | None = None
    estimator: Estimator | None = None
    given: Literal["logits", "probabilities"] | None = None

    @model_validator(mode="after")
    def _at_most_one(self) -> Head:
        if sum(each is not None for _, each in self) != 1:
            raise ValueError(f"needs exactly one of {', '.join(type(self).model_fields)}")
        return self


class Baseline(Strict):
    """Fixed features and a simple classifier on them, which show whether a network is needed."""

    description: str = ""
    backend: Literal["sklearn"]
    features: Features
    head: Head | None = None
    #: Inverse strengths of the L2 penalty of a logistic regression to try; the lowest validation loss wins.
    penalties: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (0.001, 0.01, 0.1, 1.0), min_length=1
    )
    #: Text of each file of the user's own, by the name that is taken from it, see `own_names`.
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _penalties_of_a_regression(self) -> Baseline:
        if self.head is not None and "penalties" in self.model_fields_set:
            raise ValueError("penalties are those of a logistic regression; leave out them or head")
        return self

    @property
    def own_names(self) -> dict[str, str]:
        """Names in files of the user's own that it runs, by the key that gives them."""
        found = {"features.module": self.features.module}
        if self.head is not None and self.head.estimator is not None:
            found["head.estimator.module"] = self.head.estimator.module
        return {key: name for key, name in found.items() if name is not None}

    @property
    def sources(self) -> dict[str, str]:
        """Text of the file of each of `own_names`, by that name."""
        return self._sources

    def with_sources(self, texts: dict[str, str]) -> Baseline:
        """Return the baseline with the text of each file of the user's own, by the name taken from it."""
        baseline = self.model_copy()
        baseline._sources = texts
        return baseline


class BayesOptimal(Strict):
    """The exact posterior of the grammar: the ceiling. `law` says under which set's law."""

    description: str = ""
    backend: Literal["bayes-optimal"]
    law: Literal["training", "validation", "test"] = "test"


Architecture = Network | Baseline | BayesOptimal
