"""Motif files of every layout give the same matrices; each invalid one the message beside it."""

import bz2
import gzip
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqgra.alphabet import DNA, PROTEIN, RNA
from seqgra.errors import InputError
from seqgra.grammar.motifs import read_motifs
from seqgra.motif import consensus_matrix

HERE = Path(__file__).parent / "motifs"
VALID = sorted(path for path in HERE.iterdir() if path.is_file())
INVALID = sorted(p for p in (HERE / "invalid").iterdir() if p.suffix != ".expected")
DATABASES = Path(__file__).parents[2] / "shared" / "data" / "motifs"

ONE = ((0.5, 0.25, 0.25, 0.0), (0.0, 1.0, 0.0, 0.0), (0.125, 0.125, 0.25, 0.5))
TWO = ((0.0, 1.0, 0.0, 0.0), (0.75, 0.0, 0.25, 0.0))


#: Files of two motifs, of which one can be read.
ONE_FAULTY = ("last-without-matrix.meme", "no-matrix.meme", "no-rows.jaspar", "no-slashes.transfac")


def by_name(path):
    return path.name


def letters_of(path):
    return {"rna.meme": "ACGU", "protein.meme": PROTEIN.letters}.get(path.name, "ACGT")


def say(path, letters="ACGT", **options):
    with pytest.raises(InputError) as caught:
        read_motifs(path, letters, **options)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("file", "one", "two"),
    [
        ("four.meme", ["MA0001.1", "ONE"], ["TWO(Zf)/cells/Homer", "TWO(Zf)", "CA"]),
        ("five.meme", ["MA0001.1", "ONE"], ["TWO(Zf)/cells/Homer", "TWO(Zf)", "CA"]),
        ("windows.meme", ["MA0001.1", "ONE"], ["TWO(Zf)/cells/Homer", "TWO(Zf)", "CA"]),
        ("rna.meme", ["MA0001.1", "ONE"], ["TWO(Zf)/cells/Homer", "TWO(Zf)", "CA"]),
        ("discovery.meme", [], ["CA", "MEME-1"]),
        ("brackets.jaspar", ["MA0001.1", "ONE"], ["MA0002.1", "TWO::THREE"]),
        ("raw.jaspar", ["MA0001.1", "ONE"], ["MA0002.1", "TWO::THREE"]),
        ("lettered.pfm", ["MA0001.1", "ONE"], []),
        ("HEADLESS.pfm", ["HEADLESS"], []),
        ("two.transfac", ["M00001", "V$ONE_01", "One", "the first"], ["TWO"]),
        ("two.homer", ["ONE(Zf)/cells-ChIP-Seq(GSE1)/Homer", "ONE(Zf)", "NCT"], ["1-CA", "CA"]),
        ("core.pcm", ["ONE_HUMAN.H11MO.0.A"], ["TWO_HUMAN.H11MO.0.B"]),
        ("core.ppm", ["ONE_HUMAN.H11MO.0.A"], []),
    ],
)
def test_every_layout_gives_the_same_matrices_under_every_name(file, one, two):
    motifs = read_motifs(HERE / file, letters_of(HERE / file))
    for names, matrix in ((one, ONE), (two, TWO)):
        for name in names:
            np.testing.assert_allclose(motifs[name].matrix, matrix, atol=0.0025, err_msg=name)
    extra = {"SQUARE"} if file == "raw.jaspar" else set()
    assert set(motifs) == {*one, *two} | extra


def test_square_matrices_are_told_by_their_sums_or_header():
    by_letter = read_motifs(HERE / "raw.jaspar", "ACGT")["SQUARE"].matrix
    assert by_letter[0] == (1, 0, 0, 0)
    assert (
        read_motifs(HERE / "four-wide.homer", "ACGT")["Four"].matrix == ((0.4, 0.2, 0.2, 0.2),) * 4
    )


def test_protein_motifs():
    motif = read_motifs(HERE / "protein.meme", PROTEIN.letters)["kinase"]
    assert [row.index(1) for row in motif.matrix] == [0, 19]


def test_pseudocount_is_added_to_counts_and_mixed_into_probabilities():
    counts = read_motifs(HERE / "core.pcm", "ACGT", 4)["TWO_HUMAN.H11MO.0.B"].matrix
    assert counts[1] == pytest.approx((31 / 44, 1 / 44, 11 / 44, 1 / 44))
    shares = read_motifs(HERE / "core.ppm", "ACGT", 1)["ONE_HUMAN.H11MO.0.A"].matrix
    assert shares[1] == pytest.approx((0.125, 0.625, 0.125, 0.125))
    assert "pseudocount is -1" in say(HERE / "core.ppm", pseudocount=-1)
    assert "pseudocount is nan" in say(HERE / "core.ppm", pseudocount=float("nan"))


def test_a_column_without_counts_takes_the_pseudocount(tmp_path):
    file = write(tmp_path / "m.jaspar", ">m\nA [ 1 0 ]\nC [ 3 0 ]\nG [ 0 0 ]\nT [ 0 0 ]\n")
    assert read_motifs(file, "ACGT", 1)["m"].matrix[1] == (0.25,) * 4
    assert "sums to 0; expected counts of letters, or a pseudocount" in say(file)


@pytest.mark.parametrize("layout", ["transfac", "cisbp"])
def test_comments_are_no_lines_of_a_layout(layout, tmp_path):
    text = GOOD[layout].format("M1")
    lines = text.split("\n")
    comment = "# downloaded on a day"
    plain = read_motifs(write(tmp_path / "a.txt", text), "ACGT")
    for at in (0, 1):
        commented = "\n".join([*lines[:at], comment, *lines[at:]])
        found = read_motifs(write(tmp_path / "b.txt", commented), "ACGT")
        assert found["M1"].matrix == plain["M1"].matrix


def test_other_names_of_two_motifs_are_left_out(tmp_path):
    file = tmp_path / "m.jaspar"
    rows = "A [ 1 ]\nC [ 1 ]\nG [ 1 ]\nT [ 1 ]\n"
    file.write_text(f">one same\n{rows}>two same\n{rows}>three one\n{rows}")
    motifs = read_motifs(file, "ACGT")
    assert sorted(motifs) == ["one", "three", "two"]
    assert motifs["one"].name == "one"


GOOD = {
    "meme": "MOTIF {0}\nletter-probability matrix: w= 2\n0 1 0 0\n0.75 0 0.25 0\n\n",
    "transfac": "ID {0}\nP0 A C G T\n01 0 8 0 0\n02 6 0 2 0\nXX\n//\n",
    "jaspar": ">{0}\nA [ 0 6 ]\nC [ 8 0 ]\nG [ 0 2 ]\nT [ 0 0 ]\n",
    "homer": ">CR\t{0}\t5\n0\t1\t0\t0\n0.75\t0\t0.25\t0\n",
    "cisbp": "TF\tF\nMotif\t{0}\nPos\tA\tC\tG\tT\n1\t0\t1\t0\t0\n2\t0.75\t0\t0.25\t0\n\n",
    "uniprobe": "Protein: {0}\tSeed k-mer: CA\n\nA:\t0\t0.75\nC:\t1\t0\nG:\t0\t0.25\nT:\t0\t0\n",
}
FAULTS = {
    "meme": {
        "MOTIF bad\n\n": "motif bad has no matrix",
        "MOTIF bad\nletter-probability matrix:\n0.5 0.5 x 0\n\n": "'x' is not a number",
        "MOTIF bad\nletter-probability matrix: w= 3\n0 1 0 0\n\n": "announces w= 3 rows but has 1",
        "MOTIF bad\nletter-probability matrix:\n0.9 0.9 0 0\n\n": "sums to 1.8",
    },
    "transfac": {
        "ID bad\nXX\n//\n": "motif bad has no matrix",
        "ID bad\nP0 A C G T\n01 1 2 3\n//\n": "has 3 numbers; expected 4",
        "ID bad\nP0 A C G T\n01 1 2 3 0\n03 1 2 3 0\n//\n": "row 3 follows row 1",
        "ID bad\nP0 A C G T\n01 1 2 3 0\nXX\n02 1 2 3 0\n//\n": "row 2 stands apart from its matrix",
        "ID bad\nP0 A C G T\n01 1 2 3 0\n": "'//' is missing before this line",
    },
    "jaspar": {
        ">bad\nA [ 1 ]\nC [ 1 ]\nG [ 1 ]\n": "motif bad has no row T",
        ">bad\nA [ 1\nC [ 1 ]\nG [ 1 ]\nT [ 1 ]\n": "bracket is not closed",
        ">bad\n": "motif bad has no matrix",
    },
    "homer": {
        ">A\tbad\t5\n1\t0\t0\n": "has 3 numbers; expected 4",
        ">A\tbad\t5\n-1\t1\t1\t0\n": "has a negative number",
        ">A\tbad\t5\n0.5\t0.5\t0.5\t0.5\n": "sums to 2",
    },
    "cisbp": {
        "Motif\tbad\nPos\tA\tC\tG\tT\n\n": "motif bad has no matrix",
        "Motif\tbad\nPos\tA\tC\tG\tT\n1\t0\t1\t0\t0\n3\t0\t1\t0\t0\n\n": "row 3 follows row 1",
        "Motif\tbad\nPos\tA\tC\tG\tU\n1\t0\t1\t0\t0\n\n": "columns are ACGU",
    },
    "uniprobe": {
        "Protein: bad\nA:\t0.5\nC:\t0.5\nG:\t0\n": "motif bad has no row T",
        "Protein: bad\n": "motif bad has no matrix",
        "Gene: bad\nA:\t0\nC:\t1\nG:\t0\nT:\t0.5\n": "position 1 sums to 1.5",
    },
}


@pytest.mark.parametrize(
    ("layout", "bad"), [(k, bad) for k, found in FAULTS.items() for bad in found]
)
@pytest.mark.parametrize("place", ["first", "between", "last"])
def test_a_bad_motif_refuses_itself_alone(layout, bad, place, tmp_path):
    one, two = GOOD[layout].format("one"), GOOD[layout].format("two")
    texts = {"first": bad + one + two, "between": one + bad + two, "last": one + two + bad}
    file = tmp_path / "m.txt"
    file.write_text(("MEME version 4\n\n" if layout == "meme" else "") + texts[place])
    motifs = read_motifs(file, "ACGT")
    for name in ("one", "two"):
        assert motifs[name].matrix == TWO
    assert "bad" not in motifs
    said = FAULTS[layout][bad]
    if place == "last" and said.startswith("'//'"):
        said = "last record does not end with '//'"
    with pytest.raises(InputError, match=re.escape(said)):
        motifs["bad"]
    with pytest.raises(InputError, match=re.escape(said)):
        motifs.refuse_any_faulty()
    motifs.refuse_faulty("one")


def test_tables_after_a_transfac_matrix_are_none_of_it(tmp_path):
    file = tmp_path / "m.mat"
    rows = "P0 A C G T\n01 0 8 0 0\n02 6 0 2 0\nXX\n"
    for table in ("XL\n00 36\n01 2\n", "BS sites\nXX\n1 2 3\n", "CO\n3\n", "01 0 8 0 0\n"):
        file.write_text(f"AC X.0\n{rows}{table}XX\n//\n")
        assert read_motifs(file, "ACGT")["X.0"].matrix == TWO


def test_a_cisbp_file_is_named_by_its_file_where_it_names_no_motif(tmp_path):
    file = tmp_path / "M00001_2.00.txt"
    file.write_text("Pos\tA\tC\tG\tT\n1\t0\t1\t0\t0\n2\t0.75\t0\t0.25\t0\n")
    assert read_motifs(file, "ACGT")["M00001_2.00"].matrix == TWO
    named = read_motifs(write(tmp_path / "PWM.txt", GOOD["cisbp"].format("M1") * 1), "ACGT")
    assert set(named) == {"M1", "F"}


def write(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", INVALID, ids=by_name)
def test_invalid_file_says_what_is_wrong(path):
    expected = Path(f"{path}.expected").read_text().strip()
    if path.name not in ONE_FAULTY:
        assert say(path) == expected
        return
    motifs = read_motifs(path, "ACGT")  # a motif that nobody asks for does not refuse the others
    assert set(motifs) == {"two"} - set(motifs.faults) | ({"one"} - set(motifs.faults))
    [name] = motifs.faults
    with pytest.raises(InputError, match=re.escape(expected)):
        motifs[name]


@pytest.mark.parametrize("path", VALID, ids=by_name)
def test_file_of_another_alphabet_is_refused(path):
    letters = "ACGU" if letters_of(path) == "ACGT" else "ACGT"
    if path.name in ("HEADLESS.pfm", "raw.jaspar", "core.pcm", "core.ppm"):
        letters = PROTEIN.letters  # no letters in these files: only their number can tell
    message = say(path, letters)
    assert letters in message or message.endswith("expected 20")


def test_files_that_are_none(tmp_path):
    assert say(tmp_path) == "is a folder or device; expected a motif file"
    assert say(tmp_path / "none") == "motif file cannot be read (No such file or directory)"
    assert say(Path("a\0b")).startswith("motif file cannot be read (")
    (tmp_path / "empty").touch()
    assert say(tmp_path / "empty") == "motif file is empty"
    assert say(HERE / "four.meme" / "below").startswith("motif file cannot be read (")


def test_gzip_is_read_and_other_archives_are_refused(tmp_path):
    for plain in VALID:
        packed = tmp_path / f"{plain.name}.gz"
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        assert read_motifs(packed, letters_of(plain)) == read_motifs(plain, letters_of(plain))
    for name, content, said in (
        ("cut.gz", packed.read_bytes()[:-9], "is a damaged gzip file; copy it again"),
        ("twice.gz", gzip.compress(packed.read_bytes()), "is a compressed file; unpack it first"),
        ("a.bz2", bz2.compress(plain.read_bytes()), "is a compressed file; unpack it first"),
        (
            "bomb.gz",
            gzip.compress(bytes(100_000_001)),
            "is larger than 100 MB unpacked; expected a",
        ),
    ):
        (tmp_path / name).write_bytes(content)
        assert say(tmp_path / name).startswith(said)


@st.composite
def damaged(draw):
    """Return the bytes of a valid file after a few random accidents."""
    content = draw(st.sampled_from([path.read_bytes() for path in VALID]))
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["cut", "flip", "shuffle", "drop", "repeat", "splice", "word"]))
        at = draw(st.integers(0, max(0, len(content) - 1)))
        lines = content.splitlines(keepends=True)
        line = draw(st.integers(0, max(0, len(lines) - 1)))
        if kind == "cut":
            content = content[:at]
        elif kind == "flip":
            content = content[:at] + bytes([draw(st.integers(0, 255))]) + content[at + 1 :]
        elif kind == "shuffle":
            content = b"".join(draw(st.permutations(lines)))
        elif kind == "drop":
            content = b"".join(lines[:line] + lines[line + 1 :])
        elif kind == "repeat":
            content = b"".join(lines[: line + 1] + lines[line:])
        elif kind == "splice":
            other = draw(st.sampled_from(VALID)).read_bytes()
            content = content[:at] + other[draw(st.integers(0, len(other))) :]
        else:
            words = ["nan", "-1", "1e999", "inf", "٣", "\x85", ">", "//", "MOTIF", "w= " + "9" * 99]
            content = content[:at] + draw(st.sampled_from(words)).encode() + content[at:]
    return content


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=damaged(), letters=st.sampled_from(["ACGT", "ACGU", PROTEIN.letters]))
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path_factory, content, letters):
    file = tmp_path_factory.getbasetemp() / "damaged"
    file.write_bytes(content)
    try:
        motifs = read_motifs(file, letters)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
        assert re.match(r".*damaged: (line [1-9]\d*: )?\S", str(error))
    else:
        for motif in motifs.values():
            matrix = np.array(motif.matrix)
            assert matrix.shape == (len(motif.matrix), len(letters))
            assert (matrix >= 0).all()
            np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=0.0201)


@pytest.mark.parametrize(
    ("file", "count", "name", "width"),
    [
        ("homer-v4.10.meme", 436, "AP-1(bZIP)", 10),
        ("hocomoco-v11-human-core.meme", 401, "AHR_HUMAN.H11MO.0.B", 9),
        ("jaspar2024-core-vertebrates.meme", 879, "Runx1", 9),
        ("homer-seqgra.meme", 58, "Bcl11a(Zf)", 12),
        ("sox2-pou5f1-and-test-factors.meme", 43, "SOX2_HUMAN.H11MO.0.A", 13),
        ("protein-seqgra.meme", 2, "PLK1_kinase", 4),
    ],
)
def test_whole_databases_read_in_a_moment(file, count, name, width):
    path = DATABASES / file
    if not path.exists():
        pytest.skip(f"the database {file} is not beside the repository")
    started = time.process_time()
    motifs = read_motifs(path, PROTEIN.letters if "protein" in file else "ACGT")
    assert time.process_time() - started < 1
    assert len({motif.name for motif in motifs.values()}) == count
    assert len(motifs[name].matrix) == width


@pytest.mark.parametrize(
    ("consensus", "alphabet", "letters"),
    [
        ("CANNTG", DNA, ["C", "A", "ACGT", "ACGT", "T", "G"]),
        ("RYSWKM", DNA, ["AG", "CT", "CG", "AT", "GT", "AC"]),
        ("bdhv", DNA, ["CGT", "AGT", "ACT", "ACG"]),
        ("UYN", RNA, ["U", "CU", "ACGU"]),
        ("SXBZJ", PROTEIN, ["S", PROTEIN.letters, "DN", "EQ", "IL"]),
    ],
)
def test_consensus_is_uniform_over_what_its_letters_stand_for(consensus, alphabet, letters):
    for row, allowed in zip(consensus_matrix(consensus, alphabet), letters, strict=True):
        expected = [(own in allowed) / len(allowed) for own in alphabet.letters]
        assert row == pytest.approx(expected)


@pytest.mark.parametrize(
    ("consensus", "alphabet", "said"),
    [
        ("CAU", DNA, "'U' stands for no DNA letter; allowed: A C G T R"),
        ("CAT", RNA, "'T' stands for no RNA letter; allowed: A C G U R"),
        ("AO", PROTEIN, "'O' stands for no protein letter"),
        ("A-C", DNA, "'-' stands for no DNA letter"),
        ("ß", PROTEIN, "'ß' stands for no protein letter"),
        ("", DNA, "consensus is empty"),
    ],
)
def test_consensus_of_foreign_letters_is_refused(consensus, alphabet, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        consensus_matrix(consensus, alphabet)
