"""The page: templates filled with numbers, every value escaped, figures embedded; it needs no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

#: Grammars from which on what the page says of each is folded away, for a page to be read in a minute.
MANY = 5
#: Bytes of all embedded figures together, so that the page stays easy to mail.
_BUDGET = 9_000_000
_METRICS = {
    "ap_chance_corrected": "chance-corrected average precision",
    "auroc_chance_corrected": "chance-corrected AUROC",
}


class Picture(NamedTuple):
    """A saved figure: path without suffix, what it shows in a line, and its caption."""

    stem: Path
    alt: str
    caption: str


class Row(NamedTuple):
    """A row of a table, and what it is about; the page's filters hide the others."""

    cells: Sequence[str]
    grammar: str = ""
    label: str = ""
    method: str = ""


class Table(NamedTuple):
    """A table; its first `texts` columns are text, others numbers."""

    heads: Sequence[str]
    rows: Sequence[Row]
    texts: int
    caption: str


def fill(template: str, context: dict[str, Any], pictures: int = 0) -> str:
    """Return a file of templates/, filled.

    Parameters
    ----------
    template
        Its name. Only what stands in templates is HTML: every value is escaped.
    context
        Its values; a template that asks for another one fails.
    pictures
        How many figures the page has in all: they share its bytes.
    """
    more = {"share": _BUDGET // max(pictures, 1), "version": metadata.version("seqgra")}
    return _ENVIRONMENT.get_template(template).render({**context, **more})


def fill_macro(template: str, name: str, *values: object) -> str:
    """Return what a macro of a file of templates/ makes of its values."""
    module: Any = _ENVIRONMENT.get_template(template).module
    return str(getattr(module, name)(*values))


def embedded(picture: Picture, share: int) -> str:
    """Return a saved figure as a data URI: SVG, or a picture of about `share` bytes where that is larger."""
    path = picture.stem.with_name(f"{picture.stem.name}.svg")
    kind, content = "svg+xml", path.read_bytes()
    if len(content) > share:
        kind, content = (
            "webp",
            _small_picture(picture.stem.with_name(f"{picture.stem.name}.png"), share),
        )
    return Markup(f"data:image/{kind};base64,{base64.b64encode(content).decode()}")  # noqa: S704


def _small_picture(path: Path, most: int) -> bytes:
    """Return a picture as the best WebP of at most so many bytes, or else the smallest tried."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    for width, quality in ((1800, 80), (1600, 60), (1200, 40)):
        if picture.width > width:
            picture = picture.resize((width, picture.height * width // picture.width))
        stream = io.BytesIO()
        picture.save(stream, "WEBP", quality=quality, method=2)  # half the time of 4, 5 % larger
        if stream.tell() <= most:
            break
    return stream.getvalue()


def count(many: int, noun: str, plural: str = "") -> str:
    """Return a number and its noun, or the plural of that.

    >>> count(1, "run"), count(1200, "cell")
    ('1 run', '1,200 cells')
    """
    return f"{many:,} {noun}" if many == 1 else f"{many:,} {plural or noun + 's'}"


def percent(share: float) -> str:
    """Return a share in per cent; nothing where it is missing.

    >>> percent(0.956)
    '96 %'
    """
    return "" if pd.isna(share) else f"{100 * share:.0f} %"


def thousands(needed: str) -> str:
    """Return a size, or a bound on one, with separators.

    >>> thousands("> 16000")
    '> 16,000'
    """
    sign, _, digits = needed.rpartition(" ")
    return f"{sign} {int(digits):,}".strip()


def number(value: float, form: str) -> str:
    """Return a number in a format, or nothing where it is missing."""
    return "" if pd.isna(value) else format(value, form)


def metric_words(metric: str) -> str:
    """Return a metric's name in words.

    >>> metric_words("ap_chance_corrected"), metric_words("f1_score")
    ('chance-corrected average precision', 'f1 score')
    """
    return _METRICS.get(metric, metric.replace("_", " "))


def first_sentence(words: str) -> tuple[str, str]:
    """Return the first sentence of a paragraph, and the others.

    >>> first_sentence("It is so. Or not.")
    ('It is so.', 'Or not.')
    """
    first, _, others = words.partition(". ")
    return (f"{first}." if others else first), others


def _known(value: float) -> bool:
    return not pd.isna(value)


def _classes(heads: Sequence[str], texts: int, long: Sequence[int] = ()) -> list[Markup]:
    """Return the attribute class of each column of a table: long text, text, or none for numbers."""
    return [
        Markup(' class="long"' if i in long else ' class="text"' if i < texts else "")  # noqa: S704
        for i in range(len(heads))
    ]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (count, percent, thousands, number, metric_words, first_sentence, embedded)
    environment.filters |= {function.__name__: function for function in filters}
    environment.filters["classes"] = _classes
    environment.tests["known"] = _known
    return environment


_ENVIRONMENT = _environment()
