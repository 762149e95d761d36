// Two runs side by side: the same search of each, round for round.

function pairs() {
  return DATA.searches
    .map((search) => [search, DATA.other.find((other) => other.task === search.task && other.name === search.name) ?? DATA.other.find((other) => other.task === search.task)])
    .filter(([, other]) => other);
}

/** The comparison of both runs, one section for each pair of searches. */
function comparison() {
  const found = pairs();
  if (!found.length) return el("p", { class: "card" }, "The two runs have no task in common.");
  return el("div", { style: "display:grid;gap:1.5rem" }, ...found.map(([one, other]) => compared(one, other)));
}

function compared(one, other) {
  const task = DATA.tasks[one.task];
  const both = [one, other];
  const last = Math.max(one.rounds.length, other.rounds.length) - 1;
  const output = el("output", {}, "");
  const views = both.map(() => el("div", { class: "cell" }));
  const show = (round) => {
    output.textContent = round === 0 ? "start" : `round ${round}`;
    both.forEach((search, index) => {
      const item = search.rounds[Math.min(round, search.rounds.length - 1)];
      const past = round >= search.rounds.length ? `The search had ended after round ${search.rounds.length - 1}. ` : "";
      views[index].replaceChildren(
        drawCell(item.cell, search.size, { fell: item.fell, before: item.fell.length ? beforeOf(search, item) : null }),
        legend([...new Set(search.rounds[0].cell.operators)], false),
        el("p", { class: "said" }, past + story(search, item)),
      );
    });
  };
  const slider = el("input", { type: "range", min: 0, max: last, value: one.best[0], "aria-label": `Round of both ${one.task} searches`, oninput: (event) => show(Number(event.target.value)) });
  const chart = el("div", { class: "plot" });
  const section = el(
    "section",
    { class: "card", "aria-label": `${task.title}, compared` },
    el("div", { class: "head" }, el("h2", {}, task.title), el("label", { class: "controls" }, "Show", slider, output)),
    el("div", { class: "sides" }, ...both.map((search, index) => el("div", {}, el("h3", {}, `${DATA.names[index]}: ${search.name}`), views[index]))),
    el("h3", { style: "margin-top:1.25rem" }, "Score of the kept cells"),
    chart,
    el("div", { class: "wide", role: "region", tabindex: 0, "aria-label": `${task.title}: numbers of both runs` }, differences(one, other)),
  );
  show(one.best[0]);
  const points = both.flatMap((search, index) =>
    search.rounds.filter((round) => round.taken !== null).map((round) => ({
      run: `${index === 0 ? "A" : "B"}: ${DATA.names[index]}`,
      round: round.number,
      edges: wiresOf(round.cell).length,
      score: round.candidates[round.taken].score,
    })),
  );
  plot(chart, task.comparison, points);
  return section;
}

function differences(one, other) {
  const task = DATA.tasks[one.task];
  const keys = (search) => new Set(search.rounds.flatMap((round) => round.candidates.map((candidate) => candidate.evaluation)));
  const mine = keys(one);
  const shared = [...keys(other)].filter((item) => mine.has(item)).length;
  const rows = [
    ["best score", (search) => number(bestOf(search).score, 4)],
    [task.metric, (search) => metric(search.task, bestOf(search).metric)],
    [`${task.cost}, proxy network`, (search) => quantity(bestOf(search).cost)],
    ["edges of the best cell", (search) => String(wiresOf(bestOf(search).cell).length)],
    ["found in round", (search) => `${search.best[0]} of ${search.rounds.length - 1}`],
    ["best cell", (search) => el("code", {}, bestOf(search).key)],
    ["distinct evaluations", (search) => `${keys(search).size}, of which ${shared} in common`],
    ["search, device time", (search) => (search.hours === null ? "unknown" : `${number(60 * search.hours, 1)} min`)],
  ];
  if (one.metrics && other.metrics) {
    const [judged] = task.reported;
    rows.push(
      [`test ${judged.title}`, (search) => quality(judged, search.metrics.metrics[judged.key])],
      [`${task.cost}, final network`, (search) => quantity(search.metrics.costs.macs)],
      ["parameters, final network", (search) => quantity(search.metrics.costs.parameters)],
      ["seed", (search) => el("code", {}, search.metrics.seed_name)],
    );
  }
  return el(
    "table",
    {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "number"), ...DATA.names.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...rows.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value(one)), el("td", {}, value(other))))),
  );
}
