(function () {
  var chosen = {}, selects = document.querySelectorAll("[data-filter]");
  document.documentElement.classList.add("js");
  function update() {
    selects.forEach(function (select) { chosen[select.dataset.filter] = select.value; });
    document.querySelectorAll("[data-grammar], [data-architecture], [data-method]").forEach(function (part) {
      part.hidden = Object.keys(chosen).some(function (name) {
        var own = part.getAttribute("data-" + name);
        return chosen[name] && own !== null && own !== chosen[name];
      });
      if (part.tagName === "DETAILS") {
        part.open = !part.hidden && Boolean(part.dataset.architecture ? chosen.architecture : chosen.grammar);
      }
    });
  }
  selects.forEach(function (select) { select.addEventListener("change", update); });
  update();
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (part) { part.open = true; });
  });
})();
