"use strict";

// On a narrow screen menus start folded, so that a page begins with its title.
const narrow = matchMedia("(max-width: 40rem)");
const foldMenus = () => {
  for (const menu of document.querySelectorAll("details.menu")) menu.open = !narrow.matches;
};
foldMenus();
narrow.addEventListener("change", foldMenus);

// There a figure can be enlarged; it then scrolls in its own box.
document.querySelectorAll("figure:not(.weeks)").forEach((figure, place) => {
  const frame = document.createElement("div");
  const button = document.createElement("button");
  const name = `figure ${place + 1}`;
  frame.className = "frame";
  button.type = "button";
  button.className = "enlarge";
  button.textContent = `Enlarge ${name}`;
  button.addEventListener("click", () => {
    const large = figure.classList.toggle("large");
    button.textContent = `${large ? "Shrink" : "Enlarge"} ${name}`;
    frame.tabIndex = large ? 0 : -1;
  });
  figure.prepend(frame, button);
  const pictures = figure.querySelectorAll("picture");
  frame.append(...(pictures.length ? pictures : figure.querySelectorAll("img")));
});

// Of all weeks of the test, one can be shown large.
for (const figure of document.querySelectorAll("figure.weeks")) {
  const weeks = [...figure.querySelectorAll(".week")];
  const label = document.createElement("label");
  const choice = document.createElement("select");
  choice.add(new Option("all weeks", ""));
  for (const week of weeks) choice.add(new Option(week.dataset.week));
  choice.addEventListener("change", () => {
    figure.classList.toggle("one", choice.value !== "");
    for (const week of weeks) week.classList.toggle("shown", week.dataset.week === choice.value);
  });
  label.append("Week from ", choice);
  figure.prepend(label);
}

// The first column stays where it is; a line sets it off from what has moved under it.
for (const box of document.querySelectorAll(".scroll")) {
  const mark = () => box.classList.toggle("scrolled", box.scrollLeft > 0);
  box.addEventListener("scroll", mark, { passive: true });
}

// Tables sort by a click on a heading; cells without a number stay last either way.
const sortKey = (row, column) => {
  const cell = row.cells[column];
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(text);
  return text !== "" && Number.isFinite(number) ? number : text;
};

const inOrder = (a, b, sign) => {
  if (a === "" || b === "") return (a === "") - (b === "");
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b));
};

const sortBy = (table, heading) => {
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  const column = heading.cellIndex;
  rows.sort((a, b) => inOrder(sortKey(a, column), sortKey(b, column), ascending ? 1 : -1));
  table.tBodies[0].append(...rows);
};

for (const table of document.querySelectorAll("table.sortable")) {
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => sortBy(table, heading));
  }
}
