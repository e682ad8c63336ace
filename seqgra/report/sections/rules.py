"""The section of the report on probes: the report card, its curves, and rule scores against dataset size."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from seqgra.compare.cells import KEYS
from seqgra.compare.efficiency import TAUS, size_words
from seqgra.compare.probes import (
    ASKED,
    WORDS,
    known,
    rule_card,
    rule_runs,
    rule_scores,
)
from seqgra.compare.tables import models_only, recovery_runs
from seqgra.plot.probes import Panel, panels_figure, recovery_scatter, report_card
from seqgra.plot.sizes import Measure, against_size
from seqgra.report.content import Content
from seqgra.report.drawing import Drawing, file_name, save_figure
from seqgra.report.page import Picture, Row, metric_words, number
from seqgra.report.sections import Section, Shown

#: Properties that are about how motifs are placed; the least of them is a model's rule score.
RULES = tuple(
    name for name in WORDS if name not in ("vocabulary", "sufficiency", "confounder", "shift")
)
#: Panels of curves of a grammar, at most.
_MOST_PANELS = 4


def _shown(content: Content) -> Iterable[Shown]:
    compared = content.compared
    if len(compared.properties):
        context = rules_context(content.drawing, compared.properties, compared.rules_needed)
        yield Shown("rules", "Which rules they know", context)


def rules_context(drawing: Drawing, scores: pd.DataFrame, needed: pd.DataFrame) -> dict[str, Any]:
    """Draw the figures on probes and return what the section shows.

    Parameters
    ----------
    drawing
        Its table of probes has columns label and seeds.
    scores
        From `property_scores`.
    needed
        From `needed_for_rules`.
    """
    probes = drawing.tables.probes
    rules = rule_scores(probes)
    pictures = []
    for grammar in sorted(scores["grammar"].unique()):
        pictures += _card(drawing, scores, str(grammar))
        pictures += _by_gap(drawing, rules, str(grammar))
        pictures += _curves(drawing, probes, str(grammar))
    pictures += [*_scatter(drawing, scores), *_against_size(drawing, scores)]
    return {
        "pictures": pictures,
        "rows": _rows(rules),
        "needed": _needed_rows(needed),
        "score": TAUS[0],
    }


def _card(drawing: Drawing, scores: pd.DataFrame, grammar: str) -> list[Picture]:
    found = known(rule_card(scores), grammar)
    labels = [label for label in drawing.looks if label in found]
    names = [name for name in WORDS if any(name in found[label] for label in labels)]
    values = pd.DataFrame(
        [
            [found[label][name].score if name in found[label] else math.nan for name in names]
            for label in labels
        ],
        labels,
        names,
    )
    asked = pd.DataFrame(
        [
            [found[label][name].asked if name in found[label] else "" for name in names]
            for label in labels
        ],
        labels,
        names,
    )
    size = scores.loc[scores["grammar"] == grammar, "size"].max()
    title = f"{grammar}: rule report card at {size:,} examples"
    stem = save_figure(drawing, f"rules-{file_name(grammar)}", report_card, values, asked, title)
    reasons = sorted(
        {own.reason for of_label in found.values() for own in of_label.values() if own.reason}
    )
    ungraded = f" Not graded: {'; '.join(reasons)}." if reasons else ""
    caption = (
        "Score of the rule that is known least, mean over models: 1 as the exact posterior, 0 where the "
        "property is ignored. Pale: a shortcut gets as far on this grammar, but the probe can tell."
        f"{ungraded}"
    )
    return [Picture(stem, title, caption)]


def _by_gap(drawing: Drawing, rules: pd.DataFrame, grammar: str) -> list[Picture]:
    """Draw Flip by gap, a panel a place."""
    cells = rules[
        (rules["grammar"] == grammar) & (rules["property"] == "order") & (rules["level"] == "cell")
    ]
    cells = cells[(cells["size"] == cells["size"].max()) & (cells["place"] != "")]
    if cells.empty:
        return []
    bins = sorted(set(zip(cells["gap_low"], cells["gap_high"], strict=True)))
    places = np.arange(len(bins), dtype=float)
    names = [f"{low:.0f}-{high:.0f}" for low, high in bins]
    by_gap = cells.groupby(["place", "label", "gap_low"])[["raw", "ceiling"]].mean()
    panels = []
    for place in [name for name in ("left", "middle", "right") if name in set(cells["place"])]:
        own = by_gap.loc[place]
        lines = {
            label: np.array([own["raw"].get((label, low), math.nan) for low, _ in bins])
            for label in drawing.looks
            if label in own.index.get_level_values(0)
        }
        ceiling = own.groupby(level="gap_low")["ceiling"].mean()
        best = np.array([ceiling.get(low, math.nan) for low, _ in bins])
        panels.append(Panel(f"{place} third", lines, best, places, names))
    title = f"{grammar}: both orders of a pair called right, by gap and place"
    words = ("gap, letters", "share of pairs (Flip)")
    coin = (0.25, "a coin for each order")
    name = f"order-{file_name(grammar)}"
    stem = save_figure(drawing, name, panels_figure, panels, drawing.looks, title, words, coin)
    caption = (
        "Pairs of motifs, and the same pairs swapped within their span on the same background: how often a "
        "model calls both right. A model that does not see order calls one of the two wrong and is at 0; "
        f"a coin for each is at a quarter. Mean over models, {cells['size'].max():,} examples."
    )
    return [Picture(stem, title, caption)]


def _curves(drawing: Drawing, probes: pd.DataFrame, grammar: str) -> list[Picture]:
    """Draw the curves of spacing, position and copies, with what the grammar makes shaded."""
    pictures = []
    for name, x, what in (
        ("spacing curve", "gap, letters", "gap"),
        ("position curve", "start, letters from the left", "start"),
        ("copies curve", "sites", "number of sites"),
    ):
        own = probes[(probes["grammar"] == grammar) & (probes["property"] == name)]
        own = own[(own["size"] == own["size"].max()) & (own["level"] == "curve")]
        if own.empty:
            continue
        panels = [
            _curve_panel(
                drawing, rows, f"{condition}{f' against {other}' if other else ''}: {subject}"
            )
            for (condition, other, _, subject), rows in own.groupby(
                ["condition", "other", "rule", "subject"], sort=False
            )
        ]
        title = f"{grammar}: evidence by {what}"
        words = (x, "evidence (logits)")
        stem = save_figure(
            drawing,
            f"{name.replace(' ', '-')}-{file_name(grammar)}",
            panels_figure,
            panels[:_MOST_PANELS],
            drawing.looks,
            title,
            words,
            (0.0, "neither"),
        )
        caption = (
            f"Mean logit of a condition, less that of the other (or the mean of all), against the {what}, "
            "all else alike. Shaded: what each condition makes; elsewhere no example teaches anything, and "
            "no answer is right or wrong. "
            "Steps of the exact posterior are what there is to know. Models with small logits are flat: "
            "the score compares ranks and does not depend on their scale."
        )
        pictures.append(Picture(stem, title, caption))
    return pictures


def _curve_panel(drawing: Drawing, rows: pd.DataFrame, title: str) -> Panel:
    mean = rows.groupby(["label", "gap_low"])[["raw", "ceiling"]].mean()
    places = np.array(sorted(rows["gap_low"].unique()))
    lines = {
        label: mean.loc[label]["raw"].reindex(places).to_numpy()
        for label in drawing.looks
        if label in mean.index.get_level_values(0)
    }
    ceiling = rows.groupby("gap_low")["ceiling"].mean().reindex(places).to_numpy()
    makers = rows.groupby("gap_low")["place"].first().reindex(places)
    shaded: dict[str, list[tuple[float, float]]] = {}
    for condition in dict.fromkeys((rows["condition"].iloc[0], rows["other"].iloc[0])):
        for place, maker in zip(places, makers, strict=True):
            if condition in maker.removeprefix("made by ").split(" and "):
                stretches = shaded.setdefault(condition, [])
                before = places[places < place]
                if stretches and len(before) and stretches[-1][1] == before[-1]:
                    stretches[-1] = (stretches[-1][0], float(place))
                else:
                    stretches.append((float(place), float(place)))
    return Panel(title, lines, ceiling, places, (), shaded)


def _scatter(drawing: Drawing, scores: pd.DataFrame) -> list[Picture]:
    """Draw the least score of a model's rules against its recovery."""
    asked = scores[(scores["asked"] == ASKED) & scores["property"].isin(RULES)]
    least = asked.groupby([*KEYS, "label"])["value"].min().dropna().rename("score").reset_index()
    found = recovery_runs(models_only(drawing.tables.recovery), drawing.method, drawing.metric)
    points = least.merge(found[[*KEYS, "value"]], on=list(KEYS))
    points = points.rename(columns={"value": "recovery"})
    if points.empty:
        return []
    title = "Finding the motifs is not knowing the rule"
    stem = save_figure(
        drawing,
        "rules-recovery",
        recovery_scatter,
        points,
        drawing.looks,
        title,
        f"recovery ({drawing.method})",
    )
    caption = (
        f"A point a model: {metric_words(drawing.metric)} against the least score among "
        "the properties of placement that the grammar asks for. Bottom right: attributions point at the "
        "motifs, and the model still does not know the rule."
    )
    return [Picture(stem, title, caption)]


def _against_size(drawing: Drawing, scores: pd.DataFrame) -> list[Picture]:
    pictures = []
    for name, runs in rule_runs(scores, drawing.tables.status).items():
        if name not in (*RULES, "vocabulary"):
            continue
        title = f"Rule score of {name} against dataset size"
        measure = Measure("score", title, 0.0, 1.0, "exact posterior")
        scored = runs.dropna(subset=["value"])
        stem = save_figure(drawing, f"rules-{name}", against_size, scored, drawing.looks, measure)
        caption = (
            f"How well models know {WORDS[name]}, the rule that is known least: 1 as the exact posterior, 0 "
            "not at all. Lines, whiskers and dots as for PR AUC."
        )
        pictures.append(Picture(stem, title, caption))
    return pictures


def _rows(rules: pd.DataFrame) -> list[Row]:
    shown = rules[(rules["level"] == "summary") & rules["property"].isin(list(WORDS))]
    shown = shown[shown["size"] == shown.groupby("grammar")["size"].transform("max")]
    records: list[dict[str, Any]] = shown.to_dict("records")  # type: ignore[assignment]
    return [
        Row(
            [
                *(str(row[n]) for n in ("grammar", "label", "property", "rule", "subject")),
                str(row["asked"]),
                str(row["reason"]),
                *(
                    number(row[n], ".2f")
                    for n in ("raw", "chance", "untrained", "ceiling", "score")
                ),
                _ends(row),
                str(row["models"]),
            ],
            str(row["grammar"]),
            str(row["label"]),
        )
        for row in records
    ]


def _ends(row: dict[str, Any]) -> str:
    if math.isfinite(row["low"]):
        return f"{row['low']:.2f} to {row['high']:.2f}"
    if row["models"] < 2:
        return ""
    return f"{row['least']:.2f} to {row['most']:.2f} (range)"


def _needed_rows(needed: pd.DataFrame) -> list[Row]:
    shown = needed[needed["tau"] == TAUS[0]]
    rows = []
    records: list[dict[str, Any]] = shown.to_dict("records")  # type: ignore[assignment]
    for row in records:
        small, large = row["smallest"], row["largest"]
        many, low, high = (
            size_words(row[name], small, large) for name in ("needed", "low", "high")
        )
        of = "" if row["of"] == "interval" or low == high else " (range)"
        ends = low if low == high else f"{low} to {high}"
        reach = f"{row['reached']} of {row['curves']}"
        names = [str(row[name]) for name in ("grammar", "label", "property", "version")]
        rows.append(Row([*names, many, f"{ends}{of}", reach], names[0], names[1]))
    return rows


SECTION = Section(44, "rules.html.j2", _shown)
