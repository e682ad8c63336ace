(function () {
  var chosen = {}, selects = document.querySelectorAll("[data-filter]");
  document.documentElement.classList.add("js");
  function update() {
    selects.forEach(function (select) { chosen[select.dataset.filter] = select.value; });
    document.querySelectorAll("[data-unfolded]").forEach(function (section) {
      section.open = false; section.removeAttribute("data-unfolded");
    });
    document.querySelectorAll("[data-grammar], [data-architecture], [data-method]").forEach(function (part) {
      part.hidden = Object.keys(chosen).some(function (name) {
        var own = part.getAttribute("data-" + name);
        return chosen[name] && own !== null && own !== chosen[name];
      });
      if (part.tagName === "DETAILS") {
        part.open = !part.hidden && Boolean(part.dataset.architecture ? chosen.architecture : chosen.grammar);
        var section = part.parentElement.closest("details");
        if (part.open && section && !section.open) { section.open = true; section.dataset.unfolded = ""; }
      }
    });
  }
  selects.forEach(function (select) { select.addEventListener("change", update); });
  update();

  // What a cell is sorted by: "> 16,000" after 16,000 and "\u2264 500" before 500; empty cells last.
  function key(row, column) {
    var text = (row.cells[column] ? row.cells[column].textContent : "").trim();
    var found = /^([<>\u2264\u2265]?) *([+-]?[\d,]*\.?\d+)(?![\w.-])/.exec(text);
    if (!found) { return text; }
    var value = Number(found[2].replace(/,/g, ""));
    return value + ({">": 1e-6, "\u2264": -1e-6, "<": -1e-6}[found[1]] || 0) * (Math.abs(value) || 1);
  }
  function compare(one, two) {
    if (one === "" || two === "") { return (one === "") - (two === ""); }
    if (typeof one === "number" && typeof two === "number") { return one - two; }
    return String(one).localeCompare(String(two), "en", {numeric: true});
  }
  function sort(table, head) {
    var column = head.cellIndex, down = head.getAttribute("aria-sort") === "ascending";
    table.querySelectorAll("th[aria-sort]").forEach(function (other) { other.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    Array.from(table.tBodies[0].rows).map(function (row, place) { return [key(row, column), place, row]; })
      .sort(function (a, b) {
        var order = compare(a[0], b[0]);
        return (down && a[0] !== "" && b[0] !== "" ? -order : order) || a[1] - b[1];
      })
      .forEach(function (entry) { table.tBodies[0].appendChild(entry[2]); });
  }
  function copy(table, button) {
    var text = Array.from(table.rows).filter(function (row) { return row.getClientRects().length; })
      .map(function (row) {
        return Array.from(row.cells).map(function (cell) { return cell.textContent.replace(/\s+/g, " ").trim(); }).join("\t");
      }).join("\n");
    navigator.clipboard.writeText(text).then(
      function () { button.textContent = "Copied"; },
      function () { button.textContent = "The browser does not let this page copy"; });
  }
  document.querySelectorAll(".scroll").forEach(function (box) {
    var table = box.querySelector("table"), tools = document.createElement("div"), button = document.createElement("button");
    tools.className = "tools";
    table.querySelectorAll("thead th").forEach(function (head) {
      var by = document.createElement("button");
      by.type = "button"; by.title = "Sort by this column"; by.textContent = head.textContent;
      head.replaceChildren(by);
      by.addEventListener("click", function () { sort(table, head); });
    });
    if (table.tBodies[0].rows.length > 5) {
      var field = document.createElement("input");
      field.type = "search"; field.placeholder = "Show rows with \u2026"; field.setAttribute("aria-label", field.placeholder);
      field.addEventListener("input", function () {
        var words = field.value.toLowerCase();
        Array.from(table.tBodies[0].rows).forEach(function (row) {
          row.classList.toggle("off", !row.textContent.toLowerCase().includes(words));
        });
      });
      tools.appendChild(field);
    }
    button.type = "button"; button.textContent = "Copy as TSV";
    button.addEventListener("click", function () { copy(table, button); });
    tools.appendChild(button);
    box.before(tools);
  });

  // Say of figures that are wider than the screen that there is more to see.
  function measure() {
    document.querySelectorAll(".paper").forEach(function (box) {
      if (box.clientWidth) { box.parentElement.classList.toggle("wide", box.scrollWidth > box.clientWidth + 1); }
    });
  }
  // Figures are decoded when what they are folded into is opened: the first screen need not wait for them.
  function decode() {
    document.querySelectorAll(".paper noscript").forEach(function (held) {
      if (!held.closest("details:not([open])")) { held.outerHTML = held.textContent; }
    });
  }
  document.addEventListener("toggle", function () { decode(); measure(); }, true);
  window.addEventListener("resize", measure);
  window.addEventListener("load", measure);

  // A link to something that is folded away unfolds it.
  function unfold() {
    var part = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var up = part; up; up = up.parentElement) { if (up.tagName === "DETAILS") { up.open = true; } }
    decode();
    if (part) { part.scrollIntoView(); }
  }
  window.addEventListener("hashchange", unfold);
  unfold();
  // What is folded away is printed, and folded again.
  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = Array.from(document.querySelectorAll("details:not([open])"));
    folded.forEach(function (part) { part.open = true; });
    decode();
  });
  window.addEventListener("afterprint", function () {
    folded.forEach(function (part) { part.open = false; });
  });
})();
