"""Shipped grammars hold what was published: conditions, elements, rules, gaps, probabilities, backgrounds.

The facts stand in this file. Where the published tables lie beside the repository, they are checked too.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from seqgra.alphabet import ALPHABETS
from seqgra.grammar.load import load_grammar
from seqgra.grammar.motifs import read_motifs

GRAMMARS = Path(__file__).parents[1] / "grammars"
FACTS = Path(__file__).parents[2] / "shared" / "data" / "motifs"

HOMER = [
    "FOXA1:AR(Forkhead,NR)",
    "Bcl11a(Zf)",
    "Brachyury(T-box)",
    "CEBP:CEBP(bZIP)",
    "Chop(bZIP)",
    "CHR(?)",
    "CTCF-SatelliteElement(Zf?)",
    "Mouse_Recombination_Hotspot(Zf)",
    "RAR:RXR(NR),DR5",
    "DUX(Homeobox)",
    "E2F7(E2F)",
    "EBNA1(EBV-virus)",
    "ERE(NR),IR3",
    "ETS:E-box(ETS,bHLH)",
    "EWS:ERG-fusion(ETS)",
    "Foxh1(Forkhead)",
    "FXR(NR),IR1",
    "GATA3(Zf),DR4",
    "GATA3(Zf),DR8",
    "GATA(Zf),IR4",
    "GATA:SCL(Zf,bHLH)",
    "Gfi1b(Zf)",
    "GRHL2(CP2)",
    "Hand2(bHLH)",
    "HINFP(Zf)",
    "HOXB13(Homeobox)",
    "LRF(Zf)",
    "LXRE(NR),DR4",
    "NF1:FOXA1(CTF,Forkhead)",
    "NFAT:AP1(RHD,bZIP)",
    "NFAT(RHD)",
    "NFY(CCAAT)",
    "Nur77(NR)",
    "Oct2(POU,Homeobox)",
    "Oct4:Sox17(POU,Homeobox,HMG)",
    "OCT4-SOX2-TCF-NANOG(POU,Homeobox,HMG)",
    "p53(p53)",
    "PAX3:FKHR-fusion(Paired,Homeobox)",
    "PAX5(Paired,Homeobox),condensed",
    "PAX6(Paired,Homeobox)",
    "Pax7(Paired,Homeobox),longest",
    "Pax7(Paired,Homeobox)",
    "Pax8(Paired,Homeobox)",
    "Pitx1:Ebox(Homeobox,bHLH)",
    "PRDM10(Zf)",
    "PRDM14(Zf)",
    "PRDM15(Zf)",
    "PRDM9(Zf)",
    "PSE(SNAPc)",
    "RBPJ:Ebox(?,bHLH)",
]
FIXED = [(unit * 20)[:20] for unit in ("A", "C", "G", "T", "AC", "CG", "GT", "TA")]
KMERS = [
    {"ACGTACGT": 0.4, "ACGTACGG": 0.4, "ACGTAGGT": 0.1, "AGGTACGT": 0.1},
    {"GGCCAAGG": 0.25, "GGGCAAGG": 0.25, "GGTCAAGG": 0.25, "GGACAAGG": 0.25},
    {"TTTCACAT": 0.7, "TTTCACAA": 0.2, "TTTCACTT": 0.05, "TTTCACAC": 0.05},
    {"GTCCCAGT": 0.8, "GTCCCAGG": 0.1, "GTTCCAGT": 0.05, "TTCCCAGT": 0.05},
]


class Said(NamedTuple):
    """One condition's rule: numbers of its elements from 1, and how they lie."""

    elements: tuple[int, ...]
    spacing: tuple[int, int, int, int, str] | None = None
    position: str | int = "random"
    probability: float = 1.0


def ring(count):
    return [(i, i % count + 1) for i in range(1, count + 1)]


def homer(count):
    return [Said((i,)) for i in range(1, count + 1)]


def interaction(count):
    return [Said(pair) for pair in ring(count)]


def spacing(count):
    gaps = [(0, 100), (500, 1000)]
    return [Said(pair, (*pair, *gap, "in-order")) for gap in gaps for pair in ring(count)]


#: Condition by condition, in the published order.
RULES = {
    "mc2-dna1000-homer": homer(2),
    "mc10-dna1000-homer": homer(10),
    "mc20-dna1000-homer": homer(20),
    "mc50-dna1000-homer": homer(50),
    "mc10-dna1000-homer-interaction": interaction(10),
    "mc20-dna1000-homer-interaction": interaction(20),
    "mc50-dna1000-homer-interaction": interaction(50),
    "mc2-dna1000-homer-interaction-order": [
        Said((1, 2), (1, 2, 0, 1000, "in-order")),
        Said((1, 2), (2, 1, 0, 1000, "in-order")),
    ],
    "mc2-dna1000-homer-interaction-spacing": [
        Said((1, 2), (1, 2, 0, 100, "in-order")),
        Said((1, 2), (1, 2, 500, 1000, "in-order")),
    ],
    "mc10-dna1000-homer-interaction-spacing": spacing(5),
    "mc20-dna1000-homer-interaction-spacing": spacing(10),
    "mc50-dna1000-homer-interaction-spacing": spacing(25),
    "mc8-dna150-fixed-exact-variable-p": [
        Said((i,), None, 65, p) for i, p in enumerate((1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0.01), 1)
    ],
    "ml4-dna150-kmers-condition-dependent-dist": [
        Said((1, 2), (1, 2, 0, 20, "in-order")),
        Said((2, 4), (2, 4, 21, 40, "random")),
        Said((3, 1), (3, 1, 0, 20, "in-order")),
        Said((4, 1), (4, 1, 40, 60, "random")),
    ],
    "mc2-protein100-psp": [Said((1,)), Said((2,))],
}
#: Published files that differ in size or seed only are one grammar.
PUBLISHED = {
    "mc10-dna1000-homer-10k-s3": "mc10-dna1000-homer",
    "mc10-dna1000-homer-interaction-2000k-s1": "mc10-dna1000-homer-interaction",
    "mc10-dna1000-homer-interaction-spacing-100k-s2": "mc10-dna1000-homer-interaction-spacing",
    "mc2-dna1000-homer-100k-s1": "mc2-dna1000-homer",
    "mc2-dna1000-homer-500k-s1": "mc2-dna1000-homer",
    "mc2-dna1000-homer-interaction-order-100k-s1": "mc2-dna1000-homer-interaction-order",
    "mc2-dna1000-homer-interaction-spacing-200k-s1": "mc2-dna1000-homer-interaction-spacing",
    "mc2-protein100-psp-200k-s1": "mc2-protein100-psp",
    "mc20-dna1000-homer-100k-s1": "mc20-dna1000-homer",
    "mc20-dna1000-homer-interaction-100k-s1": "mc20-dna1000-homer-interaction",
    "mc20-dna1000-homer-interaction-spacing-100k-s1": "mc20-dna1000-homer-interaction-spacing",
    "mc50-dna1000-homer-1000k-s1": "mc50-dna1000-homer",
    "mc50-dna1000-homer-interaction-200k-s1": "mc50-dna1000-homer-interaction",
    "mc50-dna1000-homer-interaction-spacing-70k-s2": "mc50-dna1000-homer-interaction-spacing",
    "mc8-dna150-fixed-exact-variable-p-s1": "mc8-dna150-fixed-exact-variable-p",
    "ml4-dna150-kmers-condition-dependent-dist-s1": "ml4-dna150-kmers-condition-dependent-dist",
}
HUMAN = [0.29565, 0.20435, 0.20435, 0.29565]
ML4 = [[0.1, 0.4, 0.4, 0.1], [0.2, 0.3, 0.3, 0.2], [0.25] * 4, [0.25] * 4]


def shipped(name):
    return load_grammar(GRAMMARS / f"{name}.yaml")


def said_by(grammar):
    """Return the rules of a grammar as `Said`; every rule must be plain otherwise."""
    number = {name: n for n, name in enumerate(grammar.elements, 1)}
    found = []
    for condition in grammar.conditions.values():
        (rule,) = condition.rules
        assert all(list(choice) == [slot] for slot, choice in rule.elements.items())
        assert (rule.copies, rule.strand, rule.k_of) == ((1, 1), "+", None)
        tie = None
        for spaced in rule.spacing:
            tie = (*(number[name] for name in spaced.elements), *spaced.gap, spaced.order)
        assert len(rule.spacing) <= 1
        position = rule.position if isinstance(rule.position, str) else rule.position[0]
        elements = tuple(number[name] for name in rule.elements)
        found.append(Said(elements, tie, position, rule.probability))
    return found


@pytest.mark.parametrize("name", RULES)
def test_rules_are_the_published_ones(name):
    grammar = shipped(name)
    assert said_by(grammar) == RULES[name]
    used = {n for said in RULES[name] for n in said.elements}
    assert used == set(range(1, len(grammar.elements) + 1)), "every element is used"
    assert grammar.overlap == "forbid"
    assert not grammar.confounders and grammar.noise is None and not grammar.common.rules


@pytest.mark.parametrize("name", [name for name in RULES if "homer" in name])
def test_homer_elements_come_in_the_published_order(name):
    grammar = shipped(name)
    motifs = read_motifs(GRAMMARS / "motifs" / "homer.meme", "ACGT")
    for element, motif in zip(grammar.elements.values(), HOMER, strict=False):
        assert np.allclose(element.matrix, motifs[motif].matrix)
    assert (grammar.task, grammar.alphabet, grammar.window) == ("multi-class", "DNA", (1000, 1000))
    assert grammar.letter_distribution() == pytest.approx(HUMAN)


def test_mc8_has_fixed_sequences_of_20():
    grammar = shipped("mc8-dna150-fixed-exact-variable-p")
    for element, word in zip(grammar.elements.values(), FIXED, strict=True):
        rows = np.array(element.matrix)
        assert rows.max(axis=1).tolist() == [1.0] * 20
        assert ALPHABETS["DNA"].decode(rows.argmax(axis=1).astype(np.uint8)) == word
    assert (grammar.task, grammar.window) == ("multi-class", (150, 150))
    assert grammar.letter_distribution().tolist() == [0.25] * 4


def test_ml4_has_k_mers_all_label_combinations_and_four_backgrounds():
    grammar = shipped("ml4-dna150-kmers-condition-dependent-dist")
    assert [element.kmers for element in grammar.elements.values()] == KMERS
    assert (grammar.task, grammar.window) == ("multi-label", (150, 150))
    assert len(grammar.examples) == len(set(grammar.combinations)) == 16
    assert {group.share for group in grammar.examples} == {1.0}
    for condition, letters in zip(grammar.conditions, ML4, strict=True):
        background = grammar.background.of(condition, "training")
        assert background.distribution(ALPHABETS["DNA"]) == pytest.approx(letters)


def test_protein_elements_are_the_acceptor_sites():
    grammar = shipped("mc2-protein100-psp")
    letters = ALPHABETS["protein"].letters
    assert (grammar.alphabet, grammar.window) == ("protein", (100, 100))
    plk1, cdk1 = (np.array(element.matrix) for element in grammar.elements.values())
    kept = [["".join(np.array(list(letters))[row > 0]) for row in m] for m in (plk1, cdk1)]
    assert kept == [["DEN", letters, "ST", "FILMWY"], ["ST", "P", letters, "KRST"]]
    assert np.allclose(plk1[1], grammar.letter_distribution(), atol=1e-6)


def published_tables():
    if not FACTS.is_dir():
        pytest.skip("the published tables are not beside this repository")
    return json.loads((FACTS / "grammars.json").read_text())


@pytest.mark.parametrize("file", PUBLISHED)
def test_against_the_published_tables(file):
    tables = published_tables()
    (facts,) = (entry for entry in tables["grammars"] if entry["file"] == file)
    grammar = shipped(PUBLISHED[file])
    assert grammar.task == facts["task"].removesuffix(" classification")
    assert grammar.alphabet == facts["space"]
    assert grammar.window == (facts["minlength"], facts["maxlength"])
    assert len(grammar.conditions) == facts["classes"]
    assert len(grammar.elements) == facts["elements"]
    alphabet, conditions = ALPHABETS[grammar.alphabet], list(grammar.conditions)
    for condition, _, letters in facts["background"]:
        name = conditions[int(condition.removeprefix("c") or 1) - 1]
        expected = [letters[letter] for letter in alphabet.letters]
        found = grammar.background.of(name, "training").distribution(alphabet)
        assert found == pytest.approx(expected, abs=1e-7)
    rules = [rule for rule in tables["rules"] if rule["file"] == file]
    assert [rule["cid"] for rule in rules] == [f"c{n}" for n in range(1, len(conditions) + 1)]
    expected = [published_rule(rule) for rule in rules]
    if file == "mc10-dna1000-homer-interaction-2000k-s1":
        assert expected[4].elements == (5, 7), "a slip in the published file"
        expected[4] = Said((5, 6))
    assert said_by(grammar) == expected


def published_rule(rule):
    def number(sid):
        return int(sid.removeprefix("se"))

    tie = None
    for first, second, low, high, order in rule["spacing"]:
        tie = (number(first), number(second), low, high, order)
    position = rule["position"] if rule["position"] == "random" else int(rule["position"])
    return Said(tuple(map(number, rule["sids"])), tie, position, rule["probability"])


@pytest.mark.parametrize(
    ("ours", "theirs", "letters"),
    [("homer.meme", "homer-seqgra.meme", "ACGT"), ("kinases.meme", "protein-seqgra.meme", "")],
)
def test_motifs_against_the_published_tables(ours, theirs, letters):
    published_tables()
    letters = letters or ALPHABETS["protein"].letters
    shipped_motifs = read_motifs(GRAMMARS / "motifs" / ours, letters).values()
    rows = {tuple(np.ravel(motif.matrix).round(6)) for motif in shipped_motifs}
    published = read_motifs(FACTS / theirs, letters).values()
    assert rows <= {tuple(np.ravel(motif.matrix).round(6)) for motif in published}


def test_counts_of_sox2_and_pou5f1_are_hocomocos():
    published_tables()
    counts = {}
    lines = (FACTS / "sox2-pou5f1-hocomoco-v11.pcm.tsv").read_text().splitlines()
    for _, motif, _, *row in (line.split("\t") for line in lines[1:]):
        counts.setdefault(motif, []).append([int(n) for n in row])
    motifs = read_motifs(GRAMMARS / "motifs" / "hocomoco.pcm", "ACGT")
    assert [len(motif.matrix) for motif in motifs.values()] == [13, 10]
    for name, motif in motifs.items():
        rows = np.array(counts[name], float)
        assert np.allclose(motif.matrix, rows / rows.sum(axis=1, keepdims=True))


def test_every_grammar_and_motif_file_is_documented():
    table = (GRAMMARS.parent / "docs" / "grammars.md").read_text()
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    facts = {row[1].strip().strip("`"): [cell.strip() for cell in row[2:]] for row in rows}
    files = {file.stem: load_grammar(file) for file in GRAMMARS.glob("*.yaml")}
    assert set(facts) == set(files)
    for name, grammar in files.items():
        low, high = grammar.window
        if name.startswith(("hard-", "ladder-")):  # the same for all: said above their tables
            length = 1000 if name.startswith("hard-") else 200
            classes = 3 if name.endswith("-scaffold") else 2
            assert (len(grammar.conditions), low, high) == (classes, length, length)
            continue
        window = str(low) if low == high else f"{low} to {high}"
        assert facts[name][:3] == [grammar.task, str(len(grammar.conditions)), window]
    sources = (GRAMMARS / "motifs" / "README.md").read_text()
    for file in (GRAMMARS / "motifs").iterdir():
        assert file.name == "README.md" or f"| `{file.name}` |" in sources


@pytest.mark.parametrize(
    ("name", "gap"), [("sox2-pou5f1", (0, 3)), ("sox2-pou5f1-overlap", (-5, -5))]
)
def test_sox2_lies_before_pou5f1(name, gap):
    grammar = shipped(name)
    (rule,) = grammar.conditions["both"].rules
    (spaced,) = rule.spacing
    assert (spaced.elements, spaced.gap, spaced.order) == (("sox2", "pou5f1"), gap, "in-order")
    sox2, pou5f1 = (np.array(element.matrix) for element in grammar.elements.values())
    assert (len(sox2), len(pou5f1)) == (13, 10)
    if gap == (-5, -5):  # the composite site, from the product of the shared columns
        shared = sox2[-5:] * pou5f1[:5] / grammar.letter_distribution()
        columns = np.vstack([sox2[:-5], shared, pou5f1[5:]])
        composite = ALPHABETS["DNA"].decode(columns.argmax(axis=1).astype(np.uint8))
        assert composite[2:] == "CCTTTGTTATGCAAAT"
        assert {r.strand for c in grammar.conditions.values() for r in c.rules} == {"random"}
