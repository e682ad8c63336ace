"""Classes and functions of the user's own: found by file, run only where the user allows it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from seqgra.digest import digest
from seqgra.errors import InputError, bad_input
from seqgra.textfile import read_text

if TYPE_CHECKING:  # the command line imports this module, and should start without pydantic
    from seqgra.architecture.schema import Baseline, Network

_MOVE = "move into it what it needs, or install that as a package"
_ALLOWED: ContextVar[bool] = ContextVar("custom code is allowed", default=False)


@contextmanager
def custom_code(allowed: bool) -> Iterator[None]:
    """Allow, or not, to run code of the user's own inside the block."""
    token = _ALLOWED.set(allowed or _ALLOWED.get())
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def module_file(module: str, file: str, key: str = "module") -> Path:
    """Return the file of ``FILE.py:NAME``, looked for from the working folder, then near `file`.

    Raises
    ------
    InputError
        If there is no such file; `key` is what gives the name.
    """
    name = Path(module.rpartition(":")[0])
    for path in (name, Path(file).parent / name, Path(file).parent.parent / name):
        if path.is_file():
            return path
    raise bad_input(file, key, f"there is no file {name}")


def read_sources(architecture: Network | Baseline, file: str) -> dict[str, str]:
    """Return the text of the file of each of an architecture's `own_names`; they are read but not run.

    Raises
    ------
    InputError
        If there is no such file, or it imports other files of the user's.
    """
    texts = {}
    for key, module in architecture.own_names.items():
        path = module_file(module, file, key)
        texts[module] = read_text(path)
        _refuse_helpers(texts[module], path)
    return texts


def _refuse_helpers(source: str, path: Path) -> None:
    """Refuse a module that imports further files of the user's: its models would not be made again with them.

    Raises
    ------
    InputError
        Naming the import.
    """
    import ast
    from importlib import metadata

    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError as error:
        raise bad_input(path, f"line {error.lineno}", f"is no Python ({error.msg})") from None
    installed = {*sys.stdlib_module_names, *metadata.packages_distributions(), "seqgra"}
    for node in nodes:
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        for name in names:
            if name.split(".")[0] not in installed:
                place = f"line {node.lineno}"
                message = f"imports {name}, which is no installed package; only this file is kept with its "
                raise bad_input(path, place, message + f"models: {_MOVE}")


class _Opened:
    """Files of the user's that Python opens while a module of the user's own is tried."""

    def __init__(self) -> None:
        self.folders: tuple[str, ...] = ()
        self.installed: tuple[str, ...] = ()  # Python, its packages and seqgra itself
        self.files: list[str] = []
        self._hooked = False

    @contextmanager
    def watched(self, path: Path) -> Iterator[None]:
        """Refuse, inside the block, files of the working folder and of the module's own folder.

        Raises
        ------
        InputError
            Naming the first file that was read.
        """
        if not self._hooked:
            import sysconfig

            paths = (*sysconfig.get_paths().values(), Path(__file__).parents[1])
            self.installed = tuple(f"{path}/" for path in paths)
            sys.addaudithook(self._see)  # stays, and looks only inside the block
            self._hooked = True
        self.folders, self.files = (f"{Path.cwd()}/", f"{path.resolve().parent}/"), []
        try:
            yield
        finally:
            self.folders = ()
        if self.files:
            message = f"reads {self.files[0]}; only this file is kept with its models: {_MOVE}"
            raise bad_input(path, "", message)

    def _see(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.folders or event != "open":
            return
        path, _, flags = arguments
        reads = isinstance(flags, int) and not flags & (os.O_WRONLY | os.O_RDWR)
        if reads and isinstance(path, (str, os.PathLike)):
            file = os.path.abspath(path)  # noqa: PTH100 (links are not followed)
            # below what is hidden there lie caches and settings of libraries
            own = any(file.startswith(f) and "/." not in file[len(f) - 1 :] for f in self.folders)
            if own and not file.startswith(self.installed):
                self.files.append(file)


_OPENED = _Opened()


@contextmanager
def only_own_file(module: str) -> Iterator[None]:
    """Refuse, inside the block, to read files beside that of ``FILE.py:NAME`` or of the working folder.

    Raises
    ------
    InputError
        Naming the first that was read: what is in it would be no part of the fingerprint.
    """
    with _OPENED.watched(Path(module.rpartition(":")[0])):
        yield


def require_permission(file: str, key: str = "module") -> None:
    """Refuse to go on unless custom code is allowed; `key` is what asks for it.

    Raises
    ------
    InputError
        If it is not.
    """
    if not _ALLOWED.get():
        message = "runs code of your own; allow it with --allow-custom-code, or in a config with "
        raise bad_input(file, key, message + "train.allow_custom_code: true")


class Sizes(NamedTuple):
    """What a network is built for: letters of the alphabet, positions, outputs."""

    letters: int
    window: int
    outputs: int


def build_custom(
    network: Network, sizes: Sizes, file: str, shape_of: Callable[[Any, Sizes], tuple[int, ...]]
) -> Any:
    """Make the user's module and try it on two sequences.

    Parameters
    ----------
    network, sizes, file
        The network, what it is for, and its name for messages.
    shape_of
        Returns the shape of a module's output for two sequences.

    Raises
    ------
    InputError
        If custom code is not allowed, fails or reads other files of the user's, or the output has another
        shape than (2, outputs).
    """
    assert network.module is not None
    with only_own_file(network.module):
        made = load_named(network.module, network.source, file)
        try:
            module = made(**sizes._asdict(), **network.options)
            shape = shape_of(module, sizes)
        except InputError:
            raise
        except Exception as error:
            given = ", ".join(f"{name}={value}" for name, value in sizes._asdict().items())
            message = f"cannot be used with {given}: {error!r}"
            raise bad_input(network.module, "", message) from error
    if shape != (2, sizes.outputs):
        message = f"gives an output of shape {shape}; expected (2, {sizes.outputs})"
        raise bad_input(network.module, "", f"{message} for two sequences")
    return module


def load_named(module: str, source: str, file: str, key: str = "module") -> Any:
    """Run the text of a file of the user's own and return the class or function that `module` names.

    Parameters
    ----------
    module, source
        ``FILE.py:NAME``, and the text of that file.
    file, key
        The architecture and the key that gives the name, for messages.

    Raises
    ------
    InputError
        If custom code is not allowed, fails, or has no such name.
    """
    require_permission(file, key)
    path, _, name = module.rpartition(":")
    made = ModuleType(f"seqgra_custom_{digest(source)}")
    sys.modules[made.__name__] = made  # some decorators look their module up
    try:
        exec(compile(source, path, "exec"), made.__dict__)  # noqa: S102 (allowed above)
    except Exception as error:
        raise bad_input(path, "", f"fails when it is run: {error!r}") from error
    found = getattr(made, name, None)
    if not callable(found):
        raise bad_input(path, "", f"holds no class or function {name}")
    return found
