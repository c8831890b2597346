// A WebSocket client in plain Node.js, as small as checks need it: frames of at most 125 bytes, one at a time.

import { spawn } from "node:child_process";
import { request } from "node:http";
import { connect } from "node:net";

const processes = new Set();

// Whatever happens, none is left behind.
process.on("exit", () => processes.forEach((process) => process.kill("SIGKILL")));

export function start(command, ...args) {
  const child = spawn(command, args, { stdio: "inherit" });
  processes.add(child);
  child.ended = new Promise((resolve) => child.on("exit", (code) => resolve(code)));
  return child;
}

export async function listening(port) {
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
export function handshake(port, path, headers) {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, headers, timeout: 5_000 });
    sent.on("upgrade", (response, socket, head) => {
      // The first frames may come with the response.
      socket.unshift(head);
      resolve({ status: response.statusCode, socket });
    });
    sent.on("response", (response) => resolve({ status: response.statusCode }));
    sent.on("error", reject);
    sent.end();
  });
}

export function headers(port, origin = `http://127.0.0.1:${port}`) {
  return {
    Connection: "Upgrade",
    Upgrade: "websocket",
    Origin: origin,
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
  };
}

export async function open(port, path) {
  const { status, socket } = await handshake(port, path, headers(port));
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

export async function echoes(socket) {
  socket.send(1, Buffer.from("through"));
  const { opcode, payload } = await socket.frame();
  assertEqual([opcode, payload.toString()], [1, "through"], "the echo");
}

export function assertEqual(actual, expected, what) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: expected ${b}, found ${a}`);
}

let passed = 0;

export async function check(what, run) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("takes too long")), 10_000).unref());
  await Promise.race([run(), late]);
  console.log(`ok      ${what}`);
  passed += 1;
}

// Runs the checks, and ends the process with what came of them.
export async function run(checks) {
  try {
    await checks();
    console.log(`${passed} passed, 0 failed`);
    process.exit(0);
  } catch (error) {
    console.log(`FAILED  ${error.message}\n${passed} passed, 1 failed`);
    process.exit(1);
  }
}
