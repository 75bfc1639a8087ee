// Light, dark, or as the system is.

import { h, icon } from "./dom.js";
import { t } from "./text.js";

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const ICONS = { auto: "auto", light: "sun", dark: "moon" };
const root = document.documentElement;

export const themes = new EventTarget();

function set(theme) {
  root.dataset.theme = theme;
  themes.dispatchEvent(new Event("change"));
}

try {
  const kept = localStorage.getItem("kyori.theme");
  if (kept in NEXT) set(kept);
} catch {
  // a browser that keeps nothing
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => themes.dispatchEvent(new Event("change")));

export function themeButton() {
  const button = h("button", { type: "button", class: "icon-button", onclick: () => {
    const theme = NEXT[root.dataset.theme];
    set(theme);
    try {
      localStorage.setItem("kyori.theme", theme);
    } catch {
      // then it holds until the page is closed
    }
    show();
  } });
  const show = () => {
    const text = t("theme", { name: t(`theme.${root.dataset.theme}`) });
    button.replaceChildren(icon(ICONS[root.dataset.theme]));
    button.setAttribute("aria-label", text);
    button.setAttribute("title", text);
  };
  show();
  return button;
}

/** A colour of the style sheet as it is now, for a canvas. */
export function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

const probe = h("span", { class: "probe", "aria-hidden": "true" });
document.body.append(probe);
