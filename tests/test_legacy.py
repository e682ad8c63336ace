"""seqgra import-xml: published XML data definitions become grammar files."""

import csv
import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pytest
import yaml

from seqgra import cli
from seqgra.errors import InputError
from seqgra.grammar.load import load_grammar
from seqgra.grammar.motifs import read_motifs
from seqgra.legacy.reader import import_definition
from seqgra.legacy.writer import as_yaml

HERE = Path(__file__).parent / "legacy"
EVERYTHING = HERE / "everything.xml"
SHARED = Path(__file__).parents[2] / "shared" / "data"
PUBLISHED = sorted((SHARED / "legacy").glob("*.xml"))
needs_shared = pytest.mark.skipif(
    not PUBLISHED, reason="needs the published files in ../shared/data"
)


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def written(tmp_path, text):
    file = tmp_path / "definition.xml"
    file.write_text(text)
    return file


def without(text, tag):
    """Cut the first element of a tag out of the text."""
    return re.sub(rf"\s*<{tag}[ >].*?</{tag}>", "", text, count=1, flags=re.DOTALL)


# What is read


@pytest.mark.parametrize("name", ["everything", "shuffled-class"])
def test_the_grammar_file_is_the_expected_one_byte_for_byte(tmp_path, name):
    for folder in ("first", "second"):
        output = tmp_path / folder / f"{name}.yaml"
        assert run("import-xml", HERE / f"{name}.xml", "-o", output) == 0
        first, rest = output.read_bytes().split(b"\n", 1)
        assert rest == (HERE / f"{name}.yaml").read_bytes()
        assert first.endswith(hashlib.sha256(rest).hexdigest().encode())
        assert run("check", output) == 0


def test_sizes_seed_and_commands_are_told_and_work(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("import-xml", EVERYTHING, "-o", "g/every.yaml") == 0
    said = capsys.readouterr().out
    assert "training 1,200, validation 120, test 240; seed 7" in said
    commands = re.findall(r"^  seqgra (simulate .*)$", said, re.MULTILINE)
    assert len(commands) == 3 and all(run(*command.split()) == 0 for command in commands)
    counts = json.loads(Path("data/every/dataset.json").read_text())["counts"]
    assert counts == {"training": 1200, "validation": 120, "test": 240}
    assert "The test set had: pair 40, either 40, (none) 40" in said


def test_one_command_where_sizes_are_70_10_20(tmp_path, capsys):
    text = (HERE / "shuffled-class.xml").read_text()
    text = re.sub(r"<postprocessing>.*</postprocessing>", "", text, flags=re.DOTALL)
    start, end = text.index("<set name"), text.index("</sets>")
    other = text[start:end]
    sets = (
        other.replace("training", n).replace("70", s)
        for n, s in (("validation", "10"), ("test", "20"))
    )
    file = written(tmp_path, text[:end] + "".join(sets) + text[end:])
    assert run("import-xml", file, "-o", tmp_path / "g.yaml") == 0
    assert "-o data/g --size 200\n" in capsys.readouterr().out


def test_shares_that_repeat_late_are_rounded(tmp_path):
    text = EVERYTHING.read_text().replace('samples="300"', 'samples="700001"')
    imported = import_definition(written(tmp_path, text))
    shares = [group["share"] for group in imported.content["examples"]]
    assert any("rounded to 1 in 10,000" in note for note in imported.notes)
    assert sum(shares) <= 10_010 and shares[0] / sum(shares) == pytest.approx(0.4998, abs=1e-3)


def test_an_alias_never_takes_the_name_of_an_element(tmp_path):
    text = EVERYTHING.read_text().replace('"no"', '"box-2"')
    text = text.replace('<sequenceelementref sid="box"/>\n            <sequenceelementref sid="box"/>',
                        '<sequenceelementref sid="box"/><sequenceelementref sid="box"/>'
                        '<sequenceelementref sid="box-2"/>')  # fmt: skip
    rule = import_definition(written(tmp_path, text)).content["conditions"]["either"]["rules"][0]
    assert rule["elements"] == {"box": "box", "box-3": "box", "box-2": "box-2"}
    assert rule["spacing"][0]["elements"] == ["box", "box-3"]


def test_any_encoding_that_the_file_names(tmp_path):
    text = EVERYTHING.read_text().replace("every part", "façade").replace("UTF-8", "ISO-8859-1")
    file = tmp_path / "latin.xml"
    file.write_bytes(text.encode("latin-1"))
    assert import_definition(file).content["description"].startswith("façade")


def test_the_definition_is_never_overwritten(tmp_path, capsys):
    file = written(tmp_path, EVERYTHING.read_text())
    assert run("import-xml", file, "-o", file) == 2
    assert "a grammar file is named ....yaml" in capsys.readouterr().err
    assert file.read_text() == EVERYTHING.read_text()


# What is refused

ERRORS = yaml.safe_load((HERE / "errors.yaml").read_text())


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_what_is_wrong_is_one_line_with_its_place(tmp_path, capsys, error):
    text, old, message = EVERYTHING.read_text(), error["replace"], error["message"]
    assert old in text
    count = -1 if old in ("seqgradata", 'cid="either"/></example>', '"either"') else 1
    file = written(tmp_path, text.replace(old, error["by"], count))
    assert run("import-xml", file, "-o", tmp_path / "out.yaml") == 2
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith(f"seqgra: {file}: {message}") for line in lines), lines
    assert all(line.startswith(f"seqgra: {file}: ") for line in lines)
    assert not (tmp_path / "out.yaml").exists()


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("general", "line 3: <seqgradata>: has no <general>"),
        ("task", "line 4: <general>: has no <task>"),
        ("sequencespace", "line 4: <general>: has no <sequencespace>"),
        ("background", "line 3: <seqgradata>: has no <background>"),
        ("minlength", "line 11: <background>: has no <minlength>"),
        ("alphabetdistributions", "line 11: <background>: has no <alphabetdistributions>"),
        ("datageneration", "line 3: <seqgradata>: has no <datageneration>"),
        ("sets", "line 35: <datageneration>: has no <sets>"),
        ("conditions", "line 3: <seqgradata>: has no <conditions>"),
        ("grammar", "line 61: <condition>: has no <grammar>"),
        ("position", "line 65: <rule>: has no <position>"),
        ("probability", "line 65: <rule>: has no <probability>"),
        ("sequenceelementrefs", "line 65: <rule>: has no <sequenceelementrefs>"),
        ("sequenceelements", "line 3: <seqgradata>: has no <sequenceelements>"),
    ],
)
def test_a_missing_part_is_named(tmp_path, tag, message):
    text = EVERYTHING.read_text()
    with pytest.raises(InputError) as error:
        import_definition(written(tmp_path, without(text, tag)))
    assert any(f"definition.xml: {message}" in line for line in str(error.value).splitlines())


def test_a_class_has_one_condition_an_example(tmp_path):
    text = EVERYTHING.read_text().replace("multi-label", "multi-class")
    text = text.replace('labels=""', 'labels="negative"')
    message = "line 40: examples[2].conditions: a multi-class example shows exactly one condition"
    with pytest.raises(InputError, match=re.escape(message)):
        import_definition(written(tmp_path, text))


def test_all_problems_are_told_at_once_in_the_files_order(tmp_path):
    text = EVERYTHING.read_text().replace('"5e-1"', '"half"').replace("<seed>7", "<seed>x")
    with pytest.raises(InputError) as error:
        import_definition(written(tmp_path, text))
    first, second = str(error.value).splitlines()
    assert "line 9: <seed>" in first and "line 146: <letter>" in second


BOMB = '<!DOCTYPE seqgradata [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
EXTERNAL = '<!DOCTYPE seqgradata [<!ENTITY x SYSTEM "secret.txt">]>'


@pytest.mark.parametrize("doctype", [BOMB, EXTERNAL, "<!DOCTYPE seqgradata SYSTEM 'a.dtd'>"])
def test_a_doctype_is_refused_before_anything_is_expanded(tmp_path, doctype):
    told = "never to be told"  # with spaces: no name of a temporary folder holds it
    (tmp_path / "secret.txt").write_text(told)
    text = EVERYTHING.read_text().replace("<seqgradata", f"{doctype}\n<seqgradata", 1)
    with pytest.raises(InputError, match="line 3: has a DOCTYPE, which can define entities") as e:
        import_definition(written(tmp_path, text.replace("every part", "&x;")))
    assert told not in str(e.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"\x89PNG\r\n\x1a\n", "is not XML"),
        (b"alphabet: DNA\n", "line 1, column 1: is not XML"),
        (b"<a>" * 60, "line 1: nests more than 50 tags"),
        (EVERYTHING.read_bytes()[:3000], "is not XML: "),
    ],
)
def test_files_that_are_no_definition(tmp_path, content, message):
    file = tmp_path / "odd.xml"
    file.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(message)):
        import_definition(file)


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert run("import-xml", tmp_path / "no.xml", "-o", tmp_path / "no.yaml") == 2
    assert "no.xml: cannot be read (No such file or directory)" in capsys.readouterr().err


def test_no_part_of_the_file_can_be_dropped_without_a_word(tmp_path):
    """Whatever line is deleted, the result is an error or another grammar, never a crash."""
    lines = EVERYTHING.read_text().splitlines(keepends=True)
    refused = 0
    for number in range(len(lines)):
        file = written(tmp_path, "".join(lines[:number] + lines[number + 1 :]))
        try:
            import_definition(file)
        except InputError as error:
            refused += 1
            assert all(line.startswith(str(file)) for line in str(error).splitlines())
    assert refused > 0.7 * len(lines)


# The published files and the facts about all sixteen


@needs_shared
@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.stem)
def test_published_files_become_grammars_that_pass_check(tmp_path, file):
    output = tmp_path / f"{file.stem}.yaml"
    assert run("import-xml", file, "-o", output) == 0 and run("check", output) == 0
    facts = json.loads((SHARED / "motifs" / "grammars.json").read_text())
    assert_has_facts(import_definition(file), load_grammar(output), facts, file.stem)


@needs_shared
def test_stand_ins_of_all_sixteen_keep_every_fact(tmp_path):
    facts = json.loads((SHARED / "motifs" / "grammars.json").read_text())
    with (SHARED / "motifs" / "grammar-rules.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert len(facts["grammars"]) == 16
    for grammar in facts["grammars"]:
        file = written(tmp_path, stand_in(grammar, facts["rules"], rows))
        imported = import_definition(file)
        output = tmp_path / "grammar.yaml"
        output.write_text(as_yaml(imported, "x.xml", []))
        assert_has_facts(imported, load_grammar(output), facts, grammar["file"])
        assert yaml.safe_load(output.read_text()) == imported.content


def assert_has_facts(imported, resolved, facts, name):
    """Compare an import with the facts: window, task, background, rules and spacings."""
    (told,) = (g for g in facts["grammars"] if g["file"] == name)
    assert imported.id == told["id"] and imported.seed == told["seed"]
    assert resolved.task == told["task"].removesuffix(" classification")
    assert resolved.alphabet == told["space"] and resolved.overlap == "allow"
    assert (resolved.shortest, resolved.longest) == (told["minlength"], told["maxlength"])
    assert (
        len(resolved.conditions) == told["classes"] and len(resolved.elements) == told["elements"]
    )
    for condition, _, letters in told["background"]:
        total = sum(letters.values())
        for key in [condition] if condition else resolved.conditions:
            got = resolved.background.of(key, "training").letters
            assert got == pytest.approx({k: p / total for k, p in letters.items()}, abs=1e-6)
    rules = [rule for rule in facts["rules"] if rule["file"] == name]
    assert len(rules) == sum(len(condition.rules) for condition in resolved.conditions.values())
    for fact in rules:
        condition = resolved.conditions[fact["cid"]]
        rule = condition.rules[fact["rule"] - 1]
        assert list(rule.elements) == fact["sids"] and rule.probability == fact["probability"]
        assert condition.description.startswith(fact["label"])
        position = rule.position if isinstance(rule.position, str) else str(rule.position[0])
        assert position == fact["position"]
        got = [[*s.elements, *s.gap, s.order] for s in rule.spacing]
        assert got == fact["spacing"]


def stand_in(grammar, rules, rows):
    """Return an XML definition written from the facts, with the motifs of the library."""
    rules = [rule for rule in rules if rule["file"] == grammar["file"]]
    motif_of = {
        sid: motif
        for row in rows
        if row["grammar"] == grammar["file"]
        for sid, motif in zip(row["elements"].split(","), row["motif_ids"].split(","), strict=False)
    }
    elements = "".join(
        f'<sequenceelement id="{sid}">{element(grammar, sid, motif)}</sequenceelement>'
        for sid, motif in sorted(motif_of.items())
    )
    by_condition = defaultdict(list)
    for rule in rules:
        by_condition[rule["cid"]].append(rule)
    conditions = "".join(
        f'<condition id="{cid}"><label>{escape(of[0]["label"])}</label><description/><grammar>'
        + "".join(map(rule_text, of))
        + "</grammar></condition>"
        for cid, of in by_condition.items()
    )
    examples = "".join(
        f'<example samples="7"><conditionref cid="{cid}"/></example>' for cid in by_condition
    )
    backgrounds = "".join(
        "<alphabetdistribution"
        + (f" cid={quoteattr(cid)}" if cid else "")
        + f">{letters(distribution)}</alphabetdistribution>"
        for cid, _, distribution in grammar["background"]
    )
    return (
        f'<seqgradata><general id="{grammar["id"]}"><name/><description/><task>{grammar["task"]}'
        f"</task><sequencespace>{grammar['space']}</sequencespace><seed>{grammar['seed']}</seed>"
        f"</general><background><minlength>{grammar['minlength']}</minlength><maxlength>"
        f"{grammar['maxlength']}</maxlength><alphabetdistributions>{backgrounds}"
        f"</alphabetdistributions></background><datageneration><sets><set name='training'>{examples}"
        f"</set></sets></datageneration><conditions>{conditions}</conditions>"
        f"<sequenceelements>{elements}</sequenceelements></seqgradata>"
    )


def letters(distribution):
    return "".join(f'<letter probability="{p}">{c}</letter>' for c, p in distribution.items())


def rule_text(rule):
    spacings = "".join(
        f'<spacingconstraint sid1="{a}" sid2="{b}" mindistance="{low}" maxdistance="{high}"'
        f' order="{order}"/>'
        for a, b, low, high, order in rule["spacing"]
    )
    refs = "".join(f'<sequenceelementref sid="{sid}"/>' for sid in rule["sids"])
    return (
        f"<rule><position>{rule['position']}</position><probability>{rule['probability']}"
        f"</probability><sequenceelementrefs>{refs}</sequenceelementrefs>"
        + (f"<spacingconstraints>{spacings}</spacingconstraints>" if spacings else "")
        + "</rule>"
    )


def element(grammar, sid, motif):
    if grammar["file"].startswith("ml4"):
        with (SHARED / "motifs" / "kmers-seqgra.tsv").open() as stream:
            rows = [row for row in csv.DictReader(stream, delimiter="\t") if row["element"] == sid]
        kmers = (f'<kmer probability="{r["probability"]}">{r["kmer"]}</kmer>' for r in rows)
        return f"<kmerbased>{''.join(kmers)}</kmerbased>"
    if grammar["space"] == "protein":
        alphabet, name = "ACDEFGHIKLMNPQRSTVWY", "protein-seqgra.meme"
    else:
        alphabet, name = "ACGT", "homer-seqgra.meme"
    matrix = np.array(read_motifs(SHARED / "motifs" / name, alphabet)[motif].matrix)
    columns = (letters(dict(zip(alphabet, row, strict=True))) for row in matrix.tolist())
    positions = "".join(f"<position>{column}</position>" for column in columns)
    return f"<matrixbased>{positions}</matrixbased>"
