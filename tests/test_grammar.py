"""Grammar files: the valid ones resolve, each invalid one gives the message in its first line."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqgra.errors import InputError
from seqgra.grammar.backgrounds import Gc
from seqgra.grammar.laws import parse_law, resolve_law
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


def test_messages_that_the_page_explains_are_said():
    page = (HERE.parents[1] / "docs" / "grammar.md").read_text().partition("## Error messages")[2]
    said = [path.read_text().splitlines()[0] for path in INVALID]
    explained = re.findall(r"(?m)^\| `(.+?)` \| ", page)
    assert len(explained) == 10
    for message in explained[:-1]:  # the last one is said once the grammar is compiled
        parts = [part.strip() for part in message.split("...")]
        assert any(all(part in line for part in parts) for line in said), message


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


@pytest.mark.parametrize(
    ("law", "message"),
    [
        ({5: 1, 5_000_000_000: 1}, "holds 5000000000; its values lie within"),
        ({5: 1e308, 6: 1e308}, "needs weights"),
        ({"--5": 1, 3: 1}, "expected a distribution such as"),
        ([0, "inf%"], "expected a distribution such as"),
        ([0, "nan%"], "expected a distribution such as"),
        ([-2_000_000, 5], "holds -2000000"),
        ({"normal": {"center": [1], "sd": 3}}, "its values must be numbers"),
        ({"normal": {"center": 1, "sd": True}}, "its values must be numbers"),
        ({"normal": {"center": 0, "sd": 1e9}}, "an sd of 0.001 to 100,000"),
        ({"normal": {"center": 0, "sd": 1e-300}}, "an sd of 0.001 to 100,000"),
        ({"normal": {"center": 5.5, "sd": 0.01}}, "needs weights"),
        ({"helical": {"period": 3, "range": {1: 1, 2: 2}}}, "range is a pair such as"),
        ({"helical": {"period": 3, "range": [-(10**8), 5]}}, "holds -100000000"),
        ({"file": 5}, "file takes the name of a table"),
    ],
)
def test_a_law_that_would_crash_or_hang_is_refused(law, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        resolve_law(parse_law(law), 100, Path())


@given(mean=st.integers(20, 80), sd=st.integers(1, 12))
def test_a_gc_law_reaches_four_deviations_on_both_sides(mean, sd):
    """With mean and sd on the grid, both ends are: whatever 0.4 - 4 * 0.08 comes to in floats."""
    law = Gc(mean=mean / 100, sd=sd / 100).law()
    steps = [round(100 * gc) for gc in law]
    assert steps == list(range(max(1, mean - 4 * sd), min(99, mean + 4 * sd) + 1))


def test_ends_of_laws_belong_to_them():
    normal = resolve_law(parse_law({"normal": {"center": 5.3, "sd": 0.075}}), 100, Path())
    assert list(normal) == [5]
    helical = {"helical": {"period": 3.3, "range": [0, 7], "tolerance": 0.3}}
    assert list(resolve_law(parse_law(helical), 100, Path())) == [0, 3]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1\tinf\n2\t1\n", "line 1: is '1\\tinf'; expected a whole number and a weight"),
        ("1\t1\n2\n", "line 2: is '2'; expected a whole number and a weight"),
        ("1\t1\r\n2\t1\r\n1\t2\r\n", "line 3: gives 1 once more; add up its weights"),
        ("5.0\t1\n6\t1\n", "line 1: is '5.0\\t1'; expected a whole number and a weight"),
        ("5,1\n6,1\n", "line 1: is '5,1'; expected a whole number and a weight"),
    ],
)
def test_tables_of_laws_that_say_nothing_clear_are_refused(tmp_path, rows, message):
    (tmp_path / "law.tsv").write_bytes(rows.encode())
    with pytest.raises(InputError, match=re.escape(message)):
        resolve_law(parse_law({"file": "law.tsv"}), 100, tmp_path)


@pytest.mark.parametrize("begin", ["", "\ufeff", "gap weight\n", "\ufeffgap\tweight\r\n", "+"])
def test_the_first_row_of_a_table_is_read_whatever_comes_before(tmp_path, begin):
    (tmp_path / "law.tsv").write_bytes(f"{begin}5 1\n6 1\n".encode())
    law = resolve_law(parse_law({"file": "law.tsv"}), 100, tmp_path)
    assert law == {5: 1.0, 6: 1.0}


@pytest.mark.parametrize(
    "law",
    [
        {5: 10**400},
        {"normal": {"center": 10**400, "sd": 1}},
        {"normal": {"center": 5, "sd": float("inf")}},
        {"helical": {"period": 1e-320, "range": [0, 9]}},
    ],
    ids=["weight", "center", "sd", "period"],
)
def test_numbers_that_no_float_holds_are_refused(law):
    with pytest.raises(
        ValueError, match=r"values must be numbers|expected a distribution|has period"
    ):
        resolve_law(parse_law(law), 100, Path())
