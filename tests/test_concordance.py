"""The order of architectures, simulated and real: against scipy, and runs whose order is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seqgra.compare.concordance import (
    COLUMNS,
    concordance,
    shown_rows,
)
from seqgra.report.page import MANY, fill

LABELS = ["a", "b", "c", "d", "e", "f"]


def runs(means: dict[str, dict[str, float]], seeds: int = 6, spread: float = 0.002) -> pd.DataFrame:
    """Return runs of two sizes, the larger 0.02 better, whose mean by label is given by grammar."""
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        [
            (grammar, size, seed, label, 0, mean + gain + spread * rng.normal(), "done", 0.5, 1.0)
            for grammar, labels in means.items()
            for label, mean in labels.items()
            for size, gain in ((1000, 0.0), (2000, 0.02))
            for seed in range(seeds)
        ],
        columns=[
            *("grammar", "size", "data_seed", "label", "model_seed", "value", "status"),
            *("chance", "ceiling"),
        ],
    ).assign(seeds="nested")


def steps(order: str, step: float = 0.02) -> dict[str, float]:
    return {label: 0.6 + step * place for place, label in enumerate(order)}


@pytest.mark.parametrize(
    ("order", "tau"),
    [("abcdef", 1.0), ("fedcba", -1.0), ("bacdef", 13 / 15), ("bacdfe", 11 / 15)],
)
def test_a_known_order_is_found_with_its_interval(order, tau):
    table = concordance(runs({"sim": steps("abcdef"), "real": steps(order)}), {"real"}, None)
    assert list(table.columns) == list(COLUMNS)
    assert table["size"].tolist() == [1000, 2000]
    np.testing.assert_allclose(table["tau"], tau)
    many, concordant = 15, round((tau + 1) / 2 * 15)  # spreads are a hundredth of a step
    assert (table["pairs"] == many).all() and (table["same"] == concordant).all()
    assert (table["best"] == "f").all() and (table["best_real"] == order[-1]).all()
    assert (table["same_best"] == (1.0 if order[-1] == "f" else 0.0)).all()
    assert (table["p"] == stats.kendalltau(range(6), [order.index(n) for n in LABELS]).pvalue).all()


def test_of_architectures_without_any_order_no_pair_is_shown():
    """Means that differ by noise alone."""
    equal = dict.fromkeys(LABELS, 0.7)
    table = concordance(runs({"sim": equal, "real": equal}, spread=0.03), {"real"}, None)
    assert (table["pairs"] == 0).all()
    assert ((table["same_best"] > 0) & (table["same_best"] < 0.9)).all()


def test_below_five_seeds_no_pair_is_shown_and_it_is_said():
    few = runs({"sim": steps("abcdef"), "real": steps("abcdef")}, seeds=4)
    table = concordance(few, {"real"}, 1500)
    assert table["size"].tolist() == [1000, 1500, 2000]
    assert (table["pairs"] == 0).all() and table["same_best"].isna().all()
    assert shown_rows(table, 1500)["size"].tolist() == [1500]
    (pair,) = shown_rows(table, 1500).to_dict("records")
    context = {"key": "real", "shown": [pair], "many": MANY, "pictures": [], "rows": []}
    page = " ".join(fill("real.html.j2", context).split())
    assert '<p data-grammar="real">At 1,500 examples sim orders' in page
    assert "tau 1.00; so strong" in page and "No pair of architectures is shown to differ" in page
    (pair,) = (
        concordance(runs({"sim": steps("abcdef"), "real": steps("abcdfe")}), {"real"}, None)
        .iloc[-1:]
        .to_dict("records")
    )
    page = " ".join(fill("real.html.j2", context | {"shown": [pair]}).split())
    assert (
        "on real examples. Of 15 pairs that are shown to differ on both, 14 in the same direction."
        in page
    )


def test_two_shared_architectures_say_nothing():
    table = concordance(runs({"sim": steps("abc"), "real": steps("bcx")}), {"real"}, None)
    assert table.empty and list(table.columns) == list(COLUMNS)


def test_without_real_datasets_there_is_no_table():
    assert concordance(runs({"one": steps("abc"), "two": steps("abc")}), set(), None).empty
