// Elements are made here and nowhere else. What comes from outside goes in as text or as the value of an
// attribute from the list below; there is no way from a string to markup in this page.

const ATTRIBUTES = new Set([
  "autocomplete", "class", "colspan", "datetime", "for", "height", "hidden", "href", "id", "inputmode", "lang", "list",
  "maxlength", "method", "name", "pattern", "placeholder", "required", "role", "scope", "spellcheck", "tabindex", "title",
  "type", "value", "width", "open", "checked", "disabled", "selected",
  "viewBox", "preserveAspectRatio", "d", "x", "y", "cx", "cy", "r", "x1", "x2", "y1", "y2", "points", "text-anchor",
]);

function put(element, name, value) {
  if (name.startsWith("on")) {
    element.addEventListener(name.slice(2), value); // a function; a string would be refused by the browser
  } else if (ATTRIBUTES.has(name) || name.startsWith("aria-") || name.startsWith("data-")) {
    if (name === "href" && !/^(#|v1\/|static\/)/.test(value)) throw new Error("only links within the page");
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  } else {
    throw new Error(`no attribute ${name}`);
  }
}

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) put(element, name, value);
  element.append(...children.flat(3).filter((child) => child != null && child !== false));
  return element;
}

/** An element with attributes and children; strings among the children become text. */
export const h = (name, attributes, ...children) => made(document.createElement(name), attributes, children);

const SVG = "http://www.w3.org/2000/svg";

/** The same for SVG. */
export const s = (name, attributes, ...children) => made(document.createElementNS(SVG, name), attributes, children);

/** An icon of `static/icons.svg`; it is only beside words, so it says nothing to a screen reader. */
export const icon = (name) =>
  s("svg", { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" }, s("use", { href: `static/icons.svg#${name}` }));

export const byId = (id) => document.getElementById(id);

/** Give the element this text if it has another: what stays the same is not drawn again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const waiting = new Map();

/** Do it in the next frame, once, however often it was asked for under this name until then. */
export function frame(name, work) {
  if (waiting.size === 0) requestAnimationFrame(drain);
  waiting.set(name, work);
}

function drain() {
  const works = [...waiting.values()];
  waiting.clear();
  for (const work of works) work();
}

/** Do it again and again until the view is left, but not while nobody looks. */
export function every(milliseconds, work, signal) {
  const timer = setInterval(() => document.hidden || work(), milliseconds);
  signal.addEventListener("abort", () => clearInterval(timer));
}
