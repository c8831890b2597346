// The conversation on the page. All text is set as text, never as HTML.

const MAX_ROWS = 500;
// Within this time, one person's messages stand together under one name.
const GROUP_SECONDS = 300;

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export class Log {
  #scroller = document.getElementById("log");
  #messages = document.getElementById("messages");
  #pending = document.getElementById("pending");
  #empty = document.getElementById("empty");
  #newest = document.getElementById("newest");
  #seen = new Set();
  #last = null;
  #atEnd = true;
  // The last row before those that are replayed.
  #mark = null;

  constructor() {
    this.#scroller.addEventListener("scroll", () => {
      // The log is laid out from its end (see `.log` in style.css): position 0 is the end, and stays there by itself.
      this.#atEnd = this.#scroller.scrollTop > -48;
      if (this.#atEnd) this.#newest.hidden = true;
    });
    this.#newest.addEventListener("click", () => this.#scrollToEnd());
  }

  // While the history comes in, a screen reader need not read it all out.
  replay() {
    this.#mark = this.#messages.lastElementChild;
    this.#messages.parentElement.setAttribute("aria-busy", "true");
  }

  // With a gap, there was more between what stood here before and what was replayed.
  caughtUp(gap) {
    this.#messages.parentElement.setAttribute("aria-busy", "false");
    if (gap) this.#mark?.after(element("li", "gap", "Some messages may be missing here"));
  }

  // Shows a post once, however often it arrives. Says whether it is new.
  add(post, own) {
    if (this.#seen.has(post.id)) return false;
    this.#seen.add(post.id);
    const date = new Date(post.timestamp * 1000);
    if (this.#last?.day !== date.toDateString()) this.#addDay(date);

    const system = post.kind === "system";
    const continued = !system && this.#last?.from === post.from && post.timestamp - this.#last.timestamp < GROUP_SECONDS;
    this.#last = { day: date.toDateString(), from: system ? null : post.from, timestamp: post.timestamp };

    const row = system ? notice(post.message) : bubble(post, own, continued);
    row.dataset.id = post.id;
    addTime(row, element("time", "time", time.format(date), { dateTime: date.toISOString(), title: moment.format(date) }));
    this.#messages.append(row);
    this.#forgetOldest();
    // People who come and go do not yet make a conversation.
    if (!system) this.#empty.hidden = true;
    if (!this.#atEnd && !own && !system) this.#newest.hidden = false;
    return true;
  }

  addPending(id, username, message) {
    const row = bubble({ username, message }, true, true);
    row.classList.add("pending");
    row.dataset.id = id;
    addTime(row, element("span", "time", "sending"));
    this.#pending.append(row);
    this.#empty.hidden = true;
    this.#scrollToEnd();
  }

  // It was heard (and has come back as a post), or refused.
  removePending(id) {
    this.#pending.querySelector(`[data-id="${CSS.escape(id)}"]`)?.remove();
  }

  // People on our node have it; others may not.
  setUnsafe(id, unsafe) {
    this.#messages.querySelector(`[data-id="${CSS.escape(id)}"]`)?.classList.toggle("unsafe", unsafe);
  }

  #scrollToEnd() {
    this.#scroller.scrollTop = 0;
  }

  #addDay(date) {
    const today = new Date();
    const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
    const name =
      date.toDateString() === today.toDateString() ? "Today"
      : date.toDateString() === yesterday.toDateString() ? "Yesterday"
      : day.format(date);
    this.#messages.append(element("li", "day", name));
    this.#last = null;
  }

  #forgetOldest() {
    while (this.#messages.childElementCount > MAX_ROWS) {
      const row = this.#messages.firstElementChild;
      this.#seen.delete(row.dataset.id);
      row.remove();
    }
  }
}

// A person's initial on a colour of their own. Both follow from the name, so they are the same on every page.
export function paintAvatar(avatar, username) {
  const [first = "?"] = new Intl.Segmenter().segment(username);
  avatar.textContent = (first.segment ?? first).toUpperCase();
  avatar.style.setProperty("--hue", hue(username));
  return avatar;
}

function bubble({ username, message }, own, continued) {
  const row = element("li", `message ${own ? "own" : "other"}`);
  row.classList.toggle("continued", continued);
  const author = element("p", "author", username);
  author.style.setProperty("--hue", hue(username));
  const content = element("p", "content", "", { dir: "auto" });
  content.append(element("span", "text", message));
  row.append(paintAvatar(element("span", "avatar"), username), author, content);
  row.firstElementChild.setAttribute("aria-hidden", "true");
  return row;
}

function notice(message) {
  const row = element("li", "message system");
  const content = element("p", "content");
  content.append(element("span", "text", message, { dir: "auto" }), " ");
  row.append(content);
  return row;
}

function addTime(row, time) {
  row.querySelector(".text").dataset.time = time.textContent;
  row.querySelector(".content").append(time);
}

function element(tag, className, text = "", properties = {}) {
  return Object.assign(document.createElement(tag), { className, textContent: text }, properties);
}

function hue(username) {
  let hash = 0;
  for (const character of username.toLowerCase()) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  // The golden angle spreads similar names over the whole circle.
  return (hash * 137.5) % 360;
}
