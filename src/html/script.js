// Tables are sorted by a click on a header, flows are searched, and all is unfolded for the printer. Without this the page is whole.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const key = (row, at) => {
    const cell = row.cells[at];
    return cell.dataset.sort ?? cell.textContent.trim();
  };
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.ariaSort === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.ariaSort = down ? "descending" : "ascending";
      const rows = [...body.rows].map((row) => [key(row, at), row]);
      const order = (a, b) => {
        const numbers = a !== "" && b !== "" && !isNaN(a) && !isNaN(b);
        return numbers ? a - b : a.localeCompare(b, "en", { numeric: true });
      };
      rows.sort(([a], [b]) => (down ? order(b, a) : order(a, b)));
      body.append(...rows.map(([, row]) => row));
    });
  });
  if (body.rows.length > 10) {
    const input = document.createElement("input");
    input.type = "search";
    input.placeholder = "show rows with …";
    input.ariaLabel = "Show rows of “" + table.caption.textContent + "” with";
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase();
      for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
    table.parentElement.before(input);
  }
}
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
