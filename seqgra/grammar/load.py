"""Grammar file -> resolved grammar: motifs read, presets and defaults filled, everything checked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, TypeVar

from seqgra.alphabet import ALPHABETS
from seqgra.digest import digest
from seqgra.errors import InputError, Problem, bad_input, raise_problems
from seqgra.grammar import check
from seqgra.grammar.backgrounds import resolve_background
from seqgra.grammar.laws import highest, resolve_law
from seqgra.grammar.motifs import read_motifs
from seqgra.grammar.pools import read_pool
from seqgra.grammar.schema import Arrangement, Element, Grammar, Group
from seqgra.library import GRAMMARS, find_named, library_folders, named_files
from seqgra.motif import consensus_matrix
from seqgra.yamlfile import read_yaml, suggest, validate

Placing = TypeVar("Placing", bound=Arrangement)


def load_grammar(path: Path) -> Grammar:
    """Read, check and resolve a grammar file.

    Raises
    ------
    InputError
        Holding every problem found, each as ``file: path: problem``.
    """
    return resolve(read_yaml(path), path, path.parent)


def resolve(content: Any, file: Path, folder: Path) -> Grammar:
    """Resolve the YAML `content` of a grammar; motif files are relative to `folder`.

    Raises
    ------
    InputError
        Holding every problem found; `file` is what the messages name.
    """
    draft, problems = validate(Grammar, content, str(file))
    elements = {}
    for name, element in draft.elements.items():
        elements[name], found = _read_element(element, name, draft, file, folder)
        problems += found
    rules, found = _resolve_laws(draft, str(file), folder)
    problems += found
    draft = draft.model_copy(update={"elements": elements, **rules})
    problems += check.problems(draft, str(file))
    raise_problems(problems)
    try:
        return _fill(draft, folder)
    except InputError as error:
        told = (Problem(str(file), "background", str(problem)) for problem in error.problems)
        raise InputError(*told) from None


def grammar_fingerprint(grammar: Grammar) -> str:
    """Return the hash of all that gives the law of a resolved grammar (descriptions do not).

    The order of conditions, elements and k-mers counts: it is the order of labels and of draws.
    Defaults are left out, so that a key that a later version adds does not rename every dataset.
    """
    content = grammar.model_dump(mode="json", exclude={"description"}, exclude_defaults=True)
    for condition in content["conditions"].values():
        condition.pop("description", None)
    return digest(_as_pairs(_without_paths(content)))


def _without_paths(value: Any) -> Any:
    """Leave out the names of files whose content is known by its hash."""
    if isinstance(value, dict):
        hashed = "sha256" in value
        return {k: _without_paths(v) for k, v in value.items() if not (hashed and k == "file")}
    return [_without_paths(item) for item in value] if isinstance(value, (list, tuple)) else value


def _as_pairs(value: Any) -> Any:
    """Replace mappings by lists of pairs, whose order a hash keeps."""
    if isinstance(value, dict):
        return [[str(key), _as_pairs(item)] for key, item in value.items()]
    return [_as_pairs(item) for item in value] if isinstance(value, (list, tuple)) else value


def find_grammar(name: str | Path, library: Path | None = None) -> Path:
    """Return the file of a grammar given by path or by name.

    Parameters
    ----------
    name
        A file, or the name of one in grammars/.
    library
        A folder of the user's own that holds grammars/; see `library_folders`.

    Raises
    ------
    InputError
        If there is no such file.
    """
    folders = library_folders(library)
    if file := find_named(name, GRAMMARS, folders):
        return file
    advice = suggest(str(name), list(named_files(GRAMMARS, folders)))
    raise bad_input(name, "", f"no such grammar file, nor grammars/{name}.yaml; {advice}")


def _read_element(
    element: Element, name: str, draft: Grammar, file: Path, folder: Path
) -> tuple[Element, list[Problem]]:
    """Return the element with its matrix; width 0 and a problem where it cannot be had."""
    place, alphabet = f"elements.{name}", ALPHABETS[draft.alphabet]
    try:
        if element.consensus is not None:
            matrix = consensus_matrix(element.consensus, alphabet)
        elif element.motif is not None:
            motifs = read_motifs(folder / element.motif, alphabet.letters, element.pseudocount)
            motifs.refuse_faulty(str(element.id))
            if element.id not in motifs:
                advice = suggest(str(element.id), list(motifs))
                problem = Problem(
                    str(file),
                    f"{place}.id",
                    f"no motif {element.id!r} in {element.motif}; {advice}",
                )
                return Element.model_construct(), [problem]
            matrix = motifs[str(element.id)].matrix
        else:
            return element, []
    except InputError as error:
        found = [Problem(str(file), f"{place}.motif", str(problem)) for problem in error.problems]
        return Element.model_construct(), found
    except ValueError as error:
        return Element.model_construct(), [Problem(str(file), f"{place}.consensus", str(error))]
    return _normalised(Element(matrix=matrix, affinity=element.affinity)), []


def _fill(draft: Grammar, folder: Path) -> Grammar:
    """Return the grammar with distributions normalised and defaults filled."""
    elements = {name: _normalised(element) for name, element in draft.elements.items()}
    groups = draft.examples or tuple(Group(conditions=(name,)) for name in draft.conditions)
    alphabet = ALPHABETS[draft.alphabet]
    background = resolve_background(draft.background, alphabet, folder)
    for pool in background.pools():
        read_pool(pool, alphabet, draft.longest)
    filled = {
        "background": background,
        "elements": elements,
        "examples": groups,
    }
    return draft.model_copy(update=filled)


def _resolve_laws(draft: Grammar, file: str, folder: Path) -> tuple[dict[str, Any], list[Problem]]:
    """Return window and rules with every law resolved; a wrong one becomes 1, with a problem."""
    problems: list[Problem] = []

    def resolved(law: Any, place: str, window: int, position: bool = False) -> Any:
        if law is None or isinstance(law, str):
            return law
        try:
            return resolve_law(law, window, folder, position)
        except InputError as error:
            problems.extend(Problem(file, place, str(found)) for found in error.problems)
        except ValueError as error:
            problems.append(Problem(file, place, str(error)))
        return (1, 1)

    ends = draft.window
    if isinstance(ends, dict):
        ends = ends.get("helical", {}).get("range", ())
    if not all(isinstance(end, int) for end in ends):
        message = "has an end that is no number of letters; nothing else says how long a window is"
        problems.append(Problem(file, "window", message))
    window = resolved(draft.window, "window", check.LONGEST_WINDOW + 1)
    if problems:
        window = (check.LONGEST_WINDOW, check.LONGEST_WINDOW)
    longest = max(highest(window), 1)

    def resolved_rule(rule: Placing, place: str) -> Placing:
        spacing = tuple(
            item.model_copy(
                update={"gap": resolved(item.gap, f"{place}.spacing[{k}].gap", longest)}
            )
            for k, item in enumerate(rule.spacing)
        )
        laws = {
            key: resolved(getattr(rule, field), f"{place}.{key}", longest, key == "position")
            for key, field in (("position", "position"), ("copies", "copies"), ("k-of", "k_of"))
        }
        laws["k_of"] = laws.pop("k-of")
        return rule.model_copy(update={"spacing": spacing, **laws})

    def resolved_rules(rules: tuple[Placing, ...], place: str) -> tuple[Placing, ...]:
        return tuple(resolved_rule(rule, f"{place}[{n}]") for n, rule in enumerate(rules))

    conditions = {
        name: condition.model_copy(
            update={"rules": resolved_rules(condition.rules, f"conditions.{name}.rules")}
        )
        for name, condition in draft.conditions.items()
    }
    common = draft.common.model_copy(
        update={"rules": resolved_rules(draft.common.rules, "common.rules")}
    )
    confounders = resolved_rules(draft.confounders, "confounders")
    return {
        "window": window,
        "conditions": conditions,
        "common": common,
        "confounders": confounders,
    }, problems


def _normalised(element: Element) -> Element:
    if element.kmers:
        return Element(kmers=_distribution(element.kmers))
    matrix = tuple(tuple(p / math.fsum(row) for p in row) for row in element.matrix or ())
    return Element(matrix=matrix, affinity=element.affinity)


def _distribution(weights: dict[str, float]) -> dict[str, float]:
    total = math.fsum(weights.values())
    return {key: weight / total for key, weight in weights.items()}


def merge(base: Any, changes: Any) -> Any:
    """Return `base` with `changes`: mappings merge key by key, everything else is replaced.

    >>> merge({"a": {"b": 1, "c": [1, 2]}}, {"a": {"c": [3]}})
    {'a': {'b': 1, 'c': [3]}}
    """
    if isinstance(base, dict) and isinstance(changes, dict):
        return base | {key: merge(base.get(key), value) for key, value in changes.items()}
    return changes
