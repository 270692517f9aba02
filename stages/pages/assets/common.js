"use strict";
const data = JSON.parse(document.getElementById("data").textContent);

/* An element; texts among its children become text, never markup. */
function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/* Control characters, and what turns the direction of text, are written out: a name cannot look like another. */
const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu;
function visible(value) {
  return String(value).replace(STEERING, (found) => "\\u" + found.charCodeAt(0).toString(16).padStart(4, "0"));
}

/* Text from the data, kept from turning the direction of what stands beside it. */
function text(value) {
  return el("bdi", {}, visible(value));
}

function number(value, digits = 3) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

function count(value, one, several = one + "s") {
  return `${value.toLocaleString("en")} ${value === 1 ? one : several}`;
}

function choice(label, options, change) {
  const select = el("select", { onchange: () => change(select.value) });
  for (const [value, shown] of options) select.append(el("option", { value }, shown));
  return el("label", { className: "field" }, label, " ", select);
}

function ticked(label, change) {
  const box = el("input", { type: "checkbox", onchange: () => change(box.checked) });
  return el("label", { className: "field" }, box, " ", label);
}

/* Items of a list, some at once; a button brings more and keeps the focus on the first of them. */
function paged(root, items, show, { step, nothing }) {
  root.replaceChildren();
  if (!items.length) {
    root.append(el("p", { className: "quiet" }, nothing));
    return;
  }
  let shown = 0;
  const more = el("button", { type: "button", className: "more", onclick: () => advance(true) });
  function advance(moveFocus) {
    const first = items.slice(shown, shown + step).map(show);
    shown += first.length;
    root.append(...first);
    more.remove();
    const left = items.length - shown;
    if (left > 0) {
      more.textContent = `Show ${Math.min(step, left)} more of ${left.toLocaleString("en")}`;
      root.append(more);
    }
    if (moveFocus && first.length) first[0].querySelector("button, a, [tabindex]")?.focus();
  }
  advance(false);
}
