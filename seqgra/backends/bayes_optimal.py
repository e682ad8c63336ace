"""Bayes-optimal backend: the exact posterior of the grammar, which needs no training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from seqgra.architecture.schema import BayesOptimal
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft
from seqgra.grammar.schema import Grammar
from seqgra.law.ceiling import Areas, ceiling
from seqgra.law.posterior import FLOOR_LOG, Posterior, compile_posterior
from seqgra.law.posterior.gradient import NoGradient, log_posterior_at
from seqgra.law.restricted import restricted_ceilings
from seqgra.model import AbstractModel, NotDifferentiable, card_text, read_card
from seqgra.training import Trained, TrainingData, TrainingOptions
from seqgra.yamlfile import Strict

_CHUNK = 4096
#: Examples drawn, and bootstrap draws, for what less than all knowledge reaches: a few seconds.
_DRAWN, _RESAMPLES = 500, 50
#: Conditions above which that is left to `seqgra describe`: one regression for each of them is slow.
_MOST_CONDITIONS = 10


class PosteriorCard(Strict):
    """What an exact posterior is made of: architecture, set whose distributions hold, grammar."""

    architecture: dict[str, Any]
    law: str
    grammar: dict[str, Any]


class BayesModel(AbstractModel):
    """The posterior of a grammar.

    Attributes
    ----------
    card
        What it is made of.
    posterior
        What it computes.
    """

    def __init__(self, card: PosteriorCard) -> None:
        self.card, self.device = card, "cpu"
        grammar = Grammar.model_validate(card.grammar)
        self.posterior: Posterior = compile_posterior(grammar, card.law)
        self.conditions = tuple(grammar.conditions)
        self.alphabet, self.window = grammar.alphabet, grammar.longest
        self.task = grammar.task

    def _logits_of(self, x: np.ndarray) -> np.ndarray:
        """Return log posteriors (multi-class) or log odds (multi-label): float32 (N, C).

        Parameters
        ----------
        x
            uint8 (N, L): letter codes.
        """
        parts = [np.zeros((0, len(self.conditions)))]
        for start in range(0, len(x), _CHUNK):
            values, _ = self.posterior.log_posterior(np.asarray(x[start : start + _CHUNK]))
            parts.append(np.maximum(values, FLOOR_LOG))
        return np.concatenate(parts).astype(np.float32)

    def gradients(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the gradient of the centred log posterior (multi-label: of the log odds).

        Parameters
        ----------
        inputs
            float32 (N, A, L); one-hot letters or points between them.
        target
            int64 (N,): the condition explained for each example.

        Raises
        ------
        NotDifferentiable
            If the law has no gradient in closed form.
        """
        try:
            gradient = log_posterior_at(self.posterior, inputs.astype(np.float64), target)[1]
        except NoGradient as error:
            raise NotDifferentiable(str(error)) from None
        return gradient.astype(np.float32)

    def explained(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return what `gradients` is the gradient of, float64 (N,); arguments and errors as there."""
        try:
            return log_posterior_at(self.posterior, inputs.astype(np.float64), target)[0]
        except NoGradient as error:
            raise NotDifferentiable(str(error)) from None


def fit(
    architecture: BayesOptimal, data: TrainingData, _options: TrainingOptions, _draft: Draft | None
) -> Trained:
    """Compile the posterior of the dataset's grammar; no example is read.

    Raises
    ------
    InputError
        If the examples are real, or the grammar has too many outcomes.
    """
    started = time.perf_counter()
    if not data.dataset.simulated:
        message = "holds real examples, whose distribution nobody knows; bayes-optimal needs simulated ones"
        raise bad_input(data.dataset.folder, "", message)
    grammar = data.dataset.grammar
    model = exact_model(architecture, grammar)
    facts = {
        "device": "cpu",
        "parameters": 0,
        "epochs": 0,
        "kind": model.posterior.kind,
        "notes": list(model.posterior.notes),
        "restricted": _restricted(grammar, architecture.law),
    }
    row = {
        "epoch": 0,
        "training_loss": float("nan"),
        "validation_loss": float("nan"),
        "validation_accuracy": float("nan"),
        "seconds": round(time.perf_counter() - started, 4),
    }
    return Trained(model, [row], "done", "", facts)


def exact_model(architecture: BayesOptimal, grammar: Grammar) -> BayesModel:
    """Return the exact posterior of a grammar as a model.

    Raises
    ------
    InputError
        If the grammar has too many outcomes.
    """
    card = PosteriorCard(
        architecture=architecture.model_dump(mode="json"),
        law=architecture.law,
        grammar=grammar.model_dump(mode="json"),
    )
    model = BayesModel(card)
    model.logits(np.zeros((1, grammar.longest), np.uint8))  # finds what has to be estimated
    return model


def _restricted(grammar: Grammar, set_name: str) -> list[dict[str, Any]]:
    """Return what full and less knowledge reach on the same kind of drawn examples, see `law.ceiling`."""
    if len(grammar.conditions) > _MOST_CONDITIONS:
        return []
    full = ceiling(grammar, _DRAWN, set_name=set_name)
    areas = {"everything": Areas(full.roc_auc, full.pr_auc, full.pr_auc_micro)}
    areas |= restricted_ceilings(grammar, _DRAWN, set_name=set_name, resamples=_RESAMPLES)
    return [
        {"knows": name, "metric": metric, "value": measured.value, "standard_error": measured.error}
        for name, found in areas.items()
        for metric, measured in found._asdict().items()
    ]


def save(model: BayesModel, draft: Draft) -> None:
    """Write the files of a model; the caller publishes them."""
    draft.aside("model.json").write_text(card_text(model.card))


def open_model(folder: Path, run: dict[str, Any], _device: str) -> BayesModel:
    """Open a model folder; nothing in it is run.

    Raises
    ------
    InputError
        If its file is missing or damaged.
    """
    return BayesModel(read_card(PosteriorCard, folder, run))
