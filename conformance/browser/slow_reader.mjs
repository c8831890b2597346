// A WebSocket client that does not read, which no browser would be: a TCP socket and the few bytes it takes.

import { once } from "node:events";
import { connect } from "node:net";

export class SlowReader {
  // Joins, and reads nothing from then on but what the kernel buffers.
  static async connect(port, username) {
    const slow = new SlowReader();
    slow.socket = connect(port, "127.0.0.1");
    slow.socket.on("error", () => {});
    await once(slow.socket, "connect");
    slow.socket.write(
      `GET /ws/${username} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    const [bytes] = await once(slow.socket, "data");
    slow.socket.pause();
    slow.bytes = bytes;
    if (!bytes.toString("latin1").startsWith("HTTP/1.1 101 ")) throw new Error(`no upgrade: ${bytes}`);
    return slow;
  }

  // Whether the server has given the connection up. Who does not read only learns it by writing: here, an empty pong.
  isCutOff() {
    if (!this.socket.destroyed) this.socket.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]));
    return this.socket.destroyed;
  }

  // Reads what has gathered, up to a Close, and returns its code; null if the connection ends without one.
  readUntilClose() {
    return new Promise((resolve) => {
      const chunks = [this.bytes];
      this.socket.on("data", (chunk) => chunks.push(chunk));
      const look = () => {
        const code = closeCode(Buffer.concat(chunks));
        if (code === null && !this.socket.closed) return;
        clearInterval(timer);
        this.socket.destroy();
        resolve(code);
      };
      const timer = setInterval(look, 50);
      this.socket.resume();
    });
  }
}

function closeCode(bytes) {
  let at = bytes.indexOf("\r\n\r\n") + 4;
  while (at + 4 <= bytes.length) {
    const short = bytes[at + 1];
    if ((bytes[at] & 0x0f) === 8) return bytes.readUInt16BE(at + 2);
    // The chat sends nothing of 64 KiB or more, which would take a longer header.
    at += short < 126 ? 2 + short : 4 + bytes.readUInt16BE(at + 2);
  }
  return null;
}
