"""The functions of ``import seqgra``: values in, values out; nothing is written or printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqgra.alphabet import ALPHABETS, SETS
from seqgra.architecture.schema import BayesOptimal
from seqgra.backends.wrapped import Output, Takes
from seqgra.backends.wrapped import wrap as _wrap
from seqgra.dataset import Dataset, Examples, open_dataset, split_size
from seqgra.dataset_memory import MemoryDataset
from seqgra.errors import bad_argument, path_of, raise_problems, whole_number
from seqgra.fingerprint import require_run, write_atomically
from seqgra.grammar.load import find_grammar
from seqgra.grammar.load import load_grammar as _load_grammar
from seqgra.grammar.schema import Grammar
from seqgra.model import (
    MULTI_LABEL,
    NETWORK_BACKENDS,
    AbstractModel,
    NotDefined,
    mismatch,
    open_model,
)
from seqgra.results import BackgroundOnly, Scores
from seqgra.stages.attribute import DEFAULTS as EXPLAINED
from seqgra.stages.probe import DEFAULTS as PROBED
from seqgra.stages.simulate import DEFAULTS as SIMULATED
from seqgra.stages.train import DEFAULTS as TRAINED

if TYPE_CHECKING:
    import pandas as pd

    from seqgra.compare.comparison import Comparison
    from seqgra.probe import Constructed

#: Test examples that `ceiling` measures the exact posterior on.
CEILING_EXAMPLES = 10_000


@dataclass(frozen=True)
class Attributions:
    """Attributions of some examples of a set.

    Attributes
    ----------
    method
        Name of the attribution method.
    values
        float32 (K, A, L): one map an explanation, padded positions 0.
    rows
        int64 (K,): rows of the set that are explained, ascending.
    conditions
        int64 (K,): numbers of the conditions explained.
    signed
        True for contributions to the logit, False for sensitivities.
    background
        Attributions of background-only sequences, which recovery is compared with.
    examples
        The set.
    """

    method: str
    values: np.ndarray
    rows: np.ndarray
    conditions: np.ndarray
    signed: bool
    background: BackgroundOnly
    examples: Examples

    def _repr_html_(self) -> str:
        from seqgra.plot.values import logos_html

        title = (
            f"{self.method}: {len(self.rows):,} explanations of the {self.examples.set_name} set"
        )
        return logos_html(self.examples, self.rows, self.conditions, self.values, title)


def load_grammar(name: str | Path) -> Grammar:
    """Read a grammar.

    Parameters
    ----------
    name
        A file, or the name of one in grammars/ of the working folder or of what ships.

    Raises
    ------
    InputError
        If there is none, or it is wrong (every problem at once).
    """
    return _load_grammar(find_grammar(path_of("name", name)))


def simulate(
    grammar: Grammar | str | Path,
    *,
    size: int | None = None,
    examples: int | None = None,
    sets: Sequence[str] = SETS,
    seed: int = SIMULATED.seed,
    workers: int = SIMULATED.workers,
    name: str = "",
) -> MemoryDataset:
    """Simulate a dataset in memory: the same examples as ``seqgra simulate``.

    Parameters
    ----------
    grammar
        A grammar, its file or its name.
    size
        Examples in all: 70 / 10 / 20 % of the three sets.
    examples
        Examples of each set, instead of `size`.
    sets
        Which sets.
    seed
        Data seed, from 0.
    workers
        Threads; the dataset does not depend on it.
    name
        What to call the grammar [its file's name].

    Raises
    ------
    InputError
        If the grammar or an option is wrong.
    """
    if (size is None) == (examples is None):
        raise bad_argument("size", "give exactly one of size and examples")
    size, examples = _count("size", size), _count("examples", examples)
    seed, workers = whole_number("seed", seed), whole_number("workers", workers, 1)
    if unknown := [each for each in sets if each not in SETS]:
        raise bad_argument("sets", f"{unknown[0]!r} is no set; choose from {', '.join(SETS)}")
    grammar, found = _as_grammar(grammar)
    counts = dict.fromkeys(SETS, examples or 0) if size is None else split_size(size)
    from seqgra.simulate import simulate_in_memory

    wanted = {each: counts[each] for each in SETS if each in sets and counts[each]}
    return simulate_in_memory(
        grammar, seed=seed, counts=wanted, workers=workers, name=name or found
    )


def load_dataset(folder: str | Path) -> Dataset:
    """Open a dataset's folder; arrays are memory-mapped when asked for.

    Raises
    ------
    InputError
        If there is none, or a file of it is damaged.
    """
    dataset = open_dataset(path_of("folder", folder))
    dataset.verify(*dataset.counts)
    return dataset


def train(
    data: Dataset,
    architecture: str | Path,
    *,
    seed: int = TRAINED.seed,
    size: int | None = None,
    backend: str = TRAINED.backend,
    device: str = TRAINED.device,
    threads: int = TRAINED.threads,
) -> AbstractModel:
    """Train an architecture: the same weights as ``seqgra train``.

    Parameters
    ----------
    data
        A dataset with sets training and validation.
    architecture
        A name, a file or a descriptor such as ``conv20w-gmp-fc10``.
    seed
        Model seed.
    size
        Train on the first examples of the sets, as of a dataset of this size [all].
    backend
        ``pytorch`` or ``tensorflow``; a baseline's file names its own.
    device
        ``auto``, ``cpu`` or ``cuda``.
    threads
        CPU threads; their number can change the last bits.

    Returns
    -------
    AbstractModel
        Its `status` is ``done``, ``collapsed`` (it learnt nothing) or ``diverged``; `history` has one row an
        epoch; `module` is the PyTorch module of a network.

    Raises
    ------
    InputError
        If an input is wrong or missing.
    """
    _expect_dataset(data)
    seed, threads = whole_number("seed", seed), whole_number("threads", threads, 1)
    size = _count("size", size)
    from seqgra.train import train_in_memory
    from seqgra.training import TrainingOptions

    with _settings_kept(backend):
        trained = train_in_memory(
            data,
            str(path_of("architecture", architecture)),
            size=size,
            how=TrainingOptions(seed, device, threads),
            backend=backend,
        )
    trained.model.status, trained.model.reason = trained.status, trained.reason
    trained.model.history = tuple(trained.history)
    return trained.model


def load_model(folder: str | Path, *, device: str = "auto") -> AbstractModel:
    """Open a model that ``seqgra train`` made; nothing in its folder is run.

    Raises
    ------
    InputError
        If there is none, its training diverged, or a file of it is damaged.
    """
    folder = path_of("folder", folder)
    run = require_run(folder, "train")
    if run["status"] == "diverged":
        raise bad_argument("folder", f"{folder}: its training diverged; there are no weights")
    with _settings_kept(run["options"]["backend"]):
        model = open_model(folder, run, device=device)
    model.status, model.reason = str(run["status"]), str(run.get("reason", ""))
    return model


def wrap(
    model: Any, data: Dataset, *, takes: Takes = "one-hot", output: Output = "logits"
) -> AbstractModel:
    """Return a model of another library, or a function, as a model; see `seqgra.backends.wrapped.wrap`."""
    _expect_dataset(data)
    return _wrap(model, data, takes=takes, output=output)


def evaluate(model: AbstractModel, data: Examples) -> Scores:
    """Score a model's predictions on a set.

    Parameters
    ----------
    model
        From `train`, `load_model` or `wrap`.
    data
        A set of a dataset, such as ``data.test``.

    Raises
    ------
    InputError
        If they do not fit, or the model returns numbers that are not finite.
    """
    _expect_fit(model, data)
    from seqgra.evaluate import predict
    from seqgra.evaluate.curves import score

    logits = predict(model, data.x)
    if not np.isfinite(logits).all():
        raise bad_argument("model", "returns NaN or infinite logits; its training diverged")
    return score(logits, np.array(data.y), data.dataset.conditions, data.dataset.task)


def predict(model: AbstractModel, sequences: Sequence[str]) -> pd.DataFrame:
    """Predict the conditions of new sequences.

    They are read as in training: case is ignored, a shorter sequence is padded at its end, a longer one is
    cut to the model's window about its middle, and strands are averaged where the model does so.

    Parameters
    ----------
    model
        From `train`, `load_model` or `wrap`.
    sequences
        Their letters.

    Returns
    -------
    DataFrame
        One row a sequence, one float64 column a condition: its probability.

    Raises
    ------
    InputError
        If a sequence is empty or holds a letter that the alphabet lacks, or the model returns numbers
        that are not finite.
    """
    _expect_model(model)
    if isinstance(sequences, str) or not isinstance(sequences, Iterable):
        kind = "one text" if isinstance(sequences, str) else type(sequences).__name__
        raise bad_argument("sequences", f"is {kind}; give a list of sequences")
    return predicted(model, ((f"sequences[{n}]", text) for n, text in enumerate(sequences)))


def predicted(
    model: AbstractModel, sequences: Iterable[tuple[str, str]], file: str = ""
) -> pd.DataFrame:
    """Return what `predict` does, of sequences with the place of each, in a file if there is one."""
    import pandas as pd
    from scipy.special import expit, softmax

    from seqgra.evaluate import predict as logits_of
    from seqgra.grammar.fasta import Encoder
    from seqgra.ingest.examples import stack

    encode, codes = Encoder(ALPHABETS[model.alphabet]), []
    for place, text in sequences:
        if not isinstance(text, str):
            raise bad_argument(place, f"is {type(text).__name__}; give its letters as text")
        if not text:
            raise bad_argument(place, "has no letters; leave it out")
        letters, _ = encode(text, file or place, place if file else "")
        first = max(0, len(letters) - model.window) // 2
        codes.append(letters[first : first + model.window])
    if not codes:
        return pd.DataFrame(columns=list(model.conditions), dtype=float)
    logits = logits_of(model, stack(codes, model.window))
    if not np.isfinite(logits).all():
        raise bad_argument("model", "returns NaN or infinite logits; its training diverged")
    values = logits.astype(np.float64)
    chances = expit(values) if model.task == MULTI_LABEL else softmax(values, axis=1)
    return pd.DataFrame(chances, columns=list(model.conditions))


def attribute(
    model: AbstractModel,
    data: Examples,
    method: str = EXPLAINED.method,
    *,
    examples: int = EXPLAINED.examples,
    correct: bool = EXPLAINED.correct,
    **settings: Any,
) -> Attributions:
    """Attribute a model's logits to letters.

    Explained are the first examples of each condition: in a multi-class task the logit of the condition that
    generated the example, less the mean logit; in a multi-label task the logit of each label it has.

    Parameters
    ----------
    model
        From `train`, `load_model` or `wrap`.
    data
        A set of a dataset, such as ``data.test``.
    method
        A name that ``seqgra list`` prints.
    examples
        Examples of each condition, at most; 2,000 in all.
    correct
        Remove the part of gradients that points off the simplex.
    settings
        Options of this method, of: baseline, steps, references, samples, noise, width, mask, threshold.

    Raises
    ------
    InputError
        If they do not fit, an option is wrong, or the method is not defined for the model.
    """
    from seqgra.attribute.explain import ExplanationPlan, explain, network_of
    from seqgra.attribute.explanations import SCORED, fixed_explanations
    from seqgra.attribute.methods import METHODS, method_problems, options_of, refusal
    from seqgra.stages.attribute import Settings
    from seqgra.stages.options import read_options

    _expect_fit(model, data)
    if unknown := settings.keys() - set(Settings.model_fields):
        message = f"no such option; a method has {', '.join(Settings.model_fields)}"
        raise bad_argument(min(unknown), message)
    chosen = read_options(Settings, settings)
    if not isinstance(method, str):
        raise bad_argument("method", f"is {method!r}; give a name that `seqgra list` prints")
    problems = method_problems(method, correct)
    examples = whole_number("examples", examples, 1)
    raise_problems(problems)
    known = options_of(method, chosen.baseline)
    if foreign := settings.keys() - set(known):
        own = ", ".join(known) or "none"
        raise bad_argument(min(foreign), f"is no option of {method}, whose options are: {own}")
    if reason := refusal(method, network_of(model)):
        raise bad_argument("method", reason)
    dataset, name = data.dataset, data.set_name
    wanted = fixed_explanations(np.asarray(dataset.y_true(name)), examples, SCORED)
    if not wanted.rows.size:
        raise bad_argument("data", "no example shows a condition; simulate more")
    plan = ExplanationPlan(dataset, name, data.x, wanted, method, chosen, correct)
    try:
        values, background = explain(model, plan)
    except NotDefined as error:
        raise bad_argument("method", f"{method} is not defined for this model: {error}") from None
    if np.isnan(values).all():
        raise bad_argument("model", "has no attribution that is a number; its training diverged")
    return Attributions(method, values, *wanted, METHODS[method].signed, background, data)


def recovery(maps: Attributions, data: Examples) -> pd.DataFrame:
    """Score how far attributions point at the positions that the grammar placed.

    Parameters
    ----------
    maps
        From `attribute`.
    data
        The set that they explain.

    Returns
    -------
    DataFrame
        One row an explanation: example (row of the set), condition, and one float column a metric (NaN where
        it is not defined); columns that begin with ``null_`` are of background-only sequences.

    Raises
    ------
    InputError
        If the attributions are of another set or dataset.
    """
    if not isinstance(maps, Attributions):
        raise bad_argument("maps", f"is {_kind(maps)}; give what attribute returns")
    _expect_examples(data)
    own = maps.examples
    if (own.dataset.fingerprint, own.set_name) != (data.dataset.fingerprint, data.set_name):
        message = f"explain the {own.set_name} set of {own.dataset.folder}"
        raise bad_argument("maps", f"{message}; give that set")
    if maps.rows.max(initial=-1) >= len(data):
        message = f"explain example {maps.rows.max()}, and the set has {len(data)}"
        raise bad_argument("maps", f"{message}; give the set that they explain")
    from seqgra.recovery import recover

    where = data.dataset, data.set_name, maps.rows, maps.conditions
    table = recover(*where, maps.values, maps.signed, maps.background).reset_index(drop=True)
    table.insert(0, "condition", np.array(data.dataset.conditions)[maps.conditions])
    table.insert(0, "example", maps.rows)
    return table


def ceiling(
    grammar: Grammar | str | Path, *, examples: int = CEILING_EXAMPLES, seed: int = 0
) -> Scores:
    """Score the exact posterior of a grammar, which no classifier beats on average.

    Parameters
    ----------
    grammar
        A grammar, its file or its name.
    examples
        Test examples that are simulated for it.
    seed
        Their data seed.

    Raises
    ------
    InputError
        If the grammar is wrong or has too many outcomes.
    """
    from seqgra.backends.bayes_optimal import exact_model

    known, _ = _as_grammar(grammar)
    data = simulate(known, examples=examples, sets=["test"], seed=seed)
    return evaluate(exact_model(BayesOptimal(backend="bayes-optimal"), known), data.test)


def probe(
    model: AbstractModel, grammar: Grammar | Constructed | str | Path, *, seed: int = PROBED.seed
) -> pd.DataFrame:
    """Score which rules of its grammar a model learnt, beside the exact posterior.

    Parameters
    ----------
    model
        From `train`, `load_model` or `wrap`.
    grammar
        A grammar, its file or its name; or its sequences from `seqgra.probe.construct`, made once for
        several models.
    seed
        Of the sequences, where a grammar is given.

    Returns
    -------
    DataFrame
        Columns `seqgra.results.PROBE_COLUMNS`; rows of level ``summary`` sum a question up.

    Raises
    ------
    InputError
        If the grammar is wrong, has no rules or too many outcomes, the model is of another grammar, or its
        logits are not finite.
    """
    from seqgra.probe import Constructed, construct, untrained_copies
    from seqgra.probe import probe as _probe

    _expect_model(model)
    if not isinstance(grammar, Constructed):
        grammar = construct(_as_grammar(grammar)[0], seed)
    return _probe(model, grammar, untrained=untrained_copies(model))


def compare(
    cells: str | Path, config: str | Path | None = None, at: int | None = None
) -> Comparison:
    """Compare the finished cells of a grid, as `seqgra compare` does, without writing anything.

    Parameters
    ----------
    cells
        A cells file, or a results folder that holds one (``cells.csv``); folders named in it are relative to
        the working folder, which is that of the grid.
    config
        The grid's config file: its question, `at` and `at_prevalence`.
    at
        Your dataset size, in place of the config's.

    Returns
    -------
    Comparison
        Tables, statistics and what each grammar calls for; ``.to_json()`` has every number of the report.

    Raises
    ------
    InputError
        If the cells file or the config cannot be read, a finished result is damaged, or `at` is no size
        within the grid.
    """
    from seqgra.report import CELLS_FILE, compare_grid

    file = path_of("cells", cells)
    file = file / CELLS_FILE if file.is_dir() else file
    return compare_grid(file, config=None if config is None else path_of("config", config), at=at)


def report(
    parts: Sequence[Scores | pd.DataFrame] | Mapping[str, Scores | pd.DataFrame], file: str | Path
) -> None:
    """Write scores and recovery as one HTML page that needs no network.

    Parameters
    ----------
    parts
        What `evaluate`, `ceiling` and `recovery` return, in the order of the page; a mapping names each.
    file
        The page.

    Raises
    ------
    InputError
        If a part is something else.
    """
    from seqgra.report.values import values_page

    page = path_of("file", file)
    if page.is_dir():
        raise bad_argument("file", f"{page} is a folder; name a file in it, such as report.html")
    if not isinstance(parts, list | tuple | Mapping):
        message = f"is {_kind(parts)}; give a list of what evaluate, ceiling and recovery return"
        raise bad_argument("parts", message)
    write_atomically(page, values_page(parts))


def deterministic(threads: int = 1) -> None:
    """Let this process compute as the command line does: the same seed, threads and versions, the same bits.

    Sets PyTorch's deterministic algorithms and its number of threads, and those of TensorFlow
    where it has been imported.

    Raises
    ------
    InputError
        If `threads` is no whole number from 1, or TensorFlow already works with other ones.
    """
    from seqgra.model import backend_module

    backend = "tensorflow" if "tensorflow" in sys.modules else "pytorch"
    backend_module(backend).prepare_process(whole_number("threads", threads, 1))


@contextmanager
def _settings_kept(backend: str) -> Iterator[None]:
    """Compute with the settings of the command line, and give back the caller's, and random states."""
    if backend not in NETWORK_BACKENDS:
        yield
        return
    import random

    import torch

    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    mode = torch.get_deterministic_debug_mode()
    compiler = "torch._inductor.config"  # imported by networks with `compile` alone
    compiler_mode = getattr(sys.modules.get(compiler), "deterministic", False)
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    rounded = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    dtype, drawn, numpy_drawn = torch.get_default_dtype(), random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        torch.set_default_dtype(torch.float32)
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_default_dtype(dtype)
        random.setstate(drawn)
        np.random.set_state(numpy_drawn)  # noqa: NPY002
        if compiler in sys.modules:
            torch.use_deterministic_algorithms(compiler_mode)
        torch.set_deterministic_debug_mode(mode)
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = benchmark
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = rounded
        if workspace is None:
            os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


def _as_grammar(grammar: object) -> tuple[Grammar, str]:
    """Return a grammar and its name."""
    if isinstance(grammar, Grammar):
        return grammar, "grammar"
    if isinstance(grammar, str | Path):
        file = find_grammar(grammar)
        return _load_grammar(file), file.stem
    raise bad_argument("grammar", f"is {_kind(grammar)}; give a grammar, its name or its file")


def _expect_dataset(data: object) -> None:
    if isinstance(data, Examples):
        raise bad_argument("data", "is one set of a dataset; give the dataset itself")
    if not isinstance(data, Dataset):
        raise bad_argument("data", f"is {_kind(data)}; give what simulate or load_dataset returns")


def _expect_examples(data: object) -> None:
    if isinstance(data, Dataset):
        raise bad_argument("data", "is a whole dataset; give one of its sets, such as data.test")
    if not isinstance(data, Examples):
        raise bad_argument("data", f"is {_kind(data)}; give a set of a dataset, such as data.test")


def _expect_model(model: object) -> None:
    if not isinstance(model, AbstractModel):
        message = f"is {_kind(model)}; give what train, load_model or wrap returns"
        raise bad_argument("model", message)
    if model.status == "diverged":
        raise bad_argument("model", "its training diverged; it has no weights to predict with")


def _count(name: str, value: int | None) -> int | None:
    return None if value is None else whole_number(name, value, 1)


def _expect_fit(model: AbstractModel, data: Examples) -> None:
    """Refuse what is no model, no set, or a model of other conditions, letters or windows."""
    _expect_model(model)
    _expect_examples(data)
    if found := mismatch(model, data.dataset):
        raise bad_argument(f"model: {found.path}", found.message)


def _kind(value: object) -> str:
    return f"a path ({value})" if isinstance(value, str | Path) else type(value).__name__
