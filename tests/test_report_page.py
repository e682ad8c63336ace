"""The report in a real browser: no console error, filters that filter, nothing wider than a phone."""

import html
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from compare import write_grid
from synthetic import Truth

import seqgra as sg
from seqgra.report import page as page_module
from seqgra.report import write_report

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
TRUTH = Truth(
    {"pool": 1500.0, "flat": 4000.0, "deep": 2500.0},
    grammars=2,
    sizes=(500, 1000, 2000, 4000, 8000),
    collapse=0.03,
)
#: Grammars of a page that is a long one here, so that it is drawn in a few seconds.
MANY = 3
#: Run after the page's own script: tells what a reader would see.
PROBE = """
<script>
function shown(part) { return part.getClientRects().length > 0; }
function look() {
  var parts = Array.from(document.querySelectorAll("[data-grammar], [data-architecture]"));
  return {width: document.documentElement.scrollWidth,
    parts: parts.filter(shown).map(function (part) {
      return [part.dataset.grammar || "", part.dataset.architecture || ""]; }),
    broken: Array.from(document.images).filter(function (i) { return !i.naturalWidth; }).length,
    open: Array.from(document.querySelectorAll("details.part[open]")).map(function (part) {
      return part.dataset.architecture; }),
    unfolded: Array.from(document.querySelectorAll("details.fold[open]")).map(function (part) {
      return part.dataset.grammar; }),
    filters: shown(document.querySelector(".filters")),
    said: Math.max(...Array.from(document.querySelectorAll(".answer"), function (part) {
      return part.getBoundingClientRect().bottom; }))};
}
window.onload = async function () {
  var seen = {first: document.images.length, window: window.innerWidth};
  document.querySelectorAll(".section:not([data-grammar])").forEach(function (part) { part.open = true; });
  seen.before = look();
  var select = document.querySelector('[data-filter="FILTER"]');
  select.value = "VALUE"; select.dispatchEvent(new Event("change"));
  seen.after = look();
  select.value = ""; select.dispatchEvent(new Event("change"));
  seen.again = look();
  window.dispatchEvent(new Event("beforeprint"));
  await Promise.all(Array.from(document.images, function (image) { return image.decode(); }));
  seen.printed = look(); seen.figures = document.images.length;
  seen.folded = document.querySelectorAll("details:not([open])").length;
  window.dispatchEvent(new Event("afterprint"));
  seen.after_print = look();
  var out = document.createElement("pre"); out.id = "seen"; out.textContent = JSON.stringify(seen);
  document.body.appendChild(out);
};
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory, svg_only):
    root = tmp_path_factory.mktemp("page")
    cells, out = write_grid(root, TRUTH), root / "out"
    with svg_only():
        write_report(cells, out, config=None, at=3000, json=root / "out.json")
    return root / "out" / "report.html"


def numbers(value):
    """Yield the numbers of JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)


def unknown(text, known):
    """Return the numbers of a text that no known number is rounded to; those of sentences are left out."""
    text = re.sub(r"\b(95 %|90 %|0:|1:|to 1 where)", "", text)
    found = []
    for digits, percent in re.findall(r"(\d[\d,]*(?:\.\d+)?)( %)?", text):
        digits = digits.rstrip(",")
        places = len(digits.partition(".")[2])
        value = float(digits.replace(",", ""))
        scale = 100 if percent else 1
        if not any(abs(round(scale * abs(n), places) - value) < 1e-9 for n in known):
            found.append(digits + percent)
    return found


def test_every_number_of_the_answer_stands_in_the_json(page):
    content = json.loads(page.parents[1].joinpath("out.json").read_text())
    known = {*numbers(content["answer"]), *numbers(content["standing"]), 2 * content["at"]}
    section = re.search(r'<section id="answer".*?</section>', page.read_text(), re.S)[0]
    section = re.sub(r'base64,[^"]*', "", section)
    text = html.unescape(re.sub(r"<[^>]*>", " ", section))
    for name in {*content["standing"]["grammar"], *content["standing"]["label"]}:
        text = text.replace(name, "")
    assert len(re.findall(r"\d\.\d{3}", text)) >= 12
    assert unknown(text, known) == []
    assert unknown(f"{text} 0.123 at 7,001", known) == ["0.123", "7,001"], "the test can fail"


@pytest.mark.parametrize(
    ("section", "parts"),
    [
        ("evidence", ("standing", "statistics/decisions", "statistics/chosen")),
        ("needed", ("statistics/needed",)),
        ("best", ("statistics/variance", "statistics/stability")),
        ("grammar-0", ("sizes", "reached", "target")),
    ],
)
def test_every_number_of_a_table_stands_in_the_json(page, section, parts):
    content = json.loads(page.parents[1].joinpath("out.json").read_text())
    known = set()
    for part in parts:
        found = content
        for name in part.split("/"):
            found = found[name]
        known |= {*numbers(found)}
    known |= {float(f"{n:.2g}") for n in known} | {n**0.5 for n in known if n >= 0}
    shown = re.search(
        rf'<details class="section" id="{section}".*?\n</details>', page.read_text(), re.S
    )
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", shown[0])
    text = html.unescape(" ; ".join(cells))
    for name in {*content["standing"]["grammar"], *content["standing"]["label"]}:
        text = text.replace(name, "")
    assert len(re.findall(r"\d", text)) > 20
    assert unknown(text, known) == []
    assert unknown(f"{text} 0.1234567", known) == ["0.1234567"], "the test can fail"


#: Texts of the page with numbers that are of no grid, and what they are.
HARMLESS = {
    r"Software: .*?\. Sequences": "versions",
    r"seqgra \d[^<]*?(?=device:)": "versions",
    r"Made by seqgra \S+": "version",
    r"Tables, figures and this page: .*": "the command and the config, as they are",
    r"90, 95 (and|or) 99 %": "shares of the way to the ceiling that are always looked at",
    r"90 % of the way": "the one named",
    r"95 % (percentile )?interval": "of any interval",
    r"2,000 bootstrap draws": "of any bootstrap",
    r"70 % (of which trains|trained|train)|10 % validated": "of any dataset",
    r"s\d+-m\d+": "names of runs by their seeds",
}


def test_every_number_in_the_words_of_the_page_stands_in_the_json(page):
    content = json.loads(page.parents[1].joinpath("out.json").read_text())
    tables = {name: pd.DataFrame(table) for name, table in content["tables"].items()}
    known = {*numbers(content), *(n**0.5 for n in numbers(content["statistics"]["variance"]))}
    known |= {float(f"{n:.2g}") for n in numbers(content["statistics"]["needed"])}
    known |= {
        max(n for n in numbers(content["tables"]["status"]["size"])) * share for share in (0.7, 0.1)
    }
    # counted or summed up from tables: runs by outcome, explanations without a metric
    status, recovery = tables["status"], tables["recovery"]
    known |= {len(status), *map(float, status["status"].value_counts())}
    counts = recovery.groupby(["method", "metric", "scope"])[["undefined", "examples"]].sum()
    known |= set(counts.to_numpy(float).ravel())
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"<(script|style)>.*?</\1>|<head>.*?</head>", "", text, flags=re.S)
    text = html.unescape(re.sub(r"<[^>]*>", " ", text))  # with it what figures hold
    text = " ".join(text.split())
    for words in HARMLESS:
        text = re.sub(words, "", text)
    for name in {*status["grammar"], *status["label"]}:
        text = text.replace(name, "")
    assert len(re.findall(r"\d\.\d{2}", text)) > 100
    assert unknown(text, known) == []
    assert unknown(f"{text} 0.12345 of 1,234,567", known) == ["0.12345", "1,234,567"]


def test_the_json_is_the_tables_and_nothing_that_is_no_json(page):
    text = page.parents[1].joinpath("out.json").read_text()
    content = json.loads(text, parse_constant=pytest.fail)
    written = pd.read_csv(page.parent / "tables" / "scores.csv")
    table = pd.DataFrame(content["tables"]["scores"])
    assert set(table.columns) == {*written.columns, "label"} and len(table) == len(written)
    np.testing.assert_array_equal(table["value"].astype(float), written["value"])
    needed = content["statistics"]["needed"]["needed"]
    assert "inf" in needed or all(isinstance(n, int | float) for n in needed)


def test_a_notebook_shows_the_answer_of_a_grid(page):
    cells = page.parents[1] / "cells.csv"
    compared = sg.compare(cells, at=3000)
    assert json.loads(compared.to_json()) == json.loads(
        page.parents[1].joinpath("out.json").read_text()
    )
    shown = compared._repr_html_()
    assert "<td>g000</td><td>pool</td>" in shown and "<td>3,000</td>" in shown
    shutil.copy(cells, page.parent / "cells.csv")
    assert sg.compare(page.parent, at=3000).at == 3000
    with pytest.raises(sg.InputError, match="at: is '3000'; give a whole number from 1"):
        sg.compare(cells, at="3000")
    with pytest.raises(sg.InputError, match="cannot be read as a table of cells"):
        sg.compare(page.parents[1] / "no.csv")


@pytest.fixture(scope="module")
def long_page(tmp_path_factory, svg_only):
    root = tmp_path_factory.mktemp("long")
    n50 = {"pool": 1500.0, "flat": 4000.0}
    truth = Truth(n50, grammars=MANY, sizes=(1000, 4000), data_seeds=3)
    with svg_only(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_module, "MANY", MANY)
        write_report(write_grid(root, truth), root / "out", config=None, at=3000)
    return root / "out" / "report.html"


def test_answers_of_many_grammars_are_folded_away(page, long_page):
    short, long = page.read_text(encoding="utf-8"), long_page.read_text(encoding="utf-8")
    for number in range(MANY):
        name = f"g{number:03d}"
        assert f'<details class="section" id="grammar-{number}" data-grammar="{name}">' in long
        assert f'<details class="fold" data-grammar="{name}"><summary>{name}: ' in long
    for page, fold in ((short, False), (long, True)):
        answers = re.findall(r'<article class="answer".*?</article>', page, re.S)
        assert len(answers) == (MANY if fold else 2)
        for answer in answers:
            shown = answer.split("</summary>")[0] if fold else answer
            assert "PR AUC" in shown and ("wice the data" in shown) != fold
            assert "wice the data" in answer


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_chosen_grammar_is_unfolded_and_a_long_page_fits_a_phone(long_page):
    seen = probe(long_page, 500, "grammar", "g002")
    assert seen["before"]["width"] <= seen["window"] <= 500
    assert seen["before"]["unfolded"] == []
    assert set(seen["after"]["unfolded"]) == {"g002"}
    assert seen["again"] == seen["before"]


def browse(page, width, *options):
    command = [
        BROWSER, "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-sandbox",
        "--enable-logging=stderr",
        f"--user-data-dir={page.parent / 'browser'}", f"--window-size={width},900",
        "--virtual-time-budget=10000", *options, "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    env = {**os.environ, "HOME": str(page.parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, console


def probe(page, width, field, value, *options):
    text = page.read_text(encoding="utf-8")
    probed = page.with_name("probed.html")
    script = PROBE.replace("FILTER", field).replace("VALUE", value)
    probed.write_text(text.replace("</body>", f"{script}</body>"), encoding="utf-8")
    dom, console = browse(probed, width, *options)
    assert console == []
    return json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', dom, re.S)[1]))


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
@pytest.mark.parametrize(
    ("field", "value", "place"), [("grammar", "g001", 0), ("architecture", "pool", 1)]
)
def test_filters_show_what_was_chosen_and_all_again(page, field, value, place):
    seen = probe(page, 1280, field, value)
    assert seen["before"]["said"] < 800, "the answer is on the first screen"
    assert seen["before"]["filters"]
    assert {part[place] for part in seen["before"]["parts"]} >= {value}
    assert len({part[place] for part in seen["before"]["parts"]} - {""}) > 1
    assert {part[place] for part in seen["after"]["parts"]} <= {value, ""}
    assert [value] * 3 == [part[place] for part in seen["after"]["parts"] if part[place]][:3]
    assert seen["before"]["open"] == [], "architectures are folded away"
    assert seen["after"]["open"] == ([value] if field == "architecture" else [])
    assert seen["again"] == seen["before"]
    assert seen["first"] == 1, "what is folded away is not decoded before it is opened"
    text = page.read_text(encoding="utf-8")
    assert seen["figures"] == text.count("<figure>") > 10 and seen["folded"] == 0, "all is printed"
    assert seen["printed"]["broken"] == 0, "every figure is drawn"
    assert seen["after_print"] == seen["before"], "and folded again"


TABLES = """
<script>
window.onload = async function () {
  var box = document.querySelector("#needed .scroll"), table = box.querySelector("table"), seen = {};
  window.dispatchEvent(new Event("beforeprint"));  // unfolds all
  function column(n) { return Array.from(table.tBodies[0].rows).filter(function (row) {
    return row.getClientRects().length; }).map(function (row) { return row.cells[n].textContent; }); }
  var buttons = table.querySelectorAll("thead button");
  seen.heads = buttons.length;
  ["> 8,000", "8,000", "\\u2264 500", "", "500", "1,200"].forEach(function (text, place) {
    table.tBodies[0].rows[place].cells[3].textContent = text; });
  buttons[3].click(); seen.up = column(3); seen.said = buttons[3].parentElement.getAttribute("aria-sort");
  buttons[3].click(); seen.down = column(3);
  var field = box.previousElementSibling.querySelector("input");
  field.value = "FLAT"; field.dispatchEvent(new Event("input")); seen.found = column(1);
  Object.defineProperty(navigator, "clipboard", {value: {writeText: function (text) {
    seen.copied = text; return Promise.resolve(); }}});
  box.previousElementSibling.querySelector("button").click();
  field.value = ""; field.dispatchEvent(new Event("input")); seen.all = column(1).length;
  seen.figures = document.images.length;
  seen.fits = Array.from(document.images).filter(function (image) {
    return image.closest(".paper").scrollWidth > image.closest(".paper").clientWidth; }).length;
  var out = document.createElement("pre"); out.id = "seen"; out.textContent = JSON.stringify(seen);
  document.body.appendChild(out);
};
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_tables_sort_filter_and_copy(page):
    probed = page.with_name("tables.html")
    text = page.read_text(encoding="utf-8")
    probed.write_text(text.replace("</body>", f"{TABLES}</body>"), encoding="utf-8")
    dom, console = browse(probed, 1280)
    assert console == []
    seen = json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', dom, re.S)[1]))
    ascending = ["≤ 500", "500", "1,200", "8,000", "> 8,000"]
    assert seen["up"] == [*ascending, ""] and seen["said"] == "ascending"
    assert seen["down"] == [*ascending[::-1], ""], "what is empty is last in both orders"
    assert seen["found"] == ["flat"] * 2 and seen["all"] == 6
    lines = [line.split("\t") for line in seen["copied"].split("\n")]
    assert lines[0][:4] == ["grammar", "architecture", "of runs", "90 %"]
    assert [line[1] for line in lines[1:]] == seen["found"]
    assert {len(line) for line in lines} == {seen["heads"]}
    assert seen["figures"] > 10 and seen["fits"] == 0, "no figure is cut at 1280 pixels"


def test_tables_are_whole_without_script(page):
    text = page.read_text(encoding="utf-8").split("<script>")[0]
    assert text.count("<table>") == text.count("<thead>") == text.count("<tbody>") > 5
    heads = re.findall(r"<th\b[^>]*>", text)
    assert heads and all('scope="col"' in head or 'scope="row"' in head for head in heads)
    assert re.findall(r"<h[1-4]", text)[0] == "<h1", "one heading above all others"
    assert text.count("<h1") == 1
    assert all(re.findall(r'alt="([^"]*)"', text)), "every figure has an alternative text"


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(page, scheme):
    dark = (
        ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    )
    seen = probe(page, 500, "grammar", "g000", *dark)
    assert seen["before"]["width"] <= seen["window"] <= 500


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_broken_script_would_be_noticed(page):
    broken = page.with_name("broken.html")
    text = page.read_text(encoding="utf-8")
    broken.write_text(
        text.replace("</body>", "<script>nothing.here()</script></body>"), encoding="utf-8"
    )
    _, console = browse(broken, 1200)
    assert any("nothing is not defined" in line for line in console)


def test_the_page_says_what_is_shown_and_drafts_the_methods(page):
    text = " ".join(page.read_text(encoding="utf-8").split())
    for words in (
        "At 3,000 examples try first pool: mean PR AUC",
        "Twice the examples (6,000) would change its PR AUC by",
        "Twice the data (6,000 examples) would change it by",
        "With one field of the grammar changed, 1 of 1 variants",
        "Shown to be worse",
        "Sequences were simulated from 2 grammars (g000, g001).",
        "5 data seeds (0, 1, 2, 3, 4)",
        "Intervals of examples needed are 95 % percentile intervals of 2,000 bootstrap draws",
        "so few grammars cannot show any two of 3 architectures to differ",
        "named first on 2 of 2 grammars; 1 of 50 runs did not learn",
        "Of 50 runs 2 collapsed: 1 on g001 at 1,000, 1 on g001 at 4,000.",
        "Not tuned: trained as its file says.",
    ):
        assert words in text, words
