"""The figures of a whole grid: prediction and recovery against dataset size, recovery by method."""

from __future__ import annotations

import pandas as pd

from seqgra.compare.cells import KEYS
from seqgra.compare.tables import ceilings_only, headlines, models_only, recovery_runs
from seqgra.plot.attribution import method_matrix
from seqgra.plot.sizes import Ceiling, Knowledge, Measure, against_size
from seqgra.report.drawing import Drawing, file_name, save_figure
from seqgra.report.page import Picture, metric_words, percent
from seqgra.results import LARGEST_GAPS, MACRO, MICRO

#: Ceilings of less knowledge this close share a line.
_ALIKE = 0.03


def draw_overview(drawing: Drawing) -> list[Picture]:
    """Draw PR AUC and recovery against dataset size; figures without data are left out."""
    scores = drawing.tables.scores
    areas = headlines(scores)
    shown = models_only(areas)
    pictures = []
    if len(shown):
        scopes = sorted(shown["scope"].unique())
        line = f"PR AUC {drawing.target:g}"
        title = "Prediction: PR AUC on the test set against dataset size"
        label = f"PR AUC ({scopes[0]})" if len(scopes) == 1 else "PR AUC"
        named = _scope_named if len(scopes) > 1 else _as_is
        ceilings = _ceilings(named(_with_kind(drawing, ceilings_only(areas))))
        less = _less_knowledge(named(_known_less(drawing, shown)))
        measure = Measure(label, title, None, drawing.target, line, ceilings, less)
        stem = save_figure(drawing, "pr-auc", against_size, named(shown), drawing.looks, measure)
        pictures.append(Picture(stem, title, _score_caption(shown, drawing.target)))
    pictures += _draw_recovery(drawing, "recovery")
    for method in _methods(drawing):
        if method != drawing.method:
            other = drawing._replace(method=method)
            pictures += _draw_recovery(other, f"recovery-{file_name(method)}")
    return [*pictures, *_draw_methods(drawing)]


def _methods(drawing: Drawing) -> list[str]:
    """Return the attribution methods of the grid, in its order."""
    return list(dict.fromkeys(name for cell in drawing.cells for name, _ in cell.attributions))


def _draw_recovery(drawing: Drawing, name: str) -> list[Picture]:
    """Draw recovery by one method against dataset size, where there is any."""
    found = recovery_runs(drawing.tables.recovery, drawing.method, drawing.metric)
    shown = models_only(found)
    if shown.empty:
        return []
    title = f"Grammar recovery ({drawing.method}) against dataset size"
    ceilings = _ceilings(_with_kind(drawing, ceilings_only(found)))
    measure = Measure(metric_words(drawing.metric), title, 0.0, 0.0, "chance", ceilings)
    if "chance_corrected" not in drawing.metric:
        measure = measure._replace(line=None)
    status = drawing.tables.status[[*KEYS, "status"]]
    merged = shown.merge(status, on=list(KEYS), how="left")
    stem = save_figure(drawing, name, against_size, merged, drawing.looks, measure)
    return [Picture(stem, title, _recovery_caption(drawing, shown))]


def _draw_methods(drawing: Drawing) -> list[Picture]:
    """Draw recovery by method and architecture, where there are several methods."""
    recovery, methods = drawing.tables.recovery, _methods(drawing)
    if len(methods) < 2 or recovery.empty:
        return []
    shown = recovery[(recovery["metric"] == drawing.metric) & (recovery["scope"] == MACRO)]
    shown = shown.dropna(subset=["value"])
    largest = shown[shown["size"] == shown.groupby("grammar")["size"].transform("max")]
    means = largest.groupby(["method", "label"])["value"].mean().unstack()
    labels = list(dict.fromkeys(drawing.tables.status["label"]))
    labels = [label for label in labels if label in means]
    values = means.reindex(index=methods, columns=labels)
    notes = pd.DataFrame("none", index=values.index, columns=values.columns)
    title = "Grammar recovery by attribution method and architecture"
    words = metric_words(drawing.metric)
    stem = save_figure(drawing, "methods", method_matrix, values, notes, words, title)
    caption = (
        f"{words}, mean over conditions, runs and grammars at the largest size of each. 1: every "
        "grammar position above every other; 0: chance. Methods without a number are not defined for "
        "the architecture; the table status says why."
    )
    return [Picture(stem, title, caption)]


def _as_is(shown: pd.DataFrame) -> pd.DataFrame:
    return shown


def _scope_named(shown: pd.DataFrame) -> pd.DataFrame:
    """Name the scope beside each grammar, where they differ."""
    return shown.assign(grammar=shown["grammar"] + " (" + shown["scope"] + ")")


def _with_kind(drawing: Drawing, rows: pd.DataFrame) -> pd.DataFrame:
    """Add a column kind: whether the ceiling of a grammar is exact."""
    return rows.assign(kind=rows["grammar"].map(drawing.kinds))


def _ceilings(rows: pd.DataFrame) -> tuple[Ceiling, ...]:
    """Return the first ceiling of each grammar; what is no closed form is marked."""
    found: dict[str, Ceiling] = {}
    for grammar, value, kind in rows[["grammar", "value", "kind"]].to_numpy():
        found.setdefault(str(grammar), Ceiling(str(grammar), float(value), kind == "exact"))
    return tuple(found.values())


def _known_less(drawing: Drawing, shown: pd.DataFrame) -> pd.DataFrame:
    """Return what less knowledge reaches, by the scope of each grammar, where it is above chance."""
    known = drawing.less[drawing.less["knows"] != "everything"]
    of_grammar = shown.groupby("grammar")[["scope", "chance"]].first()
    known = known.join(of_grammar, on="grammar").dropna(subset=["scope"])
    wanted = known["scope"].map({MICRO: "pr_auc_micro", MACRO: "pr_auc"})
    return known[(known["metric"] == wanted) & (known["value"] > known["chance"] + _ALIKE)]


def _less_knowledge(rows: pd.DataFrame) -> tuple[Knowledge, ...]:
    """Merge restricted ceilings that differ by less than `_ALIKE` into one line and join their names."""
    lines: list[Knowledge] = []
    order = rows.sort_values(["grammar", "value"], kind="stable")
    for grammar, value, knows in order[["grammar", "value", "knows"]].to_numpy():
        last = lines[-1] if lines else None
        if last and last.grammar == grammar and value - last.value < _ALIKE:
            lines[-1] = last._replace(knows=(*last.knows, str(knows)))
        else:
            lines.append(Knowledge(str(grammar), float(value), (str(knows),)))
    return tuple(lines)


def _score_caption(shown: pd.DataFrame, target: float) -> str:
    largest = shown["size"].max()
    return (
        f"Area under the precision-recall curve (average precision, {_scope_words(shown)}) on each "
        f"grammar's test set, against dataset size up to {largest:,} examples (70 % of it trains). "
        "Lines are means over seeds, whiskers reach from the smallest to the largest run, dots are "
        "single runs; architectures are set apart sideways by at most 3 %. Open symbols are collapsed "
        "runs, which count in the means. Baselines without a network are dashed and grey. The "
        f"dotted line is {target:g}, the dash-dotted one a constant prediction, the shares of the "
        "conditions. The thin black line of a grammar, if there is one, is the exact posterior's value "
        "on the same test examples: no classifier is better but by chance. Where it has no closed form, "
        "a faint line marks an estimate or approximation instead, which is no bound. Grey lines with "
        "letters: what is reached by knowing that alone, where it is more than a constant prediction. "
        "Numbers and positions of sites are the true ones, which no classifier is given, so that these "
        "can lie above the ceiling."
    )


def _scope_words(shown: pd.DataFrame) -> str:
    """Say whether conditions are pooled or averaged, and where."""
    words = {MICRO: "micro: all conditions pooled", MACRO: "macro: the mean over conditions"}
    scopes = sorted(shown["scope"].unique(), reverse=True)
    if len(scopes) == 1:
        return words[scopes[0]]
    why = "in multi-label and unbalanced tasks"
    return f"{words[MICRO]}; {why} {words[MACRO]}"


def _recovery_caption(drawing: Drawing, shown: pd.DataFrame) -> str:
    counts = shown.groupby("grammar")[["examples", "left_out"]].max().astype(int)
    same = [
        (examples, left_out, [str(name) for name in own.index])
        for (examples, left_out), own in counts.groupby(["examples", "left_out"])
    ]
    explanations = "; ".join(
        (f"on {', '.join(names[:5])}{' ...' if names[5:] else ''} " if len(same) > 1 else "on ")
        + f"{examples:,} explanations"
        + (f" ({left_out:,} more have no grammar position)" if left_out else "")
        for examples, left_out, names in same
    )
    return (
        "How well feature importance points at the positions that carry the grammar: "
        f"{metric_words(drawing.metric)} of {drawing.method}, mean over conditions, of test examples that "
        f"all models share: {explanations}. 1: every "
        "grammar position ranks above every background position; 0: no better than chance. Lines, "
        "whiskers, dots and open symbols as in the figure above. Even a perfect classifier stays "
        "below 1 where sites are weak: the thin black line is what the exact posterior's own importance "
        "reaches. Where each value lies between what background-only inputs give and that line: the table "
        "by architecture, and the column rescaled of tables/recovery."
        f"{_annotations(drawing)}{_undefined(drawing)}{_failed_gates(drawing)}"
    )


def _annotations(drawing: Drawing) -> str:
    """Say what recovery is scored against on real datasets; empty without any."""
    if not drawing.annotations:
        return ""
    listed = ", ".join(f"{what} of {name}" for name, what in drawing.annotations.items())
    return f" On real datasets importance is compared with {listed}, not with truth."


def _undefined(drawing: Drawing) -> str:
    """Say how many of the method's explanations lack a metric; empty where all have all of them."""
    recovery = drawing.tables.recovery
    own = recovery[(recovery["method"] == drawing.method) & (recovery["scope"] == MACRO)]
    counts = own.groupby("metric")[["undefined", "examples"]].sum()
    lacking = counts[counts["undefined"] > 0].reset_index()
    if lacking.empty:
        return ""
    parts = "; ".join(
        f"{', '.join(map(metric_words, alike['metric']))} of {undefined:,} of {examples:,}"
        for (undefined, examples), alike in lacking.groupby(["undefined", "examples"])
    )
    return (
        f" Not defined, and left out of means, over all runs: {parts} explanations (such as precision where "
        "no importance is above 0; column undefined of tables/recovery)."
    )


def _failed_gates(drawing: Drawing) -> str:
    """Say where the method's values do not add up to the prediction; empty where they do."""
    gates = drawing.tables.gates
    own = gates[gates["method"] == drawing.method]
    failed = own[~own["passed"]]
    if failed.empty:
        return ""
    worst = percent(float(failed["percentile_99"].max()))
    median, tail = (percent(limit) for _, limit in LARGEST_GAPS.values())
    cure = " Take more steps, or steps: auto." if failed["steps"].notna().any() else ""
    return (
        f" {drawing.method} fails the gate of completeness in {len(failed):,} of {len(own):,} runs: values "
        f"do not add up to the prediction (99th percentile of the gaps up to {worst}; limits: {median} for "
        f"the median, {tail} for the 99th percentile; tables/gates).{cure}"
    )
