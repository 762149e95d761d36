// Helpers that make elements, and cells drawn as arc diagrams from the description in the data (cells/drawing.py).

const DATA = JSON.parse(document.getElementById("data").textContent);

/** Make an element; `attributes` starting with "on" are listeners, null ones are left out; strings become text. */
function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) node.append(child);
  }
  return node;
}

const DRAWING = DATA.drawing;

/** Return a node's symbol around (0, 0): its operator's shape and colour, and a second ring for a leaf. */
function symbol(operator, isLeaf, withText) {
  const look = DRAWING.looks[operator];
  const shape = svg("path", { d: look.outline, class: "shape", style: `fill:${look.fill};stroke:var(--node-ring)` });
  const text = withText ? svg("text", { style: `fill:${look.text}`, y: look.baseline }, look.short) : null;
  return svg("g", {}, isLeaf ? svg("circle", { class: "ring", r: DRAWING.ring }) : null, shape, text);
}

/** Return a cell's edges but those that lead from one stage's cell into the next, which no search adds or removes. */
function wiresOf(cell) {
  const inputs = new Set(cell.nodes.filter((node, index) => cell.operators[index] === "stage").map(String));
  return cell.edges.filter((edge) => !inputs.has(edge.split("-")[1]));
}

function leavesOf(cell) {
  const sources = new Set(cell.edges.map((edge) => edge.split("-")[0]));
  return new Set(cell.nodes.filter((node) => !sources.has(String(node))));
}

/** Say a cell in words, for those who do not see the drawing. */
function describe(cell) {
  const inputs = (node) => cell.edges.filter((edge) => edge.endsWith(`-${node}`)).map((edge) => edge.split("-")[0]);
  const parts = cell.nodes.slice(1).map((node, index) => {
    const look = DRAWING.looks[cell.operators[index + 1]];
    return `node ${node}, ${look.label}, from ${inputs(node).join(" and ")}`;
  });
  return `Cell with ${count(wiresOf(cell).length, "edge")}: ${parts.join("; ") || "only the input"}.`;
}

/**
 * Draw a cell. `options.fell`: edges drawn as just fallen; `options.before`: the cell that had its fallen nodes too; `options.tried`: map from edge to candidate, drawn as on trial
 * and answering to `options.onpoint(candidate | null)` and `options.onpick(candidate)`; `options.small`: for the film strip.
 */
function drawCell(cell, size, options = {}) {
  const layout = DRAWING.layouts[size];
  const fell = options.fell || [];
  const tried = options.tried || new Map();
  const known = new Set(cell.edges);
  const edges = [...cell.edges, ...fell.filter((edge) => !known.has(edge))];
  const paths = edges.flatMap((edge) => {
    const candidate = tried.get(edge);
    const kind = fell.includes(edge) ? "fell" : candidate ? "tried" : null;
    const line = svg("path", { d: layout.edges[edge], class: kind, "data-edge": edge });
    if (!candidate) return [line];
    const listeners = {
      onpointerenter: () => options.onpoint(candidate),
      onpointerleave: () => options.onpoint(null),
      onclick: () => options.onpick(candidate),
    };
    // a wide unseen line, so that a thin one is easy to point at
    const reach = svg("path", { d: layout.edges[edge], class: "reach", ...listeners }, svg("title", {}, summary(candidate)));
    return [line, reach];
  });
  const leaves = leavesOf(cell);
  const before = options.before ?? cell;
  const gone = before.nodes.flatMap((node, index) => {
    if (cell.nodes.includes(node)) return [];
    const [x, y] = layout.nodes[node];
    const operator = before.operators[index];
    // pale, and yet the fallen edge does not run through its letters
    const blank = svg("path", { d: DRAWING.looks[operator].outline, class: "blank" });
    return [svg("g", { transform: `translate(${x} ${y})` }, blank, svg("g", { class: "gone" }, symbol(operator, false, !options.small)))];
  });
  const nodes = cell.nodes.map((node, index) => {
    const [x, y] = layout.nodes[node];
    const number = options.small ? null : svg("text", { class: "number", y: DRAWING.ring + 11 }, String(node));
    return svg("g", { transform: `translate(${x} ${y})` }, symbol(cell.operators[index], leaves.has(node), !options.small), number);
  });
  const label = describe(cell) + (fell.length ? ` Fallen: ${fell.map(arrow).join(", ")}.` : "");
  const named = options.silent ? { "aria-hidden": "true" } : { role: "img", "aria-label": label };
  return svg("svg", { class: "dag", viewBox: `0 0 ${layout.width} ${layout.height}`, style: `max-width:${2 * layout.width}px`, ...named }, ...paths, ...gone, ...nodes);
}

/** Return the legend of the operators that a task's cells use. */
function legend(operators, withEdges) {
  const box = `${-DRAWING.radius * 1.6} ${-DRAWING.radius * 1.6} ${DRAWING.radius * 3.2} ${DRAWING.radius * 3.2}`;
  const entry = (content, text) => el("li", {}, svg("svg", { viewBox: box, class: "dag", "aria-hidden": "true" }, content), text);
  const stroke = (kind) => svg("path", { d: `M${-DRAWING.radius * 1.4} 0H${DRAWING.radius * 1.4}`, class: kind });
  const items = operators.map((operator) => entry(symbol(operator, false, true), DRAWING.looks[operator].label));
  items.push(entry(svg("circle", { class: "ring", r: DRAWING.radius * 1.3 }), "leaf: part of the output"));
  if (withEdges) items.push(entry(stroke("tried"), "on trial"), entry(stroke("fell"), "fell in this round"));
  return el("ul", { class: "legend", "aria-label": "Legend" }, ...items);
}

function arrow(edge) {
  return edge.replace("-", " → ");
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Return 3601000 as "3.6 M". */
function quantity(value) {
  if (value === null || value === undefined) return "–";
  if (value < 0) return `−${quantity(-value)}`;
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "K"]]) {
    if (value >= size) return `${Number((value / size).toPrecision(3))} ${unit}`;
  }
  return String(Number(value.toPrecision(3)));
}

function number(value, digits) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

/** Return the validation metric of a task's candidate for reading. */
function metric(task, value) {
  if (value === null || value === undefined) return "none";
  return quality(DATA.tasks[task], value);
}

/** A perplexity as it is; any other metric is a share, in percent. */
function quality(metric, value) {
  if (value === null || value === undefined) return "–";
  return metric.perplexity ? number(value, 1) : `${number(100 * value, 1)} %`;
}

function summary(candidate) {
  const score = candidate.score === null ? "no finite score" : `score ${number(candidate.score, 4)}`;
  return `${candidate.origin.replace("->", "→")}: ${score}`;
}
