"""Network classes of the user's own: found by file, run only where the user allows it."""

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

if TYPE_CHECKING:  # the command line imports this module, and should start without pydantic
    from seqgra.architecture.schema import Network

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


def module_file(network: Network, file: str) -> Path:
    """Return the file that `module` names, looked for from the working folder, then near `file`.

    Raises
    ------
    InputError
        If there is no such file.
    """
    assert network.module is not None
    name = Path(network.module.rpartition(":")[0])
    for path in (name, Path(file).parent / name, Path(file).parent.parent / name):
        if path.is_file():
            return path
    raise bad_input(file, "module", f"there is no file {name}")


def read_source(network: Network, file: str) -> Network:
    """Return the network with the text of its module's file, which is read but not run.

    Raises
    ------
    InputError
        If there is no such file, or it imports other files of the user's.
    """
    if network.module is None:
        return network
    path = module_file(network, file)
    source = path.read_text(encoding="utf-8")
    _refuse_helpers(source, path)
    return network.with_source(source)


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
            file = str(Path.cwd() / path)
            hidden = "/." in file  # caches and settings of libraries
            if file.startswith(self.folders) and not file.startswith(self.installed) and not hidden:
                self.files.append(file)


_OPENED = _Opened()


def require_permission(file: str) -> None:
    """Refuse to go on unless custom code is allowed.

    Raises
    ------
    InputError
        If it is not.
    """
    if not _ALLOWED.get():
        message = "runs code of your own; allow it with --allow-custom-code, or in a config with "
        raise bad_input(file, "module", message + "train.allow_custom_code: true")


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
    with _OPENED.watched(Path(network.module.rpartition(":")[0])):
        made = load_class(network, file)
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


def load_class(network: Network, file: str) -> Any:
    """Run the text of the module's file and return the class (or function) that `module` names.

    Raises
    ------
    InputError
        If custom code is not allowed, fails, or has no such name.
    """
    require_permission(file)
    assert network.module is not None
    path, _, name = network.module.rpartition(":")
    module = ModuleType(f"seqgra_custom_{digest(network.source)}")
    sys.modules[module.__name__] = module  # some decorators look their module up
    try:
        exec(compile(network.source, path, "exec"), module.__dict__)  # noqa: S102 (allowed above)
    except Exception as error:
        raise bad_input(path, "", f"fails when it is run: {error!r}") from error
    found = getattr(module, name, None)
    if not callable(found):
        raise bad_input(path, "", f"holds no class {name}")
    return found
