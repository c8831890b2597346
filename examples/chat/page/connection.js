// A WebSocket that comes back by itself.

const FIRST_DELAY = 400;
const MAX_DELAY = 5_000;
const OPEN_TIMEOUT = 10_000;
// The server says goodbye: another one waits behind the same address, or soon will.
const GOING_AWAY = 1001;

export class Connection {
  #url;
  #onMessage;
  #onState;
  #socket = null;
  #online = false;
  #failures = 0;
  #timer = 0;

  // `url` is a function: the name in it may have changed by the next attempt.
  // `onState` gets "connecting", "online", or "reconnecting" with the seconds until the next attempt (0: it is under way).
  constructor({ url, onMessage, onState }) {
    this.#url = url;
    this.#onMessage = onMessage;
    this.#onState = onState;
  }

  // Connects now, whatever is under way.
  connect() {
    this.#abandon();
    this.#setState(this.#failures === 0 ? "connecting" : "reconnecting");
    const socket = new WebSocket(this.#url());
    this.#socket = socket;
    socket.onmessage = (event) => {
      clearTimeout(this.#timer);
      // Only now: a server that opens sockets and shuts them at once is not to be hammered.
      this.#failures = 0;
      if (!this.#online) this.#setState("online");
      this.#onMessage(JSON.parse(event.data));
    };
    socket.onclose = ({ code }) => this.#retryLater(code === GOING_AWAY ? 0.5 : 1);
    this.#timer = setTimeout(() => this.#retryLater(), OPEN_TIMEOUT);
  }

  // For a connection that is open by name only: no answer comes, and no error either.
  reconnect() {
    this.#failures += 1;
    this.connect();
  }

  // Says whether the object was handed to the network. That it arrived, only an answer can tell.
  send(object) {
    if (this.#online) this.#socket.send(JSON.stringify(object));
    return this.#online;
  }

  #retryLater(patience = 1) {
    this.#abandon();
    const longest = patience * Math.min(MAX_DELAY, FIRST_DELAY * 2 ** this.#failures);
    this.#failures += 1;
    // Jitter: when a server restarts, its pages must not all come back in the same instant.
    this.#wait(longest * (0.5 + Math.random() / 2));
  }

  #wait(delay) {
    this.#setState("reconnecting", Math.ceil(delay / 1000));
    const step = delay % 1000 || 1000;
    this.#timer = setTimeout(() => (delay > step ? this.#wait(delay - step) : this.connect()), Math.min(step, delay));
  }

  // Closing may take a minute on a dead network: let go of the old socket without waiting for it.
  #abandon() {
    clearTimeout(this.#timer);
    if (!this.#socket) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  #setState(state, seconds = 0) {
    this.#online = state === "online";
    this.#onState(state, seconds);
  }
}
