"""The report's sections of statistics: what the tables and sentences of each are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from seqgra.compare.decide import Decision, Statistics
from seqgra.compare.efficiency import TAUS, size_words
from seqgra.compare.resample import FEWEST_MODEL_SEEDS, FEWEST_SEEDS
from seqgra.report.content import Block
from seqgra.report.page import Picture, Row, Table, number, percent
from seqgra.report.words import across_sentences, at_sentences, evidence, needed_sentence


def at_block(known: Statistics, pictures: Sequence[Picture]) -> list[Block]:
    """Return the answer for the user's size, if one was asked for."""
    if known.at is None:
        return []
    paragraphs = [
        (f"{d.grammar}: {' '.join(at_sentences(d, known))}", d.grammar) for d in known.chosen
    ]
    without = sorted(set(known.runs["grammar"]) - {d.grammar for d in known.chosen})
    if without:
        words = f"No runs on both sides of {known.at:,} examples: {', '.join(without)}."
        paragraphs.append((words, ""))
    heads = [
        "grammar",
        "architecture",
        "PR AUC",
        "behind the best",
        "interval",
        "P(best)",
        "regret",
    ]
    rows = [
        Row(
            [
                d.grammar,
                str(row["label"]),
                f"{row['mean']:.3f}",
                number(row["behind"], "z.3f"),
                _ends(row["behind_low"], row["behind_high"]) if row["label"] != d.label else "",
                percent(row["best"]),
                number(row["regret"], ".3f"),
            ],
            d.grammar,
            str(row["label"]),
        )
        for d in known.chosen
        for row in d.others.to_dict("records")
    ]
    caption = (
        f"Mean PR AUC at {known.at:,} examples; behind: paired by data seed with the first of the grammar. "
        "P(best) and expected regret over draws of the means (Student's t over seeds); empty with too few "
        "seeds."
    )
    table = Table(heads, rows, 2, caption)
    return [Block("at", f"At your {known.at:,} examples", paragraphs, [table], pictures)]


def _ends(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{low:z.3f} to {high:z.3f}"


def needed_block(known: Statistics, pictures: Sequence[Picture]) -> Block:
    """Return the examples needed by every architecture."""
    table = known.needed
    keys = ["grammar", "label", "version"]
    heads = ["grammar", "architecture", "of runs", *map(percent, TAUS)]
    heads += [f"interval or range, {percent(TAUS[0])}", "reach it", "area"]
    rows = []
    for key, group in table.groupby(keys):
        by_tau = {round(row.tau, 4): row for row in group.itertuples()}  # type: ignore[arg-type]
        first = group.iloc[0]
        small, large = int(first["smallest"]), int(first["largest"])
        words = [size_words(float(by_tau[tau].needed), small, large) for tau in TAUS]  # type: ignore[arg-type]
        low, high = (size_words(float(first[end]), small, large) for end in ("low", "high"))
        ends = low if low == high else f"{low} to {high}"
        of = "" if first["of"] == "interval" or low == high else " (range)"
        reach = f"{first['reached']} of {first['curves']}"
        cells = [*map(str, key), *words, f"{ends}{of}", reach, number(first["alc"], ".2f")]
        rows.append(Row(cells, str(key[0]), str(key[1])))
    perfect = sorted(table.loc[table["reference"] == "perfect", "grammar"].unique())
    paragraphs = [
        (
            "Dataset sizes (70 % of which trains) at which PR AUC has come 90, 95 and 99 % of the way from "
            "chance to the ceiling: median over runs, or over data seeds of the best of the restarts by "
            "validation loss. Runs that collapse have not reached it. A 95 % interval is given from "
            f"{FEWEST_SEEDS} data seeds on (bootstrap of whole curves; where they share initialisations from "
            f"{FEWEST_MODEL_SEEDS} model seeds on), below that the range of single curves. Area: under the "
            "curve on a log axis, 0 at chance, 1 at the ceiling; it depends on the "
            "sizes of the grid.",
            "",
        )
    ]
    if perfect:
        paragraphs.append(
            (f"The ceiling is not known, and 1 is used in its place, for {', '.join(perfect)}.", "")
        )
    tables = [Table(heads, rows, 3, "Examples needed.")]
    if len(known.noise):
        tables.append(_noise_table(known.noise))
    return Block("needed", "Examples needed", paragraphs, tables, pictures)


def _noise_table(noise: pd.DataFrame) -> Table:
    rows = [
        Row(
            [
                str(row["grammars"]),
                str(row["label"]),
                f"{row['size']:,}",
                "none of the grid's"
                if row["rate"] != row["rate"]
                else f"{100 * row['rate']:.1f} %",
                f"{100 * row['highest']:.1f} %",
                str(row["runs"]),
            ],
            "",
            str(row["label"]),
        )
        for row in noise.to_dict("records")
    ]
    heads = ["grammars", "architecture", "size", "wrong labels tolerated", "highest tried", "runs"]
    caption = (
        "The largest rate of wrong training labels at which the median run, on the clean test set, still "
        "comes 90 % of the way from chance to the ceiling, as it does at all lower rates."
    )
    return Table(heads, rows, 2, caption)


def best_block(known: Statistics, pictures: Sequence[Picture]) -> Block:
    """Return what holds across grammars, where the spread comes from, and what changes the order."""
    paragraphs = [
        (sentence, "")
        for name, found in known.across.items()
        for sentence in across_sentences(name, found)
    ]
    if not known.across:
        paragraphs.append(("One grammar alone says nothing about others.", ""))
    tables = []
    if len(known.variance):
        largest = known.variance["size"].max()
        shown = known.variance[known.variance["size"] == largest].to_dict("records")
        rows = [
            Row(
                [
                    str(row["component"]),
                    f"{math.sqrt(row['variance']):.4f}",
                    percent(row["share"]),
                    str(row["levels"]),
                ]
            )
            for row in shown
        ]
        caption = (
            f"Where the spread of PR AUC comes from at {largest:,} examples (method of moments; a negative "
            "estimate is 0). What architectures do not share decides how many data seeds are needed."
        )
        tables.append(Table(["source", "standard deviation", "share", "levels"], rows, 1, caption))
    if len(known.stability):
        rows = [
            Row(
                [
                    *(str(row[name]) for name in ("grammar", "other", "field")),
                    number(row["tau"], ".2f"),
                    *(str(row[name]) for name in ("best", "best_other")),
                    f"{row['shift']:.3f}",
                ]
            )
            for row in known.stability.to_dict("records")
        ]
        heads = [
            "grammar",
            "other",
            "differ in",
            "Kendall's tau",
            "best",
            "best of other",
            "largest shift",
        ]
        caption = (
            "Grammars that differ in one field, and whether the order of architectures stays: tau 1 is the "
            "same order, -1 the reverse. Means; near-ties swap by chance."
        )
        tables.append(Table(heads, rows, 3, caption))
    return Block("best", "Across grammars", paragraphs, tables, pictures)


def grammar_evidence(known: Statistics) -> dict[str, list[str]]:
    """Return what shows, or does not, that each grammar's answer is the best; and what it needs."""
    return {
        d.grammar: [needed_sentence(d.grammar, d.label, known), *evidence(d, known)]
        for d in known.decisions
    }


def decision_table(known: Statistics) -> pd.DataFrame:
    """Return all standings as one table: grammar, size, and the columns of `ranking.standings`."""
    parts = [d.others.assign(grammar=d.grammar, size=d.size) for d in _all(known)]
    names = ["grammar", "size", "label", "mean", "design", "seeds", "model_seeds"]
    names += ["behind", "behind_low", "behind_high", "p", "best", "regret"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def _all(known: Statistics) -> list[Decision]:
    sizes = {(d.grammar, d.size) for d in known.decisions}
    return [*known.decisions, *(d for d in known.chosen if (d.grammar, d.size) not in sizes)]


def pair_table(known: Statistics) -> pd.DataFrame:
    """Return the tests across grammars: family, label, other, p."""
    parts = [found.p_values.assign(family=name) for name, found in known.across.items()]
    names = ["family", "label", "other", "p"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)
