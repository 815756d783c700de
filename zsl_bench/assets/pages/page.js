"use strict";

function order(cell) {
  return "order" in cell.dataset ? Number(cell.dataset.order) : cell.textContent.trim();
}

function compare(left, right) {
  if (typeof left === "number" && typeof right === "number") {
    return left < right ? -1 : left > right ? 1 : 0;
  }
  return String(left).localeCompare(String(right), "en", { numeric: true });
}

function sortBy(table, heading) {
  const headings = [...table.tHead.rows[0].cells];
  const column = headings.indexOf(heading);
  const body = table.tBodies[0];
  const numbers = [...body.rows].some((row) => "order" in row.cells[column].dataset);
  const now = heading.getAttribute("aria-sort");
  const first = numbers ? "descending" : "ascending";
  const direction = now === "none" ? first : now === "ascending" ? "descending" : "ascending";
  headings.forEach((each) => each.setAttribute("aria-sort", "none"));
  heading.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  [...body.rows]
    .map((row, place) => ({ row, place, key: order(row.cells[column]) }))
    .sort((a, b) => sign * compare(a.key, b.key) || a.place - b.place)
    .forEach(({ row }) => body.append(row));
}

const limit = document.querySelector("form.below input");

function isBelow(row, column) {
  return column < 0 || !limit || !limit.value || order(row.cells[column]) < Number(limit.value);
}

function filterRows(box) {
  const choices = [...box.querySelectorAll("select")].filter((choice) => choice.value);
  const field = box.querySelector("input[type=search]");
  const wanted = field ? field.value.trim().toLowerCase() : "";
  const rows = [...box.querySelectorAll("tbody > tr")];
  const bounded = box.querySelector("th[data-below]");
  const column = bounded ? bounded.cellIndex : -1;
  for (const row of rows) {
    const chosen = choices.every(
      (choice) => row.cells[Number(choice.dataset.column)].textContent.trim() === choice.value,
    );
    const found = row.textContent.toLowerCase().includes(wanted);
    row.hidden = !(chosen && found && isBelow(row, column));
  }
  const shown = rows.filter((row) => !row.hidden).length;
  box.querySelector("output").textContent = `${shown} of ${rows.length} rows`;
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.rows[0].cells) {
    heading.querySelector("button").addEventListener("click", () => sortBy(table, heading));
  }
}
for (const form of document.querySelectorAll("form.filters")) {
  const box = form.closest(".tablebox");
  form.addEventListener("input", () => filterRows(box));
  form.addEventListener("submit", (event) => event.preventDefault());
  filterRows(box);
}
if (limit) {
  limit.form.addEventListener("submit", (event) => event.preventDefault());
  limit.addEventListener("input", () => {
    document.querySelectorAll(".tablebox:has(form.filters)").forEach(filterRows);
  });
}
