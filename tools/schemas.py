"""JSON Schemas of grammar, architecture and config files, by which editors complete and check keys.

They are those of the models that read the files, in the forms that people write: short layers, names for
mappings. An editor finds them by the first line of every shipped file. generate.py writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter

from seqgra.architecture.layers import SHORT, Layer
from seqgra.architecture.schema import Architecture
from seqgra.grammar.schema import Grammar
from seqgra.grid.config import GridConfig

FOLDER = Path(__file__).parents[1] / "seqgra/schemas"
_TEXTS = {"type": "array", "items": {"type": "string"}}
_LIST = {"type": "array", "items": {"$ref": "#/$defs/AnyLayer"}}
_ENTRIES = {"anyOf": [_TEXTS, {"type": "object"}]}


def _either(*others: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what lets a key also be written in other ways."""
    return lambda schema: {"anyOf": [schema, *others]}


#: Forms that are turned into others before a model sees them, by model and key.
_FORMS: dict[tuple[str, str], Callable[[dict[str, Any]], dict[str, Any]]] = {
    **{(name, "layers"): lambda _: _LIST for name in ("Network", "Residual", "Repeat")},
    ("Branches", "paths"): lambda _: {"type": "array", "items": _LIST},
    **{(name, "elements"): _either(_TEXTS, {"type": "object"}) for name in ("Rule", "Confounder")},
    ("Grammar", "background"): lambda _: {},
    ("GridConfig", "grammars"): lambda _: _ENTRIES,
    ("GridConfig", "architectures"): lambda _: _ENTRIES,
    ("GridConfig", "sizes"): lambda schema: {
        **schema,
        "items": {"anyOf": [schema["items"], {"const": "all"}]},
    },
    ("GridConfig", "probe"): _either({"type": "boolean"}),
    ("AttributionPlan", "methods"): lambda schema: {
        **schema,
        "items": {"anyOf": [{"type": "string"}, schema["items"]]},
    },
}


def schema_of(kind: Any, title: str) -> dict[str, Any]:
    """Return the JSON Schema of a file that a model, or one of several, reads."""
    schema = TypeAdapter(kind).json_schema(by_alias=True)
    models: dict[str, Any] = schema.get("$defs", {})
    for name, model in [*models.items(), (schema.get("title", ""), schema)]:
        for key, rule in model.get("properties", {}).items():
            if (name, key) in _FORMS:
                described = {k: rule[k] for k in ("description", "default") if k in rule}
                model["properties"][key] = _FORMS[name, key](rule) | described
            for noise in ("type_words", "default_words"):
                model["properties"][key].pop(noise, None)
        if name in ("Rule", "Confounder"):
            model["properties"]["any-of"] = {"anyOf": [_TEXTS, {"type": "object"}]}
            model["required"] = [key for key in model["required"] if key != "elements"]
            if not model["required"]:
                del model["required"]
    if "Network" in models:
        models["AnyLayer"] = _any_layer(models)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def _any_layer(models: dict[str, Any]) -> dict[str, Any]:
    """Return a layer as it is written: a word, or a mapping with one key; `kind` goes from the models."""
    words, keys = [], {}
    for layer in get_args(get_args(Layer)[0]):
        model = models[layer.__name__]
        ((kind),) = get_args(layer.model_fields["kind"].annotation)
        del model["properties"]["kind"], model["required"]
        forms = [{"$ref": f"#/$defs/{layer.__name__}"}]
        if kind in SHORT:
            forms.append(model["properties"][SHORT[kind]])
        fields = layer.model_fields.items()
        if needed := [key for key, field in fields if field.is_required() and key != "kind"]:
            model["required"] = needed
        else:
            words.append(kind)
            forms.append({"type": "null"})
        keys[kind] = {"anyOf": forms}
    mapping = {
        "type": "object",
        "properties": keys,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [{"enum": words}, mapping]}


def files() -> dict[Path, str]:
    """Return the files of the schemas, and their texts."""
    made = {
        "grammar.json": schema_of(Grammar, "seqgra: a grammar"),
        "architecture.json": schema_of(Architecture, "seqgra: an architecture"),
        "config.json": schema_of(GridConfig, "seqgra: the config of a grid"),
    }
    return {FOLDER / name: json.dumps(schema, indent=1) + "\n" for name, schema in made.items()}
