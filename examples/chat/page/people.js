// Who is here. Each node tells of those on it; together they are all.

import { paintAvatar } from "./log.js";

// A node tells every 2 s that it is still there. Not the one that we are on, if it is alone.
const SILENCE = 7_000;

const count = document.getElementById("people-count");
const toggle = document.getElementById("people-toggle-count");
const list = document.getElementById("people");

export class People {
  // By the node's id: { name, people, heard }.
  #nodes = new Map();
  #own = "";
  #me = "";

  constructor() {
    setInterval(() => this.#forgetSilent(), 1_000);
  }

  // We are this person, on this node.
  settle(node, me) {
    this.#own = node.id;
    this.#me = me;
  }

  update({ id, name }, people) {
    const before = this.#nodes.get(id);
    this.#nodes.set(id, { name, people, heard: performance.now() });
    // Most of what a node tells is only that it is still there.
    if (JSON.stringify(before?.people) !== JSON.stringify(people)) this.#show();
  }

  #forgetSilent() {
    const before = this.#nodes.size;
    for (const [id, { heard }] of this.#nodes) {
      if (id !== this.#own && performance.now() - heard > SILENCE) this.#nodes.delete(id);
    }
    if (this.#nodes.size !== before) this.#show();
  }

  #show() {
    const nodes = [...this.#nodes.values()].filter(({ people }) => people.length > 0);
    const all = nodes.flatMap(({ name, people }) => people.map((person) => ({ ...person, node: name })));
    all.sort((a, b) => a.username.localeCompare(b.username));
    count.textContent = toggle.textContent = all.length;
    list.replaceChildren(...all.map((person) => this.#row(person, nodes.length > 1)));
  }

  #row({ id, username, node }, tellNode) {
    const row = document.createElement("li");
    const avatar = span("avatar", "");
    avatar.setAttribute("aria-hidden", "true");
    row.append(paintAvatar(avatar, username), span("name", username));
    if (id === this.#me) {
      row.className = "self";
      row.append(span("you", "you"));
    }
    if (tellNode) row.append(span("on", node));
    return row;
  }
}

function span(className, textContent) {
  return Object.assign(document.createElement("span"), { className, textContent });
}
