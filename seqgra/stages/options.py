"""Types of options, and how their values are written on a command line and in a batch file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.fields import FieldInfo

from seqgra.errors import bad_input, raise_problems
from seqgra.stages import natural, positive
from seqgra.yamlfile import Strict, validate

_Options = TypeVar("_Options", bound=Strict)


@dataclass(frozen=True)
class Written:
    """How the values of a type are written on a command line.

    Attributes
    ----------
    read, write
        From text, which raises `argparse.ArgumentTypeError`, and to text.
    metavar
        What help calls a value.
    join
        Between the parts of a list.
    repeated
        Whether the option is given once for each value of a list.
    """

    read: Callable[[str], Any] = str
    metavar: str | None = None
    write: Callable[[Any], str] = str
    join: str = ""
    repeated: bool = False


def _count_or_auto(text: str) -> int | str:
    return text if text == "auto" else positive(text)


def _is_count_or_auto(value: int | str) -> int | str:
    """Refuse both alternatives in one line, where a union would give one for each."""
    if value != "auto" and (isinstance(value, str) or value < 1):
        raise ValueError(f"is {value!r}; give a whole number from 1, or auto")
    return value


def _split(given: Any) -> Any:
    return tuple(filter(None, given.split(","))) if isinstance(given, str) else given


def _split_sets(given: Any) -> Any:
    """Split a text at commas, and refuse unknown sets."""
    from seqgra.alphabet import SETS

    sets = _split(given)
    if unknown := [name for name in sets or () if name not in SETS]:
        raise bad_input("--sets", unknown[0], f"no such set; choose from {', '.join(SETS)}")
    return sets


#: A whole number from 1.
Count = Annotated[int, Field(ge=1), Written(positive)]
#: A whole number from 1, or ``auto``.
CountOrAuto = Annotated[int | str, AfterValidator(_is_count_or_auto), Written(_count_or_auto)]
#: A whole number from 0, such as a seed.
Natural = Annotated[int, Field(ge=0), Written(natural)]
#: A file that is read.
File = Annotated[Path, Written(Path, "FILE")]
#: Names of sets of a dataset.
Sets = Annotated[tuple[str, ...], BeforeValidator(_split_sets), Written(str, join=",")]
#: Text with commas between its parts.
Texts = Annotated[tuple[str, ...], BeforeValidator(_split), Written(str, join=",")]


#: Where networks are computed.
DeviceName = Literal["auto", "cpu", "cuda"]


class Device(Strict):
    """The option of every stage that opens a model."""

    device: DeviceName = Field("auto", description="auto (CUDA where there is one), cpu or cuda")


def read_options(model: type[_Options], given: Mapping[str, Any]) -> _Options:
    """Return the options of a stage from values by name.

    Raises
    ------
    InputError
        Naming every value that is wrong.
    """
    options, problems = validate(model, dict(given), "")
    raise_problems(problems)
    return options


def flag_of(name: str, field: FieldInfo) -> str:
    """Return the flag of an option: ``--set-size``; ``--no-...`` of one that a flag turns off."""
    extra = field.json_schema_extra
    flag = extra.get("flag") if isinstance(extra, dict) else None
    return str(flag or f"--{name.replace('_', '-')}")


def group_of(field: FieldInfo) -> str:
    """Return the heading of help that an option stands under; empty for the common one."""
    extra = field.json_schema_extra
    return str(extra.get("group", "")) if isinstance(extra, dict) else ""


def written_of(field: FieldInfo) -> Written:
    """Return how the values of a field are written."""
    for part in reversed(field.metadata):
        if isinstance(part, Written):
            return part
    return next(_written_inside(field.annotation), Written(_plain_type(field.annotation)))


def _written_inside(annotation: Any) -> Iterator[Written]:
    for part in reversed(getattr(annotation, "__metadata__", ())):
        if isinstance(part, Written):
            yield part
    if get_origin(annotation) is not Literal:
        for part in get_args(annotation):
            yield from _written_inside(part)


def _plain_type(annotation: Any) -> Any:
    kinds = [kind for kind in (annotation, *get_args(annotation)) if kind in (int, float, Path)]
    return kinds[0] if kinds else str


def choices_of(annotation: Any) -> tuple[str, ...] | None:
    """Return the values of an option that takes one of some words, else None."""
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    found = [choices_of(part) for part in get_args(annotation) if part is not type(None)]
    return found[0] if len(found) == 1 else None


def help_of(field: FieldInfo) -> str:
    """Return what help says of an option: its description, and its default where that is a value."""
    text, default = field.description or "", field.default
    if default is None or isinstance(default, bool) or default == () or text.endswith("]"):
        return text
    if field.is_required():
        return text
    return f"{text} [{default_text(field)}]".strip()


def default_text(field: FieldInfo) -> str:
    """Return a default as it is written."""
    default = field.default
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return f"{default:g}" if isinstance(default, float) else str(default)


def arguments(model: type[Strict], values: Mapping[str, Any]) -> Iterator[object]:
    """Yield the words of a command line that give options these values, in this order.

    None, empty lists and what a flag does not change are left out.
    """
    for name, value in values.items():
        field = model.model_fields[name]
        flag, how = flag_of(name, field), written_of(field)
        if isinstance(value, bool):
            if value != field.default:
                yield flag
        elif how.repeated:
            for each in value:
                yield from (flag, how.write(each))
        elif value is not None and value != ():
            yield from (flag, how.join.join(map(str, value)) if how.join else value)
