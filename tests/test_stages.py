"""What holds for every stage, and the text of its fingerprint at its defaults.

UPDATE=1 pytest tests/test_stages.py -k committed    after a wanted change, which CHANGELOG.md must name
"""

import json
import os
from pathlib import Path

import pytest
from conftest import TINY

from seqgra import fingerprint
from seqgra.cli import main
from seqgra.fingerprint import RESULTS_VERSIONS, Identity, claim

#: What each stage's fingerprint is computed from, inputs by their roles only; a change of results changes it.
FILE = Path(__file__).with_name("fingerprints.json")
#: The least that each stage can be called with, folders of `files` in braces.
CALLS = {
    "simulate": ["{grammar}", "--size", "100"],
    "ingest": ["--fasta", "one={fasta}", "--fasta", "none={fasta}"],
    "subsample": ["{dataset}"],
    "fit": ["{dataset}"],
    "tune": ["{dataset}", "conv10w-gmp-fc5", "--size", "50"],
    "train": ["{dataset}", "conv10w-gmp-fc5"],
    "evaluate": ["{model}", "{dataset}"],
    "attribute": ["{model}", "{dataset}"],
    "construct": ["{grammar}"],
    "probe": ["{model}", "{grammar}"],
    "filters": ["{model}", "{dataset}"],
    "export": ["{dataset}", "--format", "tsv"],
}


class Claimed(BaseException):
    """A stage has claimed its folder; nothing more is computed."""

    def __init__(self, identity):
        self.identity = identity


@pytest.fixture
def files(tmp_path, tiny_dataset):
    """Return what calls name: a grammar, a dataset, a model, sequences."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "a.fa").write_text(">a\nACGTACGTAC\n")
    with claim(tmp_path / "model", Identity("train", 1)) as draft:
        draft.publish()
    return {
        "grammar": tmp_path / "tiny.yaml",
        "fasta": tmp_path / "a.fa",
        "dataset": tiny_dataset,
        "model": tmp_path / "model",
    }


@pytest.fixture
def identity_of_call(files, tmp_path, monkeypatch):
    """Return a function from the words of a call to the identity of what it would make."""

    def caught(self, folder, identity):
        raise Claimed(identity)

    def find(stage, *options):
        words = [word.format(**files) for word in CALLS[stage]]
        with monkeypatch.context() as patch:
            patch.setattr(fingerprint.Draft, "__init__", caught)
            with pytest.raises(Claimed) as claimed:
                main([stage, *words, "-o", str(tmp_path / "made"), *options])
        return claimed.value.identity

    return find


def text_of(identity):
    """Return what a fingerprint is computed from, inputs by their roles."""
    return json.loads(
        fingerprint.canonical(
            {
                "stage": identity.verb,
                "version": identity.version,
                "inputs": sorted(identity.inputs),
                "options": dict(identity.options),
            }
        )
    )


@pytest.mark.parametrize("stage", RESULTS_VERSIONS)
def test_the_fingerprint_at_the_defaults_is_the_committed_one(stage, identity_of_call):
    found = text_of(identity_of_call(stage))
    committed = json.loads(FILE.read_text())
    if os.environ.get("UPDATE"):
        committed[stage] = found
        FILE.write_text(json.dumps({name: committed[name] for name in CALLS}, indent=1) + "\n")
    assert found == committed[stage]


def test_every_stage_is_called():
    assert CALLS.keys() == RESULTS_VERSIONS.keys()
