"use strict";
// The light/dark switch: follows the system until it is used.
{
  const button = document.getElementById("theme");
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("parkdet-theme"); } catch { return null; } };
  let chosen = stored();
  const show = () => {
    const dark = chosen ? chosen === "dark" : prefersDark.matches;
    document.documentElement.style.colorScheme = chosen || "";
    button.setAttribute("aria-pressed", dark);
    button.textContent = dark ? "Light" : "Dark";
  };
  button.addEventListener("click", () => {
    chosen = button.getAttribute("aria-pressed") === "true" ? "light" : "dark";
    try { localStorage.setItem("parkdet-theme", chosen); } catch { /* remembered only if storage is available */ }
    show();
  });
  prefersDark.addEventListener("change", show);
  show();
}

// Tables that sort when a heading is clicked.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = parseFloat(text.replaceAll(",", ""));
    return column === 0 ? text : Number.isNaN(number) ? -1 : number;
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const falling = head.ariaSort ? head.ariaSort === "ascending" : column > 0;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
      const rows = [...body.rows].sort((a, b) => compare(value(a, column), value(b, column)));
      body.append(...(falling ? rows.reverse() : rows));
    });
  });
}

// Marks the section being read in the navigation bar.
{
  const links = new Map([...document.querySelectorAll(".top nav a")].map((a) => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        for (const [part, link] of links) link.classList.toggle("here", part === entry.target.id);
      }
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const section of document.querySelectorAll("main > section")) seen.observe(section);
}
