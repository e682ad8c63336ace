"""What work costs, before it is done: CPU seconds and memory of each stage.

The figures are of one core of a server of 2026. They decide how cells are packed, which jobs start first
and what a job asks a cluster for; `seqgra plan` adds them up.
No result depends on them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from seqgra.alphabet import ALPHABETS
from seqgra.architecture.family import family_layers
from seqgra.architecture.schema import Architecture, Baseline, BayesOptimal, Network
from seqgra.architecture.shapes import count_parameters, network_cost
from seqgra.dataset import split_size
from seqgra.grammar.schema import Grammar
from seqgra.grid.config import AttributionPlan, MethodPlan, TunePlan

#: CPU seconds that a job takes before its first result: Python, torch, kernels.
START_SECONDS = 3.0
#: The same of a job that may compile the kernels of a grammar first.
COMPILE_SECONDS = 8.0
#: MiB of a job that does nothing yet: Snakemake twice, Python, torch, and some slack.
_START_MIB = 900
#: Share of the epochs that a training may take at most after which it stops early, as it was in 180 and 120
#: trainings of at most 25 and 100.
_EPOCHS_EXPECTED = 0.65
#: CPU seconds of one letter of a constructed sequence: its posterior, and what the grammar asks for.
_CONSTRUCTED_PER_LETTER = 2e-6
#: CPU seconds that compiling an exact posterior may take, one letter of an example, and the same for each
#: letter of the window where two groups of elements lie beside one another.
_EXACT_SECONDS, _EXACT_PER_LETTER, _EXACT_GROUPS = 4.0, 1e-6, 4e-7
#: Weights, gradients, two of the optimiser, the best epoch's, and a checkpoint of all in writing.
_COPIES_OF_WEIGHTS = 10
#: MiB that a backend's library takes beyond torch.
_LIBRARY_MIB = {"tensorflow": 700}
#: Constructed sequences of a grammar, about.
PROBED = 8_000
#: CPU seconds of the bootstrap of a model's probes.
_SCORING_SECONDS = 0.3
#: Examples that a model sees at once when it is explained or evaluated.
_BATCH = 512


class Cost(NamedTuple):
    """CPU seconds on one core, and MiB of memory at the peak beyond what every job takes."""

    seconds: float
    mib: float


class Size(NamedTuple):
    """How large a network is."""

    #: Of one example: multiplications forward, and numbers held between layers.
    multiplications: int
    numbers: int
    #: Trainable parameters.
    weights: int


#: What is taken for granted of a function of the user's own: features, and CPU seconds of a sequence.
_OWN_FEATURES, _OWN_SECONDS = 1024, 1e-3
#: What is taken for granted of a module of the user's own, which cannot be looked into.
_UNKNOWN = Size(10**7, 10**5, 10**6)


def network_size(architecture: Architecture, grammar: Grammar) -> Size:
    """Return how large a network is on a grammar's window; other architectures have no layers."""
    if not isinstance(architecture, Network):
        return Size(0, 0, 0)
    if not architecture.layers:
        return _UNKNOWN
    letters, window = len(ALPHABETS[grammar.alphabet].letters), grammar.longest
    cost = network_cost(architecture, letters, window)
    outputs = len(grammar.conditions)
    weights = count_parameters(architecture, letters, window, outputs)
    return Size(cost.multiplications, cost.values, weights)


def simulation(grammar: Grammar, examples: int) -> Cost:
    """Return the cost of drawing examples; memory does not grow with their number."""
    return Cost(examples * (1e-5 + 4e-9 * grammar.longest), 200)


def copying(grammar: Grammar, examples: int) -> Cost:
    """Return the cost of reading examples and writing them in another order."""
    return Cost(examples * (1e-6 + 4e-9 * grammar.longest), 200)


def construction(grammar: Grammar) -> Cost:
    """Return the cost of constructing the sequences of a grammar and of the posterior of them."""
    per_letter = _CONSTRUCTED_PER_LETTER + 5 * _exact_per_letter(grammar)
    return Cost(PROBED * per_letter * grammar.longest, 400)


def _exact_per_letter(grammar: Grammar) -> float:
    """Return CPU seconds of the exact posterior of one letter."""
    groups = max(
        (
            sum(len(rule.elements) > 1 for rule in each.rules)
            for each in grammar.conditions.values()
        ),
        default=0,
    )
    return _EXACT_PER_LETTER if groups < 2 else _EXACT_GROUPS * grammar.longest


def probing(architecture: Architecture, grammar: Grammar, network: Size) -> Cost:
    """Return the cost of probing a model: predictions of the constructed sequences, and their scores."""
    predicted = evaluation(architecture, grammar, PROBED, network)
    return Cost(predicted.seconds + _SCORING_SECONDS, predicted.mib + 100)


def training(
    architecture: Architecture,
    grammar: Grammar,
    size: int,
    network: Size,
    epochs: float = math.inf,
    compiled: bool = False,
) -> Cost:
    """Return the cost of one training on a dataset of `size` examples, `network` being its size.

    `epochs` is how many it takes at most; `compiled` whether the compiled engine trains it.
    """
    if isinstance(architecture, BayesOptimal):
        return Cost(_EXACT_SECONDS, 300)
    letters_mib = size * grammar.longest / 2**20
    if isinstance(architecture, Baseline):
        seconds = 0.3 + size * (2e-4 + _per_sequence(architecture, grammar))
        if architecture.head is not None:  # each epoch of a dense layer, each tree
            steps = features(architecture, grammar) * size
            seconds += 3e-7 * steps if architecture.head.dense else 1e-7 * steps
        return Cost(seconds, letters_mib + _feature_mib(architecture, grammar, size))
    per_example = 2e-5 + 3e-11 * network.multiplications + 6e-9 * network.numbers
    per_example += 3e-10 * network.weights
    if compiled:
        per_example = 5e-7 + 5e-12 * network.multiplications + 3e-10 * network.weights
    epochs = min(_EPOCHS_EXPECTED * architecture.training.epochs, epochs)
    held = 4 * 4 * network.numbers * architecture.training.batch_size
    held += 4 * _COPIES_OF_WEIGHTS * network.weights
    seconds = split_size(size)["training"] * epochs * per_example
    return Cost(seconds, letters_mib + held / 2**20)


def tuning(
    network: Network,
    grammar: Grammar,
    size: int,
    plan: TunePlan,
    large: Size,
    compiled: bool = False,
) -> Cost:
    """Return the cost of one tuning: each candidate trained for a few epochs, one after another."""
    one = training(network, grammar, size, large, plan.epochs, compiled)
    return one._replace(seconds=plan.trials(network) * one.seconds)


def evaluation(architecture: Architecture, grammar: Grammar, examples: int, network: Size) -> Cost:
    """Return the cost of predicting a test set and drawing its curves."""
    conditions = len(grammar.conditions)
    if isinstance(architecture, BayesOptimal):
        return Cost(_EXACT_SECONDS + examples * _exact_per_letter(grammar) * grammar.longest, 300)
    compiled = isinstance(architecture, Network) and family_layers(architecture) is not None
    per_example = 2.5e-11 * network.multiplications + 4e-9 * network.numbers
    if compiled:
        per_example = 5e-12 * network.multiplications
    per_example += _per_sequence(architecture, grammar)
    seconds = 0.1 + examples * (3e-6 * (1 + conditions) + per_example)
    held = 4 * (2 * network.numbers * _BATCH + network.weights) + 100 * examples * conditions
    letters = examples * grammar.longest
    features = _feature_mib(architecture, grammar, examples)
    return Cost(seconds, (held + letters) / 2**20 + features)


def attribution(
    architecture: Architecture, grammar: Grammar, plan: AttributionPlan, network: Size
) -> Cost:
    """Return the cost of explaining a model by all methods, one after another."""
    from seqgra.attribute import SCORED

    times = len(plan.methods)
    examples = min(SCORED, plan.examples * len(grammar.conditions))
    if isinstance(architecture, Baseline):  # methods over gradients are skipped
        passes = sum(_passes(each, plan, grammar) for each in plan.methods if _predicts(each))
        per_pass = 2e-5 + _per_sequence(architecture, grammar)
        return Cost(0.1 * times + examples * passes * per_pass, 50)
    passes = sum(_passes(method, plan, grammar) for method in plan.methods)
    if isinstance(architecture, BayesOptimal):  # a pass takes as long as a prediction
        per_letter = passes * examples * _EXACT_PER_LETTER  # groups have no gradient
        return Cost(_EXACT_SECONDS + 3 * per_letter * grammar.longest, 300)
    letters = len(ALPHABETS[grammar.alphabet].letters) * grammar.longest
    per_pass = 2e-5 + 1e-8 * letters + 1e-10 * network.multiplications
    held = 4 * _BATCH * (4 * network.numbers + 8 * letters)
    return Cost(0.1 * times + examples * (4e-4 * times + passes * per_pass), held / 2**20)


def _predicts(wanted: MethodPlan) -> bool:
    """Return whether a method takes predictions alone."""
    from seqgra.attribute.methods import METHODS

    return wanted.kind in METHODS and METHODS[wanted.kind].source in ("predictions", "masking")


def _passes(wanted: MethodPlan, plan: AttributionPlan, grammar: Grammar) -> int:
    """Return how often a method passes an example through a model; an unknown one once."""
    from seqgra.attribute.methods import AUTO, AUTO_STEPS_EXPECTED, METHODS

    method = wanted.kind
    if method not in METHODS:
        return 1
    settings = METHODS[method].settings
    if METHODS[method].source in (
        "predictions",
        "masking",
    ):  # every position is changed, to every other letter
        letters = len(ALPHABETS[grammar.alphabet].letters) if method == "mutagenesis" else 2
        return grammar.longest * (letters - 1)
    given = plan.settings_of(wanted)
    used = set(settings) | ({"references"} if given.baseline == "shuffled" else set())
    steps = AUTO_STEPS_EXPECTED if given.steps == AUTO else int(given.steps)
    times = {"steps": steps, "references": given.references, "samples": given.samples}
    return math.prod(count for name, count in times.items() if name in used)


def memory(mib: float, backend: str, attempt: int) -> int:
    """Return MiB to ask for: what every job takes and twice the estimate, again for each attempt."""
    needed = _START_MIB + _LIBRARY_MIB.get(backend, 0) + 2 * mib
    return math.ceil(needed / 100) * 100 * attempt


def runtime(seconds: float, attempt: int) -> int:
    """Return minutes to ask for: four times the estimate and 20 minutes, again for each attempt."""
    return math.ceil(20 + 4 * seconds / 60) * attempt


def features(architecture: Architecture, grammar: Grammar) -> int:
    """Return how many features a baseline has; other architectures have none."""
    if not isinstance(architecture, Baseline):
        return 0
    chosen, letters = architecture.features, len(ALPHABETS[grammar.alphabet].letters)
    counts = (
        chosen.one_hot is not None and letters * grammar.longest,
        chosen.kmers is not None and letters**chosen.kmers.k,
        chosen.gapped_kmers is not None and chosen.gapped_kmers.most,
        chosen.pwm_scan is not None and len(grammar.elements),
        chosen.random_convolutions is not None and 2 * chosen.random_convolutions.filters,
        chosen.module is not None and _OWN_FEATURES,
    )
    return int(sum(counts))


def _per_sequence(architecture: Architecture, grammar: Grammar) -> float:
    """Return CPU seconds of a baseline's features of a sequence."""
    if not isinstance(architecture, Baseline):
        return 0.0
    chosen, window = architecture.features, grammar.longest
    seconds = 1e-7 * window if chosen.pwm_scan is None else 1e-8 * window * len(grammar.elements)
    if random := chosen.random_convolutions:
        seconds += 2e-10 * window * random.width * random.filters
    return seconds + (_OWN_SECONDS if chosen.module is not None else 0)


def _feature_mib(architecture: Architecture, grammar: Grammar, examples: int) -> float:
    """Return MiB of a baseline's features: three copies of 4 bytes."""
    return 3 * 4 * examples * features(architecture, grammar) / 2**20
