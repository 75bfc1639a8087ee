// The words of the page: one JSON file for each language, with the same keys.

const LANGUAGES = ["en", "ja"];
let words = {};
let plural = new Intl.PluralRules("en");
export let language = "en";

/** The language that was chosen here before, or the first of the browser's that there is. */
export function preferred() {
  const wanted = [stored(), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((tag) => LANGUAGES.includes(tag)) ?? "en";
}

function stored() {
  try {
    return localStorage.getItem("kyori.language");
  } catch {
    return null; // a browser that keeps nothing
  }
}

/** Load a language and make it that of the document. */
export async function speak(tag) {
  const answer = await fetch(`static/text/${tag}.json`);
  words = await answer.json();
  language = tag;
  plural = new Intl.PluralRules(tag);
  document.documentElement.lang = tag;
}

/** The text of this key; `{name}` in it is replaced, and `n` chooses between `key.one` and `key.other`. */
export function t(key, values = {}) {
  const form = "n" in values ? `${key}.${plural.select(values.n)}` : key;
  const text = words[form] ?? words[`${key}.other`] ?? words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** Like `t`, and "" where there is no such text. */
export const maybe = (key) => words[key] ?? "";
