// The dialog that asks for the token. Several that need it at once share one dialog.

import { forgetToken, keepToken } from "./api.js";
import { h, icon } from "./dom.js";
import { t } from "./text.js";

/** It was closed without a token. */
export class NoToken extends Error {}

let asked = null;

/** Ask for the token; resolves when it was given, raises `NoToken` when not. */
export function askToken(why) {
  asked ??= new Promise((resolve, reject) => {
    const field = h("input", {
      id: "token-field", name: "token", type: "password", required: true, autocomplete: "off", spellcheck: "false",
      "aria-describedby": "token-where",
    });
    const cancel = () => dialog.close("");
    const form = h("form", { method: "dialog", onsubmit: () => { keepToken(field.value.trim()); dialog.returnValue = "given"; } },
      h("h2", { id: "token-title" }, icon("key"), t("token.title")),
      h("p", {}, why),
      h("label", { for: "token-field" }, t("token.label")), field,
      h("p", { id: "token-where", class: "hint" }, t("token.where")),
      h("div", { class: "row end" },
        h("button", { type: "button", class: "plain", onclick: cancel }, t("cancel")),
        h("button", { type: "submit", class: "primary", value: "given" }, t("token.use"))));
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "token-title" }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      asked = null;
      if (dialog.returnValue === "given") {
        dispatchEvent(new Event("kyori-token"));
        return resolve();
      }
      forgetToken();
      return reject(new NoToken());
    });
    document.body.append(dialog);
    dialog.showModal();
  });
  return asked;
}

/** Ask whether to do it; resolves to true or false. */
export function confirmed(title, text, yes) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "confirm-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "confirm-title" }, title), h("p", {}, text),
        h("div", { class: "row end" },
          h("button", { type: "submit", class: "plain", value: "" }, t("cancel")),
          h("button", { type: "submit", class: "primary", value: "yes" }, yes))));
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "yes"); });
    document.body.append(dialog);
    dialog.showModal();
  });
}
