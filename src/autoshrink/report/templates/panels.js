// The parts of a search's view. Each takes what it shows and gives back an element; none of them keeps state.

function bestOf(search) {
  return search.rounds[search.best[0]].candidates[search.best[1]];
}

/** The cell that a round began with. */
function beforeOf(search, round) {
  return search.rounds[Math.max(0, round.number - 1)].cell;
}

/** One standard deviation of a score over seeds, in words; nothing where nobody measured it. */
function spread(search, digits = 4) {
  const size = search.finals ? search.finals.deviation : null;
  return size === null ? "" : ` ± ${number(size, digits)}`;
}

/** The score of the answer: the mean over seeds where finalists decided it. */
function itsScore(search, best) {
  const task = DATA.tasks[search.task];
  if (!search.finals) return ["Its score", number(best.score, 4), `${task.metric} ${metric(search.task, best.metric)}`];
  const own = search.finals.rows.find((row) => row.chosen);
  const error = own.error === null ? "" : ` ± ${number(own.error, 4)}`;
  return ["Its score", `${number(own.mean, 4)}${error}`, `mean of ${count(search.finals.seeds, "seed")} not seen before; ${number(own.first, 4)} in its round`];
}

/** The finalists: what each scored in its round, and what under seeds of their own, which decided. */
function finalists(search, onpick) {
  const finals = search.finals;
  const task = DATA.tasks[search.task];
  const rule = finals.rule === "best_mean" ? "The best mean is the answer" : "Of those within one standard error of the best mean, the one with the fewest MACs is the answer";
  const noise = finals.deviation === null ? "" : ` The same cell scores differently by ${number(finals.deviation, 4)} from seed to seed (one standard deviation, pooled): the whiskers of the charts.`;
  const networks = finals.rows.some((row) => row.network);
  const head = ["cell", ...(networks ? ["its network"] : []), "round", "score in its round", `mean of ${count(finals.seeds, "seed")}`, "standard error", `mean ${task.metric}`, task.cost, "answer"];
  const body = finals.rows.map((row) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, el("button", { type: "button", class: "link", onclick: () => onpick(row.id) }, el("code", {}, row.key || "(the input alone)"))),
      ...(networks ? [el("td", {}, row.network || "the recipe's")] : []),
      el("td", {}, String(row.round)),
      el("td", {}, number(row.first, 4)),
      el("td", {}, row.mean === null ? "none" : number(row.mean, 4)),
      el("td", {}, row.error === null ? "–" : number(row.error, 4)),
      el("td", {}, metric(search.task, row.quality)),
      el("td", {}, quantity(row.macs)),
      el("td", {}, row.chosen ? "★" : "–"),
    ),
  );
  return el(
    "section",
    { class: "card", "aria-label": "Finalists" },
    el("h2", {}, "Finalists"),
    el("p", {}, `${rule}. A cell gets here by a high score, which luck has helped: so that score does not count.${finals.recipe === "final" ? ` Each was trained by the final recipe${finals.epochs === null ? "" : `, shortened to ${count(finals.epochs, "epoch")}`}, and judged on the data that it holds out.` : ""}${networks ? " Cells and networks are all scaled to one budget." : ""}${noise}`),
    el("div", { class: "wide", role: "region", tabindex: 0, "aria-label": "Finalists" }, el("table", {}, el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...body))),
  );
}

/** The headline numbers of a search. */
function facts(search) {
  const task = DATA.tasks[search.task];
  const start = search.rounds[0].cell;
  const best = bestOf(search);
  const items = [
    ["Best cell", `${count(wiresOf(best.cell).length, "edge")}`, `of ${wiresOf(start).length}, found in round ${search.best[0]} of ${search.rounds.length - 1}`],
    itsScore(search, best),
  ];
  const around = search.finals ? search.finals.rows.find((row) => row.chosen) : null;
  if (around && around.network) items.push(["Its network", around.network, "chosen by the finalists; the rest is the recipe's"]);
  const final = search.metrics;
  if (final) {
    const measured = final.metrics;
    const [judged, ...others] = task.reported;
    items.push(
      [`Test ${judged.title}`, quality(judged, measured[judged.key]), others.map((item) => `${item.heading}: ${quality(item, measured[item.key])}`).join("; ")],
      [task.cost, quantity(final.costs.macs), `${Math.round((100 * final.costs.macs) / final.complete_costs.macs)} % of the complete cell's ${quantity(final.complete_costs.macs)}`],
      ["Parameters", quantity(final.costs.parameters), `complete cell: ${quantity(final.complete_costs.parameters)}`],
    );
  }
  const candidates = search.rounds.reduce((sum, round) => sum + round.candidates.length, 0);
  const hours = search.hours === null ? "unknown" : search.hours >= 1 ? `${number(search.hours, 1)} h` : `${number(60 * search.hours, 1)} min`;
  items.push(["Search cost", hours, `of device time for ${count(candidates, "candidate")}`]);
  return el("dl", { class: "facts" }, ...items.map(([name, value, note]) => el("div", {}, el("dt", {}, name), el("dd", {}, value, el("small", {}, note)))));
}

/** The film strip: one frame per round, its cell and the edges that fell. */
function strip(search, onround) {
  const frames = search.rounds.map((round) => {
    const winner = round.taken === null ? null : round.candidates[round.taken];
    const isBest = round.number === search.best[0];
    const isLook = round.candidates.some((candidate) => candidate.fidelity);
    const line = winner ? `score ${number(winner.score, 4)}` : round.number === 0 ? "the start" : isLook ? "a first look" : "none was kept";
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", "data-round": round.number, onclick: () => onround(round.number) },
        el("b", {}, round.number === 0 ? "Start" : `Round ${round.number}`, isBest ? el("span", { class: "star" }, "★ best") : null),
        drawCell(round.cell, search.size, { small: true, silent: true, fell: round.fell, before: round.fell.length ? beforeOf(search, round) : null }),
        el("span", {}, el("span", {}, count(wiresOf(round.cell).length, "edge")), el("br"), el("span", { class: "soft" }, line)),
      ),
    );
  });
  return el("ol", { class: "strip", "aria-label": "Rounds" }, ...frames);
}

/** The round on show: the cell it began with, the edges on trial, the edges that fell, and what happened in words. */
function stage(search, round, onpick, onpoint) {
  const before = beforeOf(search, round);
  const tried = new Map();
  for (const candidate of [...round.candidates].sort(byScore).reverse()) for (const edge of candidate.removed) tried.set(edge, candidate);
  const operators = [...new Set(search.rounds[0].cell.operators.concat(before.operators))];
  return el(
    "div",
    { class: "cell" },
    drawCell(before, search.size, { fell: round.fell, tried, onpick, onpoint }),
    legend(operators, round.number > 0),
    el("p", { class: "said", "aria-live": "polite" }, story(search, round)),
  );
}

function story(search, round) {
  if (round.number === 0) {
    return `The search starts from this cell: ${count(wiresOf(round.cell).length, "edge")} between ${count(round.cell.nodes.length, "node")}, operators drawn once.`;
  }
  const winner = round.taken === null ? null : round.candidates[round.taken];
  const cheap = round.candidates.find((candidate) => candidate.fidelity);
  if (cheap && !winner) {
    return `Round ${round.number} only looked at ${count(round.candidates.length, "candidate")} (${cheap.fidelity}), to choose which are trained in full.`;
  }
  const parts = [`Round ${round.number} tried ${count(round.candidates.length, "candidate")}`];
  if (!winner) parts.push(" and kept none of them.");
  else {
    const fell = round.fell.map(arrow).join(", ");
    parts.push(` and kept “${winner.origin.replace("->", "→")}” with score ${number(winner.score, 4)}`);
    parts.push(` (${DATA.tasks[search.task].metric} ${metric(search.task, winner.metric)}, ${quantity(winner.cost)} ${DATA.tasks[search.task].cost}).`);
    if (round.fell.length > 1) parts.push(` With it fell what could no longer be reached: ${fell}.`);
    parts.push(` ${count(wiresOf(round.cell).length, "edge")} ${wiresOf(round.cell).length === 1 ? "is" : "are"} left.`);
  }
  if (round.stopped) parts.push(` The search stopped here: ${round.stopped}.`);
  return parts.join("");
}

function byScore(one, other) {
  return (other.score ?? -Infinity) - (one.score ?? -Infinity);
}

/** The candidates of a round, the best first. */
function tries(search, round, onpick, onpoint) {
  if (!round.candidates.length) return el("p", { class: "soft" }, "Nothing was tried: rounds begin after the start.");
  const scores = round.candidates.map((candidate) => candidate.score).filter((score) => score !== null);
  const low = Math.min(...scores);
  const span = Math.max(...scores) - low || 1;
  const items = [...round.candidates].sort(byScore).map((candidate) => {
    const isKept = candidate === round.candidates[round.taken];
    const share = candidate.score === null ? 0 : 8 + (92 * (candidate.score - low)) / span;
    const detail = `${metric(search.task, candidate.metric)} · ${quantity(candidate.cost)} ${DATA.tasks[search.task].cost}`;
    return el(
      "li",
      {},
      el(
        "button",
        {
          type: "button",
          class: isKept ? "kept" : null,
          "data-id": candidate.id,
          onclick: () => onpick(candidate),
          onpointerenter: () => onpoint(candidate),
          onpointerleave: () => onpoint(null),
          onfocus: () => onpoint(candidate),
          onblur: () => onpoint(null),
        },
        el("span", {}, candidate.origin.replace("->", "→"), " ", isKept ? el("span", { class: "badge kept" }, "kept") : null, candidate.over ? el("span", { class: "badge early" }, "over a limit") : null),
        el("b", {}, candidate.score === null ? "–" : `${number(candidate.score, 4)}${spread(search, 3)}`),
        el("small", {}, detail, candidate.stop ? ` · stopped early: ${candidate.stop}` : ""),
        el("span", { class: "bar", "aria-hidden": "true" }, el("i", { style: `width:${share}%` })),
      ),
    );
  });
  return el("ol", { class: "tries", "aria-label": `Candidates of round ${round.number}, best first` }, ...items);
}

/** Everything about one candidate but its training curve, which the caller plots into the element's `.plot`. */
function detail(search, round, candidate) {
  const task = DATA.tasks[search.task];
  const epochs = candidate.history.epoch ? candidate.history.epoch.length : 0;
  const took = candidate.seconds === null ? "unknown" : `${number(candidate.seconds, 1)} s${candidate.reused ? ", in an earlier run" : ""}`;
  const rows = [
    ["score", candidate.score === null ? "none: it has no finite one" : `${number(candidate.score, 6)}${spread(search)}`],
    [task.metric, metric(search.task, candidate.metric)],
    ...Object.entries(candidate.others).map(([name, value]) => [name.replaceAll("_", " "), quantity(value)]),
    ...(candidate.fidelity ? [["judged by", candidate.fidelity]] : []),
    ...(candidate.over ? [["limits", "exceeded: it cannot be the answer"]] : []),
    ...Object.entries(candidate.costs).map(([name, value]) => [name.replaceAll("_", " ").replace("macs", "MACs"), quantity(value)]),
    ["epochs", `${epochs}${candidate.best_epoch === null || candidate.best_epoch === undefined ? "" : `, the best: ${candidate.best_epoch + 1}`}`],
    ["early stop", candidate.stop ?? "none"],
    ["training time", took],
    ["edges", wiresOf(candidate.cell).map(arrow).join(", ") || "none"],
  ];
  const origin = [
    ["cell key", el("code", {}, candidate.key || "(the input alone)")],
    ["evaluation key", el("code", {}, candidate.evaluation)],
    ["evaluation digest", el("code", {}, candidate.digest)],
    ["seed", el("code", {}, candidate.seed)],
    ["data digest", el("code", {}, candidate.data)],
    ["evaluator version", String(candidate.evaluator)],
  ];
  const list = (entries) => el("dl", { class: "list" }, ...entries.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  return el(
    "div",
    { class: "cell" },
    drawCell(candidate.cell, search.size, { fell: candidate.removed, before: candidate.removed.length ? beforeOf(search, round) : null }),
    epochs ? el("div", { class: "plot", style: "margin-top:1rem" }) : null,
    list(rows),
    el("details", {}, el("summary", {}, "Where it comes from: key, digest, seed"), list(origin)),
  );
}

function plotCard(title, kind = null) {
  return el("figure", { class: `card${kind ? ` ${kind}` : ""}`, style: "margin:0" }, el("h3", {}, title), el("div", { class: "plot" }));
}

/** Images with what they are and what the model takes them for. */
function gallery(samples) {
  const percent = (value) => `${number(100 * value, 1)}\u00a0%`;
  const items = samples.map((sample) => {
    const isRight = sample.truth === sample.predicted;
    const said = isRight ? `✓ ${sample.truth}` : `✗ ${sample.predicted}`;
    const alt = `A test image of the class ${sample.truth}, predicted as ${sample.predicted}`;
    return el("li", {}, el("img", { src: sample.image, alt }), el("span", {}, el("b", { class: isRight ? "right" : "wrong" }, said), ` ${percent(sample.probability)}`, isRight ? null : el("small", {}, `is: ${sample.truth}`)));
  });
  return el("ul", { class: "gallery" }, ...items);
}

/** Which classes are taken for which, as a table. */
function confusions(rows) {
  const head = ["true class", "predicted", "images"].map((name) => el("th", { scope: "col" }, name));
  const body = rows.map(([truth, predicted, count, all]) => el("tr", {}, el("th", { scope: "row" }, truth), el("td", {}, predicted), el("td", {}, `${count} of ${all}`)));
  return el("div", { class: "wide", role: "region", tabindex: 0, "aria-label": "Most frequent confusions" }, el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body)));
}

/** Places of a text, and the words that a language model expects there. */
function expectations(samples) {
  const items = samples.map((sample) =>
    el(
      "li",
      {},
      el("p", {}, `… ${sample.context.join(" ")} `, el("b", { class: "right" }, sample.truth), el("span", { class: "soft" }, ` (given ${number(100 * sample.probability, 1)} %)`)),
      el("p", { class: "soft" }, "expected: ", sample.expected.map((item) => `${item.word} ${number(100 * item.probability, 1)} %`).join(", ")),
    ),
  );
  return el("ol", { class: "expectations" }, ...items);
}
