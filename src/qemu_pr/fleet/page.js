"use strict";
// A click on a column's head sorts by it, another one the other way round.
for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const table = head.closest("table");
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const text = (row) => row.cells[head.cellIndex].textContent;
    // As numbers only where no hex digits are: of hosts, not of disks.
    const numeric = !/^(naa|eui)\./.test(text(table.tBodies[0].rows[0] ?? head.parentElement));
    const order = new Intl.Collator("en", { numeric }).compare;
    const rows = [...table.tBodies[0].rows];
    rows.sort((one, other) => (up ? 1 : -1) * order(text(one), text(other)));
    table.tBodies[0].append(...rows);
  });
}
