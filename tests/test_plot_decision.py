"""Figures to decide by: what is drawn is what was given, and nothing leaves the figure."""

import math

import numpy as np
import pandas as pd
import pytest
from synthetic import Truth, draw

from seqgra.compare.decide import statistics
from seqgra.plot.style import looks
from seqgra.report.figures.concordance import concordances
from seqgra.report.figures.confusion import Confusion, confusions
from seqgra.report.figures.fits import fitted
from seqgra.report.figures.losses import histories
from seqgra.report.figures.noise import NoiseMeasure, against_noise
from seqgra.report.figures.pareto import pareto
from seqgra.report.figures.ranking import ranking
from seqgra.report.figures.runs import bars, strip

LOOKS = looks(dict.fromkeys(("a", "b", "c"), "pytorch"))


def runs(seeds=5):
    truth = Truth(
        {"a": 1000.0, "b": 3000.0, "c": 9000.0}, grammars=3, data_seeds=seeds, collapse=0.1
    )
    return draw(truth, 0)


def texts_inside(figure):
    figure.draw_without_rendering()
    boxes = [axis.get_tightbbox() for axis in figure.axes if axis.get_visible()]
    for box in boxes + [legend.get_window_extent() for legend in figure.legends]:
        assert box.x0 >= -1 and box.y0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1


def test_strip_draws_every_run_once_and_marks_the_collapsed():
    table = runs()
    table = table[table["size"] == 4000]
    figure = strip(table, LOOKS, "title")
    texts_inside(figure)
    found, opened = [], 0
    for axis in figure.axes:
        for drawn in axis.collections:
            if drawn.get_offsets().shape[0] and not hasattr(drawn, "get_segments"):
                values = np.asarray(drawn.get_offsets())[:, 0]
                found += values.tolist()
                opened += len(values) if np.allclose(drawn.get_facecolor()[0], 1) else 0
    assert sorted(found) == pytest.approx(sorted(table["value"]))
    assert opened == (table["status"] == "collapsed").sum() > 0
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    means = table[table["grammar"] == "g000"].groupby("label")["value"].mean()
    assert labels == means.sort_values().index.tolist(), "the best on top"


def test_bars_reach_from_chance_to_the_mean():
    table = runs()
    table = table[table["size"] == 4000]
    figure = bars(table, LOOKS, "title")
    own = table[table["grammar"] == "g000"].groupby("label")["value"].mean().sort_values()
    ends = [bar.get_x() + bar.get_width() for bar in figure.axes[0].patches]
    assert ends == pytest.approx(own.tolist())
    assert {bar.get_x() for bar in figure.axes[0].patches} == {0.5}


def test_pareto_puts_what_is_not_reached_beyond_the_grid():
    points = pd.DataFrame(
        [
            ("g", "a", 1200.0, 0.9, 10.0, 500, 32000, True),
            ("g", "b", math.inf, 0.5, 1.0, 500, 32000, True),
            ("g", "c", 0.0, 0.2, 5.0, 500, 32000, False),
        ],
        columns=[
            "grammar",
            "label",
            "needed",
            "recovery",
            "seconds",
            "smallest",
            "largest",
            "front",
        ],
    )
    figure = pareto(points, LOOKS, "title", "recovery")
    texts_inside(figure)
    offsets = [
        tuple(c.get_offsets()[0]) for c in figure.axes[0].collections if len(c.get_offsets()) == 1
    ]
    x = {y: value for value, y in offsets}
    assert x[0.9] == 1200
    assert x[0.5] > 32000
    assert x[0.2] < 500
    assert len(offsets) == 5, "two rings"
    ticks = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert (ticks[0], ticks[-1]) == ("≤500", ">32k")


def test_ranking_draws_ranks_and_joins_cliques():
    ranks = pd.Series({"b": 1.2, "a": 2.1, "c": 2.7})
    figure = ranking(ranks, [("a", "c")], LOOKS, "title")
    texts_inside(figure)
    bar = figure.axes[0].lines[-1].get_xdata()
    assert bar == pytest.approx([2.1 - 0.03, 2.7 + 0.03])


def test_fitted_is_dashed_beyond_the_grid_only():
    table = runs().assign(backend="pytorch", architecture=lambda t: t["label"])
    known = statistics(table, {}, None)
    figure = fitted(table, known.fits, LOOKS, "title")
    texts_inside(figure)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
    assert len(lines) == 6
    for line in lines:
        x = line.get_xdata()
        assert (x[-1] <= 32000 * 1.001) == (line.get_linestyle() == "-")
        assert x[-1] <= 64000 * 1.001


def test_histories_mark_the_epoch_that_was_kept():
    history = pd.DataFrame(
        {"epoch": [1, 2, 3], "training_loss": [0.6, 0.4, 0.2], "validation_loss": [0.6, 0.5, 0.55]}
    )
    nan = history.assign(validation_loss=math.nan)
    figure = histories({"a": [(history, "done")], "b": [(nan, "diverged")]}, LOOKS, "title")
    texts_inside(figure)
    assert figure.axes[0].collections[0].get_offsets().tolist() == [[2, 0.5]]
    assert len(figure.axes[1].collections) == 1, "only the cross"


def test_confusions_keep_their_numbers():
    shares = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0, 0, 1]])
    figure = confusions([Confusion("a", shares), Confusion("b", np.eye(3))], list("xyz"), "title")
    texts_inside(figure)
    assert figure.axes[0].images[0].get_array().tolist() == shares.tolist()
    assert [text.get_text() for text in figure.axes[0].texts] == [
        ".90",
        ".10",
        ".20",
        ".80",
        "1.00",
    ]


def noisy_runs():
    table = runs().assign(rate=lambda t: t["grammar"].map({"g000": 0, "g001": 0.1, "g002": 0.3}))
    return table[table["size"].isin([1000, 4000])]


def test_a_lone_architecture_is_drawn_at_the_very_rate():
    table = noisy_runs().query("label == 'a'")
    axis = against_noise([NoiseMeasure("PR AUC", table)], LOOKS, "title").axes[0]
    assert axis.lines[0].get_xdata().tolist() == [0, 10, 30]


def test_long_names_stay_within_the_figures_whose_legend_is_below():
    names = {label: f"conv10w-do03-fc5-do03-{label} (tensorflow)" for label in "abc"}
    looked = looks({name: "tensorflow" for name in names.values()})
    table = noisy_runs().replace({"label": names})
    texts_inside(against_noise([NoiseMeasure("PR AUC", table, 0.9, 0.5, "goal")], looked, "title"))
    pairs, values = two_sides(list(names.values()))
    texts_inside(concordances(pairs, values, looked, "title"))


def two_sides(labels, seeds=3):
    """Runs on a simulated grammar and on a real dataset, and the pair of them."""
    rng = np.random.default_rng(3)
    values = pd.DataFrame(
        (grammar, 1000, label, level + rng.uniform(-0.05, 0.05))
        for grammar in ("twin", "peaks")
        for label, level in zip(labels, np.linspace(0.6, 0.9, len(labels)), strict=True)
        for _ in range(seeds)
    )
    values.columns = pd.Index(["grammar", "size", "label", "value"])
    pairs = pd.DataFrame([{"grammar": "twin", "dataset": "peaks", "size": 1000, "tau": 1.0}])
    return pairs, values


def test_concordance_sets_means_over_ranges_of_both_sides():
    pairs, values = two_sides("abc")
    figure = concordances(pairs, values, LOOKS, "title")
    texts_inside(figure)
    [axis] = figure.axes
    sides = [
        values[values["grammar"] == name].groupby("label")["value"] for name in ("twin", "peaks")
    ]
    dots = [part.get_offsets()[0].tolist() for part in axis.collections[::2]]
    assert dots == pytest.approx(np.column_stack([side.mean() for side in sides]))
    low, high = ([side.agg(end).to_numpy() for side in sides] for end in ("min", "max"))
    wide, tall = axis.lines[::2], axis.lines[1::2]
    assert [line.get_xdata() for line in wide] == pytest.approx(np.column_stack([low[0], high[0]]))
    assert [line.get_ydata() for line in tall] == pytest.approx(np.column_stack([low[1], high[1]]))
    assert [text.get_text() for text in figure.legends[0].get_texts()][:3] == list("abc")


def test_noise_is_drawn_at_its_rate_and_every_run_once():
    table = noisy_runs()
    recovery = table.assign(value=table["value"] / 2)
    measures = [
        NoiseMeasure("PR AUC", table, 0.95, 0.5, "goal"),
        NoiseMeasure("recovery", recovery),
    ]
    figure = against_noise(measures, LOOKS, "title")
    texts_inside(figure)
    for axis, (rows, size) in zip(
        figure.axes,
        [(table, 1000), (table, 4000), (recovery, 1000), (recovery, 4000)],
        strict=True,
    ):
        own = rows[rows["size"] == size]
        lines = [line for line in axis.lines if len(line.get_xdata()) == 3]
        for label, line in zip("abc", lines, strict=True):
            means = own[own["label"] == label].groupby("rate")["value"].mean()
            assert line.get_ydata().tolist() == pytest.approx(means.tolist())
            assert line.get_xdata() == pytest.approx([0, 10, 30], abs=0.5)
        dots = [part for part in axis.collections if not hasattr(part, "get_segments")]
        values = np.concatenate([np.asarray(part.get_offsets())[:, 1] for part in dots])
        assert sorted(values) == pytest.approx(sorted(own["value"]))
    assert "goal" in [text.get_text() for text in figure.legends[0].get_texts()]
    marks = [line.get_ydata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert marks == [0.95, 0.5]
