/* Copyright (c) 2026, keyturn.devices contributors
   SPDX-License-Identifier: GPL-3.0-or-later */
"use strict";
// The table of all devices: sorted, filtered, a page at a time. What is read becomes text, never markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const [NAME, GROUP, STATE, AGE, MOST, DUE, PROVEN, SEVERITY, FINDINGS, HISTORY] = Array(10).keys();
  const SIZE = 100;
  const body = document.querySelector("#devices tbody");
  const headers = [...document.querySelectorAll("#devices thead th")];
  const find = (id) => document.getElementById(id);
  const order = { column: SEVERITY, down: false };
  let shown = data.rows;
  let page = 0;

  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const moment = (minutes) => (minutes === null ? "" : new Date((data.now - minutes * 60) * 1000).toISOString().slice(0, 16).replace("T", " "));
  const checks = (row) => [...new Set(row[FINDINGS].filter((_value, place) => place % 3 === 0))].map((place) => data.texts[place]);
  const age = (row) => (row[AGE] === null ? "" : `${Math.floor(row[AGE])}${row[MOST] === null ? "" : ` of ${row[MOST]}`}`);

  const details = (row) => {
    const cell = element("td", undefined, { colspan: headers.length });
    const list = (title, entries) => {
      cell.append(element("strong", title));
      const made = element("ul");
      for (const entry of entries) made.append(element("li", entry));
      cell.append(made);
    };
    const told = [];
    for (let at = 0; at < row[FINDINGS].length; at += 3) {
      const [check, message, advice] = row[FINDINGS].slice(at, at + 3).map((place) => data.texts[place]);
      told.push(`${check}: ${message}. ${advice}`);
    }
    const events = [];
    for (let at = 0; at < row[HISTORY].length; at += 4) {
      const [when, ...places] = row[HISTORY].slice(at, at + 4);
      const [change, reason, run] = places.map((place) => data.texts[place]);
      events.push(`${moment(when)} ${change}${change && reason ? ", " : ""}${reason} (run ${run})`);
    }
    list("Findings", told.length ? told : ["none"]);
    list("History, newest first", events.length ? events : ["the ledger tells of nothing"]);
    const made = element("tr", undefined, { class: "history" });
    made.append(cell);
    return made;
  };

  const line = (row) => {
    const made = element("tr");
    const name = element("th", undefined, { scope: "row" });
    const button = element("button", row[NAME], { type: "button", class: "more", "aria-expanded": "false" });
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      if (open) made.nextElementSibling.remove();
      else made.after(details(row));
    });
    name.append(button);
    made.append(
      name,
      element("td", data.groups[row[GROUP]]),
      element("td", data.states[row[STATE]]),
      element("td", age(row), { class: "number" }),
      element("td", row[DUE] === null ? "" : moment(-row[DUE]).slice(0, 10), { class: "when" }),
      element("td", moment(row[PROVEN]), { class: "when" }),
      element("td", checks(row).join(", "), { class: data.severities[row[SEVERITY]] }),
    );
    return made;
  };

  const draw = () => {
    const pages = Math.max(1, Math.ceil(shown.length / SIZE));
    page = Math.min(page, pages - 1);
    body.replaceChildren(...shown.slice(page * SIZE, (page + 1) * SIZE).map(line));
    find("count").textContent = `${shown.length.toLocaleString("en")} of ${data.rows.length.toLocaleString("en")} devices, page ${page + 1} of ${pages}`;
    find("before").disabled = page === 0;
    find("after").disabled = page === pages - 1;
  };

  const compare = new Intl.Collator("en", { numeric: true }).compare;
  const arrange = () => {
    const { column, down } = order;
    const sign = down ? -1 : 1;
    const wanted = find("text").value.trim().toLowerCase();
    const group = find("group").value;
    const state = find("state").value;
    const attention = find("attention").checked;
    shown = data.rows.filter(
      (row) =>
        (!wanted || row[NAME].toLowerCase().includes(wanted) || checks(row).some((check) => check.includes(wanted))) &&
        (!group || data.groups[row[GROUP]] === group) &&
        (!state || data.states[row[STATE]] === state) &&
        (!attention || row[FINDINGS].length > 0),
    );
    shown.sort((one, other) => {
      const [a, b] = [one[column], other[column]];
      // What is not known comes last, whatever the order.
      if (a === null || b === null) return (a === null) - (b === null);
      return (typeof a === "string" ? compare(a, b) : a - b) * sign || compare(one[NAME], other[NAME]);
    });
    for (const header of headers) {
      if (Number(header.dataset.column) === column) header.setAttribute("aria-sort", down ? "descending" : "ascending");
      else header.removeAttribute("aria-sort");
    }
    page = 0;
    draw();
  };

  for (const header of headers) {
    const button = element("button", header.textContent, { type: "button" });
    button.addEventListener("click", () => {
      const column = Number(header.dataset.column);
      order.down = order.column === column && !order.down;
      order.column = column;
      arrange();
    });
    header.replaceChildren(button);
  }
  for (const id of ["text", "group", "state", "attention"]) find(id).addEventListener("input", arrange);
  find("before").addEventListener("click", () => { page -= 1; draw(); });
  find("after").addEventListener("click", () => { page += 1; draw(); });
  find("without").hidden = true;
  for (const id of ["filters", "pager"]) find(id).hidden = false;
  arrange();
})();
