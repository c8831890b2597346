import { eventually } from "./harness.mjs";

// A WebSocket without our page's script around it, on a page of the same origin that has none.
export class RawSocket {
  static async open(page, username, query = {}) {
    const raw = new RawSocket();
    raw.handle = await page.evaluateHandle(async ([username, query]) => {
      const socket = new WebSocket(`ws://${location.host}/ws/${encodeURIComponent(username)}?${new URLSearchParams(query)}`);
      const raw = { socket, events: [], closed: null };
      socket.onmessage = (event) => raw.events.push(JSON.parse(event.data));
      socket.onclose = ({ code, reason, wasClean }) => { raw.closed = { code, reason, wasClean }; };
      await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
      return raw;
    }, [username, query]);
    await raw.next((event) => event.kind === "people");
    return raw;
  }

  // Sends text, and returns the first event from then on that `wanted` likes.
  async ask(text, wanted) {
    const from = await this.handle.evaluate((raw, text) => {
      raw.socket.send(text === null ? new Uint8Array([1, 2, 3]) : text);
      return raw.events.length;
    }, text);
    return this.next(wanted, from);
  }

  say(message) {
    return this.handle.evaluate((raw, text) => raw.socket.send(text), JSON.stringify({ action: "message", message }));
  }

  next(wanted, from = 0) {
    return eventually("an answer on the raw socket", async () => {
      const events = await this.handle.evaluate((raw, from) => raw.events.slice(from), from);
      return events.find(wanted);
    });
  }

  closed() {
    return eventually("the raw socket's end", () => this.handle.evaluate((raw) => raw.closed));
  }

  isOpen() {
    return this.handle.evaluate((raw) => raw.socket.readyState === WebSocket.OPEN);
  }

  close() {
    return this.handle.evaluate((raw) => raw.socket.close());
  }
}
