// The chat: what arrives, what the people at this page do, and what they have yet to send.

import { Connection } from "./connection.js";
import { Log, paintAvatar } from "./log.js";
import { People } from "./people.js";
import { room, showRoom } from "./rooms.js";
import { Seen } from "./seen.js";

// The server has the last word on these. Checked here too, to say so before sending.
const MAX_NAME = 32;
const MAX_MESSAGE = 2_000;
const TITLE = `${room} · upsock chat`;
// A message unanswered for so long was sent into a dead connection.
const ANSWER_TIMEOUT = 10_000;

const $ = (id) => document.getElementById(id);
const log = new Log();
const people = new People();
const seen = new Seen();

// Storage may be switched off. Then a name lasts as long as its page.
const recall = (storage, key) => { try { return window[storage].getItem(`upsock-chat.${key}`); } catch { return null; } };
const remember = (storage, key, value) => { try { window[storage].setItem(`upsock-chat.${key}`, value); } catch { /* see above */ } };

let me = { id: "", username: "" };
// The name asked for. It may differ from `me.username` for a while: offline, or because it is taken.
let wanted = "";
// Wanted, but taken when we came (often by our own dead connection): asked for again when it becomes free.
let reclaim = false;
// True when the server has told us all that was said before.
let ready = false;
// We were here before, and have only missed something.
let returning = false;
// After a reload our earlier messages are still ours.
const myIds = new Set(JSON.parse(recall("sessionStorage", "ids") ?? "[]"));
// Sent, or yet to be sent, but not yet safe: id → text. Another node will show it once, though it be sent there again.
const outbox = new Map(JSON.parse(recall("sessionStorage", `outbox.${room}`) ?? "[]"));
// Of these, the ones that we have heard back: the connection works.
const heard = new Set();
let unread = 0;

const connection = new Connection({
  url: () => {
    const url = new URL(`/ws/${encodeURIComponent(wanted)}`, location);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("room", room);
    returning = !seen.isEmpty;
    if (returning) url.searchParams.set("seen", seen);
    return url;
  },
  onMessage: (event) => handlers[event.kind]?.(event),
  onState: showState,
});

const handlers = {
  welcome(event) {
    me = { id: event.self, username: event.username };
    myIds.add(me.id);
    remember("sessionStorage", "ids", JSON.stringify([...myIds].slice(-50)));
    reclaim = me.username !== wanted;
    people.settle(event.node, me.id);
    $("node").textContent = event.node.name;
    const recent = JSON.parse(recall("localStorage", "rooms") ?? "[]");
    remember("localStorage", "rooms", JSON.stringify(showRoom(event.room, recent)));
    log.replay();
    heard.clear();
    showMe();
  },

  caughtUp({ complete, positions }) {
    log.caughtUp(returning && !complete);
    seen.adopt(positions);
    ready = true;
    // What was not acknowledged may have been lost with the node that we came from.
    for (const [id, message] of outbox) transmit(id, message);
  },

  people(event) {
    people.update(event.node, event.people);
    const mine = event.people.find((person) => person.id === me.id);
    if (!mine) return;
    if (mine.username !== me.username) {
      me.username = mine.username;
      adoptName(mine.username);
      showMe();
    }
    if (reclaim && !event.people.some((person) => person.username.toLowerCase() === wanted.toLowerCase())) {
      reclaim = false;
      connection.send({ action: "setUsername", username: wanted });
    }
  },

  message(event) {
    seen.note(event.position);
    const own = myIds.has(event.from);
    const mine = own && outbox.has(event.id);
    if (mine) {
      heard.add(event.id);
      log.removePending(event.id);
    }
    if (log.add(event, own) && ready && !own) countUnread();
    // Heard only here, until it is acknowledged. What is in a history already is safe.
    if (mine && ready) log.setUnsafe(event.id, true);
    else if (mine) settle(event.id);
  },

  sent({ ref }) {
    settle(ref);
  },

  system(event) {
    log.add(event, false);
  },

  error(event) {
    showNotice(event.message);
    if (event.action === "setUsername") {
      adoptName(me.username);
      reclaim = false;
    }
    if (outbox.has(event.ref)) {
      // Refused. The words go back to where they can be changed, unless new ones stand there already.
      $("message-input").value ||= outbox.get(event.ref);
      settle(event.ref);
      composed();
    }
  },
};

// --- sending ---

function say(message) {
  const id = randomId();
  outbox.set(id, message);
  saveOutbox();
  log.addPending(id, me.username, message);
  if (ready) transmit(id, message);
}

function transmit(id, message) {
  connection.send({ action: "message", message, id, ref: id });
  setTimeout(() => ready && outbox.has(id) && !heard.has(id) && connection.reconnect(), ANSWER_TIMEOUT);
}

function settle(id) {
  outbox.delete(id);
  saveOutbox();
  log.removePending(id);
  log.setUnsafe(id, false);
}

function saveOutbox() {
  remember("sessionStorage", `outbox.${room}`, JSON.stringify([...outbox]));
}

// A UUID (RFC 9562 §5.4). Not crypto.randomUUID(): that one is missing on plain http:// outside of localhost.
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// --- the composer ---

const input = $("message-input");
const lengthOf = (text) => [...text].length;

function composed() {
  const length = lengthOf(input.value.trim());
  const tooLong = length > MAX_MESSAGE;
  $("send").disabled = length === 0 || tooLong;
  $("counter").hidden = length <= MAX_MESSAGE * 0.9;
  $("counter").textContent = tooLong ? `${length - MAX_MESSAGE} characters too many` : `${MAX_MESSAGE - length} left`;
  $("counter").classList.toggle("too-long", tooLong);
  input.setAttribute("aria-invalid", String(tooLong));
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight}px`;
  remember("sessionStorage", `draft.${room}`, input.value);
}

input.addEventListener("input", composed);
input.addEventListener("keydown", (event) => {
  // While an input method composes a character, Enter belongs to it.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const message = input.value.trim();
  if (message === "" || lengthOf(message) > MAX_MESSAGE) return;
  input.value = "";
  composed();
  $("notice").hidden = true;
  say(message);
  input.focus();
});

// --- names ---

function initialName() {
  const url = new URL(location);
  const preset = tidy(url.searchParams.get("name") ?? "");
  // Else a reload would undo a later rename.
  url.searchParams.delete("name");
  history.replaceState(null, "", url);
  // Then what this tab was called, so that two tabs can be two people, and what the last one was called.
  const names = [preset, recall("sessionStorage", "name"), recall("localStorage", "name")];
  return names.find((name) => name && !problemWith(name)) ?? "";
}

function adoptName(name) {
  wanted = name;
  if (name === "") return;
  remember("sessionStorage", "name", name);
  remember("localStorage", "name", name);
}

const tidy = (name) => name.trim().replace(/\s+/g, " ");

function problemWith(name) {
  if (name === "") return "A name needs at least one character.";
  if (lengthOf(name) > MAX_NAME) return `A name has at most ${MAX_NAME} characters.`;
  if (/^\.{1,2}$/.test(name)) return "A name needs more than dots.";
  if (name.toLowerCase() === "system") return "That name is reserved.";
  return "";
}

function askName() {
  const first = wanted === "";
  $("naming-title").textContent = first ? "Welcome" : "A new name";
  $("naming-ok").textContent = first ? "Join the chat" : "Rename";
  $("naming-cancel").hidden = first;
  $("name-problem").textContent = "";
  $("name-input").value = wanted;
  $("naming").showModal();
  $("name-input").select();
}

$("rename").addEventListener("click", () => { togglePeople(false); askName(); });
$("naming-cancel").addEventListener("click", () => $("naming").close());
// Escape closes a dialog, but without a name there is nowhere to go.
$("naming").addEventListener("close", () => wanted === "" ? askName() : input.focus());
$("naming-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = tidy($("name-input").value);
  const problem = problemWith(name);
  $("name-problem").textContent = problem;
  $("name-input").setAttribute("aria-invalid", String(problem !== ""));
  if (problem) {
    $("name-input").focus();
    return;
  }
  const first = wanted === "";
  adoptName(name);
  reclaim = false;
  $("naming").close();
  if (first) connection.connect();
  else connection.send({ action: "setUsername", username: name });
});

// --- what is shown ---

function showState(state, seconds) {
  if (state !== "online") ready = false;
  const text = {
    connecting: "Connecting…",
    online: "Online",
    reconnecting: seconds > 0 ? `Reconnecting in ${seconds} s` : "Reconnecting…",
  }[state];
  if ($("status").dataset.state !== state) {
    // Announced once, not at every tick of the countdown.
    $("status-announcer").textContent = { connecting: "Connecting", online: "Online", reconnecting: "Connection lost, reconnecting" }[state];
  }
  $("status").dataset.state = state;
  $("status-text").textContent = text;
  $("retry").hidden = state !== "reconnecting";
  $("node").hidden = state !== "online";
}

function showMe() {
  $("me").hidden = false;
  $("me-name").textContent = me.username;
  paintAvatar($("me-avatar"), me.username);
}

let noticeTimer = 0;
function showNotice(text) {
  clearTimeout(noticeTimer);
  $("notice").textContent = text;
  $("notice").hidden = false;
  noticeTimer = setTimeout(() => { $("notice").hidden = true; }, 8_000);
}

function countUnread() {
  if (document.hidden) document.title = `(${++unread}) ${TITLE}`;
}

function togglePeople(open) {
  $("people-toggle").setAttribute("aria-expanded", String(open));
  $("people-panel").classList.toggle("open", open);
}

const peopleOpen = () => $("people-panel").classList.contains("open");
$("people-toggle").addEventListener("click", () => togglePeople(!peopleOpen()));
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && peopleOpen()) togglePeople(false); });
document.addEventListener("click", (event) => {
  if (peopleOpen() && !event.target.closest("#people-panel, #people-toggle")) togglePeople(false);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  document.title = TITLE;
});

$("retry").addEventListener("click", () => connection.connect());
// The network is back: no reason to wait any longer.
window.addEventListener("online", () => { if (wanted && !ready) connection.connect(); });

// --- start ---

document.title = TITLE;
$("room-name").textContent = room;
adoptName(initialName());
input.value = recall("sessionStorage", `draft.${room}`) ?? "";
composed();
for (const [id, message] of outbox) log.addPending(id, wanted, message);
if (wanted === "") askName();
else connection.connect();
