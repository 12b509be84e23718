// What pages do by themselves: light or dark, moments that go on counting, rows that come and go.
// Everything else is the server's. No page has script of its own.
(() => {
  "use strict";
  const root = document.documentElement;

  // -- light and dark: what the system prefers, unless somebody chose ---------------------------
  const THEME = "echelon-theme";
  const chosen = localStorage.getItem(THEME);
  if (chosen) root.dataset.theme = chosen;
  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

  // -- moments ----------------------------------------------------------------------------------
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  function span(seconds) {
    let rest = Math.max(0, Math.round(seconds));
    const parts = [];
    for (const [unit, size] of units) {
      const count = Math.floor(rest / size);
      rest -= count * size;
      if (count) parts.push(`${count} ${unit}`);
      else if (parts.length) break;
      if (parts.length === 2) break;
    }
    return parts.join(" ") || "0 s";
  }
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const watch = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
  const dayOf = (moment) => moment.toDateString();
  function words(moment, form) {
    const seconds = (Date.now() - moment) / 1000;
    if (form === "ago") return seconds < 2 ? "just now" : `${span(seconds)} ago`;
    if (form === "until") return seconds >= 0 ? "any moment" : `in ${span(-seconds)}`;
    if (form === "for") return span(seconds);
    const today = dayOf(moment) === dayOf(new Date());
    return today ? clock.format(moment) : `${day.format(moment)}, ${clock.format(moment)}`;
  }
  function say(element) {
    const moment = new Date(element.getAttribute("datetime"));
    const text = words(moment, element.dataset.form);
    if (element.textContent !== text) element.textContent = text;
    if (!element.title) element.title = exact.format(moment);
  }

  // A chart says which time it spans; its line of now, and bars that have no end yet, follow the clock.
  function draw(chart) {
    const begin = Number(chart.dataset.begin), end = Number(chart.dataset.end);
    const now = Math.min(100, Math.max(0, (100 * (Date.now() / 1000 - begin)) / (end - begin)));
    for (const line of chart.querySelectorAll("[data-now]")) {
      line.setAttribute("x1", `${now}%`);
      line.setAttribute("x2", `${now}%`);
    }
    for (const bar of chart.querySelectorAll("[data-grows]")) {
      bar.setAttribute("width", `${Math.max(0.3, now - Number(bar.dataset.grows))}%`);
    }
    for (const tick of chart.querySelectorAll("[data-tick]")) {
      const moment = new Date(1000 * Number(tick.dataset.tick));
      const text = "seconds" in chart.dataset ? watch.format(moment) : words(moment, "at");
      if (tick.textContent !== text) tick.textContent = text;
    }
  }
  function refresh() {
    document.querySelectorAll("time[data-form]").forEach(say);
    document.querySelectorAll("[data-chart]").forEach(draw);
  }

  // -- the stream -------------------------------------------------------------------------------
  function stand(state, text) {
    const live = document.getElementById("live");
    if (!live || live.dataset.state === state) return;
    live.dataset.state = state;
    live.querySelector("[data-words]").textContent = text;
  }
  // A browser may keep a page that was left, and its stream with it; it has few connections, so the stream is ended.
  let connection = null;
  document.addEventListener("htmx:sse:after:connection", (event) => {
    connection = event.detail.connection;
    stand("live", "Live");
  });
  window.addEventListener("pagehide", () => {
    connection?.reader?.cancel();
    connection?.abortController?.abort();
  });
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  document.addEventListener("htmx:sse:error", () => stand("lost", "Reconnecting"));
  document.addEventListener("leave", () => location.assign(`/signin?next=${encodeURIComponent(location.pathname)}`));
  document.addEventListener("htmx:after:swap", () => { refresh(); settle(); });

  // -- notices go by themselves, unless they say that something is wrong -------------------------
  function settle() {
    for (const notice of document.querySelectorAll("[data-notice]:not([data-timed])")) {
      notice.dataset.timed = "";
      if (notice.classList.contains("good")) setTimeout(() => notice.remove(), 6000);
    }
  }

  // -- rows of a form ---------------------------------------------------------------------------
  function renumber(list) {
    [...list.children].forEach((row, index) => {
      row.querySelectorAll("[data-number]").forEach((element) => { element.textContent = index + 1; });
      row.querySelectorAll("[data-index]").forEach((element) => { element.value = index; });
    });
  }
  const changed = (element) => element.dispatchEvent(new Event("change", { bubbles: true }));
  let added = 0;
  function add(button) {
    const list = document.getElementById(button.dataset.add);
    const row = document.getElementById(button.dataset.template).content.firstElementChild.cloneNode(true);
    const mark = `n${++added}`;
    for (const element of row.querySelectorAll("[id],[for],[data-add],[aria-describedby]")) {
      for (const name of ["id", "for", "data-add", "aria-describedby"]) {
        if (element.hasAttribute(name)) element.setAttribute(name, element.getAttribute(name).replaceAll("NEW", mark));
      }
    }
    list.append(row);
    renumber(list);
    if (window.htmx) window.htmx.process(row);
    (row.querySelector("input:not([type=hidden]), select") || row).focus();
    changed(list);
  }
  function remove(button) {
    const row = button.closest("[data-row]");
    const list = row.parentElement;
    row.remove();
    renumber(list);
    changed(list);
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-theme-toggle],[data-add],[data-remove]");
    if (target?.matches("[data-theme-toggle]")) {
      root.dataset.theme = isDark() ? "light" : "dark";
      localStorage.setItem(THEME, root.dataset.theme);
    } else if (target?.matches("[data-add]")) add(target);
    else if (target?.matches("[data-remove]")) remove(target);
  });
  // Fields that only matter for one choice are shown with it.
  function choose(field) {
    const form = field.form || document;
    for (const part of form.querySelectorAll(`[data-when="${field.name}"]`)) {
      part.hidden = !part.dataset.is.split(" ").includes(field.value);
    }
  }
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (field.matches?.("[data-chooses]") && (field.type !== "radio" || field.checked)) choose(field);
  });

  document.addEventListener("DOMContentLoaded", () => {
    refresh();
    settle();
    setInterval(refresh, 1000);
    document.querySelectorAll("[data-chooses]").forEach((field) => {
      if (field.type !== "radio" || field.checked) choose(field);
    });
    document.querySelector("form[data-send]")?.requestSubmit();
  });
})();
