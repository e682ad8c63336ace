"""Imports go one way: nouns <- law <- backends <- verbs <- grid and command line; no cycles."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "seqgra"
VERBS = {"describe", "simulate", "subsample", "ingest", "fit", "tune", "train"}
VERBS |= {"attribute", "filters", "evaluate", "compare", "export", "probe", "project"}
LAYERS = [
    {
        "errors",
        "alphabet",
        "streams",
        "fingerprint",
        "outputs",
        "yamlfile",
        "textfile",
        "progress",
        "library",
        "labels",
        "kernel_cache",
    }
    | {
        "markers",
        "metrics",
        "motif",
        "grammar",
        "legacy",
        "architecture",
        "dataset",
        "dataset_files",
        "dataset_memory",
        "model",
        "training",
        "results",
        "stages",
        "digest",
    },
    {"law"},
    {"backends", "recovery"},
    {"plot"} | VERBS | {"report"},
    {"grid", "api"},
    {"cli"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(file):
    relative = file.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imported(file, top_level_only=False):
    tree = ast.parse(file.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("seqgra"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name.split(".")[1] for name in names)
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".")[1] for a in node.names if a.name.startswith("seqgra."))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_go_one_way(file):
    here = part_of(file)
    if here == "__init__":
        return
    for there in imported(file):
        assert RANK[there] <= RANK[here], f"{here} must not import {there}"
        if here in VERBS and there in VERBS:
            assert here == there, f"verb {here} must not import verb {there}"


def module_name(file):
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for file in FILES}


def imported_modules(file):
    """Yield the modules that a file imports anywhere: at the top, in functions, and for types alone."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file} imports by a relative name"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_no_module_imports_itself_through_others():
    graph = {name: set(imported_modules(f)) & set(MODULES) - {name} for name, f in MODULES.items()}
    graph["seqgra"] = set()  # what it names is loaded when it is asked for
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c"]
    assert cycles(graph) == []


def cycles(graph):
    return sorted(name for name in graph if name in reachable(graph, name))


def reachable(graph, start):
    seen, stack = set(), list(graph[start])
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack += graph[name]
    return seen


HEAVY = {"torch", "tensorflow", "sklearn", "pandas", "matplotlib", "numba"}


def test_the_command_line_starts_without_heavy_libraries():
    code = f"import sys, seqgra.cli; sys.exit(str({HEAVY | {'numpy', 'pydantic'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


def test_a_stage_loads_what_it_computes_with_when_it_computes():
    """One that finds its result up to date ends before that."""
    code = "import sys; from importlib import import_module; from seqgra.stages import all_stages\n"
    code += "for stage in all_stages(): import_module(stage.run.partition(':')[0])\n"
    code += f"sys.exit(str({HEAVY | {'scipy', 'pyarrow'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


#: Runs the stages of a model, and prints what of torch they have loaded.
STAGES = """
import json, sys
from seqgra.cli import main
assert not any(map(main, json.loads(sys.argv[1])))
print(*{".".join(name.split(".")[:2]) for name in sys.modules})
"""


def test_stages_of_a_model_load_no_compiler_that_they_do_not_use(tmp_path, tiny_dataset):
    """That of torch takes as long to import as torch itself, and each job of a grid would pay for it."""
    relu = "{activation: relu}"
    network = f"layers: [{{conv: {{filters: 2, width: 3}}}}, {relu}, global-max-pool, {{dense: 4}}, {relu}]\n"
    (tmp_path / "net.yaml").write_text(network + "training: {epochs: 1}\n")
    model, scores, maps = (str(tmp_path / name) for name in ("model", "scores", "maps"))
    commands = [
        ["train", str(tiny_dataset), str(tmp_path / "net.yaml"), "-o", model, "--size", "1000"],
        ["evaluate", model, str(tiny_dataset), "-o", scores],
        ["attribute", model, str(tiny_dataset), "-o", maps, "--examples", "5"],
    ]
    for part, others in ((commands[:2], {"numba", "sklearn"}), (commands[2:], {"sklearn"})):
        run = [sys.executable, "-c", STAGES, json.dumps(part)]
        loaded = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
        assert "torch.nn" in loaded
        assert not {"torch._dynamo", "torch._inductor", *others} & set(loaded)


#: Classes that every stage has, and those that a backend makes of a layer of the same name.
SHARED = {"Options", "OneHot", "SharedConv"}


def test_a_class_has_a_name_of_its_own():
    homes = {}
    for name, file in MODULES.items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, set()).add(name)
    several = {name: sorted(found) for name, found in homes.items() if len(found) > 1}
    assert several.keys() - SHARED == set(), several
