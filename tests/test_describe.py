"""describe: known answers for the numbers, sentences for every key, figures that hold what they should."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg

from seqgra import cli
from seqgra.architecture.load import load_architecture
from seqgra.architecture.shapes import count_parameters
from seqgra.describe import describe
from seqgra.describe.network import network_rows
from seqgra.describe.picture import rule_groups
from seqgra.describe.positions import rows_of, seen_in_dataset, seen_in_simulation
from seqgra.describe.rules import element_kind, place, rule_sections, setting, short
from seqgra.describe.similarity import (
    draw_sites,
    element_numbers,
    empirical_scores,
    similarity,
)
from seqgra.errors import InputError
from seqgra.grammar.laws import parse_law
from seqgra.grammar.load import load_grammar, resolve
from seqgra.grammar.schema import Grammar
from seqgra.law.element_motifs import element_columns
from seqgra.law.law import compile_law
from seqgra.motif import (
    MIXED,
    chance_as_good,
    consensus,
    divergences,
    information,
    least_overlap,
    log_odds,
    mixed,
)
from seqgra.plot.elements import HeatMap, logos, similarity_maps
from seqgra.plot.grammar import rules_picture
from seqgra.plot.network import network_figure
from seqgra.plot.positions import Lane, bins, density, position_map
from seqgra.yamlfile import validate

REPOSITORY = Path(__file__).parents[1]
UNIFORM = np.full(4, 0.25)
SKEWED = np.array([0.4, 0.3, 0.2, 0.1])
HOMER = REPOSITORY / "grammars" / "motifs" / "homer.meme"
SHIPPED = sorted((REPOSITORY / "grammars").glob("*.yaml"))
VALID = sorted((REPOSITORY / "tests" / "grammars" / "valid").glob("*.yaml"))

EVERY_KEY = f"""
description: every key, in a multi-label task
alphabet: DNA
task: multi-label
window: [150, 200]
background:
  by-set:
    training:
      by-condition:
        near: human
        far: {{gc: {{mean: .6, sd: .05}}}}
        some: uniform
        bound: {{A: .3, C: .2, G: .2, T: .3}}
    validation: human
    test: human
elements:
  foxa1: {{motif: {HOMER}, id: "FOXA1:AR(Forkhead,NR)", pseudocount: 0.5}}
  oct4: {{matrix: [[.9, .03, .03, .04], [.1, .7, .1, .1], [.1, .1, .7, .1], [.05, .05, .05, .85]]}}
  ebox: {{consensus: CANNTG}}
  tata: {{kmers: {{TATAAA: .7, TATATA: .3}}}}
  weak: {{motif: {HOMER}, id: "NFY(CCAAT)", affinity: {{max: .2}}}}
common:
  rules: [{{elements: [tata], probability: .5, strand: random}}]
conditions:
  near:
    description: a composite site
    rules:
      - elements: [ebox, oct4]
        strand: random
        spacing: [{{elements: [ebox, oct4], gap: [-2, 3], order: random, shared: first}}]
  far:
    rules:
      - elements: {{a: ebox, b: ebox, c: weak}}
        orientation: any
        spacing:
          - {{elements: [a, b], gap: {{helical: {{period: 10.5, range: [0, 40]}}}}}}
          - {{elements: [a, c], gap: ["40%", null]}}
      - {{elements: [tata], probability: .25, position: ["10%", "20%"], strand: "-"}}
  some:
    rules:
      - {{elements: [ebox, oct4, tata], k-of: [1, 2], position: {{normal: {{center: 60, sd: 10}}}}}}
  bound:
    mode: mutually-exclusive
    rules:
      - {{any-of: {{ebox: .6, oct4: .4}}, probability: .5, copies: [1, 3]}}
      - elements: {{l: oct4, r: oct4}}
        probability: .3
        orientation: convergent
        spacing: [{{elements: [l, r], gap: {{0: 1, 5: 1, 9: 2}}}}]
examples:
  - {{conditions: [near], share: 2}}
  - {{conditions: [far, near]}}
  - {{conditions: [some, bound]}}
  - {{conditions: [bound, far]}}
  - {{conditions: []}}
confounders:
  - elements: [foxa1]
    probability: {{near: .8, far: .2, none: .1}}
    validation: .5
    test: {{near: .5, far: .5}}
  - elements: [tata, ebox]
    probability: .1
    position: start
    spacing: [{{elements: [tata, ebox], gap: 0}}]
noise: {{labels: {{near: .05, far: .01}}, sets: [training]}}
"""


@pytest.fixture(scope="module")
def every_key(tmp_path_factory):
    """Return the file of a grammar with every key, as written and as resolved."""
    file = tmp_path_factory.mktemp("every") / "every-key.yaml"
    file.write_text(EVERY_KEY)
    content = yaml.safe_load(EVERY_KEY)
    written, problems = validate(Grammar, content, "every-key.yaml")
    assert not problems
    return file, written, load_grammar(file)


def grammar_of(elements, alphabet="DNA", **keys):
    conditions = {"one": {"rules": [{"elements": [next(iter(elements))]}]}, "two": {}}
    content = {"alphabet": alphabet, "window": 60, "elements": elements, "conditions": conditions}
    return resolve({**content, **keys}, REPOSITORY / "g.yaml", REPOSITORY)


def some_columns(widths, seed=0, letters=4):
    rng = np.random.default_rng(seed)
    return [rng.dirichlet(np.full(letters, 0.4), width) for width in widths]


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


# Numbers


def test_information_by_hand():
    columns = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    assert information(columns, UNIFORM) == pytest.approx([2, 1, 0])
    assert information(columns[:1], SKEWED) == pytest.approx([math.log2(2.5)])
    assert information(SKEWED[None], SKEWED) == pytest.approx([0])


def test_consensus_says_how_sure_it_is():
    columns = np.array([[0.9, 0.1, 0, 0], [0.4, 0.2, 0.2, 0.2], [0.25, 0.25, 0.25, 0.25]])
    assert consensus(columns, "ACGU", np.array([1, 0.2, 0.0])) == "Aa."


def test_a_single_kmer_is_as_likely_by_chance_as_its_letters():
    kmer = np.eye(4)[[0, 1, 2, 3, 0]]
    assert chance_as_good(kmer, UNIFORM) == pytest.approx(0.25**5)
    assert chance_as_good(kmer, SKEWED) == pytest.approx(0.4 * 0.3 * 0.2 * 0.1 * 0.4)


@pytest.mark.parametrize("seed", range(5))
def test_chance_as_good_counts_every_word(seed):
    (columns,) = some_columns([5], seed)
    scores = np.rint(log_odds(columns, SKEWED) * 64)
    average = (columns * scores).sum()
    expected = sum(
        math.prod(SKEWED[letter] for letter in word)
        for word in itertools.product(range(4), repeat=5)
        if sum(scores[w, letter] for w, letter in enumerate(word)) >= average - 0.5
    )
    assert chance_as_good(columns, SKEWED) == pytest.approx(expected)


def test_divergence_of_two_letters_by_hand():
    a, c = np.array([[1.0, 0, 0, 0]]), np.array([[0, 1.0, 0, 0]])
    low, high = MIXED / 4, 1 - MIXED + MIXED / 4
    expected = (high - low) * math.log2(high / low)  # both directions are equal
    found = divergences([a, c], UNIFORM, both_strands=False)
    assert found == pytest.approx(np.array([[0, expected], [expected, 0]]))


def slow_divergence(one, two, background, both_strands):
    """The definition, column by column."""

    def between(p, q):
        p, q = ((1 - MIXED) * x + MIXED * background for x in (p, q))
        return sum((p - q) * np.log2(p / q)) / 2

    least, needed = math.inf, least_overlap(len(one), len(two))
    turned = [(one, two)]
    if both_strands:
        turned += [(one, two[::-1, ::-1]), (one[::-1, ::-1], two)]
    for p, q in turned:
        for offset in range(-len(q), len(p) + 1):
            places = range(min(0, offset), max(len(p), offset + len(q)))
            common = sum(0 <= k < len(p) and 0 <= k - offset < len(q) for k in places)
            if common < needed:
                continue
            total = sum(
                between(
                    p[k] if 0 <= k < len(p) else background,
                    q[k - offset] if 0 <= k - offset < len(q) else background,
                )
                for k in places
            )
            least = min(least, total)
    return least


@pytest.mark.parametrize("both_strands", [False, True])
@pytest.mark.parametrize("background", [UNIFORM, SKEWED], ids=["uniform", "skewed"])
def test_divergence_is_its_definition(both_strands, background):
    elements = some_columns([3, 5, 8, 12])
    expected = [
        [slow_divergence(one, two, background, both_strands) for two in elements]
        for one in elements
    ]
    found = divergences(elements, background, both_strands)
    assert found == pytest.approx(np.array(expected), abs=1e-9)


def test_divergence_is_symmetric_and_0_of_itself():
    found = divergences(some_columns([4, 7, 7, 20, 11], 3), SKEWED, both_strands=True)
    assert (found == found.T).all()
    assert np.diag(found) == pytest.approx(np.zeros(5), abs=1e-12)
    assert (found[~np.eye(5, dtype=bool)] > 0.1).all()


def test_a_reverse_complement_is_the_same_on_two_strands_only():
    (columns,) = some_columns([9], 1)
    pair = [columns, columns[::-1, ::-1]]
    assert divergences(pair, UNIFORM, True)[0, 1] == pytest.approx(0, abs=1e-12)
    assert divergences(pair, UNIFORM, False)[0, 1] > 1


def test_letters_around_an_element_cost_no_more_than_they_tell():
    (columns,) = some_columns([8], 2)
    longer = np.vstack([columns, np.tile(UNIFORM, (5, 1))])
    assert divergences([columns, longer], UNIFORM, False)[0, 1] == pytest.approx(0, abs=1e-12)


ELEMENTS = {
    "word": {"kmers": {"TATAAA": 0.7, "TATATA": 0.3}},
    "pwm": {"matrix": [[0.9, 0.05, 0.03, 0.02], [0.1, 0.2, 0.6, 0.1], [0.2, 0.1, 0.1, 0.6]] * 3},
    "turned": {"kmers": {"TTTATA": 0.7, "TATATA": 0.3}},
    "weak": {"consensus": "CCWNGG"},
}


@pytest.mark.parametrize("alphabet", ["DNA", "RNA"])
def test_the_empirical_score_is_its_definition(alphabet):
    elements = {name: dict(element) for name, element in ELEMENTS.items()}
    if alphabet == "RNA":
        for element in elements.values():
            if "kmers" in element:
                element["kmers"] = {k.replace("T", "U"): p for k, p in element["kmers"].items()}
    grammar = grammar_of(elements, alphabet)
    columns = list(element_columns(grammar).values())
    means = np.zeros((4, 4))
    for i, j in itertools.product(range(4), repeat=2):
        scores = log_odds(columns[j], UNIFORM)
        strands = [scores, scores[::-1, ::-1]] if alphabet == "DNA" else [scores]
        needed, totals = least_overlap(len(columns[i]), len(columns[j])), []
        for site in draw_sites(grammar, i, 5, 30):
            sums = [0.0]
            for table, offset in itertools.product(strands, range(-9, 10)):
                places = [k for k in range(len(site)) if 0 <= k - offset < len(table)]
                if len(places) >= needed:
                    sums.append(sum(table[k - offset, site[k]] for k in places))
            totals.append(max(sums))
        means[i, j] = np.mean(totals)
    assert empirical_scores(grammar, 5, 30) == pytest.approx(means / np.diag(means))


def test_the_empirical_score_of_an_element_with_itself_is_1():
    found = empirical_scores(grammar_of(ELEMENTS), 0)
    assert (np.diag(found) == 1).all() and (found >= 0).all()
    assert found[0, 2] == pytest.approx(1, abs=0.15), "the reverse complement's matrix sees it too"


def test_scores_depend_on_the_seed_alone():
    grammar = grammar_of(ELEMENTS)
    first = similarity(grammar, 1, 50)
    assert (first.score == similarity(grammar, 1, 50).score).all()
    assert (first.score != similarity(grammar, 2, 50).score).any()


def test_an_element_without_information_has_no_score():
    found = empirical_scores(grammar_of({"none": {"consensus": "NNNNN"}, **ELEMENTS}), 0, 20)
    assert np.isnan(found[:, 0]).all() and not np.isnan(found[:, 1:]).any()


@pytest.mark.parametrize(
    "element",
    [
        *ELEMENTS.values(),
        {"motif": str(HOMER), "id": "NFY(CCAAT)", "affinity": {"max": 0.2}},
    ],
    ids=[*ELEMENTS, "band"],
)
def test_sites_follow_the_columns(element):
    """At most 40 frequencies, each within 5.9 standard deviations: false alarms below 1e-6."""
    grammar, sites = grammar_of({"e": element}), 20_000
    (columns,) = element_columns(grammar).values()
    drawn = draw_sites(grammar, 0, 0, sites)
    frequencies = (drawn[:, :, None] == np.arange(4)).mean(axis=0)
    assert drawn.shape == (sites, len(columns))
    # 3 / sites: where a letter is so rare that its count is no longer about normal.
    allowed = 5.9 * np.sqrt(columns * (1 - columns) / sites) + 3 / sites
    assert (np.abs(frequencies - columns) <= np.where(columns > 0, allowed, 0)).all()


def test_numbers_of_a_weak_band_are_those_of_its_sites():
    motif = {"motif": str(HOMER), "id": "NFY(CCAAT)"}
    bands = {"weak": {"max": 0.1}, "strong": {"min": 0.9}}
    elements = {name: {**motif, "affinity": band} for name, band in bands.items()}
    numbers = element_numbers(grammar_of({"all": motif, **elements}))
    bits = {name: found.information.sum() for name, found in numbers.items()}
    assert bits["weak"] < bits["all"] < bits["strong"]
    assert numbers["all"].places == pytest.approx(numbers["all"].chance * (60 - 10 + 1))


# Tables


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (5, "5"),
        ([0, 100], "0–100"),
        ([75, None], "≥ 75"),
        (["2%", "10%"], "2–10 %"),
        (["40%", None], "≥ 40 %"),
        ([-3, -1], "−3 to −1"),
        ({4: 3}, "4"),
        ({8: 0.1, 9: 0.9}, "8 or 9"),
        ({n: n for n in range(1, 9)}, "1–8, weighted"),
        ({"normal": {"center": 20, "sd": 3}}, "≈ 20"),
        ({"helical": {"period": 10.5, "range": [0, 60]}}, "0–60, every 10.5"),
        ({"file": "gaps.tsv"}, "table"),
    ],
)
def test_distributions_in_few_letters(given, text):
    assert short(parse_law(given)) == text


@pytest.mark.parametrize(
    ("position", "text"),
    [
        ("random", "anywhere"),
        ("end", "at the end"),
        (12, "position 12"),
        ([5, None], "position ≥ 5"),
        (["10%", "20%"], "10–20 % of the window"),
    ],
)
def test_starts_in_few_letters(position, text):
    assert place(position if isinstance(position, str) else parse_law(position)) == text


def cells_of(lines):
    """Return the cells of a Markdown table, without header."""
    rows = [line for line in lines if line.startswith("|")]
    return [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows[2:]]


def test_every_key_has_its_cell(every_key):
    _, written, resolved = every_key
    sections = rule_sections(written, resolved)
    assert list(sections) == ["Rules", "Label noise", "Examples"]
    assert cells_of(sections["Rules"]) == [
        (
            "near",
            "ebox, oct4",
            "ebox [−2 to 3] oct4, either order, shared columns: first",
            "anywhere",
            "1",
            "either",
            "always",
        ),
        (
            "far",
            "a: ebox, b: ebox, c: weak",
            "a [0–40, every 10.5] b, a [≥ 40 %] c",
            "anywhere",
            "1",
            "+, any",
            "always",
        ),
        ("far", "tata", "", "10–20 % of the window", "1", "−", "25 %"),
        ("some", "1–2 of ebox, oct4, tata", "", "position ≈ 60", "1", "+", "always"),
        ("bound, one of", "ebox (60 %) or oct4 (40 %)", "", "anywhere", "1–3", "+", "50 %"),
        (
            "bound, one of",
            "l: oct4, r: oct4",
            "l [0, 5 or 9] r",
            "anywhere",
            "1",
            "+, convergent",
            "30 %",
        ),
        ("every condition", "tata", "", "anywhere", "1", "either", "50 %"),
        (
            "confounder",
            "foxa1",
            "",
            "anywhere",
            "1",
            "+",
            "near 80 %; far 20 %; no condition 10 %; validation: 50 %; test: near 50 %; far 50 %",
        ),
        ("confounder", "tata, ebox", "tata [0] ebox", "at the start", "1", "+", "10 %"),
    ]
    assert "- near: a composite site" in sections["Rules"]
    assert cells_of(sections["Label noise"]) == [("near", "5 %"), ("far", "1 %")]
    groups = cells_of(sections["Examples"])
    assert groups[:2] == [("near", "33.3 %"), ("far + near", "16.7 %")]
    assert ("no condition", "16.7 %") in groups


def test_the_setting_is_a_table(every_key):
    _, written, resolved = every_key
    rows = dict(cells_of(setting(written, resolved)))
    assert rows["task"] == "multi-label, 4 conditions" and rows["overlap of elements"] == "forbid"
    assert rows["window"] == "150–200 letters, drawn for each example"
    assert rows["background, training, near"] == "human"
    assert rows["background, training, far"] == "GC of each example: mean 0.6, sd 0.05"
    assert rows["background, training, bound"] == "letters A 0.3, C 0.2, G 0.2, T 0.3"


def test_shuffled_examples_and_chains_are_named():
    grammar = grammar_of(
        {"e": {"consensus": "ACGT"}},
        background={"markov": {"order": 2, "fasta": "tests/grammars/invalid/short.fa"}},
        examples=[{"conditions": ["one"]}, {"conditions": ["two"], "shuffle": 2}],
    )
    rows = dict(cells_of(setting(grammar, grammar)))
    assert rows["background"].startswith("Markov chain of order 2")
    examples = cells_of(rule_sections(grammar, grammar)["Examples"])
    assert examples == [("one", "50 %", ""), ("two", "50 %", "counts of 2-mers kept")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("foxa1", "motif FOXA1:AR(Forkhead,NR) of homer.meme, pseudocount 0.5"),
        ("oct4", "matrix"),
        ("ebox", "consensus CANNTG"),
        ("tata", "2 k-mers"),
        ("weak", "motif NFY(CCAAT) of homer.meme, the weakest 20 % of its sites"),
    ],
)
def test_kinds_of_elements(every_key, name, kind):
    assert element_kind(every_key[1].elements[name]) == kind


@pytest.mark.parametrize("file", [*SHIPPED, *VALID], ids=lambda file: file.stem)
def test_every_grammar_can_be_described(file):
    text = describe(file, examples=50)
    assert text.startswith(f"# {file.stem}\n") and "\n## Elements\n" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 100
    grammar = load_grammar(file)
    scopes = {cells[0].removesuffix(", one of") for cells in cells_of(text.splitlines())}
    assert set(grammar.conditions) <= scopes


# Positions


def test_a_simulation_and_its_dataset_show_the_same(tiny_dataset):
    file = tiny_dataset.parent / "tiny.yaml"
    grammar = load_grammar(file)
    drawn = seen_in_simulation(compile_law(grammar, "tiny.yaml"), grammar, 1, 700)
    stored = seen_in_dataset(tiny_dataset, grammar, None)
    assert drawn.shown == stored.shown == ("one", "two")
    for one, two in zip(drawn[2:], stored[2:], strict=True):
        assert (one == two).all()
    rows = rows_of(drawn, grammar)
    assert [(row.shown, row.element, row.share, row.copies) for row in rows] == [
        ("one", "a", 1.0, 1.0),
        ("two", "b", 1.0, 1.0),
    ]


def test_combinations_of_labels_are_told_apart(every_key):
    _, _, grammar = every_key
    seen = seen_in_simulation(compile_law(grammar, "g.yaml"), grammar, 0, 60)
    assert seen.shown == ("near", "near + far", "some + bound", "far + bound", "none")
    assert seen.examples.tolist() == [20, 10, 10, 10, 10]
    shares = {(row.shown, row.element): row.share for row in rows_of(seen, grammar)}
    assert shares["near", "oct4"] == shares["near + far", "weak"] == 1
    assert ("none", "oct4") not in shares


def test_density_is_1_for_a_uniform_law():
    edges = bins([Lane("a", "e", 1.0, np.arange(3000) % 100)], 100)
    assert edges[0] == 0 and edges[-1] == 100 and len(edges) == 51
    assert density(np.arange(3000) % 100, edges) == pytest.approx(np.ones(50))
    assert density(np.zeros(5, int), edges)[:2].tolist() == [50, 0]


# Figures


def test_boxes_point_where_elements_do(every_key):
    groups = {group.name: group for group in rule_groups(*every_key[1:])}
    far = groups["far"].rules
    assert [box.direction for box in far[0].chains[0].boxes] == [2, 2, 2]
    assert [box.direction for box in far[1].chains[0].boxes] == [-1]
    assert [box.direction for box in groups["bound"].rules[1].chains[0].boxes] == [1, -1]
    (tie,) = groups["near"].rules[0].chains[0].ties
    assert tie.shared and tie.random and tie.label == "−2 to 3"
    assert [tie.label for tie in far[0].chains[0].ties] == ["0–40, every 10.5", "≥ 40 %"]
    assert groups["some"].rules[0].before == "1–2 of"
    assert "test: near 50 %" in groups["confounders"].rules[0].chance
    protein = load_grammar(REPOSITORY / "tests" / "grammars" / "valid" / "protein.yaml")
    boxes = rule_groups(protein, protein)[0].rules[0].chains[0].boxes
    assert [box.direction for box in boxes] == [0]


def test_a_reversed_block_is_mirrored():
    rule = {"elements": ["word", "weak"], "strand": "-"}
    rule["spacing"] = [{"elements": ["word", "weak"], "gap": 3}]
    grammar = grammar_of(ELEMENTS, conditions={"one": {"rules": [rule]}, "two": {}})
    (chain,) = rule_groups(grammar, grammar)[0].rules[0].chains
    assert [(box.choices[0][0], box.direction) for box in chain.boxes] == [
        ("weak", -1),
        ("word", -1),
    ]


def outside(figure):
    """Return the texts of a figure that its canvas does not hold."""
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    width, height = canvas.get_width_height()
    texts = [text for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    boxes = [
        (t.get_text(), t.get_window_extent()) for t in texts if t.get_visible() and t.get_text()
    ]
    return [
        words
        for words, box in boxes
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]


def many_classes(count):
    elements = {f"motif-{n}": {"consensus": "ACGTRYSWKM"[n % 8 :] + "ACGT"} for n in range(count)}
    conditions = {
        f"a condition of a rather long name {n}": {
            "rules": [{"elements": [name], "position": "center"}]
        }
        for n, name in enumerate(elements)
    }
    return grammar_of(elements, conditions=conditions)


@pytest.mark.parametrize("count", [2, 10, pytest.param(50, marks=pytest.mark.slow)])
def test_nothing_is_cut_off(count):
    grammar = many_classes(count)
    names = list(grammar.elements)
    assert not outside(rules_picture(rule_groups(grammar, grammar), names, "rules"))
    values = np.random.default_rng(0).random((count, count))
    measure = HeatMap("score", values, "sites of", "matrix of", 1.0, 0.0)
    assert not outside(similarity_maps(names, [measure, measure], "similarity"))
    numbers = element_numbers(grammar)
    columns = {name: found.columns for name, found in numbers.items()}
    bits = {name: found.information for name, found in numbers.items()}
    assert not outside(logos(columns, "ACGT", bits, "elements"))
    lanes = [Lane(c, e, 1.0, np.arange(50)) for c, e in zip(grammar.conditions, names, strict=True)]
    assert not outside(position_map(lanes, 60, "positions"))


FIGURES = ("rules", "logos", "similarity", "positions")


def test_files_are_written_and_stay_the_same(every_key, tmp_path, capsys):
    file = every_key[0]
    for folder in ("one", "two"):
        options = ["--examples", 40, "--seed", 3, "--ceiling", 0]
        assert run("describe", file, "-o", tmp_path / folder, *options) == 0
    said = capsys.readouterr().out
    assert "examples simulated with seed 3" in said and f"{tmp_path}/one: done" in said
    names = {f"{name}.{kind}" for name in FIGURES for kind in ("svg", "pdf", "png")}
    names |= {"description.md", "elements.csv", "similarity.csv"}
    assert {path.name for path in (tmp_path / "one").glob("[!.]*")} == names
    for name in names:
        content = (tmp_path / "one" / name).read_bytes()
        assert len(content) > 200 and content == (tmp_path / "two" / name).read_bytes()
    assert (tmp_path / "one" / "description.md").read_text() in said


def test_the_ceiling_is_told(tiny_dataset, capsys):
    file = tiny_dataset.parent / "tiny.yaml"
    assert run("describe", file, "--examples", 50, "--ceiling", 200) == 0
    told = capsys.readouterr().out.split("## Ceiling")[1]
    assert "1.0000 (0.0000)" in told.split("PR AUC")[0]
    assert "No classifier is better. Measured on 200 drawn examples" in told
    assert "Enough by itself" in told and "the best score of each motif" in told


def test_a_dataset_is_described(tiny_dataset, tmp_path, capsys):
    file = tiny_dataset.parent / "tiny.yaml"
    assert run("describe", file, "--dataset", tiny_dataset, "--examples", 100) == 0
    assert "in the first 100 training examples of data:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-grammar"], "no such grammar file"),
        ([VALID[0], "--dataset", "DATASET"], "was simulated from another grammar (tiny"),
        (["TINY", "--dataset", "DATASET", "--examples", 701], "has 700 examples; 701 are wanted"),
        (["TINY", "--dataset", "nowhere"], "nowhere"),
        ([REPOSITORY / "tests" / "grammars" / "invalid" / "typo-in-key.yaml"], "did you mean"),
        (
            ["conv10w-fc5", "--examples", 3],
            "--examples: is an option for grammars; this is an arch",
        ),
        ([VALID[0], "--window", 9], "--window: is an option for networks; this is a grammar"),
        (["kmer-logistic-regression"], "is a baseline; only networks are described layer by layer"),
        (["basset", "--window", 20], "layers[3].max-pool: is 3 wide, but only 2 positions"),
    ],
)
def test_wrong_input_is_told_in_one_line(tiny_dataset, capsys, arguments, message):
    names = {"DATASET": tiny_dataset, "TINY": tiny_dataset.parent / "tiny.yaml"}
    assert run("describe", *(names.get(word, word) for word in arguments)) == 2
    said = capsys.readouterr()
    assert message in said.err and len(said.err.splitlines()) == 1 and not said.out


NETWORKS = sorted(
    file.stem
    for file in (REPOSITORY / "architectures").glob("*.yaml")
    if "layers:" in file.read_text()
)


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_of_a_network_add_up_to_its_parameters(name):
    """What lies in a layer adds up to it, and the outermost ones to the whole."""
    network = load_architecture(name)
    rows = network_rows(network, "DNA", 1000, 2, name)
    total = sum(row.cost.parameters for row in rows if row.depth == 0)
    assert total == count_parameters(network, 4, 1000, 2)
    assert rows[-1].shape == (2, 0) and rows[0].shape == (4, 1000)
    for number, row in enumerate(rows):
        inside = list(
            itertools.takewhile(lambda other, d=row.depth: other.depth > d, rows[number + 1 :])
        )
        if not inside or row.kind in ("path", "repeat"):
            continue
        nearest = {min(r.depth for r in inside if r.kind != "path")}
        held = sum(r.cost.parameters for r in inside if r.depth in nearest)
        assert row.cost.parameters == held


def test_a_network_is_described(tmp_path, capsys):
    options = ["--window", 200, "--conditions", 3]
    assert run("describe", "conv-transformer", *options, "-o", tmp_path / "net") == 0
    said = capsys.readouterr().out
    assert "| · · attention: heads 4, dropout 0.1 " in said and "200 letters, 3 conditions" in said
    written = {f"network.{kind}" for kind in ("svg", "pdf", "png")} | {"description.md"}
    assert {path.name for path in (tmp_path / "net").glob("[!.]*")} == written
    (tmp_path / "bce.yaml").write_text("layers: [flatten]\nloss: bce\n")
    assert run("describe", tmp_path / "bce.yaml", *options) == 0
    rows = network_rows(load_architecture("legnet"), "DNA", 150, 2, "legnet")
    assert not outside(network_figure(rows, "a title " * 20))


def test_a_crowded_grammar_is_refused(tmp_path):
    file = tmp_path / "crowded.yaml"
    rule = {"elements": ["word", "pwm", "weak"], "copies": 3}
    conditions = {"one": {"rules": [rule]}, "two": {}}
    content = {"window": 64, "elements": ELEMENTS, "conditions": conditions}
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="without overlap"):
        describe(file)


def test_mixing_keeps_a_distribution():
    found = mixed(np.eye(4), SKEWED)
    assert found.sum(axis=1) == pytest.approx(np.ones(4)) and (found > 0).all()
