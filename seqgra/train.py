"""Verb train: dataset + architecture -> model folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from seqgra.architecture.custom import require_permission
from seqgra.architecture.load import (
    architecture_fingerprint,
    load_architecture,
    untuned_fingerprint,
)
from seqgra.architecture.schema import Architecture, Baseline, BayesOptimal, Network
from seqgra.dataset import Dataset, largest_size, open_dataset
from seqgra.errors import bad_argument, bad_input
from seqgra.fingerprint import Draft, Identity, Outcome, identity_of, make, require_run
from seqgra.markers import require_unchanged
from seqgra.model import NETWORK_BACKENDS, backend_module, trainer
from seqgra.results import read_tuning
from seqgra.stages.options import DeviceName
from seqgra.stages.train import DEFAULTS
from seqgra.streams import SeedDesign, stream
from seqgra.training import (
    Trained,
    TrainingData,
    TrainingOptions,
    engine_used,
    fit_temperature,
    ready_network,
    training_data,
    write_history,
)

#: Examples predicted at a time.
_BATCH = 1024


def train(
    dataset: Path,
    architecture: str,
    folder: Path,
    *,
    size: int | None,
    seed: int,
    backend: str = DEFAULTS.backend,
    device: str = DEFAULTS.device,
    threads: int = DEFAULTS.threads,
    tuned: Path | None = None,
    permute_labels: bool = DEFAULTS.permute_labels,
    seeds: SeedDesign = DEFAULTS.seeds,
    expected: str | None = None,
    engine: str = DEFAULTS.engine,
) -> str:
    """Train one model on the first examples of a dataset's training and validation sets.

    An interrupted training goes on from its last checkpoint and ends like an unbroken one.

    Parameters
    ----------
    dataset
        Folder with sets training and validation, at least as large as `size` asks.
    architecture
        File, name or descriptor.
    folder
        The model.
    size
        Dataset size n: 70 % training, 10 % validation. The exact posterior has neither size nor seed; None
        takes the largest that the dataset holds.
    seed
        Model seed.
    backend
        ``pytorch`` or ``tensorflow``; an architecture file that names its own backend overrides this.
    device
        ``auto``, ``cpu`` or ``cuda``.
    threads
        CPU threads; their number can change the last bits of a model.
    tuned
        Folder that ``seqgra tune`` made of this architecture: what it chose replaces the optimiser.
    permute_labels
        Train on labels that are permuted within each set at random: a null for recovery.
    seeds
        Whether the random numbers of a network follow from the training pool and the model seed
        (``nested``) or from the model seed alone (``crossed``), see `training.Options.source`.
    expected
        Fingerprint that the architecture must have, its candidates for tuning included: that of the batch
        file; None takes any.
    engine
        What trains a network of the backend pytorch: ``compiled``, ``torch``, or ``auto``, which takes the
        compiled one where it is defined and on a CPU (docs/compiled.md).

    Returns
    -------
    str
        ``done``, ``collapsed``, ``diverged`` or ``up to date``.

    Raises
    ------
    InputError
        If an input is wrong or missing.
    """
    how = TrainingOptions(seed, device, threads, seeds, engine)
    job = _job(dataset, architecture, size, backend, how, tuned, permute_labels, expected=expected)

    def suffices(run: Mapping[str, Any]) -> bool:
        return job.facts.get("tuned") in (None, run.get("tuned"))

    def compute(draft: Draft) -> Outcome:
        if draft.previous is not None:  # of another tuning with the same choice
            return _as_it_was(draft, job.facts)
        data = _training_data(job)
        trained: Trained = trainer(job.backend).fit(job.architecture, data, job.how, draft)
        backend_module(job.backend).save(trained.model, draft)
        write_history(draft, trained.history)
        outcome = {"temperature": _temperature(trained, data), "reason": trained.reason}
        return Outcome({**trained.facts, **job.facts, **outcome}, trained.status)

    return make(job.identity, folder, compute, suffices).status


def _as_it_was(draft: Draft, facts: Mapping[str, Any]) -> Outcome:
    """Keep a model whole, and say other things of how it came about."""
    run = draft.previous
    assert run is not None
    for name in run["files"]:
        draft.keep(name)
    kept = {
        name: value for name, value in run.items() if name not in ("status", "files", "checksum")
    }
    return Outcome({**kept, **facts}, run["status"])


class _Job(NamedTuple):
    """A training as checked, before anything is read of the examples; `dealt` is the seed of labels."""

    architecture: Architecture
    backend: str
    dataset: Dataset
    size: int
    identity: Identity
    facts: dict[str, Any]
    dealt: int | None
    how: TrainingOptions


def train_in_memory(
    dataset: Dataset,
    architecture: str,
    *,
    size: int | None,
    how: TrainingOptions,
    backend: str = DEFAULTS.backend,
) -> Trained:
    """Train as `train` does, to the same weights, and write nothing.

    Parameters
    ----------
    dataset
        With sets training and validation.
    architecture, size, backend
        As of `train`.
    how
        Model seed, device and threads.

    Raises
    ------
    InputError
        If an input is wrong or missing.
    """
    job = _job(dataset, architecture, size, backend, how, None, False)
    trained: Trained = trainer(job.backend).fit(
        job.architecture, _training_data(job), job.how, None
    )
    return trained


def _job(
    dataset: Path | Dataset,
    name: str,
    size: int | None,
    backend: str,
    how: TrainingOptions,
    tuned: Path | None,
    permute_labels: bool,
    expected: str | None = None,
) -> _Job:
    """Check what is to be trained."""
    if how.device not in get_args(DeviceName):
        raise bad_argument("device", f"is {how.device!r}; choose auto, cpu or cuda")
    resolved = load_architecture(name)
    if not isinstance(resolved, Network):
        backend = resolved.backend
    else:
        (backend,) = resolved.backends((backend,))
    exact = isinstance(resolved, BayesOptimal)
    opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    if size is None and not exact:
        size = largest_size(opened.counts)
    if exact and permute_labels:
        raise bad_input("--permute-labels", "", f"is for what is trained; {name} is not")
    facts: dict[str, Any] = {"threads": how.threads}
    if isinstance(resolved, Network):
        resolved = ready_network(resolved, name, backend, opened)
    elif isinstance(resolved, Baseline) and resolved.own_names:
        require_permission(name, min(resolved.own_names))
    require_unchanged(name, architecture_fingerprint(resolved, with_candidates=True), expected)
    if tuned:
        resolved, facts["tuned"] = _tuned(resolved, name, opened, tuned)
    engine = ""
    if isinstance(resolved, Network):
        engine = engine_used(resolved, name, backend, how.engine, how.device)
        how = how._replace(engine=engine)
    options = model_options(
        backend,
        None if exact else size,
        how.seed,
        how.threads,
        seeds=how.seeds,
        engine=engine,
        permute_labels=permute_labels,
    )
    inputs = {"dataset": opened.fingerprint, "architecture": architecture_fingerprint(resolved)}
    identity = identity_of("train", inputs, options)
    dealt = how.seed if permute_labels else None
    return _Job(resolved, backend, opened, size or 0, identity, facts, dealt, how)


def model_options(
    backend: str,
    size: int | None,
    seed: int,
    threads: int,
    *,
    seeds: SeedDesign = "nested",
    engine: str = "",
    permute_labels: bool = False,
) -> dict[str, Any]:
    """Return the options of a model's identity.

    Parameters
    ----------
    backend, size, seed, threads
        As of `train`; the exact posterior has no size (None), and neither seed nor threads.
    seeds
        As of `train`; of networks only, since nothing in a baseline is random.
    engine
        The one that `engine_used` returns of a network; none of what is none.
    permute_labels
        As of `train`.
    """
    options: dict[str, Any] = {"backend": backend}
    if size is not None:
        options |= {"size": size, "seed": seed, "threads": threads}
    if backend in NETWORK_BACKENDS:
        options["seeds"] = seeds
    if engine:
        options["engine"] = engine
    if permute_labels:
        options["permute_labels"] = True
    return options


def _tuned(
    architecture: Architecture, name: str, dataset: Dataset, folder: Path
) -> tuple[Network, dict[str, Any]]:
    """Return the network with the optimiser that was chosen, and what to say of the choice."""
    if not isinstance(architecture, Network):
        raise bad_input("--tuned", "", f"is for networks; {name} has no optimiser")
    run, tuning = require_run(folder, "tune"), read_tuning(folder)
    if run["inputs"]["architecture"] != untuned_fingerprint(architecture):
        message = f"was made for another architecture than {name}; run seqgra tune on this one"
        raise bad_input(folder, "", message)
    if run["inputs"]["dataset"] == dataset.fingerprint:
        message = f"was tuned on {dataset.folder} itself; train on the dataset of another data seed"
        raise bad_input(folder, "", message)
    return architecture.with_optimizer(tuning.optimizer), tuning.as_json()


def _training_data(job: _Job) -> TrainingData:
    dataset = job.dataset
    if isinstance(job.architecture, BayesOptimal):  # knows the law, and reads no example
        none, labels = np.zeros((0, dataset.window), np.uint8), np.zeros(0, np.int64)
        return TrainingData(none, labels, none, labels, dataset)
    data = training_data(dataset, job.size)
    return data if job.dealt is None else _permuted(data, job.dealt)


def _permuted(data: TrainingData, seed: int) -> TrainingData:
    """Return the same examples, the labels of each set in an order that the model seed decides."""

    def order(name: str, count: int) -> np.ndarray:
        return np.random.Generator(stream(seed, "permuted labels", name, 0)).permutation(count)

    training = np.asarray(data.y)[order("training", len(data.y))]
    validation = np.asarray(data.validation_y)[order("validation", len(data.validation_y))]
    return data._replace(y=training, validation_y=validation)


def _temperature(trained: Trained, data: TrainingData) -> float | None:
    """Return the temperature of the validation set; None without one, or after divergence."""
    if trained.status == "diverged" or not len(data.validation_x):
        return None
    x = data.validation_x
    parts = [trained.model.logits(np.array(x[i : i + _BATCH])) for i in range(0, len(x), _BATCH)]
    return fit_temperature(np.concatenate(parts), np.asarray(data.validation_y), data.task)
