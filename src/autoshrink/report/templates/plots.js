// Charts: the specifications come with the data; colours follow the page's, light or dark.

const DARK = window.matchMedia("(prefers-color-scheme: dark)");
// What the light palette's colours become on a dark ground, for contrast.
const ON_DARK = { "#0072b2": "#56b4e9", "#d55e00": "#ff8a3d", "#8a93a3": "#8d98a9", "#cc79a7": "#e59ac4" };

let charts = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function theme() {
  const font = getComputedStyle(document.body).fontFamily;
  const text = { labelColor: colour("soft"), titleColor: colour("soft"), labelFont: font, titleFont: font, titleFontWeight: 500 };
  return {
    background: null,
    font,
    view: { stroke: null },
    axis: { ...text, gridColor: colour("line"), domainColor: colour("line"), tickColor: colour("line"), labelFontSize: 11, titleFontSize: 12 },
    legend: { ...text, labelFontSize: 12, titleFontSize: 12 },
    // each chart is described as a whole; its numbers are in the lists, which a screen reader can walk through
    aria: true,
    mark: { aria: false },
  };
}

/**
 * Draw a chart in `node` and remember it until `clearCharts`. `points` are its rows; `onpick` receives a clicked row.
 */
async function plot(node, spec, points, onpick) {
  let text = JSON.stringify(spec);
  if (DARK.matches) for (const [light, dark] of Object.entries(ON_DARK)) text = text.replaceAll(light, dark);
  const full = { ...JSON.parse(text), datasets: { points }, autosize: { type: "fit-x", contains: "padding" } };
  const entry = { node, view: null };
  charts.push(entry);
  const { view } = await vegaEmbed(node, full, {
    actions: false,
    logLevel: 1, // errors only: a layer without points, such as a round that kept nothing, is no reason to warn
    renderer: "svg",
    config: theme(),
    tooltip: { theme: DARK.matches ? "dark" : "light" },
  });
  if (!charts.includes(entry)) {
    view.finalize(); // the page moved on while this was being drawn
    return;
  }
  entry.view = view;
  if (onpick) view.addEventListener("click", (_, item) => item && item.datum && item.datum.id && onpick(item.datum.id));
  mark(entry);
}

/** Show the round and the candidate that the page shows in every chart that knows them. */
let marked = { current: -1, chosen: "" };

function markCharts(current, chosen) {
  marked = { current, chosen };
  charts.forEach(mark);
}

function mark(entry) {
  if (!entry.view) return;
  const known = Object.keys(entry.view.getState().signals);
  for (const [name, value] of Object.entries(marked)) if (known.includes(name)) entry.view.signal(name, value);
  entry.view.runAsync();
}

function clearCharts(within) {
  for (const entry of charts) if (within.contains(entry.node) && entry.view) entry.view.finalize();
  charts = charts.filter((entry) => !within.contains(entry.node));
}

/** Return a history's columns as one row per epoch. */
function rowsOf(columns) {
  const names = Object.keys(columns);
  if (!names.length) return [];
  return columns[names[0]].map((_, index) => Object.fromEntries(names.map((name) => [name, columns[name][index]])));
}
