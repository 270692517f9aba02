"use strict";
/* Pairs one after the other. With a server every answer is saved at once; without one the browser keeps them for a download. */
const served = !data.pictures;
const labels = data.labels;
const root = document.getElementById("review-root");
const progress = document.getElementById("progress");
const told = [];          // answers of this tab: {pair, answer}
const queue = data.pairs.slice();
const earlier = data.told.map(([first, second, answer]) => ({ pair: pairOf(first, second), answer }));
const store = served ? "sessionStorage" : "localStorage", kept = `dbc review ${location.pathname} ${data.key}`;
let apart = data.apart.slice(), together = data.together.slice();
let place = 0, busy = false, asked = false, saved = 0, readyAt = Infinity;

/* ---- what answers say: groups that "same" joins, and groups that "different" keeps apart ---- */
function groups() {
  const parent = new Map();
  const find = (row) => {
    let top = row;
    while (parent.has(top)) top = parent.get(top);
    return top;
  };
  const different = [...apart];
  for (const [a, b] of together) if (find(a) !== find(b)) parent.set(find(a), find(b));
  for (const { pair: { first: a, second: b }, answer } of [...earlier, ...told]) {
    if (answer === "same" && find(a) !== find(b)) parent.set(find(a), find(b));
    if (answer === "different") different.push([a, b]);
  }
  const keys = new Set(different.map(([a, b]) => key(find(a), find(b))));
  return { find, isSame: (a, b) => find(a) === find(b), areApart: (a, b) => keys.has(key(find(a), find(b))) };
}
function key(a, b) { return a < b ? `${a} ${b}` : `${b} ${a}`; }
function pairOf(first, second) {
  return queue.find((pair) => key(pair.first, pair.second) === key(first, second))
    ?? { first, second, othersFirst: [], othersSecond: [], reason: "again" };
}

/* A cluster by its lasting number, with its size. */
function named(label) { return `${data.individuals[label]} (${count(clusterSize(label), "sample")})`; }
function clusterSize(label) { return labels.reduce((n, other) => n + (other === label), 0); }

function effectOf(pair, answer) {
  const [a, b] = [labels[pair.first], labels[pair.second]];
  if (answer === "unsure") return "nothing changes; the pair is not asked again";
  if (a === b) {
    return answer === "same" ? `individual ${named(a)} stays together here`
      : `individual ${named(a)} will be split${pair.sizes ? `: about ${pair.sizes[0]} and ${pair.sizes[1]}` : ""}`;
  }
  const both = `individuals ${named(a)} and ${named(b)}`;
  return answer === "same" ? `${both} become one` : `${both} stay apart`;
}

/* ---- the page ---- */
const REASONS = {
  "would join": "Their clusters would join next.",
  "alone": "A single sample and its nearest cluster.",
  "joined last": "They are in one cluster, whose two sides joined last.",
  "loose": "They are in one cluster; one of them is farthest from its others.",
  "drawn": "Drawn by chance, to count individuals.",
  "again": "Its answer was taken back.",
};
const side = { first: el("figure", { className: "side" }), second: el("figure", { className: "side" }) };
const reason = el("p", { className: "reason" });
const problem = el("p", { className: "problem", role: "alert" });
const buttons = ["same", "different", "unsure"].map((answer) => el("button", {
  type: "button", className: `answer ${answer}`, onclick: () => give(answer),
}, answer[0].toUpperCase() + answer.slice(1), " ", el("kbd", {}, answer[0])));
const back = el("button", { type: "button", className: "answer", onclick: undo }, "Back ", el("kbd", {}, "b"));
const download = el("button", { type: "button", className: "answer", onclick: save }, "Download answers");
const bar = el("progress", { max: 1, value: 0 });
bar.setAttribute("aria-label", "Pairs answered");
const log = el("div", { className: "log", tabIndex: 0 });
const pairBox = el("div", { className: "pair" }, side.first, side.second);
const done = el("p", { className: "reason", hidden: true });

root.append(bar, reason, pairBox, done, el("div", { className: "buttons" }, buttons, back, served ? null : download), problem,
  el("h2", {}, "Answers so far"), log);
const viewer = el("dialog", { className: "large", onclick: () => viewer.close() });
document.body.append(viewer);

function source(number, folder = "picture") {
  if (served) return `${folder}/${number}`;
  return data.pictures[number] ? "data:image/webp;base64," + data.pictures[number] : null;
}
function image(number, told, folder) {
  const from = source(number, folder);
  if (!from) return el("span", { className: "none" }, "no picture");
  return el("button", { type: "button", className: "look", title: "Enlarge", "aria-label": `Enlarge ${told}`, onclick: () => enlarge(number, told) },
    el("img", { src: from, alt: "", decoding: "async" }));
}
function enlarge(number, told) {
  viewer.replaceChildren(el("img", { src: source(number), alt: told }), el("button", { type: "button", autofocus: true }, "Close"));
  viewer.showModal();
}
function strip(label, numbers) {
  if (!numbers.length) return null;
  return el("div", { className: "others" }, el("span", { className: "quiet" }, label),
    el("div", { className: "tiles" }, numbers.map((number) => image(number, label, "stored"))));
}
function fill(box, row, others, label) {
  const camera = data.cameras[row], [first, ...later] = data.frames[row];
  box.replaceChildren(image(first, `sample ${visible(data.names[row])}`), el("figcaption", {}, el("p", {}, text(data.names[row])),
    el("p", { className: "quiet" }, `individual ${named(label)}`, camera === undefined ? null : [", camera ", text(camera)]),
    strip("later frames", later), strip("also in its cluster", others.map((other) => data.frames[other][0]))));
}

function isDecided(pair) {
  const known = groups();
  return told.some((given) => given.pair === pair) || known.isSame(pair.first, pair.second) || known.areApart(pair.first, pair.second);
}

/* All answers, the newest of this tab first; each can be taken back. */
function list() {
  paged(log, [...told.toReversed(), ...(served ? earlier.toReversed() : [])], (given) => el("p", {}, el("strong", {}, given.answer), ": ",
    text(data.names[given.pair.first]), " and ", text(data.names[given.pair.second]), " ",
    el("button", { type: "button", onclick: () => takeBack(given) }, "Take back"),
    el("br"), el("span", { className: "quiet" }, effectOf(given.pair, given.answer))), { step: 50, nothing: "None yet." });
}

/* This tab's answers, so that they are there when the page is loaded again. */
function keep() {
  const answers = told.map(({ pair, answer }) => [pair.first, pair.second, answer]);
  try { window[store].setItem(kept, JSON.stringify({ answers, saved })); } catch { /* some browsers keep nothing for files */ }
}
function recall() {
  let found = null;
  try { found = JSON.parse(window[store].getItem(kept)); } catch { /* nothing is kept */ }
  for (const [first, second, answer] of found?.answers ?? []) {
    const pair = pairOf(first, second), at = earlier.findIndex((given) => given.pair.first === first && given.pair.second === second && given.answer === answer);
    if (served ? at < 0 : !queue.includes(pair)) continue;
    if (at >= 0) earlier.splice(at, 1);
    told.push({ pair, answer });
  }
  saved = Math.min(found?.saved ?? 0, told.length);
}

async function show() {
  while (place < queue.length && isDecided(queue[place])) place += 1;
  const pair = queue[place];
  if (!pair && served && !asked) { await more(); return; }
  const n = told.length;
  bar.max = Math.max(1, queue.length);
  bar.value = place;
  const left = queue.length - place;
  const before = earlier.length ? `${count(earlier.length, "answer")} before, ` : "";
  const state = !n ? "" : served ? ", all saved" : n > saved ? `, ${n - saved} not downloaded` : ", all downloaded";
  progress.textContent = `${before}${before ? `${n} now` : count(n, "answer")}${state} · ${count(left, "pair")} left${served ? " in this batch" : ""}`;
  back.disabled = !n;
  list();
  download.disabled = !n;
  for (const button of buttons) button.disabled = !pair;
  pairBox.hidden = reason.hidden = !pair;
  done.hidden = Boolean(pair);
  if (!pair) {
    done.textContent = !served ? "No pair is left on this page. Download the answers and put the file into the folder of the run."
      : data.forCount ? `All pairs that were drawn are answered. The answers are in ${data.file}: dbc count says what follows from them.`
        : `All pairs of these clusters that are worth a look are answered. The answers are in ${data.file}: dbc merge --start reviewed corrects the clusters by them, and dbc review then shows pairs of the corrected ones.`;
    return;
  }
  reason.replaceChildren("Do the two large pictures show the same individual? ", el("small", {}, REASONS[pair.reason] ?? ""));
  fill(side.first, pair.first, pair.othersFirst, labels[pair.first]);
  fill(side.second, pair.second, pair.othersSecond, labels[pair.second]);
  // no answer to pictures that nobody can have seen: a double click answers once
  readyAt = Infinity;
  const large = [...pairBox.querySelectorAll(".side > .look > img")];
  Promise.all(large.map((each) => each.decode().catch(() => null))).then(() => { if (pair === queue[place]) readyAt = performance.now() + 300; });
  const coming = queue[place + 1];
  if (served && coming) for (const row of [coming.first, coming.second]) new Image().src = source(data.frames[row][0]);
}

async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const found = await answer.json().catch(() => ({ problem: `the server said ${answer.status}` }));
  if (!answer.ok) throw new Error(found.problem ?? `the server said ${answer.status}`);
  return found;
}

/* One thing at a time; what goes wrong is shown and changes nothing. */
async function alone(work) {
  if (busy) return;
  busy = true;
  root.setAttribute("aria-busy", "true");
  problem.textContent = "";
  try {
    await work();
  } catch (error) {
    problem.textContent = error instanceof TypeError ? "The server does not answer. Is dbc review still running? Nothing was lost that was saved." : error.message;
  }
  busy = false;
  root.removeAttribute("aria-busy");
}

function give(answer) {
  if (performance.now() < readyAt) return;
  return alone(async () => {
    const pair = queue[place];
    if (!pair) return;
    if (served) await post("answer", { first: pair.first, second: pair.second, answer });
    told.push({ pair, answer });
    keep();
    place += 1;
    await show();
  });
}

function undo() { if (told.length) takeBack(told.at(-1)); }

/* The pair is asked about again, before what comes next. */
function takeBack(given) {
  return alone(async () => {
    const { pair, answer } = given, at = told.indexOf(given), before = queue.indexOf(pair);
    if (served) await post("undo", { first: pair.first, second: pair.second, answer });
    if (at >= 0) told.splice(at, 1);
    else earlier.splice(earlier.indexOf(given), 1);
    if (at >= 0) saved = Math.min(saved, at);
    keep();
    if (before >= 0) queue.splice(before, 1);
    if (before >= 0 && before < place) place -= 1;
    queue.splice(place, 0, pair);
    asked = false;
    await show();
  });
}

async function more() {
  asked = true;
  progress.textContent = "looking for the next pairs…";
  const found = await post("more", {});
  Object.assign(data.names, found.names);
  Object.assign(data.cameras, found.cameras);
  Object.assign(data.frames, found.frames);
  apart = found.apart;
  together = found.together;
  if (found.pairs.length) {
    queue.push(...found.pairs);
    asked = false;
  }
  const fresh = queue.slice(place).some((pair) => !isDecided(pair));
  if (!fresh) { asked = true; place = queue.length; }
  await show();
}

function save() {
  const cell = (value) => `"${value.replaceAll('"', '""')}"`;
  const rows = told.map(({ pair, answer }) => [data.names[pair.first], data.names[pair.second], answer].map(cell).join(","));
  const link = el("a", { href: URL.createObjectURL(new Blob([["path_a,path_b,answer", ...rows].join("\n") + "\n"], { type: "text/csv" })), download: data.file });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  saved = told.length;
  keep();
  show();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || viewer.open) return;
  const answers = { s: "same", d: "different", u: "unsure" };
  const pressed = event.key.toLowerCase();
  if (answers[pressed]) give(answers[pressed]);
  else if (pressed === "b" || event.key === "Backspace") undo();
  else return;
  event.preventDefault();
});
addEventListener("beforeunload", (event) => { if (!served && told.length > saved) event.preventDefault(); });
recall();
alone(show);
