// What all tests need: a server of ours, a Chromium, and checks that stop at the first failure.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

// Every launch gets a fresh profile, which is gone afterwards.
export function launchBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
}

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

const running = new Set();
// Whatever happens to the test, it leaves no server behind.
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

// Starts an example and waits until it has printed its URL, which means that it listens.
export async function startServer(binary, port, ...options) {
  const { child, exit, stop } = start(binary, ["--listen", `127.0.0.1:${port}`, ...options]);
  const url = await Promise.race([
    new Promise((resolve) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        const [url] = line.match(/https?:\/\/\S+/) ?? [];
        if (url) resolve(url);
      });
    }),
    exit.then((end) => { throw new Error(`${binary} ended before it printed a URL: ${end.error ?? JSON.stringify(end)}`); }),
    sleep(10_000, null, { ref: false }).then(() => { throw new Error(`${binary} printed no URL within 10 s`); }),
  ]);
  return { url, stop };
}

// Starts any other server, and waits until it listens on the port.
export async function startProcess(command, port, args, environment = {}) {
  const { exit, stop } = start(command, args, environment);
  let ended;
  exit.then((end) => { ended = end; });
  await eventually(`${command} listens`, async () => {
    assert(!ended, `${command} ended: ${ended?.error ?? JSON.stringify(ended)}`);
    const socket = connect(port, "127.0.0.1");
    const open = await new Promise((resolve) => socket.on("connect", () => resolve(true)).on("error", () => resolve(false)));
    socket.destroy();
    return open;
  });
  return { stop };
}

function start(command, args, environment = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...environment } });
  running.add(child);
  const exit = new Promise((resolve) => {
    child.on("error", (error) => resolve({ error }));
    child.on("exit", (code, signal) => resolve({ code, signal }));
  });
  exit.then(() => running.delete(child));
  // What nobody reads must not hold it up.
  child.stdout.resume();
  return {
    child,
    exit,
    // Sends the signal and returns how the process ended: { code, signal }.
    async stop(signal, milliseconds = 5_000) {
      child.kill(signal);
      const late = sleep(milliseconds, null, { ref: false }).then(() => { throw new Error(`still running ${milliseconds} ms after ${signal}`); });
      return Promise.race([exit, late]);
    },
  };
}

export function assert(condition, message) {
  if (!condition) throw new Error(message);
}

export function assertEqual(found, expected, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  assert(a === b, `${what}: expected ${b}, found ${a}`);
}

// Waits until `look` returns something true, and returns it.
export async function eventually(what, look, milliseconds = 10_000) {
  const end = Date.now() + milliseconds;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert(Date.now() < end, `not within ${milliseconds} ms: ${what}`);
    await sleep(25);
  }
}

// Runs `test` with a function that runs one named check. The first failure ends the process with status 1.
export async function run(test) {
  let passed = 0;
  let current = "preparation";
  const check = async (name, body) => {
    current = name;
    const limit = sleep(120_000, null, { ref: false }).then(() => { throw new Error("no end within 120 s"); });
    await Promise.race([body(), limit]);
    passed += 1;
    console.log(`ok      ${name}`);
  };
  try {
    await test(check);
    console.log(`${passed} passed, 0 failed`);
    process.exit(0);
  } catch (error) {
    console.log(`FAILED  ${current}: ${error.stack ?? error}`);
    console.log(`${passed} passed, 1 failed`);
    process.exit(1);
  }
}
