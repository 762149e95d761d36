// The page's state - which view, which round, which candidate - and what changes it. The address's # keeps it.

const panel = document.getElementById("panel");
const COMPARE = "compare";
const state = { view: "", round: 0, candidate: "" };
let views = {};

function searchOf(view) {
  return DATA.searches.find((search) => `${search.task}/${search.name}` === view);
}

function goTo(view) {
  state.view = view;
  const search = searchOf(view);
  if (search) {
    state.round = search.best[0];
    state.candidate = bestOf(search).id;
  }
  draw();
}

function tabs() {
  const tasks = Object.keys(DATA.tasks).map((task) => [DATA.searches.find((search) => search.task === task), DATA.tasks[task].title]);
  const entries = tasks.map(([search, title]) => ({ view: `${search.task}/${search.name}`, prefix: `${search.task}/`, title }));
  if (DATA.other.length) entries.push({ view: COMPARE, prefix: COMPARE, title: "Compare two runs" });
  const buttons = entries.map((entry) =>
    el("button", { type: "button", role: "tab", id: `tab-${entry.prefix.replace("/", "")}`, "aria-controls": "panel", "data-prefix": entry.prefix, onclick: () => goTo(entry.view) }, entry.title),
  );
  const list = document.getElementById("tabs");
  list.replaceChildren(...buttons);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
    buttons[next].focus();
    buttons[next].click();
  });
}

/** Redraw the whole view: another task, another search, other colours. */
function draw() {
  clearCharts(panel);
  for (const button of document.querySelectorAll("#tabs button")) {
    const isOn = state.view.startsWith(button.dataset.prefix);
    button.setAttribute("aria-selected", String(isOn));
    button.tabIndex = isOn ? 0 : -1;
    if (isOn) panel.setAttribute("aria-labelledby", button.id);
  }
  if (state.view === COMPARE) {
    views = {};
    panel.replaceChildren(comparison());
    history.replaceState(null, "", `#${COMPARE}`);
    return;
  }
  const search = searchOf(state.view);
  const siblings = DATA.searches.filter((other) => other.task === search.task);
  const chooser = siblings.length > 1
    ? el("label", { class: "controls" }, "Search ", el("select", { onchange: (event) => goTo(`${search.task}/${event.target.value}`) }, ...siblings.map((other) => el("option", { value: other.name, selected: other === search }, other.name))))
    : null;
  views = {
    strip: strip(search, (round) => showRound(round)),
    stage: el("div"),
    tries: el("div"),
    detail: el("div"),
    title: el("h2"),
    chosen: el("h2"),
    back: el("button", { type: "button", onclick: () => showRound(state.round - 1) }, "← Previous"),
    next: el("button", { type: "button", onclick: () => showRound(state.round + 1) }, "Next →"),
  };
  const best = el("button", { type: "button", onclick: () => showRound(search.best[0]) }, "★ Best");
  panel.replaceChildren(
    facts(search),
    el("section", { class: "card", "aria-label": "Film strip of the search" }, el("div", { class: "head" }, el("h2", {}, "The search, round by round"), chooser), views.strip),
    el(
      "div",
      { class: "stage" },
      el("section", { class: "card", "aria-label": "The round" }, el("div", { class: "head" }, views.title, el("div", { class: "controls" }, views.back, views.next, best)), views.stage),
      el("section", { class: "card", "aria-label": "The round's candidates" }, el("div", { class: "head" }, el("h2", {}, "Candidates")), views.tries),
      el("section", { class: "card detail", "aria-label": "The chosen candidate" }, el("div", { class: "head" }, views.chosen), views.detail),
    ),
    plots(search),
    search.finals ? finalists(search, pickById) : null,
    search.tested ? tested(search.tested) : null,
  );
  views.strip.addEventListener("keydown", (event) => {
    const round = { ArrowRight: state.round + 1, ArrowLeft: state.round - 1, Home: 0, End: search.rounds.length - 1 }[event.key];
    if (round === undefined || !search.rounds[round]) return;
    event.preventDefault();
    showRound(round);
    views.strip.querySelector(`[data-round="${round}"]`).focus();
  });
  showRound(state.round, state.candidate);
}

function plots(search) {
  const task = DATA.tasks[search.task];
  const cards = {
    score: plotCard("Score"),
    metric: plotCard(task.metric[0].toUpperCase() + task.metric.slice(1)),
    cost: plotCard(`${task.cost} of the proxy network`),
    scatter: plotCard(`Every candidate: ${task.metric} against ${task.cost}`, search.training ? "large" : "broad"),
  };
  const points = search.points;
  for (const [name, card] of Object.entries(cards)) plot(card.querySelector(".plot"), DATA.charts[search.charts][name], points, pickById);
  const parts = Object.values(cards);
  if (search.training) {
    const card = plotCard("Training of the final model: loss");
    plot(card.querySelector(".plot"), search.training.chart, rowsOf(search.training.history));
    parts.push(card);
    if (search.training.quality) {
      const quality = plotCard(`Training of the final model: ${task.metric}`);
      plot(quality.querySelector(".plot"), search.training.quality, rowsOf(search.training.history));
      parts.push(quality);
    }
    if (search.training.growths) parts.push(...grown(search.training.growths));
  }
  return el("section", { class: "plots", "aria-label": "Charts" }, ...parts);
}

/** How the final network grew: its nodes' widths, and what each growth was predicted to gain beside what it did. */
function grown(found) {
  const widths = plotCard("Growth of the final network: filters of each node", "large");
  plot(widths.querySelector(".plot"), found.widths_chart, found.widths);
  const gains = plotCard("Growth of the final network: gain on training images");
  plot(gains.querySelector(".plot"), found.gains_chart, found.gains);
  gains.append(el("p", { class: "soft" }, found.said));
  return [widths, gains];
}

/** The final model on the test split: accuracy by class and confusions, or what a language model expects. */
function tested(found) {
  if (found.kind !== "images") return el("section", { class: "card", "aria-label": "The final model on the test split" }, el("h2", {}, "The final model on the test split"), expectations(found.samples));
  const many = found.accuracy.length < found.classes ? `, the hardest ${found.accuracy.length} of ${found.classes}` : "";
  const accuracy = plotCard(`Test accuracy by class${many}`);
  plot(accuracy.querySelector(".plot"), found.accuracy_chart, found.accuracy);
  let confusion;
  if (found.confusion) {
    confusion = plotCard("Confusion matrix: images by true and predicted class", "large");
    plot(confusion.querySelector(".plot"), found.confusion_chart, found.confusion);
  } else {
    confusion = el("div", { class: "card large" }, el("h3", {}, "Most frequent confusions"), confusions(found.confused));
  }
  return el(
    "section",
    { class: "plots", "aria-label": "The final model on the test split" },
    el("h2", { class: "broad", style: "margin:.5rem 0 0" }, "The final model on the test split"),
    accuracy,
    confusion,
    el("div", { class: "card broad" }, el("h3", {}, "Sample predictions"), gallery(found.samples)),
    found.mistakes.length ? el("div", { class: "card broad" }, el("h3", {}, "Most confident mistakes"), gallery(found.mistakes)) : null,
  );
}

function pickById(id) {
  showRound(Number(id.split(".")[0]), id);
}

/** Show a round, and of its candidates the one named or else the one it kept. */
function showRound(wanted, id) {
  const search = searchOf(state.view);
  const round = search.rounds[Math.max(0, Math.min(wanted, search.rounds.length - 1))];
  state.round = round.number;
  views.title.textContent = round.number === 0 ? "The start" : `Round ${round.number} of ${search.rounds.length - 1}`;
  views.back.disabled = round.number === 0;
  views.next.disabled = round.number === search.rounds.length - 1;
  for (const button of views.strip.querySelectorAll("button")) {
    const isOn = Number(button.dataset.round) === round.number;
    button.setAttribute("aria-current", String(isOn));
    if (isOn) {
      const list = views.strip;
      list.scrollTo({ left: button.offsetLeft - list.offsetLeft - (list.clientWidth - button.clientWidth) / 2 });
    }
  }
  views.stage.replaceChildren(stage(search, round, pick, point));
  views.tries.replaceChildren(tries(search, round, pick, point));
  pick(round.candidates.find((candidate) => candidate.id === id) ?? round.candidates[round.taken ?? 0]);
}

/** Show one candidate. */
function pick(candidate) {
  const search = searchOf(state.view);
  clearCharts(views.detail);
  state.candidate = candidate ? candidate.id : "";
  for (const button of views.tries.querySelectorAll("button")) button.setAttribute("aria-current", String(button.dataset.id === state.candidate));
  if (candidate) {
    views.chosen.textContent = candidate.origin.replace("->", "→").replace(/^./, (letter) => letter.toUpperCase());
    views.detail.replaceChildren(detail(search, search.rounds[state.round], candidate));
    if (candidate.history.epoch) plot(views.detail.querySelector(".plot"), DATA.charts[search.charts].curve, rowsOf(candidate.history));
  } else {
    views.chosen.textContent = "No candidate";
    views.detail.replaceChildren(el("p", { class: "soft" }, "Choose a round, then one of its candidates."));
  }
  markCharts(state.round, state.candidate);
  history.replaceState(null, "", `#${state.view}/${state.candidate || state.round}`);
}

/** Light up a candidate's edges and its place in the list, or nothing. */
function point(candidate) {
  const edges = new Set(candidate ? candidate.removed : []);
  for (const path of views.stage.querySelectorAll("[data-edge]")) path.classList.toggle("lit", edges.has(path.dataset.edge));
  for (const button of views.tries.querySelectorAll("button")) button.classList.toggle("lit", Boolean(candidate) && button.dataset.id === candidate.id);
}

/** Go where the address points to, or else to the first search's answer. */
function openAddress() {
  const [task, name, place] = decodeURIComponent(location.hash.slice(1)).split("/");
  const view = `${task}/${name}`;
  if (task === COMPARE && DATA.other.length) return goTo(COMPARE);
  if (!searchOf(view)) return goTo(`${DATA.searches[0].task}/${DATA.searches[0].name}`);
  goTo(view);
  if (place) showRound(Number(place.split(".")[0]) || 0, place);
}

tabs();
openAddress();
window.addEventListener("hashchange", openAddress);
DARK.addEventListener("change", draw);
document.documentElement.dataset.ready = "true";
