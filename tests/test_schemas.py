"""JSON Schemas: every shipped file fits and names its own, and typos do not fit."""

import json

import jsonschema
import pytest
import yaml
from conftest import REPOSITORY

FOLDER = REPOSITORY / "seqgra" / "schemas"
FILES = {
    "grammar": REPOSITORY.glob("grammars/*.yaml"),
    "architecture": REPOSITORY.glob("architectures/*.yaml"),
    "config": [
        *REPOSITORY.glob("config/**/*.yaml"),
        *REPOSITORY.glob("seqgra/project/template/**/config.yaml"),
    ],
}
SHIPPED = [(kind, file) for kind, files in FILES.items() for file in sorted(files)]


def validator(kind):
    return jsonschema.Draft202012Validator(json.loads((FOLDER / f"{kind}.json").read_text()))


@pytest.mark.parametrize("kind", FILES)
def test_every_shipped_file_fits_and_names_its_schema(kind):
    files = [file for each, file in SHIPPED if each == kind]
    assert len(files) > 10
    check = validator(kind)
    for file in files:
        text = file.read_text()
        problems = [
            f"{file.name}: {e.json_path}: {e.message}"
            for e in check.iter_errors(yaml.safe_load(text))
        ]
        assert not problems
        first, _, _ = text.partition("\n")
        named = first.removeprefix("# yaml-language-server: $schema=")
        assert (file.parent / named).resolve() == FOLDER / f"{kind}.json"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("architecture", "layers: [{conv: {filter: 10, width: 5}}, flatten]"),
        ("architecture", "layers: [{convv: {filters: 10, width: 5}}, flatten]"),
        ("architecture", "layers: [{conv: {filters: 10}}, flatten]"),
        ("architecture", "layers: [conv, flatten]"),
        ("architecture", "layers: [{dropout: 1.5}]"),
        ("architecture", "layers: [{residual: [{conv: {filter: 4, width: 3}}]}]"),
        ("architecture", "{backend: sklearn, features: {kmer: {k: 5}}}"),
        ("grammar", "{window: 50, elements: {a: {kmer: {ACGT: 1}}}, conditions: {}}"),
        ("grammar", "{window: 50, elements: {a: {kmers: {ACGT: 1}}}, conditions: {x: {rule: []}}}"),
        ("config", "{name: t, grammars: [a], architectures: [b], sizes: [5]}"),
        ("config", "{name: t, grammars: [a], architectures: [b], sizes: [100], seed: [1]}"),
        (
            "config",
            "{name: t, grammars: [a], architectures: [b], sizes: [100], train: {devise: cpu}}",
        ),
    ],
)
def test_typos_and_wrong_values_do_not_fit(kind, text):
    assert not validator(kind).is_valid(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (
            "architecture",
            "layers: [{conv: {filters: 10, width: 5}}, {dropout: 0.3}, {residual: [batch-norm]}, flatten]",
        ),
        (
            "architecture",
            "layers: [{branches: [[], [{gate: silu}, layer-norm]]}, {attention: 4}, attention-pool]",
        ),
        ("architecture", "{module: 'my.py:Mine', options: {a: 1}}"),
        (
            "config",
            "{name: t, datasets: {p: {folder: d}}, architectures: {a: {from: b}}, sizes: [100, all], "
            "probe: false}",
        ),
        (
            "config",
            "{name: t, grammars: [a], architectures: [b], sizes: [100], attribution: {methods: [saliency]}}",
        ),
    ],
)
def test_the_forms_that_people_write_fit(kind, text):
    errors = [e.message for e in validator(kind).iter_errors(yaml.safe_load(text))]
    assert not errors
