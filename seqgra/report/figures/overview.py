"""The figures of a whole grid: prediction and recovery against dataset size, recovery by method."""

from __future__ import annotations

from typing import Any

import pandas as pd

from seqgra.compare.cells import KEYS
from seqgra.compare.tables import ceilings_only, counted, headlines, models_only, recovery_runs
from seqgra.plot.attribution import method_matrix
from seqgra.plot.sizes import Ceiling, Knowledge, YAxis, against_size
from seqgra.report.drawing import Drawing, file_name, save_figure
from seqgra.report.page import Picture, caption, metric_words
from seqgra.results import LARGEST_GAPS, MACRO, MICRO

#: Ceilings of less knowledge this close share a line.
_ALIKE = 0.03


def draw_overview(drawing: Drawing) -> list[Picture]:
    """Draw PR AUC and recovery against dataset size; figures without data are left out."""
    compared = drawing.compared
    shown = counted(compared.tables)
    pictures = []
    if len(shown):
        scopes = sorted(shown["scope"].unique())
        line = f"PR AUC {compared.target:g}"
        title = "Prediction: PR AUC on the test set against dataset size"
        label = f"PR AUC ({scopes[0]})" if len(scopes) == 1 else "PR AUC"
        named = _scope_named if len(scopes) > 1 else _as_is
        ceilings = _ceilings(
            named(_with_kind(drawing, ceilings_only(headlines(compared.tables.scores))))
        )
        less = _less_knowledge(named(_known_less(drawing, shown)))
        measure = YAxis(label, title, None, compared.target, line, ceilings, less)
        stem = save_figure(drawing, "pr-auc", against_size, named(shown), drawing.looks, measure)
        largest = int(shown["size"].max())
        words = caption("pr_auc", largest=largest, scopes=scopes, target=compared.target)
        pictures.append(Picture(stem, title, words))
    pictures += _draw_recovery(drawing, compared.method, "recovery")
    for method in _methods(drawing):
        if method != compared.method:
            pictures += _draw_recovery(drawing, method, f"recovery-{file_name(method)}")
    return [*pictures, *_draw_methods(drawing)]


def _methods(drawing: Drawing) -> list[str]:
    """Return the attribution methods of the grid, in its order."""
    cells = drawing.compared.cells
    return list(dict.fromkeys(name for cell in cells for name, _ in cell.attributions))


def _draw_recovery(drawing: Drawing, method: str, name: str) -> list[Picture]:
    """Draw recovery by one method against dataset size, where there is any."""
    tables, metric = drawing.compared.tables, drawing.compared.metric
    found = recovery_runs(tables.recovery, method, metric)
    shown = models_only(found)
    if shown.empty:
        return []
    title = f"Grammar recovery ({method}) against dataset size"
    ceilings = _ceilings(_with_kind(drawing, ceilings_only(found)))
    measure = YAxis(metric_words(metric), title, 0.0, 0.0, "chance", ceilings)
    if "chance_corrected" not in metric:
        measure = measure._replace(line=None)
    merged = shown.merge(tables.status[[*KEYS, "status"]], on=list(KEYS), how="left")
    stem = save_figure(drawing, name, against_size, merged, drawing.looks, measure)
    words = caption(
        "recovery",
        metric=metric,
        method=method,
        explanations=explanations(shown),
        annotations=drawing.annotations,
        undefined=undefined(tables.recovery, method),
        gate=_failed_gate(tables.gates, method),
    )
    return [Picture(stem, title, words)]


def _draw_methods(drawing: Drawing) -> list[Picture]:
    """Draw recovery by method and architecture, where there are several methods."""
    tables, metric = drawing.compared.tables, drawing.compared.metric
    recovery, methods = tables.recovery, _methods(drawing)
    if len(methods) < 2 or recovery.empty:
        return []
    shown = recovery[(recovery["metric"] == metric) & (recovery["scope"] == MACRO)]
    shown = shown.dropna(subset=["value"])
    largest = shown[shown["size"] == shown.groupby("grammar")["size"].transform("max")]
    means = largest.groupby(["method", "label"])["value"].mean().unstack()
    labels = [label for label in dict.fromkeys(tables.status["label"]) if label in means]
    values = means.reindex(index=methods, columns=labels)
    title = "Grammar recovery by attribution method and architecture"
    stem = save_figure(drawing, "methods", method_matrix, values, metric_words(metric), title)
    return [Picture(stem, title, caption("methods", metric=metric))]


def _as_is(shown: pd.DataFrame) -> pd.DataFrame:
    return shown


def _scope_named(shown: pd.DataFrame) -> pd.DataFrame:
    """Name the scope beside each grammar, where they differ."""
    return shown.assign(grammar=shown["grammar"] + " (" + shown["scope"] + ")")


def _with_kind(drawing: Drawing, rows: pd.DataFrame) -> pd.DataFrame:
    """Add a column kind: whether the ceiling of a grammar is exact."""
    return rows.assign(kind=rows["grammar"].map(drawing.compared.kinds))


def _ceilings(rows: pd.DataFrame) -> tuple[Ceiling, ...]:
    """Return the first ceiling of each grammar; what is no closed form is marked."""
    found: dict[str, Ceiling] = {}
    for grammar, value, kind in rows[["grammar", "value", "kind"]].to_numpy():
        found.setdefault(str(grammar), Ceiling(str(grammar), float(value), kind == "exact"))
    return tuple(found.values())


def _known_less(drawing: Drawing, shown: pd.DataFrame) -> pd.DataFrame:
    """Return what less knowledge reaches, by the scope of each grammar, where it is above chance."""
    known = drawing.compared.ceilings[drawing.compared.ceilings["knows"] != "everything"]
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


def explanations(shown: pd.DataFrame) -> list[dict[str, Any]]:
    """Return how many explanations recovery is of, and of how many it is not defined, by grammar."""
    counts = shown.groupby("grammar")[["examples", "left_out"]].max().astype(int)
    return [
        {"examples": examples, "left_out": left_out, "grammars": [str(name) for name in own.index]}
        for (examples, left_out), own in counts.groupby(["examples", "left_out"])
    ]


def undefined(recovery: pd.DataFrame, method: str) -> list[dict[str, Any]]:
    """Return how many of a method's explanations lack a metric, by how many they are."""
    own = recovery[(recovery["method"] == method) & (recovery["scope"] == MACRO)]
    counts = own.groupby("metric")[["undefined", "examples"]].sum()
    lacking = counts[counts["undefined"] > 0].reset_index()
    return [
        {"metrics": alike["metric"].tolist(), "undefined": undefined, "examples": examples}
        for (undefined, examples), alike in lacking.groupby(["undefined", "examples"])
    ]


def _failed_gate(gates: pd.DataFrame, method: str) -> dict[str, Any] | None:
    """Return where the method's values do not add up to the prediction; None where they do."""
    own = gates[gates["method"] == method]
    failed = own[~own["passed"]]
    if failed.empty:
        return None
    median, tail = (limit for _, limit in LARGEST_GAPS.values())
    return {
        "failed": len(failed),
        "runs": len(own),
        "worst": float(failed["percentile_99"].max()),
        "median": median,
        "tail": tail,
        "steps": bool(failed["steps"].notna().any()),
    }
