// The package ws, as it comes and with each parameter of RFC 7692 that it can offer.
//
//   node ws.mjs ws://ADDRESS/echo deflate|takeover

import assert from "node:assert";
import { once } from "node:events";
import WebSocket from "ws";
import { REPEATS, judge, messages, novel } from "./messages.mjs";

const [url, mode] = process.argv.slice(2);

async function exchange(socket, message) {
  const heard = once(socket, "message");
  socket.send(message);
  const [data, binary] = await heard;
  assert.strictEqual(binary, typeof message !== "string");
  assert.ok(Buffer.from(message).equals(data), `${data.length} bytes came back for ${message.length}`);
}

for (const offer of [
  {},
  { serverNoContextTakeover: true },
  { clientNoContextTakeover: true },
  { serverMaxWindowBits: 9 },
  { serverMaxWindowBits: 15, clientMaxWindowBits: 9 },
  { clientMaxWindowBits: 15, zlibDeflateOptions: { level: 1 } },
]) {
  const socket = new WebSocket(url, { perMessageDeflate: { threshold: 0, ...offer } });
  await once(socket, "open");
  assert.match(socket.extensions, /permessage-deflate/);
  const { params } = socket._extensions["permessage-deflate"];
  for (const message of messages()) await exchange(socket, message);

  // Only a window that reaches back a whole message finds it.
  const server = mode === "takeover" && !offer.serverNoContextTakeover;
  const client = mode === "takeover" && !offer.clientNoContextTakeover;
  assert.strictEqual(Boolean(params.server_no_context_takeover), !server);
  assert.strictEqual(Boolean(params.client_no_context_takeover), !client);
  const before = { read: socket._socket.bytesRead, written: socket._socket.bytesWritten };
  const text = novel();
  for (let count = 0; count < REPEATS; count += 1) await exchange(socket, text);
  judge(socket._socket.bytesRead - before.read, server && (offer.serverMaxWindowBits ?? 15) === 15, `ws receives, ${JSON.stringify(offer)}`);
  judge(socket._socket.bytesWritten - before.written, client && (offer.clientMaxWindowBits ?? 15) === 15, `ws sends, ${JSON.stringify(offer)}`);

  socket.close(1000);
  const [code] = await once(socket, "close");
  assert.strictEqual(code, 1000);
}
console.log(`ok      ws, ${mode}`);
