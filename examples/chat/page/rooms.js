// Which room this page is in, and the way to others: each has a URL of its own, so that it can be passed on.

const LOBBY = "lobby";
const MAX_NAME = 32;
const MAX_RECENT = 6;

const $ = (id) => document.getElementById(id);
const tidy = (name) => name.trim().replace(/\s+/g, " ").toLowerCase();

export const room = tidy(new URL(location).searchParams.get("room") ?? "") || LOBBY;

// The server has the last word on its name. Returns the rooms to be remembered for the next time.
export function showRoom(name, recent) {
  $("room-name").textContent = name;
  document.querySelector(".empty-title").textContent = `It is quiet in “${name}”.`;
  const rooms = [LOBBY, name, ...recent].filter((room, at, all) => all.indexOf(room) === at).slice(0, MAX_RECENT);
  $("recent-rooms").replaceChildren(...rooms.map((room) => {
    const link = Object.assign(document.createElement("a"), { href: urlOf(room), textContent: room });
    if (room === name) link.setAttribute("aria-current", "page");
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
  return rooms;
}

const urlOf = (room) => room === LOBBY ? "/" : `/?room=${encodeURIComponent(room)}`;

$("room").addEventListener("click", () => {
  $("room-problem").textContent = "";
  $("room-input").value = "";
  $("rooms").showModal();
});
$("rooms-cancel").addEventListener("click", () => $("rooms").close());
$("rooms-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = tidy($("room-input").value);
  const length = [...name].length;
  const problem = length === 0 ? "A room needs a name."
    : length > MAX_NAME ? `The name of a room has at most ${MAX_NAME} characters.`
    : "";
  $("room-problem").textContent = problem;
  $("room-input").setAttribute("aria-invalid", String(problem !== ""));
  if (problem) $("room-input").focus();
  else location.assign(urlOf(name));
});
