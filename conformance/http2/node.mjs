// WebSockets over HTTP/2 (RFC 8441) against the example echo, through Node's own HTTP/2 client.
//
//   node node.mjs PATH_OF_THE_ECHO_BINARY

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, constants } from "node:http2";
import { createInterface } from "node:readline";

const [binary] = process.argv.slice(2);
if (!binary) {
  console.error("usage: node node.mjs PATH_OF_THE_ECHO_BINARY");
  process.exit(2);
}
setTimeout(() => { throw new Error("no end within 60 s"); }, 60_000).unref();

const server = spawn(binary, ["--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
process.on("exit", () => server.kill("SIGKILL"));
const [line] = await once(createInterface({ input: server.stdout }), "line");
const [url] = line.match(/http:\/\/[^/]+/);

const session = connect(url);
await once(session, "remoteSettings");
assert.equal(session.remoteSettings.enableConnectProtocol, true, "the server allows extended CONNECT");

async function ask(headers) {
  const stream = session.request({ ":method": "CONNECT", ":protocol": "websocket", ":path": "/echo", ...headers });
  const [answer] = await once(stream, "response");
  return { stream, answer };
}

function frame(opcode, payload) {
  const mask = Buffer.from([1, 2, 3, 4]);
  const length = payload.length < 126
    ? Buffer.from([0x80 | payload.length])
    : Buffer.from([0xff, 0, 0, 0, 0, ...Buffer.from(Uint32Array.of(payload.length).buffer).reverse()]);
  const masked = payload.map((byte, at) => byte ^ mask[at % 4]);
  return Buffer.concat([Buffer.from([0x80 | opcode]), length, mask, masked]);
}

// The payloads of a server's frames, until the stream ends.
async function* frames(stream) {
  let unread = Buffer.alloc(0);
  for await (const chunk of stream) {
    unread = Buffer.concat([unread, chunk]);
    for (;;) {
      if (unread.length < 2) break;
      const short = unread[1];
      const start = short === 127 ? 10 : short === 126 ? 4 : 2;
      if (unread.length < start) break;
      const length = short === 127 ? Number(unread.readBigUInt64BE(2)) : short === 126 ? unread.readUInt16BE(2) : short;
      if (unread.length < start + length) break;
      yield { opcode: unread[0] & 0x0f, payload: unread.subarray(start, start + length) };
      unread = unread.subarray(start + length);
    }
  }
  assert.equal(unread.length, 0, "a frame was cut off");
}

const checks = {
  "a socket opens, echoes and closes, and its stream ends without a reset": async () => {
    const { stream, answer } = await ask({ "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" });
    assert.equal(answer[":status"], 200);
    assert.equal(answer["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const answers = frames(stream);
    for (const payload of [Buffer.from("hello"), Buffer.alloc(1_000_000, "x")]) {
      stream.write(frame(2, payload));
      const { value } = await answers.next();
      assert.equal(value.opcode, 2);
      assert(value.payload.equals(payload));
    }
    stream.end(frame(8, Buffer.from([0x03, 0xe8])));
    assert.deepEqual((await answers.next()).value.payload, Buffer.from([0x03, 0xe8]));
    assert.equal((await answers.next()).done, true);
    await once(stream, "close");
    assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR);
  },
  "no key, no version: none is needed, and no answer to it comes": async () => {
    const { stream, answer } = await ask({});
    assert.equal(answer[":status"], 200);
    for (const name of ["sec-websocket-accept", "connection", "upgrade"]) assert.equal(answer[name], undefined, name);
    stream.close(constants.NGHTTP2_CANCEL);
  },
  "100 sockets on one connection, half of them reset": async () => {
    const sockets = await Promise.all(Array.from({ length: 100 }, () => ask({})));
    await Promise.all(sockets.map(async ({ stream }, number) => {
      const answers = frames(stream);
      stream.write(frame(1, Buffer.from(`I am ${number}`)));
      assert.equal((await answers.next()).value.payload.toString(), `I am ${number}`);
      if (number % 2) {
        stream.close(constants.NGHTTP2_CANCEL);
      } else {
        stream.end(frame(8, Buffer.from([0x03, 0xe8])));
        assert.equal((await answers.next()).value.opcode, 8);
        assert.equal((await answers.next()).done, true);
      }
    }));
  },
  "refusals leave the connection as it is": async () => {
    for (const [status, headers] of [
      [501, { ":protocol": "other" }],
      [426, { "sec-websocket-version": "12" }],
      [403, { origin: "https://evil.example" }],
      [405, { ":path": "/" }],
    ]) {
      const { stream, answer } = await ask(headers);
      assert.equal(answer[":status"], status);
      stream.on("error", () => {}).close();
    }
    const { stream, answer } = await ask({ origin: url });
    assert.equal(answer[":status"], 200);
    stream.close();
  },
  "the same port serves pages over both versions": async () => {
    const page = session.request({ ":path": "/" });
    const [answer] = await once(page, "response");
    assert.equal(answer[":status"], 200);
    page.resume();
    assert.equal((await fetch(url)).status, 200);
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log(`ok      ${name}`);
}
console.log(`${Object.keys(checks).length} passed, 0 failed`);
process.exit(0);
