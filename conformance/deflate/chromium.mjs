// Chromium, through a relay that counts the bytes on the wire.
//
//   node chromium.mjs http://ADDRESS/ deflate|takeover

import assert from "node:assert";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { launchBrowser } from "../browser/harness.mjs";
import { REPEATS, judge, messages, novel } from "./messages.mjs";

const [url, mode] = process.argv.slice(2);
const target = new URL(url);
const wire = { sent: 0, received: 0 };
const relay = createServer((client) => {
  const server = connect(Number(target.port), target.hostname);
  client.on("data", (data) => { wire.sent += data.length; }).pipe(server);
  server.on("data", (data) => { wire.received += data.length; }).pipe(client);
  for (const end of [client, server]) end.on("error", () => { client.destroy(); server.destroy(); });
}).listen(0, "127.0.0.1");
await once(relay, "listening");

const browser = await launchBrowser();
const page = await browser.newPage();
await page.goto(`http://127.0.0.1:${relay.address().port}/`);
await page.evaluate(() => {
  window.exchange = (message) => new Promise((resolve, reject) => {
    window.socket.onmessage = async ({ data }) => {
      const [a, b] = [message, typeof data === "string" ? data : new Uint8Array(data)];
      const same = typeof a === typeof b && a.length === b.length && (typeof a === "string" ? a === b : a.every((byte, at) => byte === b[at]));
      same ? resolve() : reject(new Error(`${b.length} came back for ${a.length}`));
    };
    window.socket.onclose = ({ code, reason }) => reject(new Error(`closed: ${code} ${reason}`));
    window.socket.send(message);
  });
});
const extensions = await page.evaluate(() => new Promise((resolve) => {
  window.socket = new WebSocket(`ws://${location.host}/echo`);
  window.socket.binaryType = "arraybuffer";
  window.socket.onopen = () => resolve(window.socket.extensions);
}));
assert.match(extensions, /^permessage-deflate/);
const takeover = mode === "takeover";
assert.strictEqual(extensions.includes("no_context_takeover"), !takeover, extensions);
await page.evaluate(async (source) => {
  for (const message of new Function(`return (${source})()`)()) await window.exchange(message);
}, messages.toString());

const before = { ...wire };
await page.evaluate(async ([text, repeats]) => {
  for (let count = 0; count < repeats; count += 1) await window.exchange(text);
}, [novel(), REPEATS]);
judge(wire.received - before.received, takeover, "Chromium receives");
judge(wire.sent - before.sent, takeover, "Chromium sends");

const end = await page.evaluate(() => new Promise((resolve) => {
  window.socket.onclose = ({ code, wasClean }) => resolve([code, wasClean]);
  window.socket.close(1000);
}));
assert.deepStrictEqual(end, [1000, true]);
await browser.close();
console.log(`ok      Chromium, ${mode}`);
process.exit(0);
