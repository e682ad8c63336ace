"""fit: known answers of simulated grammars, brute force of its parts, files, errors, real pairs."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from fit_tools import published_set, write_dataset
from scipy import stats

from seqgra.alphabet import DNA, PADDING, SETS, UNKNOWN
from seqgra.backends.features import best_on_strand
from seqgra.backends.sklearn import fit as fit_baseline
from seqgra.cli import main
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.fit import background, draws, fit, laws, pairs, singles, twin, write
from seqgra.fit.compose import RuleDraft, Scale, compose
from seqgra.fit.draws import groups_of, setting_of
from seqgra.fit.estimate import estimate
from seqgra.fit.evidence import PairEstimate, rule_shares
from seqgra.fit.laws import excess_law, spread
from seqgra.fit.scale import search
from seqgra.fit.twin import Check, LabelledSequences, Score, pwm_regression
from seqgra.grammar.backgrounds import Gc
from seqgra.grammar.laws import table
from seqgra.grammar.load import load_grammar
from seqgra.grammar.motifs import read_motifs
from seqgra.law.elements import best_scores
from seqgra.law.law import draw_examples
from seqgra.law.word_counts import word_counts
from seqgra.metrics import Area
from seqgra.simulate import simulate
from seqgra.training import TrainingOptions, training_data

REPOSITORY = Path(__file__).parents[1]
SHARED = Path(__file__).parents[2] / "shared" / "data"
SOX2_SET = SHARED / "sets" / "sox2-pou5f1-mm9"
MOTIFS = REPOSITORY / "grammars" / "motifs"
#: Standard errors that an estimate may be off: 6e-7 of false alarms a test.
SIGMAS = 5

TRUTH = f"""
window: 100
background:
  by-condition:
    one: {{markov: {{order: 1, initial: [.25, .25, .25, .25], table: [[.4, .2, .2, .2],
      [.3, .3, .1, .3], [.2, .3, .3, .2], [.2, .2, .2, .4]]}}}}
    two: {{A: .3, C: .2, G: .2, T: .3}}
elements:
  a: {{motif: {MOTIFS}/hocomoco.pcm, id: SOX2_HUMAN.H11MO.0.A}}
  b: {{motif: {MOTIFS}/homer.meme, id: "Bcl11a(Zf)"}}
conditions:
  one:
    rules:
      - {{elements: [a], probability: .5, strand: random, copies: {{1: .6, 2: .4}}}}
      - {{elements: [a, b], probability: .4, strand: random, orientation: convergent,
         spacing: [{{elements: [a, b], gap: [3, 8]}}]}}
  two:
    rules: [{{elements: [b], probability: .6, position: {{normal: {{center: 30, sd: 5}}}}}}]
examples: [{{conditions: [one], share: 2}}, {{conditions: [two], share: 1}}]
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth")
    (folder / "truth.yaml").write_text(TRUTH)
    counts = {"training": 4500, "validation": 600, "test": 900}
    simulate(folder / "truth.yaml", folder / "data", seed=1, counts=counts)
    return folder / "data"


@pytest.fixture(scope="module")
def fitted(dataset, tmp_path_factory):
    """Return the folder of a fit, what it said, and its grammar."""
    folder = tmp_path_factory.mktemp("fitted")
    said = fit(dataset, folder, scaled=False)
    return folder, said, load_grammar(folder / "grammar.yaml")


def near(value, truth, error, slack=0.0):
    return abs(value - truth) <= SIGMAS * error + slack


def single_rules(grammar, condition):
    rules = grammar.conditions[condition].rules
    return {next(iter(rule.elements)): rule for rule in rules if not rule.spacing}


@pytest.mark.slow
def test_shares_of_motifs_are_those_of_the_truth(fitted):
    rows = pd.read_csv(fitted[0] / "motifs.csv").set_index(["motif", "group"])
    truth = {("a", "one"): 1 - 0.5 * 0.6, ("a", "two"): 0, ("b", "one"): 0.4, ("b", "two"): 0.6}
    for place, share in truth.items():
        row = rows.loc[place]
        # the response is drawn, too: as many sequences as a standard error of 0.004
        assert near(row["share"], share, max(row["error"], 0.004)), place
    assert (rows["low"] == 0).all()
    assert (rows["high"][rows["share"] > 0] == 1).all()


@pytest.mark.slow
def test_the_pair_has_its_gap_orientation_and_share(fitted):
    _, _, grammar = fitted
    rows = pd.read_csv(fitted[0] / "pairs.csv")
    assert set(rows["arrangement"]) == {"A B convergent"}
    row = rows[rows["group"] == "one"].iloc[0]
    assert near(row["share"], 0.4, row["error"])
    (rule,) = (rule for rule in grammar.conditions["one"].rules if rule.spacing)
    assert rule.orientation == "convergent"
    assert rule.strand == "random"
    gaps = table(rule.spacing[0].gap)
    assert (min(gaps), max(gaps)) == (3, 8)
    assert not any(rule.spacing for rule in grammar.conditions["two"].rules)


@pytest.mark.slow
def test_copies_strand_and_position_are_those_of_the_truth(fitted):
    grammar = fitted[2]
    alone = single_rules(grammar, "one")
    assert set(alone) == {"a"}
    assert near(alone["a"].probability, 0.5, 0.02)
    copies = table(alone["a"].copies)
    assert near(copies[2] / sum(copies.values()), 0.4, 0.04)
    assert alone["a"].position == "random"
    placed = single_rules(grammar, "two")["b"]
    assert placed.strand == "+"
    law = table(placed.position)
    weights = np.array(list(law.values())) / sum(law.values())
    center = weights @ np.array(list(law))
    spread = np.sqrt(weights @ (np.array(list(law)) - center) ** 2)
    assert near(center, 30, 5 / np.sqrt(500), 1), "bins are 3 wide or so"
    assert near(spread, 5, 5 / np.sqrt(1000), 2)


@pytest.mark.slow
def test_backgrounds_are_those_of_the_truth(fitted):
    laws = fitted[2].background.by_condition
    assert laws["one"].markov.order == 1
    rows = np.array(laws["one"].markov.table)
    truth = np.array([[0.4, 0.2, 0.2, 0.2], [0.3, 0.3, 0.1, 0.3], [0.2, 0.3, 0.3, 0.2]])
    # 50,000 letters and more a row; sites that are no hits lie in 70 % of the sequences
    assert (abs(rows[:3] - truth) < SIGMAS * 0.5 / np.sqrt(50_000) + 0.02).all()
    assert laws["two"].letters is not None
    assert near(laws["two"].letters["G"], 0.2, np.sqrt(0.16 / 140_000), 0.01)


@pytest.mark.slow
def test_the_twin_is_like_the_data(fitted):
    rows = pd.read_csv(fitted[0] / "twin.csv")
    areas = rows[rows["model"] == "PWM"]
    error = np.hypot(areas["real_error"], areas["twin_error"])
    assert (abs(areas["real"] - areas["twin"]) < SIGMAS * error).all()
    told = rows[rows["model"] == "real or twin"]["real"]
    assert (abs(told - 0.5) < SIGMAS * 0.03).all(), "300 and 600 test examples of each"


def test_few_test_examples_tell_nothing_of_the_twin():
    """Of 8 and 8 alike examples the area is anything from 0.2 to 0.8."""
    lines = write.check_lines(Check([], {"a": 0.61}, {"a": 200, "b": 8}, []), None)
    rng = np.random.default_rng(2)
    areas = [stats.mannwhitneyu(*rng.normal(size=(2, 200))).statistic / 200**2 for _ in range(500)]
    within = 1.96 * np.std(areas)
    assert (
        lines[1]
        == "Telling real from twin by words, ROC AUC (alike: 0.5, give or take what stands behind)"
    )
    name, area, chance = lines[2].split()
    assert (name, area) == ("a", "0.610") and float(chance) == pytest.approx(within, rel=0.1)
    assert lines[3].split(maxsplit=1) == ["b", "not told: 8 test examples, fewer than 50"]


@pytest.mark.slow
def test_the_grammar_says_where_it_comes_from_and_simulates(fitted, tmp_path):
    folder, said, grammar = fitted
    text = (folder / "grammar.yaml").read_text()
    for line in (
        "by chance",
        "share 0.",
        "A B convergent",
        "nats per held-out letter",
        "two: 1,500",
    ):
        assert line in text
    assert "Twin check" in said
    assert (folder / "fit.txt").read_text() == said
    assert main(["check", str(folder / "grammar.yaml")]) == 0
    assert (
        simulate(folder / "grammar.yaml", tmp_path / "twin", seed=0, counts={"test": 10}) == "done"
    )
    assert grammar.window == (100, 100)
    shares = {group.conditions: group.share for group in grammar.examples}
    assert shares == {("one",): 667, ("two",): 333}
    run = json.loads((folder / "run.json").read_text())
    for figure in ("strength", "copies", "positions", "pairs", "twin", "spectra"):
        assert {f"{figure}.svg", f"{figure}.png"} <= set(run["files"])


@pytest.mark.slow
def test_a_second_run_is_up_to_date_and_the_check_can_be_run_again(fitted, dataset, tmp_path):
    folder, said, _ = fitted
    before = (folder / "run.json").stat().st_mtime_ns
    assert fit(dataset, folder, scaled=False) == f"{said}up to date"
    assert (folder / "run.json").stat().st_mtime_ns == before
    again = fit(dataset, tmp_path / "check", grammar=folder / "grammar.yaml")
    assert again.splitlines() == [
        line for line in said.splitlines() if line in again.splitlines()
    ], "the same twin of the same seed"
    twins = [(f / "twin.csv").read_bytes() for f in (folder, tmp_path / "check")]
    assert twins[0] == twins[1]


def no_motifs(tmp_path, conditions=("x", "y"), count=200, elements=None):
    random = np.random.default_rng(0)
    sets = {}
    for name, size in (("training", count), ("validation", 60), ("test", 60)):
        y = np.eye(len(conditions), dtype=np.uint8)[np.arange(size) % len(conditions)]
        sets[name] = (random.integers(0, 4, (size, 40)).astype(np.uint8), y)
    elements = {"a": np.eye(4)[[0, 1, 2, 3, 0, 1, 2, 3, 3, 2]]} if elements is None else elements
    return write_dataset(tmp_path / "data", sets, conditions, "multi-class", elements)


@pytest.mark.slow
def test_without_signal_there_are_no_rules_and_equal_runs_give_equal_bytes(tmp_path):
    data = no_motifs(tmp_path)
    said = fit(data, tmp_path / "one", scaled=True)
    assert "none: no motif is above chance" in said
    grammar = load_grammar(tmp_path / "one" / "grammar.yaml")
    assert not any(condition.rules for condition in grammar.conditions.values())
    fit(data, tmp_path / "two", scaled=True)
    for file in (tmp_path / "one").iterdir():
        if file.name not in ("run.json", ".lock"):
            assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"elements": {}}, "data: names no motifs to look for; give a motif file with --motifs"),
        ({"count": 40}, "training: x: has 20 examples; at least 50 are needed to estimate from"),
        ({"elements": {"w": np.full((41, 4), 0.25)}}, "w: is 41 wide; the shortest window has 40"),
        (
            {"elements": {"a b": np.full((5, 4), 0.25), "a-b": np.eye(4)}},
            "data: 'a-b': would be written as 'a-b', as another motif is; rename one",
        ),
    ],
    ids=["motifs", "few", "wide", "blank"],
)
def test_errors_are_one_line(tmp_path, capsys, change, message):
    data = no_motifs(tmp_path, **change)
    assert main(["fit", str(data), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert any(message in line for line in said)
    assert all(line.startswith("seqgra: ") for line in said)


def test_missing_sets_and_foreign_grammars_are_refused(tmp_path, dataset):
    data = no_motifs(tmp_path)
    (tmp_path / "other.yaml").write_text(TRUTH)
    with pytest.raises(InputError, match="has conditions one, two; the dataset has x, y"):
        fit(data, tmp_path / "out", grammar=tmp_path / "other.yaml")
    protein = "alphabet: protein\nwindow: 40\nelements: {e: {kmers: {ACDE: 1}}}\n"
    (tmp_path / "protein.yaml").write_text(f"{protein}conditions: {{x: {{}}, y: {{}}}}\n")
    with pytest.raises(InputError, match="alphabet: is protein; the dataset's is DNA"):
        fit(data, tmp_path / "out", grammar=tmp_path / "protein.yaml")
    simulate(tmp_path / "other.yaml", tmp_path / "part", seed=0, counts={"training": 300})
    with pytest.raises(InputError, match="has no validation set"):
        fit(tmp_path / "part", tmp_path / "out2")


def test_options_are_checked(tmp_path, capsys):
    for option in (["--p-value", "0"], ["--order", "7"]):
        assert main(["fit", str(tmp_path), "-o", str(tmp_path / "out"), *option]) == 2
    assert "--order: is 7; give 0 to 6" in capsys.readouterr().err


def hits(*rows):
    """Return what is seen of a motif: (example, start, end, strand) of its hits, in 3 sequences."""
    frame = pd.DataFrame(rows, columns=["example", "start", "end", "strand"]).assign(window=50)
    return singles.Observed(np.zeros(3, np.float32), frame)


def test_arrangements_and_gaps_are_seen_along_the_strand_of_the_first():
    a = hits((0, 10, 15, 1), (1, 10, 15, -1))
    b = hits(
        (0, 17, 20, 1), (0, 5, 8, 1), (0, 30, 33, -1), (1, 13, 16, -1), (1, 2, 5, 1), (2, 1, 4, 1)
    )
    table = pairs.pair_table(a, b, False).sort_values(["example", "start"])
    names = list(pairs.ARRANGEMENTS)
    found = [(names[k], gap) for k, gap in zip(table["arrangement"], table["gap"], strict=True)]
    assert sorted(found) == sorted(
        [
            ("A B same strand", 2),
            ("B A same strand", 2),
            ("A B convergent", 15),
            ("B A same strand", -2),  # both on the reverse strand, B to the right
            ("A B convergent", 5),  # A reverse, B forward to its left: they point at one another
        ]
    )


def test_pairs_are_drawn_in_the_order_of_their_motifs(monkeypatch):
    names, found = [f"m{n}" for n in range(21)], []  # 2 ** -20 of chance orders

    def noted(setting, background, elements, rules, each):
        found.append(tuple(elements))
        raise InputError

    monkeypatch.setattr(pairs, "probe", noted)
    motifs = dict.fromkeys(names, np.full((4, 4), 0.25))
    setting = draws.Setting(DNA, "multi-class", ("x",), 40, 40, motifs, True, 1e-4, 0)
    ordered = list(itertools.pairwise(names))
    for first, second in ordered:
        interval = pairs.GapInterval(first, second, 0, 0, 1, 9.0, 1.0, 9.0, 9.0, [0, 1])
        histogram = pairs.Histogram(first, second, 0, np.ones((4, 9)), np.ones((4, 9)), None, None)
        with pytest.raises(InputError):
            pairs.pair_share(setting, dict.fromkeys("ACGT", 0.25), interval, histogram)
    assert found == ordered, "an order that hangs on hashes draws other examples in each run"


def test_a_pair_of_one_motif_is_counted_once():
    a = hits(
        (0, 10, 15, 1),
        (0, 20, 25, 1),
        (1, 10, 15, -1),
        (1, 20, 25, 1),
        (2, 3, 8, 1),
        (2, 9, 14, -1),
    )
    table = pairs.pair_table(a, a, True)
    names = list(pairs.ARRANGEMENTS)
    assert [names[k] for k in table["arrangement"]] == [
        "A B same strand",
        "B A divergent",
        "A B convergent",
    ]
    assert table["gap"].tolist() == [5, 5, 1]


def test_the_best_interval_is_that_of_brute_force():
    random = np.random.default_rng(3)
    expected = random.uniform(1, 3, (4, 12))
    seen = random.poisson(expected).astype(float)
    seen[2, 4:7] += 15
    empty = pd.DataFrame()
    histogram = pairs.Histogram("a", "b", -3, seen, expected, empty, empty)
    best = pairs._best_interval(histogram, np.ones(seen.shape, bool))
    chance = expected + 0.5 / expected.size
    scores = {}
    for arrangement in range(4):
        for low in range(12):
            for high in range(low, min(low + 6, 12)):
                o, e = (
                    seen[arrangement, low : high + 1].sum(),
                    chance[arrangement, low : high + 1].sum(),
                )
                rest, all_e = seen.sum() - o, chance.sum()
                if o and o / e > rest / (all_e - e):
                    llr = o * np.log(o / e) + rest * np.log(rest / (all_e - e))
                    scores[arrangement, low, high] = llr - seen.sum() * np.log(seen.sum() / all_e)
    top = max(scores, key=scores.get)
    assert best[1:] == top == (2, 4, 6)
    assert best[0] == pytest.approx(scores[top])
    assert pairs._llr(histogram, *top) == pytest.approx(scores[top])


def test_a_pair_that_is_no_longer_enriched_has_a_plain_law_of_gaps():
    """Looked at again, as many pairs or fewer than by chance in every column."""
    seen, expected = np.full((4, 12), 20.0), np.full((4, 12), 20.0)
    seen[0, 3:6], expected[0, 3:6] = [0, 40, 2], [400, 40, 2]
    empty = pd.DataFrame()
    histogram = pairs.Histogram("a", "b", 0, seen, expected, empty, empty)
    interval = pairs.GapInterval("a", "b", 0, 3, 5, 90, 10, 9, 50, {3: 1.0})
    with np.errstate(all="raise"):
        again = pairs.seen_again(interval, histogram)
    assert again.gap == [3, 5]
    assert again.llr == 0


def test_columns_that_no_letter_suits_are_those_of_one_motif():
    sure = {name: np.eye(4)[[code] * 3] for name, code in (("a", 0), ("c", 1), ("t", 3))}
    setting = draws.Setting(DNA, "multi-class", ("x", "y"), 20, 20, sure, True, 1e-3, 0)
    flat, zeros = dict.fromkeys("ACGT", 0.25), np.zeros((4, 5))
    empty = pairs.pair_table(hits(), hits(), False)
    convergent = list(pairs.ARRANGEMENTS.values()).index((False, True))
    for first, second, arrangement, shared in (
        ("a", "a", 0, "product"),
        ("a", "c", 0, "first"),
        ("a", "a", convergent, "first"),
        ("a", "t", convergent, "product"),
    ):
        histogram = pairs.Histogram(first, second, -1, zeros, zeros, empty, empty)
        interval = pairs.GapInterval(first, second, arrangement, -1, -1, 50, 1, 50, 90, -1)
        assert pairs.pair_share(setting, flat, interval, histogram)[2] == shared
    crowded = pairs.GapInterval("a", "c", 0, 15, 15, 50, 1, 50, 90, 15)  # that is another error
    with pytest.raises(InputError, match="fit"):
        pairs.pair_share(setting, flat, crowded, histogram)


def test_mixture_weights_are_found():
    components = np.array([[0.9, 0.08, 0.02], [0.3, 0.6, 0.1], [0.05, 0.35, 0.6]])
    truth = np.array([0.5, 0.2, 0.3])
    assert singles.mixture(1000 * truth @ components, components) == pytest.approx(truth, abs=0.01)


def drawn_starts(windows, weights, width, sites, chance, seed):
    """Draw starts of hits, of sites by their weights, of others anywhere; return what `excess_law` takes."""
    random, places = np.random.default_rng(seed), max(windows) - width + 1
    rooms = random.choice(windows, sites) - width + 1
    total = np.cumsum(weights)
    starts = np.searchsorted(total, random.random(sites) * total[rooms - 1], side="right")
    longer = np.array(windows) - width + 1  # has more hits by chance
    by_chance = random.choice(longer, chance, p=longer / longer.sum())
    anywhere = (random.random(chance) * by_chance).astype(int)
    tables = [
        np.bincount(r - 1, minlength=places).astype(float)
        for r in (np.concatenate([rooms, by_chance]), by_chance)
    ]
    return np.concatenate([starts, anywhere]), *tables, min(windows) - width + 1


WINDOWS = {"equal": [150], "two": [60, 300], "many": list(range(60, 301))}


@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
def test_starts_anywhere_have_no_law_whatever_the_windows(windows, monkeypatch):
    even = np.ones(max(windows) - 11)

    def found(seed):
        sites, chance = np.random.default_rng(seed).integers(50, 3000, 2)
        return excess_law(*drawn_starts(windows, even, 12, sites, chance, seed)) is not None

    assert not any(found(seed) for seed in range(100))
    monkeypatch.setattr(
        laws, "_RARE", 0.01
    )  # the stated rate of false alarms, where it can be seen
    false = sum(found(seed) for seed in range(1000))
    assert false <= stats.binom.isf(1e-4, 1000, 0.01)


@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
@pytest.mark.parametrize(("center", "sd"), [(30, 8), (100, 30), (150, 30)])
def test_a_preferred_start_is_found_in_windows_of_any_length(windows, center, sd):
    """In windows that end before most of the preferred starts, sites lie where the rest of the law is."""
    places = max(windows) - 11
    truth = np.exp(-0.5 * ((np.arange(1, places + 1) - center) / sd) ** 2)
    law = excess_law(*drawn_starts(windows, truth, 12, 2000, 500, 1))
    found = np.zeros(places)
    found[np.array(list(law)) - 1] = list(law.values())
    for room in {min(windows) - 11, places}:
        both = [np.cumsum(weights[:room]) / weights[:room].sum() for weights in (found, truth)]
        assert abs(both[0] - both[1]).max() < 0.15, room
    pooled = [
        spread(np.bincount(np.array(windows) - 12) * 1.0, weights) for weights in (found, truth)
    ]
    both = [np.cumsum(weights) / weights.sum() for weights in pooled]
    assert abs(both[0] - both[1]).max() < 0.06


def test_laws_of_starts():
    random = np.random.default_rng(5)
    inside, total = random.integers(30, 60, 3000), np.zeros(90)
    rooms, few, chance = (np.append(total[1:], n) for n in (5000.0, 500.0, 2000.0))
    assert excess_law(np.full(500, 41), few, few / 50, 90) == 42
    law = excess_law(np.concatenate([inside, random.integers(0, 90, 2000)]), rooms, chance, 90)
    assert sum(w for start, w in law.items() if 31 <= start <= 60) > 0.9 * sum(law.values())
    alike = random.integers(30, 60, 20_000), rooms * 4
    assert excess_law(inside, rooms * 0.6, total, 90, alike) is None
    # a start that short windows lack is no law of theirs, and they have one too
    law = excess_law(np.full(500, 80), few, few / 50, 40)
    assert set(law) > {*range(1, 41), 81} and max(law, key=law.get) > 40


@pytest.mark.parametrize("position", ["random", "{normal: {center: 20, sd: 4}}"])
def test_positions_of_motifs_in_windows_of_several_lengths(position, tmp_path, monkeypatch):
    monkeypatch.setattr(singles, "DRAWS", 4000)
    (tmp_path / "g.yaml").write_text(
        "window: [40, 200]\nelements: {m: {kmers: {TTGCATAACA: 1.0}}}\nconditions:\n"
        f"  a: {{rules: [{{elements: [m], probability: .8, position: {position}}}]}}\n  b: {{}}\n"
    )
    simulate(tmp_path / "g.yaml", tmp_path / "data", seed=0, counts={"training": 3000})
    data = open_dataset(tmp_path / "data")
    motifs = {"m": data.grammar.elements["m"].letter_probabilities("ACGT")}
    setting = setting_of(data, motifs, 5e-4, 0)
    flat = dict.fromkeys("ACGT", 0.25)
    x = np.asarray(data.x("training"))
    seen = singles.observe(setting, x)["m"].part(np.flatnonzero(data.y("training")[:, 0]))
    blank, rows = draws.probe(setting, flat, {"m": draws.matrix_of(setting, "m")}, [[]], 8000)
    chance = singles.observe(setting, blank.x)["m"].part(rows[0])
    found = singles.estimate(setting, flat, "m", 0, seen, chance)
    assert near(found.share, 0.8, max(found.error, 0.01))
    if position == "random":
        assert found.position is None
    else:
        inside = sum(weight for start, weight in found.position.items() if 8 <= start <= 32)
        assert inside > 0.85 * sum(found.position.values())
    # the figure's line of chance follows the windows: fewer hits where only long ones reach
    assert seen.hits["window"].max() == 200
    assert found.seen["starts_chance"][:30].mean() > 3 * found.seen["starts_chance"][-30:].mean()


def test_gc_content_and_chains_are_told_apart():
    random = np.random.default_rng(1)
    gc = random.normal(0.5, 0.08, 3000)
    strong = random.random((3000, 100)) < gc[:, None]
    x = np.where(strong, 1, 0) + 2 * (random.random((3000, 100)) < 0.5) * np.where(strong, 0.5, 1.5)
    x = x.astype(np.uint8)  # A T weak, C G strong
    law = background.gc_law(x)["gc"]
    assert near(law["mean"], 0.5, 0.08 / np.sqrt(3000), 0.001)
    assert near(law["sd"], 0.08, 0.08 / np.sqrt(6000) * 1.5)
    best = background.best_background(x[:2500], x[2500:], "ACGT", None)
    assert best[0].name == "GC content of each example"
    plain = random.integers(0, 4, (3000, 100)).astype(np.uint8)
    assert background.best_background(plain[:2500], plain[2500:], "ACGT", None)[0].name == "letters"
    only = background.best_background(plain[:2500], plain[2500:], "ACGT", 2)
    assert [candidate.name for candidate in only] == ["chain of order 2"]


def test_backgrounds_are_judged_by_the_same_letters():
    random = np.random.default_rng(5)
    x, held = random.integers(0, 4, (2, 60, 40)).astype(np.uint8)
    held[random.random(held.shape) < 0.1] = UNKNOWN
    held[:20, 30:] = PADDING
    after = [  # example, and the word that ends in a letter which follows three known ones
        (n, tuple(row[at - 3 : at + 1].tolist()))
        for n, row in enumerate(held)
        for at in range(3, 40)
        if (row[at - 3 : at + 1] < 4).all()
    ]
    found = {c.name: c for c in background.best_background(x, held, "ACGT", None)}
    assert {candidate.letters for candidate in found.values()} == {len(after)}
    for order in (1, 2, 3):
        candidate = found[f"chain of order {order}"]
        table = np.array(candidate.content["markov"]["table"]).reshape((4,) * (order + 1))
        expected = np.mean([np.log(table[word[-order - 1 :]]) for _, word in after])
        assert candidate.fit == pytest.approx(expected)
    shares = np.array([found["letters"].content[letter] for letter in "ACGT"])
    assert found["letters"].fit == pytest.approx(np.mean([np.log(shares[w[-1]]) for _, w in after]))
    gc = found["GC content of each example"]
    law, total = Gc(**gc.content["gc"]).law(), 0.0
    for n in range(len(held)):
        ends = [word[-1] for number, word in after if number == n]
        strong = sum(code in (1, 2) for code in ends)
        each = [
            w * (g / 2) ** strong * ((1 - g) / 2) ** (len(ends) - strong) for g, w in law.items()
        ]
        total += np.log(sum(each) / sum(law.values()))
    assert gc.fit == pytest.approx(total / len(after))


def test_words_over_unknown_letters_do_not_count():
    x = np.array([[0, 1, UNKNOWN, 2, 3, 255]], np.uint8)
    counts = word_counts(x, 2, 4)
    assert np.flatnonzero(counts).tolist() == [1, 11]
    frame = pd.DataFrame({"example": [0], "start": [3], "end": [5]})
    assert background.without_hits(x, frame).tolist() == [[0, 1, 254, 254, 254, 255]]


def known_estimates(task, groups, found, pair=()):
    """Return estimates that hold only what composing asks for."""
    conditions = ("x", "y")
    setting = draws.Setting(
        DNA, task, conditions, 50, 50, {"m": np.full((5, 4), 0.25)}, True, 1e-3, 0
    )
    from seqgra.fit.background import FittedBackground
    from seqgra.fit.evidence import Estimates

    flat = FittedBackground("letters", dict.fromkeys("ACGT", 0.25), -1.38, 1000)
    shown = {group.conditions: group.rows.size for group in groups}
    return Estimates(
        setting, groups, shown, [[flat]] * len(groups), [flat], {}, True, found, list(pair), [], []
    )


def test_labels_share_out_what_their_combinations_show():
    names = [("x",), ("y",), ("x", "y"), ()]
    groups = [draws.ExampleGroup(shown, np.arange(100)) for shown in names]
    q = {"x": 0.5, "y": 0.2}
    shares = [1 - 0.9 * np.prod([1 - q[name] for name in shown]) for shown in names]
    told, everywhere = rule_shares(known_estimates("multi-label", groups, []), shares)
    assert told == pytest.approx(q)
    assert everywhere == pytest.approx(0.1)


def test_sites_of_pairs_are_taken_from_those_of_single_motifs():
    groups = [draws.ExampleGroup((name,), np.arange(1000)) for name in ("x", "y")]
    lone, pi = np.array([0.5, 0.3, 0.2]), 0.4
    law = np.convolve(lone, [1 - pi, pi])
    copies = {k: law[k] / law[1:].sum() for k in (1, 2, 3)}
    one = singles.Single("m", 0, 1000, 0.5, 0.1, 1 - law[0], 0.01, 50.0, copies=copies)
    other = one._replace(group=1, share=0.0, copies={1: 1.0})
    interval = pairs.GapInterval("m", "n", 0, 2, 2, 50.0, 1.0, 50.0, 99.0, 2)
    pair = PairEstimate(interval, 0, "product", [(pi, 0.01), (0.0, 0.01)])
    estimates = known_estimates("multi-class", groups, [one, other], [pair])
    from seqgra.fit.compose import _lone

    left = _lone(estimates, one)
    assert left.share == pytest.approx(0.5)
    assert left.copies == pytest.approx({1: 0.6, 2: 0.4})
    assert _lone(estimates, other) is other


def test_each_table_of_positions_has_a_file_of_its_own():
    files = {}
    for owner, weight in (("A B", 1.0), ("A-B", 2.0), ("common", 3.0), ("common", 4.0)):
        draft = RuleDraft({"elements": ["e"], "position": {1: weight, 2: 1.0}}, [])
        write._rule_lines(owner, [draft], files)
    assert [text.split()[3] for text in files.values()] == ["1", "2", "3", "4"]


def test_copies_that_find_no_room_are_cut():
    groups = [draws.ExampleGroup((name,), np.arange(1000)) for name in ("x", "y")]
    one = singles.Single("m", 0, 1000, 0.5, 0.1, 0.8, 0.01, 50.0, copies={1: 0.7, 4: 0.3})
    found = known_estimates("multi-class", groups, [one, one._replace(group=1, share=0.0)])
    assert compose(found).with_room().rules["x"][0].rule["copies"] == {1: 0.7, 4: 0.3}
    narrow = found._replace(setting=found.setting._replace(window=20, length=20))
    composed = compose(narrow).with_room()
    assert composed.overlap == "forbid"
    assert composed.rules["x"][0].rule["copies"] == {1: 0.7, 2: 0.3}
    assert composed.rules["x"][0].rule["probability"] == 0.8


def sure(value, error=0.0):
    return Area(value, error)


def test_scaling_finds_density_then_strength():
    def area(scale):
        return sure(0.5 + 0.2 * min(scale.density, 2.0) + 0.1 * scale.floor)

    for target, expected in ((0.6, (0.5, 0)), (0.8, (1.5, 0)), (0.95, (2.0, 0.5))):
        scaling = search(area, sure(target), [0.5, 0.5])
        assert abs(area(scaling.best).value - target) <= 0.01
        assert (scaling.best.density, scaling.best.floor) == pytest.approx(expected, abs=0.1)
    assert search(area, sure(0.705), [0.5]).steps == [(Scale(), area(Scale()))]


def test_scaling_starts_beyond_two_standard_errors_and_ends_within_one():
    def area(scale):
        return sure(0.5 + 0.2 * scale.density, 0.01)

    assert len(search(area, sure(0.75, 0.025), [0.5]).steps) == 1
    scaling = search(area, sure(0.76, 0.025), [0.5])
    assert scaling.best != Scale()
    assert [abs(found.value - 0.76) <= 0.027 for _, found in scaling.steps] == (
        [False] * (len(scaling.steps) - 1) + [True]
    )


def test_scaling_leaves_a_density_that_makes_motifs_tell_less():
    def area(scale):  # one motif in 60 and 20 % of two conditions
        one, two = (min(q * scale.density, 1.0) for q in (0.6, 0.2))
        return sure(0.5 + (one - two) / 2)

    scaling = search(area, sure(0.95), [0.6, 0.2])
    assert [step[0] for step in scaling.steps[:3]] == [Scale(), Scale(1 / 0.6), Scale(4.0)]
    assert all(scale.floor > 0 for scale, _ in scaling.steps[3:]), "seven draws lay there"
    assert scaling.best.density == pytest.approx(1 / 0.6)
    falls = search(lambda scale: sure(0.9 - 0.1 * scale.density), sure(0.5), [0.5])
    assert len(falls.steps) == 2 and falls.best == Scale()


TWO_MOTIFS = """
window: 60
elements: {{m1: {{kmers: {{TGACGTCA: 1.0}}}}, m2: {{kmers: {{CCATATTAGG: 1.0}}}}}}
conditions:
  A: {{rules: [{{elements: [m1], probability: {0}}}]}}
  B: {{rules: [{{elements: [m2], probability: {0}}}]}}
"""


@pytest.fixture(scope="module")
def small_sets(tmp_path_factory):
    """Return a dataset, and 16 real ones of 800 and 200 examples, of a known grammar."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "g.yaml").write_text(TWO_MOTIFS.format(0.4))
    counts = {"training": 16 * 700, "validation": 16 * 100, "test": 16 * 200}
    simulate(folder / "g.yaml", folder / "data", seed=1, counts=counts)
    data = open_dataset(folder / "data")
    motifs = {name: e.letter_probabilities("ACGT") for name, e in data.grammar.elements.items()}
    whole = twin.real_examples(data)
    sets = [
        LabelledSequences(*({name: np.array_split(of[name], 16)[n] for name in of} for of in whole))
        for n in range(16)
    ]
    return twin.informed(data, motifs), sets


def test_folds_hold_each_training_and_validation_example_once_and_no_test_example(small_sets):
    real = small_sets[1][0]
    splits = twin.folds(real)
    pooled = np.concatenate([real.x["training"], real.x["validation"]])
    tested = np.concatenate([split.x["test"] for split in splits])
    assert sorted(map(bytes, tested)) == sorted(map(bytes, pooled))
    for split in splits:
        assert [len(split.x[name]) for name in SETS] == [480, 160, 160]
        assert sorted({bytes(row) for x in split.x.values() for row in x}) == sorted(
            set(map(bytes, pooled))
        )
        assert abs(np.diff(split.y["test"].sum(axis=0))) <= 2


def test_the_true_grammar_is_neither_scaled_nor_flagged_and_a_wrong_one_is(small_sets, monkeypatch):
    """In about 5 % of datasets by chance, as beyond 2 standard errors: of these 16 at most 4 (p < 1e-3)."""
    monkeypatch.setattr(twin, "_LEAST_TEST", 4096)
    informed, sets = small_sets
    baseline = twin.pwm_regression("DNA")

    def macro(splits):
        return twin.areas(baseline, splits, informed, informed.conditions, 0)["macro"]

    def of_twin(probability, like, seed):
        content = yaml.safe_load(TWO_MOTIFS.format(probability))
        return macro([twin.twin_examples(content, like, seed)])

    def is_scaled(reached, target):
        return len(search(lambda _: reached, target, [1.0]).steps) > 1

    weak = of_twin(0.25, twin.folds(sets[0])[0], 0)
    scaled = flagged = 0
    for seed, real in enumerate(sets):
        splits = twin.folds(real)
        target, reached = macro(splits), of_twin(0.4, splits[0], seed)
        scaled += is_scaled(reached, target)
        flagged += Score("PWM", "macro", macro([real]), reached).flagged
        assert is_scaled(weak, target)
    most = stats.binom.isf(1e-3, len(sets), 0.05)
    assert scaled <= most and flagged <= most


def test_the_error_of_the_twin_holds_that_of_estimates(small_sets, monkeypatch):
    monkeypatch.setattr(twin, "_LEAST_TEST", 4096)
    informed, (real, *_) = small_sets
    drawn = twin.twin_examples(yaml.safe_load(TWO_MOTIFS.format(0.4)), real, 0)
    found = {(s.model, s.scope): s for s in twin.check(informed, real, drawn, 0).scores}[
        "PWM", "macro"
    ]
    alone = twin.areas(twin.pwm_regression("DNA"), [drawn], informed, informed.conditions, 0)[
        "macro"
    ]
    assert found.twin.value == alone.value
    estimates = found.real.error * np.sqrt(200 / 700)
    assert found.twin.error == pytest.approx(np.hypot(alone.error, estimates))


def test_the_check_tells_errors_flags_and_what_was_scaled():
    scores = [
        Score("PWM", "macro", Area(0.9, 0.03), Area(0.85, 0.004)),
        Score("5-mers", "macro", Area(0.9, 0.01), Area(0.85, 0.004)),
        Score("5-mers", "a", Area(0.9, 0.001), Area(0.88, 0.001)),
    ]
    assert [score.flagged for score in scores] == [False, True, False]
    check = Check(scores, {}, {}, [])
    scaling = search(lambda s: sure(0.5 + 0.2 * s.density), sure(0.6), [0.5])
    told = write.check_lines(check, scaling)
    assert told[1] == (
        "  PWM     macro                0.900 +- 0.030  0.850 +- 0.004   "
        "scaled to agree on training and validation sets"
    )
    assert told[2] == (
        "  5-mers  macro                0.900 +- 0.010  0.850 +- 0.004   "
        "differs by more than 0.03 and 2 standard errors"
    )
    assert told[3].endswith("0.880 +- 0.001")
    assert "scaled to agree" not in "".join(write.check_lines(check, None))
    rows = write.check_tables(check)["twin.csv"].splitlines()
    assert rows[0] == "model,scope,real,real_error,twin,twin_error,flagged"
    assert rows[1] == "PWM,macro,0.900000,0.030000,0.850000,0.004000,False"


def test_groups_come_in_the_order_of_conditions():
    y = np.array([[0, 0], [0, 1], [1, 1], [1, 0], [0, 1]], np.uint8)
    groups = groups_of(y, ("b", "a"))
    assert [group.conditions for group in groups] == [("b",), ("a",), ("b", "a"), ()]
    assert [group.rows.tolist() for group in groups] == [[3], [1, 4], [2], [0]]


def test_best_scores_on_both_strands():
    random = np.random.default_rng(2)
    x = random.integers(0, 4, (50, 30)).astype(np.uint8)
    scores = random.normal(size=(6, 4)).astype(np.float32)
    both = best_on_strand(x, scores, "random")
    turned = np.ascontiguousarray(3 - x[:, ::-1])
    expected = np.maximum(best_scores(x, scores), best_scores(turned, scores))
    assert both == pytest.approx(expected, abs=1e-5)
    assert (best_on_strand(x, scores, "+") == best_scores(x, scores)).all()
    assert best_on_strand(turned, scores, "-") == pytest.approx(best_scores(x, scores), abs=1e-5)


def test_one_strand_is_all_that_rna_has(tmp_path):
    grammar = "alphabet: RNA\nwindow: 20\nelements: {a: {kmers: {ACGU: 1}}}\n"
    grammar += "conditions: {one: {rules: [{elements: [a]}]}, two: {}}\n"
    (tmp_path / "rna.yaml").write_text(grammar)
    counts = {"training": 20, "validation": 10}
    simulate(tmp_path / "rna.yaml", tmp_path / "data", seed=0, counts=counts)
    data = training_data(open_dataset(tmp_path / "data"), 28)
    with pytest.raises(InputError, match="strands: is both; RNA has one strand"):
        fit_baseline(pwm_regression("DNA"), data, TrainingOptions(0, "cpu", 1), None)
    fit_baseline(pwm_regression("RNA"), data, TrainingOptions(0, "cpu", 1), None)


@pytest.mark.skipif(not SOX2_SET.is_dir(), reason="the shared data are not here")
def test_real_sox2_and_pou5f1_sites_overlap_by_five(tmp_path):
    sets = published_set(SOX2_SET, ("POU5F1", "SOX2"))
    x = np.concatenate([x for x, _ in sets.values()])
    y = np.concatenate([y for _, y in sets.values()])
    both, none = np.flatnonzero(y.all(axis=1)), np.flatnonzero(~y.any(axis=1))[:800]
    rows = np.concatenate([both, none])
    labels = np.repeat(np.eye(2, dtype=np.uint8), [both.size, none.size], axis=0)
    named = {"sox2": "SOX2_HUMAN.H11MO.0.A", "pou5f1": "PO5F1_HUMAN.H11MO.1.A"}
    found = read_motifs(MOTIFS / "hocomoco.pcm", "ACGT")
    motifs = {name: np.array(found[one].matrix) for name, one in named.items()}
    data = write_dataset(
        tmp_path / "data", {"training": (x[rows], labels)}, ("both", "none"), "multi-class", motifs
    )
    estimates = estimate(setting_of(open_dataset(data), motifs, 5e-4, 0), open_dataset(data), None)
    clear = estimates.pairs[0].interval
    assert (clear.first, clear.second, clear.low, clear.high) == ("sox2", "pou5f1", -5, -5)
    assert list(pairs.ARRANGEMENTS)[clear.arrangement] == "A B same strand"
    assert estimates.pairs[0].shares[0][0] > 0.05
    assert estimates.pairs[0].shares[1][0] < 0.02
    assert compose(estimates).rules["both"]


def test_files_that_the_output_would_replace_are_refused(tiny_dataset, tmp_path):
    mine = tmp_path / "out" / "grammar.yaml"
    mine.parent.mkdir()
    shutil.copy(tiny_dataset.parent / "tiny.yaml", mine)
    for given in ({"grammar": mine}, {"motifs": mine}):
        with pytest.raises(InputError, match=r"grammar\.yaml: lies in the folder of the output"):
            fit(tiny_dataset, tmp_path / "out", **given)
    assert mine.exists()


SMALL = {
    "window": {40: 1, 50: 1},
    "elements": {"m": {"matrix": [[0.7, 0.1, 0.1, 0.1]] * 4}},
    "conditions": {"one": {"rules": [{"elements": ["m"]}]}, "two": {}},
}


def test_what_fit_draws_is_independent_of_a_dataset_of_the_same_seed():
    _, law = draws.compiled(SMALL)
    for seed in (0, 1):
        own = draws.draw(SMALL, seed, 400)
        theirs = draw_examples(law, seed, "training", 400)
        both = (own.x < 4) & (theirs.x < 4)
        same = (own.x == theirs.x)[both].mean()
        assert abs(same - 0.25) < 0.02  # of 16,000 letters: 5 standard errors
        assert (own.x == draws.draw(SMALL, seed, 400).x).all()


def test_a_twin_is_as_wide_as_the_data_although_its_longest_were_not_seen():
    rng = np.random.default_rng(0)
    x = {
        name: rng.integers(0, 4, (20, 64)).astype(np.uint8)
        for name in ("training", "validation", "test")
    }
    y = {name: np.tile(np.eye(2, dtype=np.uint8), (10, 1)) for name in x}
    drawn = twin.twin_examples(SMALL, LabelledSequences(x, y), 0)
    assert {part.shape[1] for part in drawn.x.values()} == {64}
    assert (drawn.x["test"][:, 50:] == PADDING).all()
