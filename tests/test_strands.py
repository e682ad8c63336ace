"""Baselines take the strands on which a dataset's elements lie."""

import json

import numpy as np
import pytest
from real_data import as_real
from real_tools import ingested, random_letters, write_bed, write_genome

from seqgra.architecture.load import load_architecture
from seqgra.architecture.schema import Baseline, Features, Kmers, PwmScan
from seqgra.backends.features import kmer_columns
from seqgra.backends.sklearn import fit
from seqgra.backends.strands import either_strand, element_strands
from seqgra.dataset import largest_size, open_dataset
from seqgra.errors import InputError
from seqgra.evaluate.curves import score
from seqgra.fingerprint import file_sha256, read_run
from seqgra.model import open_model
from seqgra.simulate import simulate
from seqgra.train import train
from seqgra.training import TrainingOptions, training_data

TWO = """
window: 40
elements:
  a: {{kmers: {{AACCGTTA: 1}}}}
  b: {{kmers: {{GGGATCAA: 1}}}}
conditions:
  one: {{rules: [{{elements: [{one}], strand: "{first}"}}]}}
  two: {{rules: [{{elements: [{two}], strand: "{second}"}}]}}
"""
PWM, KMERS = "pwm-logistic-regression", "kmer-logistic-regression"


def simulated(folder, grammar, counts=(700, 100, 400)):
    (folder / "grammar.yaml").write_text(grammar)
    sets = dict(zip(("training", "validation", "test"), counts, strict=True))
    simulate(folder / "grammar.yaml", folder / "data", seed=1, counts=sets)
    return open_dataset(folder / "data")


def fitted(baseline, data):
    size = largest_size(data.counts)
    trained = fit(baseline, training_data(data, size), TrainingOptions(0, "cpu", 1), None)
    scores = score(trained.model.logits(data.x("test")), data.y("test"), data.conditions)
    return trained.model, scores.metrics["roc_auc"]["macro"]


def forward(name):
    return Baseline(
        backend="sklearn",
        features=Features(pwm_scan=PwmScan(strands="forward"))
        if name == PWM
        else Features(kmers=Kmers(k=5, strands="forward")),
    )


def turned(x):
    return np.ascontiguousarray(3 - x[:, ::-1])


@pytest.mark.parametrize("real", [False, True], ids=["simulated", "real"])
def test_elements_on_either_strand_are_looked_for_on_both(tmp_path, real):
    data = simulated(tmp_path, TWO.format(one="a", two="b", first="random", second="random"))
    if real:  # with hits on both strands
        data = open_dataset(as_real(data.folder, tmp_path / "real"))
    for name in (PWM, KMERS):
        model, area = fitted(load_architecture(name), data)
        _, one_strand = fitted(forward(name), data)
        assert area > max(one_strand, 0.99), name
        x = data.x("test")[:50]
        assert np.allclose(model.features(x), model.features(turned(x)), atol=1e-5)
    assert model.card.strands == "both"


def test_a_strand_that_tells_the_conditions_apart_is_kept(tmp_path):
    data = simulated(tmp_path, TWO.format(one="a", two="a", first="+", second="-"))
    assert element_strands(data) == {"a": ("+", "-"), "b": ("+",)}
    for name in (PWM, KMERS):
        model, area = fitted(load_architecture(name), data)
        assert area > 0.97, name
    assert model.card.strands == "forward"
    both = Baseline(backend="sklearn", features=Features(pwm_scan=PwmScan(strands="both")))
    assert fitted(both, data)[1] < 0.6


def test_every_way_to_lie_has_a_feature(tmp_path):
    names = ("a", "any", "facing", "common", "confounder", "mixed", "unused")
    elements = "".join(
        f"  {name}: {{kmers: {{{letters}: 1}}}}\n"
        for name, letters in zip(
            names, ("AAC", "CCA", "GGA", "TTA", "ACG", "AGT", "CAG"), strict=True
        )
    )
    data = simulated(
        tmp_path,
        f"""
window: 60
elements:
{elements}
common: {{rules: [{{elements: [common], strand: random}}]}}
conditions:
  one:
    rules:
    - {{elements: [a], strand: "-"}}
    - {{elements: [mixed], strand: "+"}}
    - {{elements: {{x: any, y: any}}, orientation: any, spacing: [{{elements: [x, y], gap: 2}}]}}
  two:
    rules:
    - {{elements: [mixed], strand: random}}
    - elements: {{x: facing, y: facing}}
      orientation: convergent
      spacing: [{{elements: [x, y], gap: 2}}]
confounders: [{{elements: [confounder], strand: random, probability: {{one: .5, two: .1}}}}]
""",
        (70, 10, 5),
    )
    expected = [("-",), ("random",), ("+", "-"), ("random",), ("random",), ("+", "random"), ("+",)]
    assert element_strands(data) == dict(zip(names, expected, strict=True))
    assert not either_strand(data), "some rules place on one strand only"
    model = fitted(load_architecture(PWM), data)[0]
    assert model.features(data.x("test")).shape == (5, 9)


def test_a_kmer_and_its_reverse_complement_are_one():
    for k in (1, 2, 3, 4):
        columns = kmer_columns(k, 4, "both")
        palindromes = 4 ** (k // 2) if k % 2 == 0 else 0
        assert np.bincount(columns).tolist().count(1) == palindromes
        assert np.bincount(columns).max() == 2 and columns.max() + 1 == (4**k + palindromes) / 2


def test_real_data_say_which_strands_they_have(tmp_path):
    genome = write_genome(tmp_path / "g.fa", {"chr1": random_letters(60_000, 1)})
    rows = [("chr1", n * 200, n * 200 + 60, ".", 0, "+-"[n % 2]) for n in range(200)]
    write_bed(tmp_path / "one.bed", *rows[:100])
    write_bed(tmp_path / "two.bed", *rows[100:])
    peaks = ("--peaks", f"a={tmp_path}/one.bed", "--peaks", f"b={tmp_path}/two.bed")
    peaks += ("--genome", genome, "--width", "50", "--split", "fraction")
    assert either_strand(ingested(tmp_path / "peaks", *peaks)), "regions have no strand"
    assert not either_strand(ingested(tmp_path / "stranded", *peaks, "--stranded"))
    text = "".join(f">{n} label={'ab'[n % 2]}\n{random_letters(50, n)}\n" for n in range(100))
    (tmp_path / "s.fa").write_text(text)
    meme = "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF m\nletter-probability matrix: w= 4\n"
    (tmp_path / "m.meme").write_text(meme + "1 0 0 0\n0 1 0 0\n0 1 0 0\n0 0 0 1\n")
    motif = ("--motifs", tmp_path / "m.meme", "--p-value", "0.01")
    plain = ingested(tmp_path / "fasta", "--fasta", tmp_path / "s.fa")
    assert not either_strand(plain), "nothing says so"
    hits = ingested(tmp_path / "hits", "--fasta", tmp_path / "s.fa", *motif)
    assert either_strand(hits) and element_strands(hits) == {"m": ("random",)}


def test_annotated_elements_lie_on_their_strand(tmp_path):
    data = simulated(tmp_path, TWO.format(one="a", two="b", first="-", second="random"))
    real = open_dataset(as_real(data.folder, tmp_path / "real"))
    assert element_strands(real) == {"a": ("-",), "b": ("random",)}
    (tmp_path / "b").mkdir()
    data = simulated(tmp_path / "b", TWO.format(one="a", two="b", first="+", second="+"))
    assert not either_strand(open_dataset(as_real(data.folder, tmp_path / "forward")))


@pytest.mark.parametrize("kind", [PwmScan(strands="both"), Kmers(k=3, strands="both")])
def test_other_alphabets_have_one_strand(tmp_path, kind):
    grammar = TWO.format(one="a", two="b", first="+", second="+").replace("T", "U")
    data = simulated(tmp_path, "alphabet: RNA\n" + grammar)
    name = "pwm_scan" if isinstance(kind, PwmScan) else "kmers"
    baseline = Baseline(backend="sklearn", features=Features(**{name: kind}))
    with pytest.raises(InputError, match=f"{name}.strands: is both; RNA has one strand"):
        fitted(baseline, data)
    assert element_strands(data) == {"a": ("+",), "b": ("+",)} and not either_strand(data)


def test_the_strands_are_on_record_and_older_models_refused(tmp_path):
    data = simulated(tmp_path, TWO.format(one="a", two="b", first="random", second="+"))
    train(data.folder, PWM, tmp_path / "m", size=1000, seed=0)
    run = read_run(tmp_path / "m")
    assert run["element_strands"] == {"a": ["random"], "b": ["+"]}
    recipe = json.loads((tmp_path / "m" / "model.json").read_text())
    assert recipe["element_strands"] == run["element_strands"]
    del recipe["element_strands"]
    file = tmp_path / "m" / "model.json"
    file.write_text(json.dumps(recipe))
    run["files"]["model.json"]["sha256"] = file_sha256(file)
    with pytest.raises(InputError, match="earlier version; train it again"):
        open_model(tmp_path / "m", run, data, "cpu")
