// The chat on several nodes, used by people: tabs of a real Chromium on different nodes, one of which is killed.
//
//   node nodes.mjs PATH_OF_THE_BINARY_OF_RELAYS_CHAT [--shots DIRECTORY]

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Cable } from "./cable.mjs";
import { assertEqual, eventually, freePort, launchBrowser, run, startProcess, startServer } from "./harness.mjs";
import { PHONE, Person } from "./person.mjs";

const { values: { shots }, positionals: [binary] } = parseArgs({
  allowPositionals: true,
  options: { shots: { type: "string" } },
});
if (!binary) {
  console.error("usage: node nodes.mjs PATH_OF_THE_BINARY_OF_RELAYS_CHAT [--shots DIRECTORY]");
  process.exit(2);
}

const HAPROXY = join(dirname(fileURLToPath(import.meta.url)), "../../examples/chat/deploy/haproxy.cfg");
const data = mkdtempSync(join(tmpdir(), "upsock-chat-"));
process.on("exit", () => rmSync(data, { recursive: true, force: true }));

const startRedis = (port) =>
  startProcess("redis-server", port, ["--bind", "127.0.0.1", "--port", port, "--dir", data, "--appendonly", "yes", "--save", "", "--loglevel", "warning"]);

// The name of the node that the page is on.
const nodeOf = async (person) => await person.state() === "online" ? person.page.textContent("#node") : null;

const texts = async (person) => (await person.rows()).filter((row) => row.kind !== "system").map((row) => row.text);

// Says them one after the other, as fast as a browser can.
async function sayAll(person, messages, halfway = () => {}) {
  for (const [at, message] of messages.entries()) {
    await person.say(message);
    if (at === messages.length >> 1) await halfway();
  }
}

const numbered = (who, count) => Array.from({ length: count }, (_, at) => `${who} ${at}`);

// Each page has all of these, those of one person in their order, and none twice; and no mark of anything amiss.
async function haveAll(people, ...conversations) {
  for (const person of people) {
    const expected = conversations.flat();
    const whole = async () => {
      const shown = new Set(await texts(person));
      return expected.every((text) => shown.has(text));
    };
    await eventually("the whole conversation", whole, 20_000).catch(async (error) => {
      const shown = new Set(await texts(person));
      throw new Error(`${error.message}; missing: ${expected.filter((text) => !shown.has(text)).join(", ")}`);
    });
    await eventually("all is safe", async () => await person.page.locator(".pending, .unsafe").count() === 0, 20_000);
    const shown = await texts(person);
    for (const conversation of conversations) {
      assertEqual(shown.filter((text) => conversation.includes(text)), conversation, "one person’s messages");
    }
    assertEqual(await person.page.locator(".gap").count(), 0, "gaps");
  }
}

await run(async (check) => {
  const browser = await launchBrowser();

  const [redisPort, front, ...ports] = await Promise.all(Array.from({ length: 4 }, freePort));
  let redis = await startRedis(redisPort);
  const startNode = (name) => startServer(binary, ports["ab".indexOf(name)], "--node", name, "--redis", `redis://127.0.0.1:${redisPort}`);
  const nodes = { a: await startNode("a"), b: await startNode("b") };
  const haproxy = await startProcess("haproxy", front, ["-q", "-f", HAPROXY], { CHAT_PORT: front, NODE_A_PORT: ports[0], NODE_B_PORT: ports[1] });
  const address = `http://127.0.0.1:${front}/`;
  let ada, grace;

  await check("Redis: two tabs on two nodes talk, and each sees who is on both", async () => {
    ada = await Person.open(browser, `${nodes.a.url}?name=Ada`);
    grace = await Person.open(browser, `${nodes.b.url}?name=Grace`, PHONE);
    for (const person of [ada, grace]) {
      await person.seesPeople("Ada", "Grace");
      assertEqual(await person.page.textContent("#people-count"), "2", "the count");
    }
    assertEqual([await nodeOf(ada), await nodeOf(grace)], ["a", "b"], "the nodes");
    assertEqual(await ada.page.$$eval("#people .on", (all) => all.map((on) => on.textContent)), ["a", "b"], "the nodes in the list");
    await ada.say("Good morning from the first node.");
    await grace.sees("other", "Good morning from the first node.");
    await grace.say("And from the second.");
    await ada.sees("other", "And from the second.");
    await grace.page.tap("#people-toggle");
    await grace.page.tap("#rename");
    await grace.chooseName("Grace H.");
    await ada.sees("system", "Grace is now Grace H.");
    await ada.seesPeople("Ada", "Grace H.");
    await ada.shot(shots, "nodes-desktop");
    await grace.page.tap("#people-toggle");
    await grace.shot(shots, "nodes-phone");
  });

  await check("Redis: a room that a node has not had yet comes with its history there", async () => {
    await ada.page.goto(`${nodes.a.url}?room=attic`);
    await ada.isIn("online");
    await sayAll(ada, numbered("dust", 5));
    await haveAll([ada], numbered("dust", 5));
    await grace.page.goto(`${nodes.b.url}?room=attic`);
    await haveAll([grace], numbered("dust", 5));
    for (const { page } of [ada, grace]) await page.context().close();
  });

  // Two tabs at one address, on different nodes.
  const openBoth = async (room) => {
    ada = await Person.open(browser, `${address}?name=Ada&room=${room}`);
    grace = await Person.open(browser, `${address}?name=Grace&room=${room}`);
    await eventually("two nodes", async () => {
      const [a, b] = [await nodeOf(ada), await nodeOf(grace)];
      if (a && b && a === b) await grace.page.reload();
      return a && b && a !== b;
    });
    for (const person of [ada, grace]) await person.seesPeople("Ada", "Grace");
  };

  await check("HAProxy: a node is killed while both talk; its tab comes back on the other, and nobody misses anything", async () => {
    await openBoth("killed");
    const left = await nodeOf(grace);
    const [one, other] = [numbered("Ada says", 60), numbered("Grace says", 60)];
    await Promise.all([
      sayAll(ada, one),
      sayAll(grace, other, async () => assertEqual(await nodes[left].stop("SIGKILL"), { code: null, signal: "SIGKILL" }, "its end")),
    ]);
    await haveAll([ada, grace], one, other);
    assertEqual(await nodeOf(grace), await nodeOf(ada), "the node");
    // Grace is told of twice until the killed node has been silent for long enough.
    for (const person of [ada, grace]) {
      await person.seesPeople("Ada", "Grace");
      assertEqual(await person.page.textContent("#people-count"), "2", "the count");
    }
    await ada.shot(shots, "nodes-killed");
    nodes[left] = await startNode(left);
  });

  await check("HAProxy: a node that is told to stop says goodbye, and nobody misses anything", async () => {
    for (const { page } of [ada, grace]) await page.context().close();
    await openBoth("drained");
    const left = await nodeOf(ada);
    const [one, other] = [numbered("Ada says", 60), numbered("Grace says", 60)];
    await Promise.all([
      sayAll(ada, one, async () => assertEqual(await nodes[left].stop("SIGTERM"), { code: 0, signal: null }, "its end")),
      sayAll(grace, other),
    ]);
    await haveAll([ada, grace], one, other);
    assertEqual(await nodeOf(ada), await nodeOf(grace), "the node");
    for (const person of [ada, grace]) await person.seesPeople("Ada", "Grace");
    await ada.sees("system", "Ada joined");
    nodes[left] = await startNode(left);
  });

  await check("Redis is away: what is said waits, and does not count as sent; when it is back, all have it, once", async () => {
    for (const { page } of [ada, grace]) await page.context().close();
    const cable = await Cable.to(ports[0]);
    ada = await Person.open(browser, `http://127.0.0.1:${cable.port}/?name=Ada&room=dark`);
    const linus = await Person.open(browser, `${nodes.a.url}?name=Linus&room=dark`);
    grace = await Person.open(browser, `${nodes.b.url}?name=Grace&room=dark`);
    for (const person of [ada, grace, linus]) await person.seesPeople("Ada", "Grace", "Linus");
    await redis.stop("SIGKILL");
    const said = numbered("into the dark", 3);
    await sayAll(ada, said);
    // Those on her node have it at once. She sees that others do not, and sends it again when she has been away.
    await linus.sees("other", said.at(-1));
    await cable.cut();
    await ada.isIn("reconnecting");
    await cable.mend();
    await ada.isIn("online");
    await ada.say("still dark");
    await linus.sees("other", "still dark");
    said.push("still dark");
    for (const person of [ada, linus]) assertEqual(await texts(person), said, "the conversation on this node");
    assertEqual(await ada.page.locator(".own.unsafe").count(), said.length, "what is not sent yet");
    // The other node is out of reach, and so are its people.
    await ada.seesPeople("Ada", "Linus");
    await ada.shot(shots, "nodes-without-redis");
    assertEqual(await texts(grace), [], "the conversation on the other node");
    redis = await startRedis(redisPort);
    await haveAll([ada, grace, linus], said);
    for (const person of [ada, grace, linus]) {
      await person.seesPeople("Ada", "Grace", "Linus");
      assertEqual(person.problems, [], "problems");
    }
    for (const { page } of [ada, grace, linus]) await page.context().close();
    await cable.cut();
  });

  await check("Redis: what was said outlives all nodes", async () => {
    await openBoth("lasting");
    const said = numbered("remember", 5);
    await sayAll(ada, said);
    await haveAll([ada, grace], said);
    for (const name of ["a", "b"]) await nodes[name].stop("SIGKILL");
    await Promise.all([ada, grace].map((person) => person.isIn("reconnecting")));
    for (const name of ["a", "b"]) nodes[name] = await startNode(name);
    await Promise.all([ada, grace].map((person) => person.isIn("online")));
    const linus = await Person.open(browser, `${address}?name=Linus&room=lasting`);
    await haveAll([ada, grace, linus], said);
    for (const person of [ada, grace, linus]) {
      await person.seesPeople("Ada", "Grace", "Linus");
      assertEqual(person.problems, [], "problems");
    }
    for (const { page } of [ada, grace, linus]) await page.context().close();
  });

  for (const server of [nodes.a, nodes.b]) assertEqual(await server.stop("SIGTERM"), { code: 0, signal: null }, "the end of a node");
  await haproxy.stop("SIGTERM");
  await redis.stop("SIGTERM");

  await check("NATS: two tabs on two nodes talk, and each sees who is on both", async () => {
    const natsPort = await freePort();
    const nats = await startProcess("nats-server", natsPort, ["-a", "127.0.0.1", "-p", natsPort, "-l", join(data, "nats.log")]);
    const url = `nats://127.0.0.1:${natsPort}`;
    const [a, b] = [await startServer(binary, ports[0], "--node", "a", "--nats", url), await startServer(binary, ports[1], "--node", "b", "--nats", url)];
    ada = await Person.open(browser, `${a.url}?name=Ada`);
    grace = await Person.open(browser, `${b.url}?name=Grace`);
    for (const person of [ada, grace]) await person.seesPeople("Ada", "Grace");
    const [one, other] = [numbered("Ada says", 20), numbered("Grace says", 20)];
    await Promise.all([sayAll(ada, one), sayAll(grace, other)]);
    await haveAll([ada, grace], one, other);
    for (const server of [a, b]) assertEqual(await server.stop("SIGTERM"), { code: 0, signal: null }, "the end of a node");
    for (const person of [ada, grace]) assertEqual(person.problems, [], "problems");
    await nats.stop("SIGTERM");
  });

  await browser.close();
});
