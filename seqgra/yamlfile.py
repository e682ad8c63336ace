"""Read YAML that people write, and say everything that is wrong with it at once.

Grammar, architecture and config files all pass through `read_yaml` (no duplicate keys, no code) and
`validate` (a pydantic model whose unknown keys, types and ranges become `Problem` lines).
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from seqgra.errors import InputError, Problem, bad_input


class Strict(BaseModel):
    """Base of everything read from YAML: frozen, unknown keys refused."""

    # built at first use: a command needs few of them
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, content: Any) -> Any:
        """Refuse true, false, yes and no where a number is expected: they would be 1 and 0."""
        for key, value in content.items() if isinstance(content, dict) else ():
            given = value if isinstance(value, (list, tuple)) else [value]
            flag = next((each for each in given if isinstance(each, bool)), None)
            field = cls.model_fields.get(key) if flag is not None else None
            if field and _is_of_numbers(field.annotation):
                raise ValueError(f"{key} is {str(flag).lower()}, a truth value; expected a number")
        return content


def _is_of_numbers(annotation: Any) -> bool:
    """Tell whether a type takes numbers, and no truth values."""
    parts = set(_parts(annotation))
    return bool({int, float} & parts) and not {bool, Any} & parts


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield the types that a type is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


Model = TypeVar("Model", bound=BaseModel)
_Parsed = TypeVar("_Parsed")
#: Names listed in advice at most.
_MOST_LISTED = 20
#: Values that a file may hold once its aliases are written out.
_MOST_VALUES = 1_000_000


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice (YAML's own rule would silently keep the last).

    It also refuses aliases that would make a small file hold very much, or hold itself.
    """

    def construct_document(self, node: yaml.Node) -> Any:
        if _count_values(node, {}) > _MOST_VALUES:
            raise yaml.YAMLError(f"its aliases (*) stand for more than {_MOST_VALUES:,} values")
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} is given twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refuse_other_base(loader: _Loader, node: yaml.ScalarNode) -> Any:
    """Construct a number, but for one that YAML reads otherwise than people do.

    YAML 1.1 has octal numbers (030 is 24) and such of base 60 (1:30 is 90).
    """
    text = node.value.replace("_", "").lstrip("+-")
    whole = node.tag == "tag:yaml.org,2002:int"
    value = loader.construct_yaml_int(node) if whole else loader.construct_yaml_float(node)
    if ":" in text or (whole and text.isdecimal() and text[0] == "0" and len(text) > 1):
        base = "base 60" if ":" in text else "octal"
        message = (
            f"{node.value} is {base}, {value}; write the number that is meant, or text in quotes"
        )
        raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
    return value


for _kind_of_number in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind_of_number}", _refuse_other_base)


def _count_values(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values a node stands for, aliases written out."""
    if id(node) not in known:
        known[id(node)] = _MOST_VALUES + 1  # for whoever meets it again inside of itself
        inside: list[Any] = [] if isinstance(node, yaml.ScalarNode) else node.value
        if isinstance(node, yaml.MappingNode):
            inside = [part for pair in inside for part in pair]
        known[id(node)] = 1 + sum(_count_values(part, known) for part in inside)
    return known[id(node)]


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty or not YAML.
    """
    return read_yaml_and_text(path)[0]


def read_yaml_and_text(path: Path) -> tuple[Any, str]:
    """Return the content of a YAML file, and its text; see `read_yaml`."""
    content, text = _refusing(path, lambda text: (yaml.load(text, Loader=_Loader), text))  # noqa: S506 (a SafeLoader)
    if content is None:
        raise bad_input(path, "", "is empty")
    if not isinstance(content, dict):
        raise bad_input(path, "", f"holds {_kind(content)} where keys and values are expected")
    return content, text


def read_description(path: Path) -> str:
    """Return the text of a YAML file's key `description`, and read nothing after it.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str
        The text; empty where the file has no such key.

    Raises
    ------
    InputError
        If the file is missing or unreadable, or is not YAML as far as it is read.
    """
    return _refusing(path, _description)


def _description(text: str) -> str:
    depth, key = 0, None
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
            key = None if depth == 2 else key
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        elif isinstance(event, yaml.NodeEvent) and depth == 1:  # a key, a text or an alias
            value = getattr(event, "value", "")
            if key == "description":
                return str(value)
            key = value if key is None else None
    return ""


def _refusing(path: Path, parse: Callable[[str], _Parsed]) -> _Parsed:
    """Return what `parse` makes of a file's text; what is wrong with it becomes an `InputError`."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise bad_input(path, "", f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise bad_input(path, "", "is not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise bad_input(path, where, f"is not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError, IndexError) as error:  # the last: !!int ""
        raise bad_input(path, "", f"is not YAML: {' '.join(str(error).split())}") from None


def place(location: Sequence[str | int]) -> str:
    """Return the path of a value in a file.

    >>> place(("conditions", "near", "rules", 0, "probability"))
    'conditions.near.rules[0].probability'
    """
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def validate(model: type[Model], content: Any, file: str) -> tuple[Model, list[Problem]]:
    """Build `model` from YAML `content`; collect problems rather than stop at the first.

    Values that are wrong but optional are left out, so that the caller can go on to look for
    problems of meaning; it must raise whatever is returned here in the end.

    Returns
    -------
    (Model, list of Problem)
        The object, complete but for refused values, and what was refused.

    Raises
    ------
    InputError
        If so much is wrong that no object can be built.
    """
    problems: list[Problem] = []
    content = copy.deepcopy(content)
    for _ in range(20):  # each round drops refused values; nesting is never this deep
        try:
            return model.model_validate(content), problems
        except ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details:
            if detail["type"] == "too_short" and any(_within(detail, each) for each in details):
                continue  # its parts are wrong, which says why they are missing
            error_of = detail.get("ctx", {}).get("error")
            if isinstance(error_of, InputError):  # which says by itself what is wrong where
                problems += error_of.problems
            else:
                problems.append(_problem(detail, model, file))
        if not all(_drop(content, detail) for detail in details):
            break
    raise InputError(*dict.fromkeys(problems))


def _within(whole: ErrorDetails, part: ErrorDetails) -> bool:
    """Whether what is wrong with `part` is wrong with a part of `whole`."""
    place = whole["loc"]
    return len(part["loc"]) > len(place) and part["loc"][: len(place)] == place


def _drop(content: Any, detail: ErrorDetails) -> bool:
    """Delete the refused value from `content`; False if it cannot be left out."""
    if detail["type"] != "extra_forbidden" or not detail["loc"]:
        return False
    *parents, last = detail["loc"]
    for parent in parents:
        try:
            content = content[parent]
        except (KeyError, IndexError, TypeError):
            return False
    return isinstance(content, dict) and content.pop(last, None) is not None


def _problem(detail: ErrorDetails, model: type[BaseModel], file: str) -> Problem:
    location = [part for part in detail["loc"] if part != "[key]"]
    kind, given = detail["type"], detail["input"]
    if len(location) < len(detail["loc"]):  # a key that is no text, which is no index either
        location[-1] = str(given)
    context = detail.get("ctx", {})
    if kind == "extra_forbidden":
        message = f"unknown key; {_suggest(str(location[-1]), _allowed(model, location[:-1]))}"
    elif kind == "union_tag_invalid":
        known = [word.strip(" '") for word in context["expected_tags"].split(",")]
        message = f"is {context['tag']!r}; {_suggest(context['tag'], known)}"
    elif kind == "union_tag_not_found":
        message = f"is {_short(given)}; expected a name or a mapping with one key"
    elif kind == "missing":
        message = "is missing"
    elif kind == "value_error":
        message = str(context["error"])
    elif kind == "literal_error":
        message = f"is {given!r}; expected {context['expected']}"
    elif kind in ("model_type", "dict_type", "model_attributes_type"):
        message = f"is {_kind(given)}; expected keys and values"
    elif kind in ("tuple_type", "list_type"):
        message = f"is {_kind(given)}; expected a list"
    elif kind == "too_short":
        message = f"holds {context['actual_length'] or 'nothing'}; at least {context['min_length']}"
    elif kind == "too_long":
        message = f"holds {context['actual_length']}; at most {context['max_length']}"
    else:
        said = detail["msg"].removeprefix("Input ")
        message = f"is {_short(given)}; {said}"
        if kind == "string_type" and isinstance(given, (bool, int, float)):
            message += "; put it in quotes"
    return Problem(file, place(location), message)


def _suggest(given: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(given, allowed, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    listed = allowed if len(allowed) <= _MOST_LISTED else [*allowed[:_MOST_LISTED], "..."]
    return f"allowed: {', '.join(listed)}"


def suggest(given: str, allowed: Sequence[str]) -> str:
    """Return advice on a misspelt name.

    >>> suggest("foxa", ["foxa1", "bcl11a"])
    "did you mean 'foxa1'?"
    """
    return _suggest(given, list(allowed)) if allowed else "none is defined"


def _allowed(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Return the keys that the model at `location` knows, following fields of model type."""
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            if part not in current.model_fields:  # the key or index of a container of models
                continue
            current.model_rebuild(force=True)  # names the types that its fields refer to by name
            current = current.model_fields[str(part)].annotation
        current = _inner_model(current, part)
    if isinstance(current, type) and issubclass(current, BaseModel):
        fields = current.model_fields
        return [field.alias or name for name, field in fields.items() if name != "kind"]
    return []


def _inner_model(annotation: Any, tag: str | int) -> Any:
    """Return the model inside an annotation such as dict[str, Model], or the one of a tagged union."""
    models = _models(annotation)
    tagged = [m for m in models if tag in _tags(m)]
    return tagged[0] if tagged else models[0] if len(models) == 1 else annotation


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    kind = model.model_fields.get("kind")
    return get_args(kind.annotation) if kind else ()


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in getattr(annotation, "__args__", ()) for m in _models(part)]


def _kind(value: Any) -> str:
    names = {dict: "mapping", list: "list", str: "text", bool: "true/false"}
    return "nothing" if value is None else f"a {names.get(type(value), 'number')}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
