"use strict";
const samples = data.samples;
const at = new Map(samples.row.map((row, place) => [row, place]));
const clusterOf = new Map(data.clusters.map((cluster) => [cluster.id, cluster]));
const wrong = new Set(data.clusters.flatMap((cluster) => cluster.wrong.map((place) => cluster.members[place])));
const viewer = document.getElementById("viewer");

function pathOf(row) { return samples.path[at.get(row)]; }
function identityOf(row) { const i = samples.identity[at.get(row)]; return i < 0 ? null : data.identities[i]; }
function cameraOf(row) { const i = samples.camera[at.get(row)]; return i < 0 ? null : data.cameras[i]; }
/* The lasting number of a cluster, by which every command calls it, and with a name beside it, if it has one. */
function calledOf(label) { return clusterOf.get(label).called; }
function individualOf(label) { return clusterOf.get(label).individual; }
function labelOf(row) { return samples.cluster[at.get(row)]; }

function picture(row) {
  const stored = data.pictures[row];
  if (!stored) return el("span", { className: "none" }, "no picture");
  return el("img", { src: "data:image/webp;base64," + stored, alt: "", loading: "lazy", decoding: "async" });
}

/* A sample as a button that opens it; `mark` is right, wrong or null. */
function tile(row, { mark = null, caption = null, among = [row] } = {}) {
  const told = mark === "wrong" ? "another identity: " : mark === "right" ? "same identity: " : "";
  const button = el("button", {
    type: "button", className: "tile" + (mark ? " " + mark : ""), title: visible(pathOf(row)),
    "aria-label": told + visible(pathOf(row)), onclick: () => openViewer(among, among.indexOf(row)),
  }, picture(row));
  if (mark) button.append(el("span", { className: "badge", "aria-hidden": "true" }, mark === "wrong" ? "×" : "✓"));
  return caption === null ? button : el("span", { className: "captioned" }, button, el("small", {}, caption));
}

/* ---- the viewer ---- */
let viewed = [], viewedPlace = 0;

function openViewer(rows, place) {
  viewed = rows;
  viewedPlace = place;
  fillViewer();
  if (!viewer.open) viewer.showModal();
}

function fillViewer() {
  const row = viewed[viewedPlace], cluster = labelOf(row);
  const facts = [["file", pathOf(row)], ["identity", identityOf(row)], ["camera", cameraOf(row)],
    ...["view", "encounter"].map((name) => [name, samples[name] ? samples[name][at.get(row)] || null : null]),
    ["individual", cluster < 0 ? null : `${calledOf(cluster)} (${count(clusterOf.get(cluster).members.length, "sample")})`],
    ["frames", samples.frames ? samples.frames[at.get(row)] : null]];
  const list = el("dl", {}, facts.filter(([, value]) => value !== null)
    .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, text(value))]));
  const step = (by, name, sign) => el("button", {
    type: "button", "aria-label": name, disabled: viewed.length < 2, onclick: () => turn(by),
  }, sign);
  const toCluster = cluster < 0 ? null : el("button", { type: "button", onclick: () => showCluster(cluster) }, "Show its cluster");
  viewer.replaceChildren(el("div", { className: "stage" }, picture(row)), list,
    el("div", { className: "buttons" }, step(-1, "Previous", "←"), el("span", {}, `${viewedPlace + 1} of ${viewed.length}`),
      step(1, "Next", "→"), toCluster, el("button", { type: "button", autofocus: true, onclick: () => viewer.close() }, "Close")));
}

function turn(by) {
  viewedPlace = (viewedPlace + by + viewed.length) % viewed.length;
  fillViewer();
  viewer.querySelector(by < 0 ? "[aria-label=Previous]" : "[aria-label=Next]").focus();
}

viewer.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    event.preventDefault();
    if (viewed.length > 1) turn(event.key === "ArrowLeft" ? -1 : 1);
  }
});
viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });

/* ---- clusters ---- */
const SORTS = [
  ["size", "largest", (c) => -c.members.length],
  ["loose", "loosest", (c) => -c.spread],
  ["tight", "tightest", (c) => (c.members.length > 1 ? c.spread : Infinity)],
  ["impure", "least pure", (c) => (c.purity === null ? 2 : c.purity)],
  ["camera", "most of one camera", (c) => (c.sameCamera === null ? 2 : -c.sameCamera)],
  ["id", "number", (c) => c.individual],
];
const CLUSTER_PICTURES = 18;
const browser = { sort: "size", filter: "several", find: "" };
let clusterList, clusterCount, findField;

function matching(cluster) {
  const size = cluster.members.length;
  if (browser.filter === "several" && size < 2) return false;
  if (browser.filter === "single" && size > 1) return false;
  if (browser.filter === "wrong" && !cluster.wrong.length) return false;
  if (!browser.find) return true;
  const wanted = browser.find.toLowerCase();
  return String(cluster.individual) === wanted || cluster.called.toLowerCase().includes(` (${wanted}`) || cluster.members.some((row) =>
    pathOf(row).toLowerCase().includes(wanted) || (identityOf(row) ?? "").toLowerCase().includes(wanted));
}

function showClusters() {
  const key = SORTS.find(([name]) => name === browser.sort)[2];
  const found = data.clusters.filter(matching)
    .map((cluster) => [key(cluster), -cluster.members.length, cluster.id, cluster])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]).map((row) => row[3]);
  clusterCount.textContent = `${count(found.length, "cluster")} of ${data.clusters.length.toLocaleString("en")}`;
  paged(clusterList, found, clusterCard, { step: 20, nothing: "No such cluster." });
}

function clusterCard(cluster) {
  const members = cluster.members, isWrong = new Set(cluster.wrong);
  const facts = [count(members.length, "sample")];
  if (members.length > 1) facts.push(`spread ${number(cluster.spread)}`);
  if (cluster.purity !== null) facts.push(`purity ${number(cluster.purity, 2)}`);
  if (cluster.sameCamera !== null) facts.push(`same camera ${number(cluster.sameCamera, 2)}`);
  const tiles = el("div", { className: "tiles" });
  const shown = (from, to) => members.slice(from, to).map((row, i) =>
    tile(row, { mark: isWrong.has(from + i) ? "wrong" : null, among: members }));
  tiles.append(...shown(0, CLUSTER_PICTURES));
  if (members.length > CLUSTER_PICTURES) {
    const rest = el("button", { type: "button", className: "rest", onclick: () => {
      const others = shown(CLUSTER_PICTURES, members.length);
      rest.replaceWith(...others);
      others[0].focus();
    } }, `+${members.length - CLUSTER_PICTURES}`);
    rest.setAttribute("aria-label", `Show ${members.length - CLUSTER_PICTURES} more of individual ${cluster.called}`);
    tiles.append(rest);
  }
  return el("article", { className: "card" }, el("h3", {}, `Individual ${cluster.called}`, el("small", {}, facts.join(" · "))), tiles);
}

function showCluster(id) {
  viewer.close();
  const number = String(individualOf(id));
  Object.assign(browser, { find: number, filter: "all" });
  findField.value = number;
  document.querySelector("#clusters select[data-filter]").value = "all";
  showClusters();
  document.getElementById("clusters").scrollIntoView();
  clusterList.querySelector("button")?.focus();
}

function startClusters() {
  const root = document.getElementById("clusters-root");
  const sorts = SORTS.filter(([name]) => data.hasIdentities || name !== "impure")
    .filter(([name]) => name !== "camera" || data.clusters.some((c) => c.sameCamera !== null));
  const filters = [["several", "of two and more"], ["all", "all"], ["single", "single samples"]];
  if (data.hasIdentities) filters.push(["wrong", "with other identities"]);
  const filter = choice("Show", filters, (value) => { browser.filter = value; showClusters(); });
  filter.querySelector("select").setAttribute("data-filter", "");
  findField = el("input", { type: "search", placeholder: "number, file, identity",
    oninput: () => { browser.find = findField.value.trim(); showClusters(); } });
  clusterCount = el("span", { className: "quiet", "aria-live": "polite" });
  clusterList = el("div", { className: "cards-list" });
  if (!data.clusters.some((c) => c.members.length > 1)) { browser.filter = "all"; filter.querySelector("select").value = "all"; }
  root.append(el("div", { className: "tools" },
    choice("First", sorts.map(([name, shown]) => [name, shown]), (value) => { browser.sort = value; showClusters(); }),
    filter, el("label", { className: "field" }, "Find ", findField), clusterCount));
  if (data.hasIdentities) root.append(el("p", { className: "quiet" }, "A red frame with × marks a sample of another identity than most of its cluster."));
  if (data.measured) root.append(el("p", { className: "quiet" }, `${data.measured}.`));
  root.append(clusterList);
  showClusters();
}

/* ---- ranked lists ---- */
function startLists() {
  const root = document.getElementById("lists-root");
  if (!data.lists.length) {
    root.append(el("p", { className: "quiet" }, "No queries: ranked lists need query and gallery samples, and dbc eval at this stage."));
    return;
  }
  const list = el("div", { className: "cards-list" });
  const names = [["worst", "worst"], ["best", "best"], ["random", "random"]].filter(([name]) => data.lists.some((l) => l.group === name));
  const show = (group) => paged(list, data.lists.filter((each) => each.group === group), rankedList, { step: 12, nothing: "None." });
  root.append(el("div", { className: "tools" }, choice("Queries", names, show)), list);
  show(names[0][0]);
}

function rankedList(each) {
  const found = each.found.map((row, i) => tile(row, {
    mark: each.is_match[i] === null ? null : each.is_match[i] ? "right" : "wrong",
    caption: each.similarity[i].toFixed(2), among: each.found,
  }));
  const precision = each.average_precision === null ? "" : `average precision ${number(each.average_precision)}`;
  const identity = identityOf(each.query);
  return el("article", { className: "card ranked" },
    el("h3", {}, identity === null ? "Query" : ["Query of ", text(identity)], el("small", {}, precision)),
    el("div", { className: "row" }, el("div", { className: "query" }, tile(each.query)), el("div", { className: "tiles" }, found)));
}

/* ---- merges ---- */
const MERGE_SORTS = [
  ["last", "last", (m) => -m.place],
  ["first", "first", (m) => m.place],
  ["D", "largest D", (m) => -m.D[0]],
  ["inter", "largest d_ab", (m) => -m.D[1]],
  ["penalty", "largest penalty", (m) => -(m.D[0] - m.D[1])],
];

function startMerges() {
  const root = document.getElementById("merges-root"), merges = data.merges;
  if (!merges.rows.length) {
    root.append(el("p", { className: "quiet" }, "This stage has no merges: its clusters were made in another way."));
    return;
  }
  const list = el("div", { className: "cards-list" }), state = { sort: "last", joins: false };
  const largest = Math.max(...merges.rows.map((m) => m.D[0]), 1e-12);
  const show = () => {
    const key = MERGE_SORTS.find(([name]) => name === state.sort)[2];
    const rows = merges.rows.filter((m) => !state.joins || m.joins).sort((a, b) => key(a) - key(b) || a.place - b.place);
    paged(list, rows, (merge) => mergeCard(merge, largest), { step: 20, nothing: "No merge joined two identities." });
  };
  const some = merges.rows.length < merges.made ? `${merges.rows.length} of ${count(merges.made, "merge")}: the last, and some of those before` : count(merges.made, "merge");
  root.append(el("div", { className: "tools" },
    choice("First", MERGE_SORTS.map(([name, shown]) => [name, shown]), (value) => { state.sort = value; show(); }),
    data.hasIdentities ? ticked("only if two identities joined", (on) => { state.joins = on; show(); }) : null,
    el("span", { className: "quiet" }, some)), list);
  show();
}

function mergeCard(merge, largest) {
  const [D, inter, a, b] = merge.D, penalty = data.merges.lambda * (a + b), rest = D - inter - penalty;
  const names = data.merges.criterion === "buc" ? ["d_ab", "λ (n_a + n_b)"] : ["d_ab", "λ (d_a + d_b)"];
  const parts = [[names[0], inter], [names[1], penalty]];
  if (Math.abs(rest) > 1e-6 * Math.max(1, Math.abs(D))) parts.push(["same camera", rest]);
  const bar = el("div", { className: "bar", "aria-hidden": "true" });
  parts.forEach(([, value], i) => {
    const part = el("span", { className: `part-${i}` });
    part.style.width = `${Math.max(0, value) / largest * 100}%`;
    bar.append(part);
  });
  const told = `D ${number(D, 4)} = ${parts.map(([name, value]) => `${name} ${number(value, 4)}`).join(" + ")}`;
  const side = (rows, size) => el("div", { className: "tiles side" }, rows.map((row) => tile(row, { among: rows })),
    size > rows.length ? el("span", { className: "quiet" }, `+${size - rows.length}`) : null);
  const joined = merge.joins ? el("span", { className: "flag" }, "two identities") : null;
  return el("article", { className: "card" },
    el("h3", {}, `Merge ${merge.place + 1}`, joined, el("small", {}, told)), bar,
    el("div", { className: "sides" }, side(merge.left, merge.sizes[0]), el("span", { className: "plus", "aria-label": "joined by" }, "+"), side(merge.right, merge.sizes[1])));
}

startClusters();
startLists();
startMerges();
startMap();
