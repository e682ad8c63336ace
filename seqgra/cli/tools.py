"""Subcommands that are no stages: check, variant, describe, list, init, predict, plan, next, compare ..."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqgra.cli.options import (
    Handler,
    Verbs,
    add_custom_code,
    add_device,
    add_directory,
    add_expect_all,
    add_library,
    add_output,
    add_verb,
    named_architecture,
)
from seqgra.errors import InputError, Problem, SeqgraError, bad_input
from seqgra.stages import natural, positive

if TYPE_CHECKING:
    from seqgra.legacy.reader import Imported


#: Keys by one of which a YAML file shows that it is an architecture.
_OF_ARCHITECTURES = {"layers", "features", "module", "backend"}


def add_tools(verbs: Verbs) -> None:
    """Add the subcommands of this module."""
    example = "seqgra check grammars/*.yaml config/config.yaml"
    summary = "check grammar, architecture and config files"
    parser = add_verb(verbs, "check", _check, summary, example)
    parser.add_argument("files", type=Path, nargs="+", help="files; descriptors too")
    add_library(parser)
    add_directory(parser)
    example = "seqgra variant grammar grammars/a.yaml '{\"window\": 500}' -o grammars/a-500.yaml"
    summary = "write a grammar or architecture with some keys changed"
    parser = add_verb(verbs, "variant", _variant, summary, example)
    parser.add_argument("kind", choices=("grammar", "architecture"))
    parser.add_argument("base", help="file or name; an architecture may be a descriptor")
    parser.add_argument("changes", help="JSON; mappings merge, lists replace")
    add_output(parser, "FILE")
    add_library(parser)
    example = "seqgra describe mc2-dna150-order -o described/order"
    summary = "describe a grammar or a network in tables, numbers and pictures"
    parser = add_verb(verbs, "describe", _describe, summary, example)
    parser.add_argument(
        "what",
        metavar="GRAMMAR|NETWORK",
        help="YAML file, or the name of one in grammars/ or architectures/; or a folder of seqgra ingest",
    )
    add_library(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FOLDER",
        help="also write description.md, tables and figures here",
    )
    parser.add_argument(
        "--dataset",
        type=Path,
        help="folder made by seqgra simulate: show where elements lie in it [simulates examples]",
    )
    parser.add_argument(
        "--examples",
        type=positive,
        help="how many examples to look at [all of DATASET; else 2,000, or 200 a group if more]",
    )
    parser.add_argument(
        "--seed", type=natural, default=0, help="of simulated examples and sampled sites [0]"
    )
    parser.add_argument(
        "--ceiling",
        type=natural,
        default=1000,
        help="examples to measure the ceiling of any classifier on; 0 leaves it out [1000]",
    )
    parser.add_argument("--window", type=positive, help="of a network: letters of a sequence [150]")
    parser.add_argument(
        "--alphabet", type=_alphabet, help="DNA, RNA or protein, of a network [DNA]"
    )
    parser.add_argument("--conditions", type=positive, help="of a network: its outputs [2]")
    summary = "list grammars, architectures, attribution methods and backends"
    parser = add_verb(verbs, "list", _list, summary, "seqgra list")
    add_library(parser)
    summary = "check PyTorch, a GPU and the compiled engine on this machine: one line each"
    parser = add_verb(verbs, "doctor", _doctor, summary, "seqgra doctor --device cuda")
    add_device(parser)
    _add_init(verbs)
    _add_predict(verbs)
    _add_export_model(verbs)
    summary = "print what a grid will cost: jobs, CPU and GPU hours, memory, disk"
    _add_of_grid(verbs, "plan", _plan, summary)
    summary = "say what of a grid is done, running, failed and missing, also while it runs"
    _add_of_grid(verbs, "status", _status, summary)
    _add_next(verbs)
    _add_import_xml(verbs)
    _add_compare(verbs)


def _alphabet(text: str) -> str:
    """Read the name of an alphabet."""
    from seqgra.alphabet import ALPHABETS

    if text not in ALPHABETS:
        raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(sorted(ALPHABETS))}")
    return text


def _add_init(verbs: Verbs) -> None:
    summary = "make a folder ready for a grid of your own: config, Snakefile, Slurm profile, README"
    parser = add_verb(verbs, "init", _init, summary, "seqgra init my-project")
    parser.add_argument("output", type=Path, metavar="FOLDER", help="new or empty folder")


def _init(options: argparse.Namespace) -> str:
    from seqgra.project import make_project

    make_project(options.output)
    return f"ready; next: cd {shlex.quote(str(options.output))} && snakemake --cores 2"


def _add_predict(verbs: Verbs) -> None:
    example = "seqgra predict models/a new.fa -o predictions.tsv"
    summary = "predict the conditions of new sequences"
    parser = add_verb(verbs, "predict", _predict, summary, example)
    parser.add_argument("model", type=Path, help="folder made by seqgra train")
    parser.add_argument(
        "sequences",
        type=Path,
        metavar="FILE",
        help="FASTA, or a table with a column sequence, and name or id if there is one; may be gzip",
    )
    add_output(parser, "FILE.tsv")
    add_device(parser)
    add_custom_code(parser)


def _predict(options: argparse.Namespace) -> str:
    from seqgra.api import load_model, predicted
    from seqgra.fingerprint import write_atomically

    names, sequences = _named_sequences(options.sequences)
    model = load_model(options.model, device=options.device)
    _require_predictions(options.output, model.conditions)
    places = (f"sequence {number} ({name})" for number, name in enumerate(names, 1))
    table = predicted(model, zip(places, sequences, strict=True), str(options.sequences))
    table.insert(0, "name", names, allow_duplicates=True)
    write_atomically(options.output, table.to_csv(sep="\t", index=False, float_format="%.6g"))
    return f"{len(table):,} sequences"


def _require_predictions(file: Path, conditions: Sequence[str]) -> None:
    """Refuse to write over anything but earlier predictions of the same conditions.

    Raises
    ------
    InputError
        If the file is there and holds something else.
    """
    if not file.exists():
        return
    if file.is_dir():
        raise bad_input(file, "", "is a folder; name a file in it, such as predictions.tsv")
    if not file.is_file():
        raise bad_input(file, "", "is no regular file; name one, such as predictions.tsv")
    import pandas as pd

    header = pd.DataFrame(columns=["name", *conditions]).to_csv(sep="\t", index=False).encode()
    with file.open("rb") as stream:
        if stream.read(len(header)) != header:
            message = (
                "holds no predictions of this model's conditions; choose another file for them"
            )
            raise bad_input(file, "", message)


def _add_export_model(verbs: Verbs) -> None:
    example = "seqgra export-model models/a -o exported/a"
    summary = "write a network for use without seqgra: Python file and weights"
    parser = add_verb(verbs, "export-model", _export_model, summary, example)
    parser.add_argument("model", type=Path, help="folder made by seqgra train")
    add_output(parser, "FOLDER")
    add_custom_code(parser)


def _export_model(options: argparse.Namespace) -> str:
    from seqgra.api import load_model

    return load_model(options.model, device="cpu").export(options.output)


def _named_sequences(file: Path) -> tuple[list[str], list[str]]:
    """Return the names and letters of the sequences of a FASTA file or a table."""
    from seqgra.grammar.fasta import fasta_records
    from seqgra.ingest.columns import TextTable
    from seqgra.textfile import read_text

    text = read_text(file)
    if not text.strip():
        raise bad_input(file, "", "is empty; expected FASTA or a table with a column sequence")
    if text.lstrip().startswith(">"):
        found = fasta_records(text)
    else:
        rows = TextTable(file, ("sequence",), ("name", "id"), text).rows()
        found = [
            (row.get("name") or row.get("id") or str(number), row["sequence"].strip())
            for number, (_, row) in enumerate(rows, 1)
        ]
    for number, (name, letters) in enumerate(found, 1):
        if not letters:
            raise bad_input(file, f"sequence {number} ({name})", "has no letters; leave it out")
    return [name for name, _ in found], [letters for _, letters in found]


def _add_of_grid(verbs: Verbs, name: str, handler: Handler, summary: str) -> None:
    parser = add_verb(verbs, name, handler, summary, f"seqgra {name} config/config.yaml")
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the grid's config file")
    add_library(parser)
    add_directory(parser)


def _add_next(verbs: Verbs) -> None:
    example = "seqgra next --grid config/config.yaml -o packs.txt"
    summary = "say which packs an adaptive grid runs, as far as finished scores tell"
    parser = add_verb(verbs, "next", _next, summary, example, batched=True)
    parser.add_argument(
        "--grid", type=Path, metavar="CONFIG", required=True, help="its config file"
    )
    add_library(parser)
    add_expect_all(parser)
    add_output(parser, "FILE")


def _add_import_xml(verbs: Verbs) -> None:
    example = "seqgra import-xml mc2-dna1000-homer-100k-s1.xml -o grammars/mc2-homer.yaml"
    summary = "turn a published XML data definition into a grammar file"
    parser = add_verb(verbs, "import-xml", _import_xml, summary, example)
    parser.add_argument("file", type=Path, metavar="FILE.xml", help="the data definition")
    add_output(parser, "GRAMMAR.yaml")


def _check(options: argparse.Namespace) -> str:
    """Check files of any kind; a grammar has elements, a config has grammars."""
    problems: list[Problem] = []
    for file in options.files:
        try:
            notes = _check_one(file, options.library)
        except InputError as error:
            problems += error.problems
        else:
            print("\n".join([*(f"{file}: {note}" for note in notes), f"{file}: ok"]))
    if problems:
        raise InputError(*problems)
    return ""


def _check_one(file: Path, library: Path | None) -> list[str]:
    """Check a file of any kind; return what its user should know."""
    from seqgra.architecture.descriptor import looks_like_descriptor
    from seqgra.architecture.load import load_architecture
    from seqgra.architecture.schema import Network
    from seqgra.architecture.shapes import order_note
    from seqgra.grammar.load import load_grammar
    from seqgra.grid import read_grid
    from seqgra.law.law import compile_law
    from seqgra.library import library_folders
    from seqgra.yamlfile import read_yaml

    if not file.exists() and looks_like_descriptor(file.name):
        load_architecture(file)
        return []
    content = read_yaml(file)
    if content.keys() & {"grammars", "datasets", "architectures", "sizes"}:
        return read_grid(file, library_folders(library)).notes
    if content.keys() & _OF_ARCHITECTURES:
        architecture = load_architecture(file)
        note = order_note(architecture) if isinstance(architecture, Network) else ""
        return [note] if note else []
    compile_law(load_grammar(file), str(file))
    return []


def _plan(options: argparse.Namespace) -> str:
    from seqgra.grid import read_grid
    from seqgra.grid.plan import plan, table
    from seqgra.library import library_folders

    grid = read_grid(options.config, library_folders(options.library))
    on_gpu = grid.config.train.device == "cuda"
    print("\n".join([table(plan(grid), str(options.config), on_gpu), *grid.notes]))
    return ""


def _status(options: argparse.Namespace) -> str:
    from seqgra.grid import read_grid
    from seqgra.grid.status import status, table
    from seqgra.library import SHIPPED, library_folders

    grid = read_grid(options.config, library_folders(options.library))
    print(table(status(grid, options.library or SHIPPED)))
    if not grid.folder.exists():
        print(
            f"{grid.folder}: not in this folder; --directory names the one that Snakemake runs in"
        )
    return ""


def _next(options: argparse.Namespace) -> str:
    from seqgra.grid import read_grid
    from seqgra.grid.adaptive import write_packs
    from seqgra.library import library_folders

    grid = read_grid(options.grid, library_folders(options.library))
    grid.resolved.require(options.expect)
    write_packs(grid, options.output)
    return "done"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON mapping, none of whose keys is given twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {max(keys, key=keys.count)!r} is given twice")
    return found


def _variant(options: argparse.Namespace) -> str:
    from seqgra.grammar.load import find_grammar
    from seqgra.grid.variants import (
        architecture_text,
        architecture_variant,
        grammar_text,
        grammar_variant,
    )
    from seqgra.outputs import replace_own_file

    try:
        changes = json.loads(options.changes, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 2,000 brackets
        raise bad_input("variant", "changes", f"are not JSON ({error})") from None
    if not isinstance(changes, dict):
        raise bad_input("variant", "changes", 'must be a JSON mapping, such as {"window": 500}')
    if "from" in changes:
        raise bad_input("variant", "changes", "hold from; name the file to start from as the base")
    if options.kind == "grammar":
        text = grammar_text(grammar_variant(find_grammar(options.base, options.library), changes))
    else:
        base = named_architecture(options.base, options.library)
        text = architecture_text(architecture_variant(base, changes))
    replace_own_file(options.output, text, "variant")
    return "done"


def _describe(options: argparse.Namespace) -> str:
    from seqgra.describe import describe
    from seqgra.fingerprint import RUN_FILE
    from seqgra.grammar.load import find_grammar

    if (folder := Path(options.what)).joinpath(RUN_FILE).is_file():
        return _describe_real(folder, options.output)
    if _is_network(options.what, options.library):
        return _describe_network(options)
    _refuse(options, ("window", "alphabet", "conditions"), "networks; this is a grammar")
    text = describe(
        find_grammar(options.what, options.library),
        options.output,
        dataset=options.dataset,
        examples=options.examples,
        seed=options.seed,
        ceiling=options.ceiling,
    )
    print(text)
    return "done" if options.output else ""


def _is_network(name: str, library: Path | None) -> bool:
    """Whether a file or name is an architecture: it has layers, features or a module, and no elements."""
    from seqgra.architecture.descriptor import looks_like_descriptor
    from seqgra.library import ARCHITECTURES, GRAMMARS, find_named, library_folders
    from seqgra.yamlfile import read_yaml

    folders = library_folders(library)
    if Path(name).is_file():
        return bool(read_yaml(Path(name)).keys() & _OF_ARCHITECTURES)
    if find_named(name, GRAMMARS, folders):
        return False
    return bool(find_named(name, ARCHITECTURES, folders)) or looks_like_descriptor(name)


def _describe_network(options: argparse.Namespace) -> str:
    from seqgra.architecture.load import load_architecture
    from seqgra.describe.network import describe_network

    _refuse(options, ("dataset", "examples"), "grammars; this is an architecture")
    architecture = load_architecture(named_architecture(options.what, options.library))
    print(
        describe_network(
            architecture,
            options.what,
            options.output,
            alphabet=options.alphabet or "DNA",
            window=options.window or 150,
            outputs=options.conditions or 2,
        ),
        end="",
    )
    return "done" if options.output else ""


def _refuse(options: argparse.Namespace, names: tuple[str, ...], words: str) -> None:
    for name in names:
        if getattr(options, name) is not None:
            raise bad_input(f"--{name}", "", f"is an option for {words}")


def _describe_real(folder: Path, output: Path | None) -> str:
    from seqgra.dataset import open_dataset
    from seqgra.fingerprint import write_atomically
    from seqgra.ingest.words import facts_in_words
    from seqgra.outputs import own_files

    dataset = open_dataset(folder)
    if dataset.simulated:
        raise bad_input(folder, "", "was simulated; give its grammar, and this folder as --dataset")
    text = facts_in_words(dataset.content)
    print(text)
    if output:
        with own_files(output, "describe") as own:
            write_atomically(own.file("description.md"), f"{text}\n")
    return "done" if output else ""


def _doctor(options: argparse.Namespace) -> str:
    from seqgra.backends.doctor import examine

    bad = []
    for finding in examine(options.device):
        print(f"{finding.name:18} {finding.text}{'' if finding.good else '  <- wrong'}", flush=True)
        bad += [] if finding.good else [finding.name]
    if bad:
        raise SeqgraError(f"{', '.join(bad)}: not as it should be on this machine")
    return ""


def _list(options: argparse.Namespace) -> str:
    from seqgra.attribute.methods import METHODS
    from seqgra.library import ARCHITECTURES, GRAMMARS, library_folders, named_files
    from seqgra.model import BACKENDS
    from seqgra.yamlfile import read_description

    for kind in (GRAMMARS, ARCHITECTURES):
        print(f"{kind}:")
        for name, file in named_files(kind, library_folders(options.library)).items():
            print(f"  {name:45} {read_description(file)}".rstrip())
    print("attribution methods:")
    for name, method in METHODS.items():
        warning = f"; {method.warning}" if method.warning else ""
        print(f"  {name:24} {method.description}{warning}")
    print("backends:", ", ".join(BACKENDS))
    return ""


def _import_xml(options: argparse.Namespace) -> str:
    from seqgra.legacy.reader import import_definition
    from seqgra.legacy.writer import as_yaml, comment_lines
    from seqgra.outputs import replace_own_file

    if options.output.suffix != ".yaml":
        raise bad_input(options.output, "", "a grammar file is named ....yaml")
    imported = import_definition(options.file)
    name, output = options.file.name, options.output
    calls = _simulate_calls(output.name, imported)
    replace_own_file(output, as_yaml(imported, name, calls), "import-xml")
    for line in comment_lines(imported, name, _simulate_calls(str(output), imported)):
        print(line)
    return "done"


def _simulate_calls(grammar: str, imported: Imported) -> list[str]:
    """Return the command lines that simulate sets of the definition's sizes."""
    from seqgra.dataset import split_size

    counts = imported.counts
    call = f"seqgra simulate {grammar} -o data/{Path(grammar).stem}"
    call += "" if imported.seed is None else f" --seed {imported.seed}"
    total = sum(counts.values())
    if counts == split_size(total):
        return [f"{call} --size {total}"]
    by_count: dict[int, list[str]] = {}
    for name, count in counts.items():
        by_count.setdefault(count, []).append(name)
    return [f"{call} --sets {','.join(sets)} --examples {n}" for n, sets in by_count.items()]


def _add_compare(verbs: Verbs) -> None:
    """Add ``seqgra compare``."""
    example = "seqgra compare --grid config/config.yaml -o results/demo"
    summary = "gather the finished cells of a grid into tables, figures and a report"
    parser = add_verb(verbs, "compare", _compare, summary, example, batched=True)
    parser.add_argument("--grid", type=Path, metavar="CONFIG", help="the grid's config file")
    add_library(parser)
    parser.add_argument(
        "--cells", type=Path, metavar="FILE", help="a cells file, instead of --grid"
    )
    parser.add_argument(
        "--scored",
        type=Path,
        metavar="FOLDER",
        action="append",
        default=[],
        help="made by seqgra score: what another program predicted, beside the grid's; may be given again",
    )
    parser.add_argument(
        "--at",
        type=positive,
        metavar="N",
        help="your dataset size: what is best there, and what more data would gain [the config's at]",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=1,
        help="processes that save figures, this one included; the same files with any number [1]",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="also write every number of the report as JSON",
    )
    add_directory(parser)
    add_expect_all(parser)
    add_output(parser, "FOLDER")


def _compare(options: argparse.Namespace) -> str:
    from seqgra.markers import COMPARED, remove_marker
    from seqgra.report import write_report

    if options.cells and options.scored:
        raise bad_input("compare", "--scored", "is for --grid; add rows to the cells file instead")
    cells = options.cells or _cells_text(options)
    marker = options.output / COMPARED
    remove_marker(marker)  # by hand the report may be of another config
    try:
        return write_report(
            cells,
            options.output,
            config=options.grid,
            at=options.at,
            workers=options.workers,
            json=options.json,
        )
    finally:
        remove_marker(marker)  # of a report that ended while this one waited


def _cells_text(options: argparse.Namespace) -> str:
    """Return the text of the cells file of a grid."""
    import csv
    import io

    from seqgra.grid import commands, read_grid
    from seqgra.grid.adaptive import spared_cells
    from seqgra.library import library_folders

    if options.grid is None:
        raise bad_input("compare", "", "needs --grid CONFIG or --cells FILE")
    grid = read_grid(options.grid, library_folders(options.library))
    grid.resolved.require(options.expect)
    rows = list(commands.cell_rows(grid, spared_cells(grid)))
    if options.scored:
        from seqgra.evaluate.foreign import scored_rows

        rows += scored_rows(rows, options.scored)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
