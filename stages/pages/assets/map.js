"use strict";
/* The map of samples: drag or arrow keys, wheel or + and −. */
const SPACING = 46;
const dark = matchMedia("(prefers-color-scheme: dark)");

function startMap() {
  const root = document.getElementById("map-root"), rows = data.map.row;
  if (!rows.length) {
    root.append(el("p", { className: "quiet" }, "No map was asked for."));
    return;
  }
  const state = { colour: "cluster", pictures: true, zoom: 1, x: 0.5, y: 0.5, chosen: -1 };
  const canvas = el("canvas", { tabIndex: 0, role: "application" });
  canvas.setAttribute("aria-label", "Map of samples. Arrow keys choose the next sample in a direction, plus and minus zoom, 0 shows all, Enter opens the sample.");
  const aside = el("div", { className: "chosen", "aria-live": "polite" });
  const legend = el("div", { className: "legend" });
  const images = new Map();
  const colours = [["cluster", "cluster"]];
  if (data.cameras.some((_, i) => samples.camera.includes(i))) colours.push(["camera", "camera"]);
  const views = [...new Set(samples.view ?? [])].filter((name) => name).sort();
  if (views.length) colours.push(["view", "view"]);
  if (data.hasIdentities) colours.push(["identity", "identity"]);
  const n = samples.cluster.filter((label) => label >= 0).length;
  let pending = false;

  const groupOf = {
    cluster: (row) => { const label = labelOf(row); return clusterOf.get(label).members.length > 1 ? label : -1; },
    camera: (row) => samples.camera[at.get(row)],
    view: (row) => views.indexOf(samples.view[at.get(row)]),
    identity: (row) => samples.identity[at.get(row)],
  };
  const nameOf = {
    cluster: (group) => `individual ${calledOf(group)}`, camera: (group) => data.cameras[group], view: (group) => views[group], identity: (group) => data.identities[group],
  };
  const without = { cluster: "single sample", camera: "unknown", view: "unknown", identity: "unknown" };
  function colourOf(group) {
    if (group < 0) return dark.matches ? "#7c8590" : "#9aa2ab";
    const light = (dark.matches ? 66 : 44) + ((group * 7) % 3 - 1) * 7;
    return `hsl(${(group * 137.508) % 360} 68% ${light}%)`;
  }

  const size = () => [canvas.clientWidth, canvas.clientHeight];
  function toScreen(place) {
    const [width, height] = size(), scale = state.zoom * (Math.min(width, height) - 50), [x, y] = data.map.at[place];
    return [width / 2 + (x - state.x) * scale, height / 2 + (y - state.y) * scale];
  }
  function imageOf(row) {
    if (!images.has(row)) {
      const made = new Image();
      made.onload = redraw;
      made.src = "data:image/webp;base64," + data.pictures[row];
      images.set(row, made);
    }
    return images.get(row);
  }

  function redraw() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => { pending = false; draw(); });
  }
  function draw() {
    const [width, height] = size(), density = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * density)) canvas.width = Math.round(width * density);
    if (canvas.height !== Math.round(height * density)) canvas.height = Math.round(height * density);
    const pen = canvas.getContext("2d");
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.clearRect(0, 0, width, height);
    const taken = new Set(), framed = [];
    rows.forEach((row, place) => {
      const [x, y] = toScreen(place);
      if (x < -40 || y < -40 || x > width + 40 || y > height + 40) return;
      pen.fillStyle = colourOf(groupOf[state.colour](row));
      pen.beginPath();
      pen.arc(x, y, rows.length > 1500 ? 2.6 : 4, 0, 7);
      pen.fill();
      const cell = `${Math.floor(x / SPACING)} ${Math.floor(y / SPACING)}`;
      if (state.pictures && data.pictures[row] && !taken.has(cell)) { taken.add(cell); framed.push([row, x, y]); }
    });
    for (const [row, x, y] of framed) drawPicture(pen, row, x, y, 34);
    if (state.chosen >= 0) {
      const [x, y] = toScreen(state.chosen), row = rows[state.chosen];
      if (data.pictures[row]) drawPicture(pen, row, x, y, 60);
      pen.lineWidth = 3;
      pen.strokeStyle = dark.matches ? "#fff" : "#000";
      pen.beginPath();
      pen.arc(x, y, data.pictures[row] ? 42 : 9, 0, 7);
      pen.stroke();
    }
  }
  function drawPicture(pen, row, x, y, side) {
    const image = imageOf(row);
    if (!image.complete || !image.naturalWidth) return;
    const scale = side / Math.max(image.naturalWidth, image.naturalHeight);
    const width = image.naturalWidth * scale, height = image.naturalHeight * scale;
    pen.lineWidth = 3;
    pen.strokeStyle = colourOf(groupOf[state.colour](row));
    pen.strokeRect(x - width / 2, y - height / 2, width, height);
    pen.drawImage(image, x - width / 2, y - height / 2, width, height);
  }

  function choose(place) {
    state.chosen = place;
    const row = rows[place], cluster = labelOf(row), identity = identityOf(row), camera = cameraOf(row);
    const facts = [`individual ${calledOf(cluster)}`, identity === null ? null : ["identity ", text(identity)], camera === null ? null : ["camera ", text(camera)]];
    aside.replaceChildren(tile(row, { mark: wrong.has(row) ? "wrong" : null }), el("p", {}, text(pathOf(row))),
      ...facts.filter((fact) => fact !== null).map((fact) => el("p", {}, fact)),
      el("button", { type: "button", onclick: () => showCluster(cluster) }, "Show its cluster"));
    redraw();
  }
  function nearest(x, y, most) {
    let best = -1, least = most * most;
    rows.forEach((_, place) => {
      const [px, py] = toScreen(place), distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least) { least = distance; best = place; }
    });
    return best;
  }
  function step(dx, dy) {
    if (state.chosen < 0) { choose(nearest(...size().map((length) => length / 2), Infinity)); return; }
    const [x, y] = toScreen(state.chosen);
    let best = -1, least = Infinity;
    rows.forEach((_, place) => {
      const [px, py] = toScreen(place), along = (px - x) * dx + (py - y) * dy, across = Math.abs((px - x) * dy - (py - y) * dx);
      if (along <= 0.01 || across > along) return;
      if (along + 2 * across < least) { least = along + 2 * across; best = place; }
    });
    if (best < 0) return;
    choose(best);
    const [width, height] = size(), [nx, ny] = toScreen(best);
    if (nx < 30 || ny < 30 || nx > width - 30 || ny > height - 30) [state.x, state.y] = data.map.at[best];
  }
  function zoom(factor, x, y) {
    const [width, height] = size(), before = state.zoom;
    state.zoom = Math.min(60, Math.max(1, state.zoom * factor));
    const side = Math.min(width, height) - 50, shift = 1 / (before * side) - 1 / (state.zoom * side);
    state.x += (x - width / 2) * shift;
    state.y += (y - height / 2) * shift;
    if (state.zoom === 1) state.x = state.y = 0.5;
    canvas.classList.toggle("zoomed", state.zoom > 1);
    redraw();
  }
  const zoomMiddle = (factor) => {
    const [x, y] = state.chosen >= 0 ? toScreen(state.chosen) : size().map((length) => length / 2);
    zoom(factor, x, y);
  };

  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (moves[event.key]) step(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") zoomMiddle(1.4);
    else if (event.key === "-") zoomMiddle(1 / 1.4);
    else if (event.key === "0") zoomMiddle(0);
    else if (event.key === "Enter" && state.chosen >= 0) openViewer([rows[state.chosen]], 0);
    else return;
    event.preventDefault();
  });
  let grabbed = null;
  canvas.addEventListener("pointerdown", (event) => { grabbed = { x: event.offsetX, y: event.offsetY, moved: false }; });
  canvas.addEventListener("pointermove", (event) => {
    if (!grabbed || !event.buttons) return;
    const dx = event.offsetX - grabbed.x, dy = event.offsetY - grabbed.y;
    if (!grabbed.moved && Math.hypot(dx, dy) < 4) return;
    if (!grabbed.moved) canvas.setPointerCapture(event.pointerId);
    const scale = state.zoom * (Math.min(...size()) - 50);
    state.x -= dx / scale;
    state.y -= dy / scale;
    grabbed = { x: event.offsetX, y: event.offsetY, moved: true };
    redraw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (grabbed && !grabbed.moved) {
      const found = nearest(event.offsetX, event.offsetY, 24);
      if (found >= 0) choose(found);
    }
    grabbed = null;
  });
  canvas.addEventListener("pointercancel", () => { grabbed = null; });
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas && !event.ctrlKey) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.offsetX, event.offsetY);
  }, { passive: false });

  function showLegend() {
    const groups = [...new Set(rows.map(groupOf[state.colour]))].sort((a, b) => a - b);
    legend.replaceChildren();
    if (groups.length > 16) {
      legend.append(el("span", { className: "quiet" }, `${count(groups.filter((g) => g >= 0).length, state.colour === "identity" ? "identity" : state.colour, state.colour === "identity" ? "identities" : state.colour + "s")}, each in a colour of its own${groups[0] < 0 ? `; grey: ${without[state.colour]}` : ""}`));
      return;
    }
    for (const group of groups) {
      const dot = el("i", {});
      dot.style.background = colourOf(group);
      legend.append(el("span", {}, dot, text(group < 0 ? without[state.colour] : nameOf[state.colour](group))));
    }
  }
  const button = (name, sign, act) => el("button", { type: "button", "aria-label": name, title: name, onclick: act }, sign);
  const pictures = ticked("pictures", (on) => { state.pictures = on; redraw(); });
  pictures.querySelector("input").checked = true;
  root.append(el("div", { className: "tools" },
    choice("Colour by", colours, (value) => { state.colour = value; showLegend(); redraw(); }), pictures,
    button("Zoom in", "+", () => zoomMiddle(1.6)), button("Zoom out", "−", () => zoomMiddle(1 / 1.6)), button("Show all", "⤢", () => zoomMiddle(0)),
    el("span", { className: "quiet" }, `${{ tsne: "t-SNE", umap: "UMAP", pca: "two principal components" }[data.map.method]} of ${rows.length < n ? `${rows.length.toLocaleString("en")} of ` : ""}${count(n, "train sample")}`)),
  el("div", { className: "map" }, canvas, aside), legend);
  aside.append(el("p", { className: "quiet" }, "Click a point, or focus the map and press an arrow key."));
  showLegend();
  new ResizeObserver(redraw).observe(canvas);
  dark.addEventListener("change", () => { showLegend(); redraw(); });
}
