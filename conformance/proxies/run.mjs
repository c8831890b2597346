// The proxies' settings of the README, run: node run.mjs PATH/TO/examples/shutdown
//
// Two servers behind nginx and behind HAProxy: sockets open, refusals pass, a server that is told to stop closes its
// sockets with 1001, and whoever connects anew lands on the other.

import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const SERVER = process.argv[2];
const PROXIES = [
  ["nginx", 9210, ["nginx", "-p", mkdtempSync(join(tmpdir(), "nginx-")), "-c", join(HERE, "nginx.conf")]],
  ["HAProxy", 9220, ["haproxy", "-q", "-f", join(HERE, "haproxy.cfg")]],
];

const processes = new Set();

function start(command, ...args) {
  const process = spawn(command, args, { stdio: "inherit" });
  processes.add(process);
  process.ended = new Promise((resolve) => process.on("exit", (code) => resolve(code)));
  return process;
}

async function listening(port) {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true));
      socket.on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nobody listens on ${port}`);
}

// With `Origin`, as a browser on that page would send it.
function handshake(port, headers) {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path: "/echo", headers, timeout: 5_000 });
    sent.on("upgrade", (response, socket) => resolve({ status: response.statusCode, socket }));
    sent.on("response", (response) => resolve({ status: response.statusCode }));
    sent.on("error", reject);
    sent.end();
  });
}

function headers(port, origin = `http://127.0.0.1:${port}`) {
  return {
    Connection: "Upgrade",
    Upgrade: "websocket",
    Origin: origin,
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
  };
}

async function open(port) {
  const { status, socket } = await handshake(port, headers(port));
  assertEqual(status, 101, "status");
  const frames = [];
  const waiting = [];
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 2 && bytes.length >= 2 + bytes[1]) {
      frames.push({ opcode: bytes[0] & 15, payload: bytes.subarray(2, 2 + bytes[1]) });
      bytes = bytes.subarray(2 + bytes[1]);
      waiting.shift()?.();
    }
  });
  const frame = async () => {
    if (frames.length === 0) await new Promise((resolve) => waiting.push(resolve));
    return frames.shift();
  };
  const send = (opcode, payload) => socket.write(Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0, ...payload]));
  return { frame, send };
}

async function echoes(socket) {
  socket.send(1, Buffer.from("through"));
  const { opcode, payload } = await socket.frame();
  assertEqual([opcode, payload.toString()], [1, "through"], "the echo");
}

function assertEqual(actual, expected, what) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: expected ${b}, found ${a}`);
}

let passed = 0;
async function check(what, run) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("takes too long")), 10_000).unref());
  await Promise.race([run(), late]);
  console.log(`ok      ${what}`);
  passed += 1;
}

try {
  for (const [name, port, command] of PROXIES) {
    const servers = [9201, 9202].map((port) => start(SERVER, "--listen", `127.0.0.1:${port}`));
    await Promise.all([9201, 9202].map(listening));
    const proxy = start(...command);
    await listening(port);
    let sockets;

    await check(`${name}: sockets open, and echo`, async () => {
      sockets = await Promise.all(Array.from({ length: 10 }, () => open(port)));
      await Promise.all(sockets.map(echoes));
    });
    await check(`${name}: a plain GET is answered 426, a page of another host 403`, async () => {
      assertEqual((await handshake(port, {})).status, 426, "status");
      assertEqual((await handshake(port, headers(port, "http://evil.example"))).status, 403, "status");
    });
    await check(`${name}: a server that stops closes its sockets with 1001, and the others take over`, async () => {
      servers[0].kill("SIGTERM");
      const closed = await Promise.all(sockets.map(async (socket) => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        // Those on the other server still echo.
        socket.send(1, Buffer.from("still here"));
        const { opcode, payload } = await socket.frame();
        if (opcode !== 8) return false;
        assertEqual(payload.readUInt16BE(0), 1001, "code");
        socket.send(8, payload.subarray(0, 2));
        return true;
      }));
      assertEqual(closed.filter(Boolean).length, 5, "sockets on the server that has stopped");
      assertEqual(await servers[0].ended, 0, "the server's status");
      await Promise.all(Array.from({ length: 10 }, async () => echoes(await open(port))));
    });

    for (const process of [proxy, servers[1]]) {
      process.kill("SIGTERM");
      await process.ended;
    }
  }
  console.log(`${passed} passed, 0 failed`);
} catch (error) {
  console.log(`FAILED  ${error.message}\n${passed} passed, 1 failed`);
  process.exitCode = 1;
} finally {
  for (const process of processes) process.kill("SIGKILL");
}
