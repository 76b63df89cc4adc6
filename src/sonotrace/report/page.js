// Everything on the page is there without this script: it opens what a link points into, and filters pictures.
(() => {
  const open = (hash) => {
    const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    const focus = target.tagName === "DETAILS" ? target.querySelector("summary") : target;
    if (focus !== target) focus.focus({ preventScroll: true });
    target.scrollIntoView();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link) setTimeout(() => open(link.hash));
  });
  addEventListener("hashchange", () => open(location.hash));
  open(location.hash);

  for (const bar of document.querySelectorAll(".filters")) {
    bar.hidden = false;
    const cases = [...document.querySelectorAll(`[data-set="${bar.dataset.of}"] .case`)];
    const said = bar.querySelector("output");
    const apply = () => {
      const wanted = [...bar.querySelectorAll("select")].filter((select) => select.value);
      const code = bar.querySelector("input").value.trim().toLowerCase();
      let left = new Set();
      for (const one of cases) {
        const fits = wanted.every((select) => one.dataset[select.name] === select.value);
        one.hidden = !(fits && (!code || one.dataset.find.includes(code)));
        if (!one.hidden) left.add(one.dataset.code);
      }
      const all = new Set(cases.map((one) => one.dataset.code)).size;
      said.textContent = `${left.size} of ${all} images shown`;
      for (const gallery of document.querySelectorAll(`[data-set="${bar.dataset.of}"] details.gallery`)) {
        gallery.classList.toggle("empty", !gallery.querySelector(".case:not([hidden])"));
      }
    };
    bar.addEventListener("input", apply);
    bar.addEventListener("reset", () => setTimeout(apply));
    bar.addEventListener("submit", (event) => event.preventDefault());
    apply();
  }

  let closed = [];
  addEventListener("beforeprint", () => {
    closed.push(...document.querySelectorAll("details:not([open])"));
    for (const one of closed) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of closed) one.open = false;
    closed = [];
  });
})();
