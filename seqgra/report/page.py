"""The page: templates filled with numbers, every value escaped, figures embedded; it needs no network."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from seqgra.compare.efficiency import size_words

#: Grammars from which on what the page says of each is folded away, for a page to be read in a minute.
MANY = 5
#: Bytes of all embedded figures together, so that the page stays easy to mail.
_BUDGET = 9_000_000
_METRICS = {
    "ap_chance_corrected": "chance-corrected average precision",
    "auroc_chance_corrected": "chance-corrected AUROC",
}


class Picture(NamedTuple):
    """A saved figure: path without suffix, what it shows in a line, its caption; the same for phones."""

    stem: Path
    alt: str
    caption: str
    narrow: Path | None = None


class TableRow(NamedTuple):
    """A row of a table, and what it is about; the page's filters hide the others."""

    cells: Sequence[str]
    grammar: str = ""
    label: str = ""
    method: str = ""


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
    more = {
        "share": _BUDGET // max(pictures, 1),
        "many": MANY,
        "version": metadata.version("seqgra"),
    }
    return _ENVIRONMENT.get_template(template).render({**context, **more})


def fill_macro(template: str, name: str, *values: object, **named: object) -> str:
    """Return what a macro of a file of templates/ makes of its values."""
    module: Any = _ENVIRONMENT.get_template(template).module
    return str(getattr(module, name)(*values, **named))


def plain_text(template: str, name: str, *values: object) -> str:
    """Return what `fill_macro` does as plain text on one line, code between backticks."""
    text = re.sub("</?code>", "`", fill_macro(template, name, *values))
    return Markup(text).striptags()  # noqa: S704


def caption(figure: str, **facts: object) -> Markup:
    """Return what is said below a figure: the macro of that name of captions.j2 makes it of its facts."""
    return Markup(" ".join(fill_macro("captions.j2", figure, **facts).split()))  # noqa: S704


def embedded(stem: Path, share: int) -> str:
    """Return a saved figure as a data URI: SVG, or a picture of about `share` bytes where that is larger."""
    path = stem.with_name(f"{stem.name}.svg")
    kind, content = "svg+xml", path.read_bytes()
    if len(content) > share:
        kind, content = (
            "webp",
            _small_picture(stem.with_name(f"{stem.name}.png"), share),
        )
    return Markup(f"data:image/{kind};base64,{base64.b64encode(content).decode()}")  # noqa: S704


def pixels(stem: Path) -> int:
    """Return how wide a saved figure is, in CSS pixels, where its letters are as large as drawn."""
    with stem.with_name(f"{stem.name}.svg").open("rb") as stream:
        head = stream.read(2000)
    found = re.search(rb'<svg[^>]*? width="([\d.]+)pt"', head)
    return round(float(found[1]) * 4 / 3) if found else 600


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


def _known(value: float) -> bool:
    return not pd.isna(value)


def _classes(heads: Sequence[str], texts: int, long: Sequence[int] = ()) -> list[Markup]:
    """Return the attribute class of each column of a table: long text, text, or none for numbers."""
    return [
        Markup(' class="long"' if i in long else ' class="text"' if i < texts else "")  # noqa: S704
        for i in range(len(heads))
    ]


def _filled(
    heads: Sequence[str], rows: Sequence[TableRow | Sequence[str]], texts: int
) -> list[int]:
    """Return the columns of a table that are text or hold something; all of a table without rows."""
    cells = [row.cells if isinstance(row, TableRow) else row for row in rows]
    return [i for i in range(len(heads)) if i < texts or not rows or any(row[i] for row in cells)]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (count, percent, thousands, number, metric_words, size_words, embedded, pixels)
    environment.filters |= {function.__name__: function for function in filters}
    environment.filters |= {"classes": _classes, "filled": _filled}
    environment.tests["known"] = _known
    return environment


_ENVIRONMENT = _environment()
