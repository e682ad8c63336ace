"""Small datasets and files that several tests share."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from seqgra.simulate import simulate

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

# a shell that starts the tests in the background has them, and all they start, ignore Ctrl-C
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).parents[1]

TINY = """
alphabet: DNA
window: 40
elements:
  a: {kmers: {ACGTACGT: 1}}
  b: {kmers: {GGGGCCCC: 1}}
conditions:
  one: {rules: [{elements: [a]}]}
  two: {rules: [{elements: [b]}]}
"""


@pytest.fixture
def tiny_grammar(tmp_path) -> Path:
    """Return the file of a grammar that anything can learn."""
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    return file


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory) -> Path:
    """Return a dataset of the tiny grammar: 700 training, 100 validation, 200 test examples."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.yaml").write_text(TINY)
    counts = {"training": 700, "validation": 100, "test": 200}
    simulate(folder / "tiny.yaml", folder / "data", seed=1, counts=counts)
    return folder / "data"


@pytest.fixture(scope="session")
def svg_only() -> Callable[[], AbstractContextManager[None]]:
    """Return a context in which figures are drawn in one format only, for pages that a fixture makes."""

    @contextmanager
    def drawn() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for module in ("seqgra.outputs", "seqgra.plot.style"):
                patch.setattr(f"{module}.FIGURE_KINDS", ("svg",))
            yield

    return drawn


@pytest.fixture
def svg_alone(svg_only) -> Iterator[None]:
    """Draw figures in one format only, where a test reads the page or tables."""
    with svg_only():
        yield


@pytest.fixture(scope="session")
def tensorflow() -> None:
    """Let TensorFlow compute on one thread before anything makes it begin, which cannot be changed later."""
    pytest.importorskip("tensorflow")
    from seqgra.backends.tensorflow import prepare_process

    prepare_process(1)
