"""Grammar files: the valid ones resolve, each invalid one gives the message in its first line."""

from pathlib import Path

import pytest

from seqgra.errors import InputError
from seqgra.grammar.load import grammar_fingerprint, load_grammar, resolve
from seqgra.grammar.motifs import read_motifs
from seqgra.grammar.schema import Grammar
from seqgra.yamlfile import read_yaml

HERE = Path(__file__).parent / "grammars"
SHIPPED = sorted((Path(__file__).parents[1] / "grammars").glob("*.yaml"))
INVALID = sorted((HERE / "invalid").glob("*.yaml"))
VALID = [*sorted((HERE / "valid").glob("*.yaml")), *SHIPPED]


def by_stem(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", INVALID, ids=by_stem)
def test_invalid_grammar_says_what_is_wrong(path):
    first_line = path.read_text().splitlines()[0]
    expected = first_line.removeprefix("# ").replace("{folder}", str(path.parent))
    with pytest.raises(InputError) as caught:
        load_grammar(path)
    assert str(caught.value).splitlines() == [f"{path}: {expected}"]


def test_all_problems_are_reported_at_once():
    content = read_yaml(HERE / "valid" / "everything.yaml")
    content["windw"] = 3
    content["conditions"]["pairs"]["rules"][0]["probability"] = 7
    content["conditions"]["pairs"]["rules"][1]["elements"] = ["fiel"]
    content["elements"]["pwm"]["matrix"][0] = [0.5, 0.5, 0.5, 0.5]
    with pytest.raises(InputError) as caught:
        resolve(content, Path("g.yaml"), HERE / "valid")
    assert [problem.path for problem in caught.value.problems] == [
        "windw",
        "elements.pwm.matrix[0]",
        "conditions.pairs.rules[0].probability",
        "conditions.pairs.rules[1].elements.fiel",
    ]


@pytest.mark.parametrize("path", VALID, ids=by_stem)
def test_resolved_grammar_is_complete_and_survives_a_round_trip(path):
    grammar = load_grammar(path)
    assert all(element.motif is None for element in grammar.elements.values())
    assert grammar.letter_distribution().sum() == pytest.approx(1, abs=1e-12)
    assert len(grammar.examples) >= 2
    again = Grammar.model_validate(grammar.model_dump(mode="json"))
    assert grammar_fingerprint(again) == grammar_fingerprint(grammar)


def test_fingerprint_ignores_words_and_heeds_law():
    content = read_yaml(HERE / "valid" / "protein.yaml")
    original = grammar_fingerprint(resolve(content, Path("g"), HERE))
    reworded = {"description": "new words", **content}
    assert grammar_fingerprint(resolve(reworded, Path("g"), HERE)) == original
    wider = {**content, "window": 31}
    assert grammar_fingerprint(resolve(wider, Path("g"), HERE)) != original
    swapped = {**content, "conditions": dict(reversed(content["conditions"].items()))}
    assert grammar_fingerprint(resolve(swapped, Path("g"), HERE)) != original


def test_shipped_motif_file_has_the_published_matrices():
    motifs = read_motifs(SHIPPED[0].parent / "motifs" / "homer.meme", "ACGT")
    assert len({motif.name for motif in motifs.values()}) == 50
    foxa1 = motifs["FOXA1:AR(Forkhead,NR)/LNCAP-AR-ChIP-Seq(GSE27824)/Homer"]
    assert foxa1 is motifs["FOXA1:AR(Forkhead,NR)"]
    assert (len(foxa1.matrix), foxa1.matrix[5]) == (20, (0.997, 0.001, 0.001, 0.001))


def test_motif_file_with_windows_line_ends_and_alternative_name():
    motifs = read_motifs(HERE / "invalid" / "one.meme", "ACGT")
    assert motifs["FIRST/alternative"].matrix == ((0.25, 0.25, 0.25, 0.25),)


def test_binary_file_is_refused(tmp_path):
    file = tmp_path / "grammar.yaml"
    file.write_bytes(b"\xff\xfe\x00window")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        load_grammar(file)


@pytest.mark.parametrize(
    "text", ["a: !!python/object/apply:os.system [ls]", "a: &x [*x]", "? [1]: 2"]
)
def test_hostile_yaml_is_refused_in_one_line(tmp_path, text):
    file = tmp_path / "grammar.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_grammar(file)
    assert all(str(file) in line for line in str(caught.value).splitlines())
