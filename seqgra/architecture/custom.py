"""Network classes of the user's own: found by file, run only where the user allows it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from seqgra.errors import InputError, bad_input
from seqgra.fingerprint import digest

if TYPE_CHECKING:  # the command line imports this module, and should start without pydantic
    from seqgra.architecture.schema import Network

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
        If there is no such file.
    """
    if network.module is None:
        return network
    return network.with_source(module_file(network, file).read_text(encoding="utf-8"))


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
        If custom code is not allowed or fails, or the output has another shape than (2, outputs).
    """
    assert network.module is not None
    made = load_class(network, file)
    try:
        module = made(**sizes._asdict(), **network.options)
        shape = shape_of(module, sizes)
    except InputError:
        raise
    except Exception as error:
        given = ", ".join(f"{name}={value}" for name, value in sizes._asdict().items())
        raise bad_input(network.module, "", f"cannot be used with {given}: {error!r}") from error
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
