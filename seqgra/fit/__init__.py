"""Verb fit: dataset -> grammar with its evidence, and the check of its simulated twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqgra.dataset import Dataset, open_dataset
from seqgra.digest import digest
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft, Outcome, identity_of, make
from seqgra.grammar.load import grammar_fingerprint, load_grammar
from seqgra.grammar.motifs import read_motifs
from seqgra.motif import meme_text
from seqgra.progress import Progress
from seqgra.stages.fit import DEFAULTS

if TYPE_CHECKING:  # they compile; what is up to date needs none of it
    from matplotlib.figure import Figure

    from seqgra.fit.compose import Composed
    from seqgra.fit.scale import Scaling
    from seqgra.fit.twin import Check, LabelledSequences
    from seqgra.metrics import Area

TEXT = "fit.txt"
_DIGITS = 6
_MOST_ORDER = 6


def fit(
    dataset: Path,
    folder: Path,
    *,
    motifs: Path | None = None,
    grammar: Path | None = None,
    seed: int = DEFAULTS.seed,
    p_value: float = DEFAULTS.p_value,
    order: int | None = None,
    scaled: bool = DEFAULTS.scaled,
) -> str:
    """Estimate a grammar from a dataset, write it with its evidence, and check its twin.

    Parameters
    ----------
    dataset
        Folder of a dataset, real or simulated, with all three sets.
    folder
        Where to write.
    motifs
        Motif file, all of whose motifs are looked for; None: the elements that the dataset names.
    grammar
        Check the twin of this grammar instead of estimating one.
    seed
        Of all draws.
    p_value
        Threshold of motif hits.
    order
        Of the background's Markov chain; None: what predicts held-out sequences best.
    scaled
        Whether motifs are scaled until PWM regression does as well on the twin as on the data.

    Returns
    -------
    str
        What was found, as it also stands in ``fit.txt``; a last line ``up to date`` where it was there.

    Raises
    ------
    InputError
        If there are no motifs, a set or a condition's examples are missing, or a file is wrong.
    """
    if not 0 < p_value <= 1:
        raise bad_input("--p-value", "", f"is {p_value:g}; give a number above 0, at most 1")
    if order is not None and order > _MOST_ORDER:
        raise bad_input("--order", "", f"is {order}; give 0 to {_MOST_ORDER}")
    for file in (grammar, motifs):
        if file is not None and file.resolve().parent == folder.resolve():
            message = "lies in the folder of the output, whose files are replaced"
            raise bad_input(file, "", f"{message}; move it, or choose another -o")
    opened = open_dataset(dataset)
    matrices = _matrices(opened, motifs)
    options = {"seed": seed, "p_value": p_value, "order": order, "scaled": scaled}
    inputs = {
        "dataset": opened.fingerprint,
        "motifs": digest({name: matrix.tolist() for name, matrix in matrices.items()}),
    }
    if grammar is not None:
        inputs["grammar"] = grammar_fingerprint(load_grammar(grammar))
    counts = {"counts": opened.counts, "names": list(matrices)}
    identity = identity_of("fit", inputs, options | counts)

    def compute(draft: Draft) -> Outcome:
        if grammar is None:
            _fit(draft, opened, matrices, seed, p_value, order, scaled)
        else:
            _check_only(draft, opened, matrices, grammar, seed)
        return Outcome()

    status = make(identity, folder, compute).status
    return (folder / TEXT).read_text() + ("" if status == "done" else status)


def _matrices(dataset: Dataset, motifs: Path | None) -> dict[str, np.ndarray]:
    """Return the motifs to look for, by name, rounded as they are written."""
    letters = dataset.alphabet.letters
    if motifs is not None:
        database = read_motifs(motifs, letters)
        database.refuse_any_faulty()
        found = {m.name: m.columns for m in database.values()}
    else:
        found = {
            name: element.letter_probabilities(letters)
            for name, element in dataset.grammar.elements.items()
        }
    if not found:
        raise bad_input(
            dataset.folder, "", "names no motifs to look for; give a motif file with --motifs"
        )
    if wide := [name for name, m in found.items() if len(m) > dataset.grammar.shortest]:
        message = (
            f"is {len(found[wide[0]])} wide; the shortest window has {dataset.grammar.shortest}"
        )
        raise bad_input(motifs or dataset.folder, wide[0], message)
    rounded: dict[str, np.ndarray] = {}
    for name, matrix in found.items():
        written = "-".join(name.split())  # a name in a motif file has no blanks
        if written in rounded:
            message = f"would be written as {written!r}, as another motif is; rename one"
            raise bad_input(motifs or dataset.folder, repr(name), message)
        columns = np.round(matrix / matrix.sum(axis=1, keepdims=True), _DIGITS)
        columns[np.arange(len(columns)), columns.argmax(axis=1)] += 1 - columns.sum(axis=1)
        rounded[written] = np.round(columns, _DIGITS)
    return rounded


def _fit(
    draft: Draft,
    dataset: Dataset,
    matrices: Mapping[str, np.ndarray],
    seed: int,
    p_value: float,
    order: int | None,
    scaled: bool,
) -> None:
    from seqgra.fit import figures, twin, write
    from seqgra.fit.compose import compose
    from seqgra.fit.draws import setting_of
    from seqgra.fit.estimate import estimate

    real = twin.real_examples(dataset)
    found = estimate(setting_of(dataset, matrices, p_value, seed), dataset, order)
    composed = compose(found).with_room()
    scaling: Scaling | None = None
    informed = twin.informed(dataset, matrices)
    if scaled and any(composed.rules.values()):
        composed, scaling = _scaled(composed, informed, real, seed)
    drawn = twin.twin_examples(composed.content(), real, seed)
    checked = _checked(informed, real, drawn, seed)
    lines = write.check_lines(checked, scaling)
    texts = write.grammar_files(composed, dataset.folder.name, lines)
    texts[write.MOTIFS] = meme_text(matrices, dataset.alphabet.letters)
    texts |= write.tables(found, checked)
    texts[TEXT] = "\n".join([*write.estimate_lines(composed), *lines, *found.notes]) + "\n"
    _write(draft, texts, {**figures.evidence(found), **figures.twin(checked)})


def _scaled(
    composed: Composed, informed: Dataset, real: LabelledSequences, seed: int
) -> tuple[Composed, Scaling]:
    """Return the grammar scaled until PWM regression does as well on it as on the data, and how.

    The data are the training and the validation set, so that the test set is left for the check.
    """
    from seqgra.fit import twin
    from seqgra.fit.compose import Scale, compose
    from seqgra.fit.scale import search
    from seqgra.labels import MACRO

    progress = Progress("fit: scaling", 10)
    baseline = twin.pwm_regression(informed.alphabet.name)
    splits = twin.folds(real)

    def macro(tested: Sequence[LabelledSequences]) -> Area:
        return twin.areas(baseline, tested, informed, informed.conditions, seed)[MACRO]

    def scaled_by(scale: Scale) -> Composed:
        scale = scale._replace(most_copies=composed.scale.most_copies)
        return compose(composed.estimates, scale)._replace(overlap=composed.overlap)

    def area(scale: Scale) -> Area:
        reached = macro([twin.twin_examples(scaled_by(scale).content(), splits[0], seed)])
        progress.advance(note=f"ROC AUC {reached.value:.3f}, wanted {target.value:.3f}")
        return reached

    target = macro(splits)
    drafts = [draft for some in composed.rules.values() for draft in some]
    scaling = search(area, target, [draft.rule.get("probability", 1.0) for draft in drafts])
    progress.close()
    return scaled_by(scaling.best), scaling


def _check_only(
    draft: Draft,
    dataset: Dataset,
    matrices: Mapping[str, np.ndarray],
    grammar: Path,
    seed: int,
) -> None:
    from seqgra.fit import figures, twin, write

    given = load_grammar(grammar)
    content = given.model_dump(mode="json")
    if given.alphabet != dataset.alphabet.name:
        message = f"is {given.alphabet}; the dataset's is {dataset.alphabet.name}"
        raise bad_input(grammar, "alphabet", message)
    if tuple(content["conditions"]) != dataset.conditions:
        message = f"has conditions {', '.join(content['conditions'])}; the dataset has "
        raise bad_input(grammar, "conditions", message + ", ".join(dataset.conditions))
    if given.longest > dataset.window:
        message = f"is {given.longest}; the dataset's is {dataset.window}"
        raise bad_input(grammar, "window", message)
    real = twin.real_examples(dataset)
    drawn = twin.twin_examples(content, real, seed)
    checked = _checked(twin.informed(dataset, matrices), real, drawn, seed)
    texts = write.check_tables(checked)
    texts[TEXT] = "\n".join(write.check_lines(checked, None)) + "\n"
    _write(draft, texts, figures.twin(checked))


def _checked(
    informed: Dataset, real: LabelledSequences, drawn: LabelledSequences, seed: int
) -> Check:
    from seqgra.fit import twin

    progress = Progress("fit: twin check", 8)
    checked = twin.check(informed, real, drawn, seed, lambda note: progress.advance(note=note))
    progress.close()
    return checked


def _write(draft: Draft, texts: Mapping[str, str], figures: Mapping[str, Figure]) -> None:
    from seqgra.plot.style import save

    for name, text in texts.items():
        draft.aside(name).write_text(text)
    for name, figure in figures.items():
        save(figure, draft.aside_figure(name))
