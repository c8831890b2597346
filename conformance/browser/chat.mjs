// The chat example, used by people: several pages of a real Chromium against the built binary.
//
//   node chat.mjs PATH_OF_THE_CHAT_BINARY [--shots DIRECTORY]

import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Cable } from "./cable.mjs";
import { assert, assertEqual, eventually, freePort, launchBrowser, run, startServer } from "./harness.mjs";
import { PHONE, Person } from "./person.mjs";
import { RawSocket } from "./raw_socket.mjs";
import { SlowReader } from "./slow_reader.mjs";

const { values: options, positionals: [binary] } = parseArgs({
  allowPositionals: true,
  options: { shots: { type: "string" } },
});
if (!binary) {
  console.error("usage: node chat.mjs PATH_OF_THE_CHAT_BINARY [--shots DIRECTORY]");
  process.exit(2);
}

const isError = (event) => event.kind === "error";
const ask = (action, fields) => JSON.stringify({ action, ...fields });

await run(async (check) => {
  const port = await freePort();
  let server = await startServer(binary, port);
  const browser = await launchBrowser();
  let ada, grace, linus;

  await check("the page comes with a strict content security policy", async () => {
    ada = await Person.open(browser, `${server.url}?name=Ada`);
    const policy = ada.response.headers()["content-security-policy"] ?? "";
    assert(policy.includes("default-src 'none'"), `Content-Security-Policy: ${policy}`);
    assert(!policy.includes("unsafe"), `Content-Security-Policy: ${policy}`);
  });

  await check("?name= presets the name", async () => {
    await ada.isIn("online");
    await ada.seesPeople("Ada");
    assertEqual(new URL(ada.page.url()).search, "", "the query afterwards");
  });

  await check("who has no name is asked for one", async () => {
    grace = await Person.open(browser, server.url);
    await grace.page.waitForSelector("#naming[open]");
    await grace.shot(options.shots, "desktop-light-welcome");
    assertEqual(await grace.state(), "idle", "the state without a name");
    await grace.chooseName("  ");
    await grace.chooseName("x".repeat(33));
    await grace.chooseName("System");
    assert(await grace.page.textContent("#name-problem"), "a reserved name is no problem?");
    await grace.chooseName("Grace");
    await grace.isIn("online");
    await grace.seesPeople("Ada", "Grace");
    await ada.seesPeople("Ada", "Grace");
    assertEqual(await ada.page.textContent("#people-count"), "2", "the count");
    await ada.sees("system", "Grace joined");
  });

  await check("two pages talk both ways; own and others' messages differ and carry the time", async () => {
    await ada.say("Good morning! Has anybody seen the new socket?");
    await grace.sees("other", "Good morning! Has anybody seen the new socket?");
    await grace.say("It is the one under the table, next to the kettle.");
    const other = await ada.sees("other", "It is the one under the table, next to the kettle.");
    const own = await ada.sees("own", "Good morning! Has anybody seen the new socket?");
    assertEqual([other.author, own.author], ["Grace", "Ada"], "the authors");
    assert(/^\d\d:\d\d$/.test(own.time) && /^\d\d:\d\d$/.test(other.time), `the times are ${own.time} and ${other.time}`);
    const colours = await ada.page.$$eval("#log .message:is(.own, .other) .content", (all) => all.map((e) => getComputedStyle(e).backgroundColor));
    assert(new Set(colours).size === 2, `backgrounds: ${colours}`);
  });

  await check("a phone in the dark: fits, and shows who is here on demand", async () => {
    linus = await Person.open(browser, `${server.url}?name=Linus`, PHONE);
    await linus.isIn("online");
    await linus.say("Found it. Plugged in, and it says hello.");
    await ada.sees("other", "Found it. Plugged in, and it says hello.");
    await ada.say("Splendid.");
    await ada.say("One question: does it tell us when it goes away?\nThe last one just went silent.");
    await grace.say("It does. It says goodbye, waits for an answer, and only then hangs up. And if nobody answers, it does not wait for ever.");
    await linus.say("Then I like it.");
    for (const person of [ada, grace, linus]) await person.sees(person === linus ? "own" : "other", "Then I like it.");

    const { width, overflow, background } = await linus.page.evaluate(() => ({
      width: innerWidth,
      overflow: document.documentElement.scrollWidth - innerWidth,
      background: getComputedStyle(document.body).backgroundColor,
    }));
    assertEqual([width, overflow], [390, 0], "width and horizontal overflow");
    const [red] = background.match(/\d+/g).map(Number);
    assert(red < 64, `the page is not dark: ${background}`);
    for (const id of ["#message-input", "#send", "#people-toggle"]) {
      const box = await linus.page.locator(id).boundingBox();
      assert(box.height >= 44 && box.x >= 0 && box.x + box.width <= 390 && box.y + box.height <= 844, `${id} is at ${JSON.stringify(box)}`);
    }
    await linus.shot(options.shots, "phone-dark");
    assert(!await linus.page.isVisible("#people"), "the list of people is open unasked");
    await linus.page.tap("#people-toggle");
    assert(await linus.page.isVisible("#people"), "the list of people did not open");
    assertEqual(await linus.people(), ["Ada", "Grace", "Linus"], "people");
    await linus.shot(options.shots, "phone-dark-people");
    await linus.page.tap("#log");
    assert(!await linus.page.isVisible("#people"), "the list of people did not close");
    await ada.page.fill("#message-input", "So do I. Who makes the tea?");
    await ada.shot(options.shots, "desktop-light");
    await ada.page.fill("#message-input", "");
  });

  await check("when the server dies, the pages say so and keep what is written", async () => {
    await server.stop("SIGKILL");
    await Promise.all([ada, grace, linus].map((person) => person.isIn("reconnecting", 3_000)));
    assert(/Reconnecting/.test(await ada.page.textContent("#status-text")), "the state has no words");
    await ada.say("Hello? Is it gone already?");
    await ada.sees("pending", "Hello? Is it gone already?");
    await grace.page.fill("#message-input", "It will be ba");
    // Long enough for some attempts to fail.
    await sleep(2_500);
    await eventually("a countdown", async () => /Reconnecting in \d s/.test(await ada.page.textContent("#status-text")));
    await ada.shot(options.shots, "desktop-light-reconnecting");
    await linus.shot(options.shots, "phone-dark-reconnecting");
    assertEqual([await ada.state(), await grace.state()], ["reconnecting", "reconnecting"], "the states");
  });

  await check("when it is back, they go on without a reload", async () => {
    server = await startServer(binary, port);
    await Promise.all([ada, grace, linus].map((person) => person.isIn("online", 8_000)));
    await grace.sees("other", "Hello? Is it gone already?");
    await ada.sees("own", "Hello? Is it gone already?");
    assertEqual(await grace.page.inputValue("#message-input"), "It will be ba", "the draft");
    await grace.page.type("#message-input", "ck.");
    await grace.page.press("#message-input", "Enter");
    for (const [person, kind] of [[ada, "other"], [grace, "own"], [linus, "other"]]) await person.sees(kind, "It will be back.");
    await sleep(300);
    for (const person of [ada, grace, linus]) {
      const texts = (await person.rows()).filter((row) => row.kind !== "system").map((row) => row.text);
      for (const text of ["Hello? Is it gone already?", "It will be back."]) {
        assertEqual(texts.filter((found) => found === text).length, 1, `how often “${text}” is shown`);
      }
    }
    await ada.seesPeople("Ada", "Grace", "Linus");
  });

  await check("a message cannot be HTML", async () => {
    const attack = `<img src=x onerror="window.pwned = true"><script>window.pwned = true</script>`;
    await ada.say(attack);
    await grace.sees("other", attack);
    await sleep(200);
    for (const person of [ada, grace]) {
      assertEqual(await person.page.evaluate(() => [window.pwned === undefined, document.querySelectorAll("#messages img, #messages script").length]), [true, 0], "the attack");
    }
  });

  await check("nor can a name", async () => {
    const mallory = await Person.open(browser, `${server.url}?name=${encodeURIComponent("<img src=x onerror=pwned=1>")}`);
    await mallory.isIn("online");
    await ada.seesPeople("Ada", "Grace", "Linus", "<img src=x onerror=pwned=1>");
    await mallory.say("hello");
    await ada.sees("other", "hello");
    assert(await ada.page.evaluate(() => window.pwned === undefined), "the attack worked");
    await mallory.page.context().close();
    await ada.sees("system", "<img src=x onerror=pwned=1> left");
    await ada.seesPeople("Ada", "Grace", "Linus");
  });

  await check("a rename is seen by the others", async () => {
    await grace.page.click("#rename");
    await grace.chooseName("Grace H.");
    await ada.sees("system", "Grace is now Grace H.");
    await ada.seesPeople("Ada", "Grace H.", "Linus");
    await grace.say("still me");
    assertEqual((await ada.sees("other", "still me")).author, "Grace H.", "the author");
    assertEqual(await grace.page.textContent("#me-name"), "Grace H.", "the own name");
  });

  await check("a name that is taken is refused", async () => {
    await grace.page.click("#rename");
    await grace.chooseName("ada");
    await eventually("a notice", async () => /taken/.test(await grace.page.textContent("#notice")));
    await ada.seesPeople("Ada", "Grace H.", "Linus");
  });

  await check("a reload shows the history, once, and knows one's own messages and name", async () => {
    const said = async (person) => (await person.rows()).filter((row) => row.kind !== "system");
    const before = await said(grace);
    // What was said before the restart only the pages know.
    before.splice(0, before.findIndex((row) => row.text === "Hello? Is it gone already?"));
    await grace.page.reload();
    await grace.isIn("online");
    await grace.sees("own", "still me");
    assertEqual(await said(grace), before, "the conversation after the reload");
    await ada.seesPeople("Ada", "Linus", "Grace H.");
  });

  await check("a second Ada gets a number, and the name when it becomes free", async () => {
    const second = await Person.open(browser, `${server.url}?name=Ada`);
    await ada.seesPeople("Ada", "Linus", "Grace H.", "Ada 2");
    await second.say("I am Ada too");
    assertEqual((await ada.sees("other", "I am Ada too")).author, "Ada 2", "the author");
    await ada.page.reload();
    await ada.isIn("online");
    await second.page.context().close();
    await ada.seesPeople("Ada", "Grace H.", "Linus");
    await ada.sees("own", "Hello? Is it gone already?");
  });

  // A page of the same origin without our script.
  const { page: plain } = await Person.open(browser, `${server.url}icon.svg`);
  let raw;
  await check("who was away gets only what was missed, each once", async () => {
    const cable = await Cable.to(port);
    const barbara = await Person.open(browser, `http://127.0.0.1:${cable.port}/?name=Barbara`);
    await barbara.sees("other", "still me");
    const texts = async () => (await barbara.rows()).filter((row) => row.kind !== "system").map((row) => row.text);
    const before = await texts();
    const heard = barbara.hears("message");

    await cable.cut();
    await barbara.isIn("reconnecting");
    await ada.sees("system", "Barbara left");
    for (const text of ["one", "two", "three"]) await ada.say(text);
    await barbara.say("four");
    await ada.sees("own", "three");
    await cable.mend();
    await barbara.isIn("online");
    await ada.sees("other", "four");
    await barbara.sees("own", "four");
    assertEqual(await texts(), [...before, "one", "two", "three", "four"], "the conversation");
    assertEqual(heard.map(({ message }) => message), ["one", "two", "three", "four"], "what was sent again");
    assertEqual(await barbara.page.$$eval(".gap, .unsafe", (all) => all.length), 0, "gaps and unsafe messages");

    await cable.cut();
    await barbara.isIn("reconnecting");
    const flood = await RawSocket.open(plain, "Flood");
    for (let i = 0; i < 120; i += 1) await flood.say(`flood ${i}`);
    await flood.ask(ask("message", { message: "flood ends" }), (event) => event.message === "flood ends");
    await flood.close();
    await cable.mend();
    await barbara.sees("other", "flood ends");
    const rows = await barbara.page.$$eval("#messages > .gap, #messages > .message:not(.system)", (all) => all.map((row) => row.querySelector(".text")?.textContent ?? row.className));
    assertEqual(rows, [...before, "one", "two", "three", "four", "gap", ...Array.from({ length: 99 }, (_, i) => `flood ${i + 21}`), "flood ends"], "the conversation with its gap");
    await barbara.page.locator(".gap").scrollIntoViewIfNeeded();
    await barbara.shot(options.shots, "desktop-light-gap");
    assertEqual(barbara.problems, [], "problems");
    await barbara.page.context().close();
    await cable.cut();
    await ada.seesPeople("Ada", "Grace H.", "Linus");
  });

  await check("each room is by itself", async () => {
    const tea = await Person.open(browser, `${server.url}?name=Barbara&room=Tea%20%20Kitchen`, PHONE);
    await tea.seesPeople("Barbara");
    assertEqual(await tea.page.textContent("#room-name"), "tea kitchen", "the room's name");
    await tea.say("Is there tea?");
    await tea.sees("own", "Is there tea?");

    // A link to a room, followed by somebody who is there already; then by the way that the page offers.
    const edsger = await Person.open(browser, `${server.url}?name=Edsger`);
    await ada.seesPeople("Ada", "Edsger", "Grace H.", "Linus");
    await edsger.page.click("#room");
    await edsger.page.fill("#room-input", " TEA kitchen ");
    await edsger.shot(options.shots, "desktop-light-rooms");
    await edsger.page.click("#rooms-ok");
    await edsger.sees("other", "Is there tea?");
    await tea.seesPeople("Barbara", "Edsger");
    await ada.seesPeople("Ada", "Grace H.", "Linus");
    await edsger.say("There is.");
    await tea.sees("other", "There is.");
    await tea.page.tap("#room");
    await tea.shot(options.shots, "phone-dark-rooms");
    await tea.page.tap("#rooms-cancel");
    assert(!(await ada.rows()).some((row) => /tea|There is/.test(row.text)), "the lobby hears the tea kitchen");

    await edsger.page.click("#room");
    await edsger.page.click("#recent-rooms >> text=lobby");
    await edsger.sees("other", "flood ends");
    await ada.seesPeople("Ada", "Edsger", "Grace H.", "Linus");
    const lost = await RawSocket.open(plain, "Lost", { room: "\u200b" });
    await lost.next(isError);
    await ada.sees("system", "Lost joined");
    for (const { page } of [tea, edsger]) await page.context().close();
    await lost.close();
    await ada.seesPeople("Ada", "Grace H.", "Linus");
  });

  await check("empty and too long messages are not sent", async () => {
    const rows = await grace.rows();
    for (const text of ["", "  \n ", "x".repeat(2001)]) {
      await grace.page.fill("#message-input", text);
      assert(await grace.page.isDisabled("#send"), `the button is enabled for ${text.length} characters`);
      await grace.page.press("#message-input", "Enter");
    }
    assert(/1 characters? too many/.test(await grace.page.textContent("#counter")), "the counter says nothing");
    await sleep(200);
    assertEqual((await grace.rows()).length, rows.length, "rows");
    // Two thousand characters are two thousand also if each takes two UTF-16 units.
    await grace.say("🔌".repeat(2000));
    await ada.sees("other", "🔌".repeat(2000));
    await grace.page.fill("#message-input", "");
  });

  await check("a draft survives a reload", async () => {
    await grace.page.fill("#message-input", "not finished");
    await grace.page.reload();
    assertEqual(await grace.page.inputValue("#message-input"), "not finished", "the draft");
    await grace.page.fill("#message-input", "");
    await grace.isIn("online");
  });

  await check("whatever a client sends wrongly is answered with an error, and the socket stays open", async () => {
    raw = await RawSocket.open(plain, "Raw");
    const wrong = {
      "an unknown action": ask("fly", { message: "up" }),
      "no action": "{}",
      "bad JSON": `{"action":`,
      "JSON of another kind": "[1, 2]",
      "no JSON": "hello",
      "an empty text": "",
      "a message without text": ask("message", {}),
      "a message of another type": ask("message", { message: 1 }),
      "an empty message": ask("message", { message: " \n\u0007" }),
      "a long message": ask("message", { message: "x".repeat(2001) }),
      "an empty name": ask("setUsername", { username: " \u200b " }),
      "a long name": ask("setUsername", { username: "x".repeat(33) }),
      "a reserved name": ask("setUsername", { username: "Sys\u200btem" }),
      "a taken name": ask("setUsername", { username: "ADA" }),
      "a name of dots": ask("setUsername", { username: ".." }),
      "a binary message": null,
    };
    for (const [what, text] of Object.entries(wrong)) {
      const error = await raw.ask(text, isError).catch((e) => { throw new Error(`${what}: ${e.message}`); });
      assert(error.message && error.username === "system" && Number.isInteger(error.timestamp), `${what}: ${JSON.stringify(error)}`);
    }
    assert(await raw.isOpen(), "the socket is closed");
  });

  await check("the messages have the promised fields", async () => {
    const event = await raw.ask(ask("message", { message: "  from the raw socket ", username: "ignored" }), (event) => event.kind === "message");
    assert(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(event.id), `the id ${event.id}`);
    assertEqual([event.username, event.message], ["Raw", "from the raw socket"], "author and text");
    assert(Math.abs(event.timestamp - Date.now() / 1000) < 60, `the timestamp ${event.timestamp}`);
    await ada.sees("other", "from the raw socket");
  });

  await check("a name is stripped of what cannot be seen", async () => {
    const event = await raw.ask(ask("setUsername", { username: " Ra\u0000w\u202e \n the\tsecond " }), (event) => event.kind === "system");
    assertEqual(event.message, "Raw is now Raw the second", "the notice");
    await raw.ask(ask("setUsername", { username: "Raw" }), (event) => event.kind === "people");
  });

  await check("a frame beyond the limit closes its own socket with 1009, and no other", async () => {
    const big = await RawSocket.open(plain, "Big");
    await big.handle.evaluate((raw) => raw.socket.send("x".repeat(64 * 1024)));
    const { code, wasClean } = await big.closed();
    assertEqual([code, wasClean], [1009, true], "code and wasClean");
    assert(await raw.isOpen(), "another socket was closed");
    await ada.sees("system", "Big left");
  });

  await check("who comes with an impossible name is a guest", async () => {
    const guest = await RawSocket.open(plain, "x".repeat(100));
    await guest.next(isError);
    await eventually("the guest", async () => (await ada.people()).includes("Guest"));
    await guest.close();
    await ada.sees("system", "Guest left");
  });

  await check("readers that do not read hold up nobody: who reads again is told 1013, who never does is let go", async () => {
    const slow = await SlowReader.connect(port, "Slow");
    const stuck = await SlowReader.connect(port, "Stuck");
    await ada.sees("system", "Stuck joined");
    // 4 KB each, until the kernel's buffers and the server's queue for the slow ones are full. The pages draw all of it,
    // so they get it in portions; else they would be slow ones too.
    let full = false;
    for (let portion = 0; !full; portion += 1) {
      assert(portion < 40, "the slow ones are still members");
      const last = `${portion} ends`;
      await raw.handle.evaluate(({ socket }, last) => {
        const say = (message) => socket.send(JSON.stringify({ action: "message", message }));
        for (let i = 0; i < 99; i += 1) say("é".repeat(2000));
        say(last);
      }, last);
      for (const { page } of [ada, grace, linus]) {
        // Not the last row of all: somebody may leave behind it.
        await eventually(`the end of portion ${portion}`, () => page.$$eval("#messages .message:not(.system) .text", (texts, last) => texts.at(-1).textContent === last, last), 30_000);
      }
      full = await ada.row("system", "Slow left") && await ada.row("system", "Stuck left");
    }
    assertEqual(await slow.readUntilClose(), 1013, "the close code of the slow one");
    for (const person of [ada, grace, linus]) {
      assertEqual(await person.state(), "online", "the state of a page that reads");
      assertEqual(await person.page.$eval("#log", (log) => log.scrollTop), 0, "the distance from the end of the conversation");
    }
    // The other one still does not read. It cannot be told, and is not waited for.
    await eventually("the end of the stuck one", () => stuck.isCutOff(), 45_000);
  });

  await check("the history is bounded", async () => {
    await raw.ask(ask("message", { message: "the last word" }), (event) => event.message === "the last word");
    const newcomer = await RawSocket.open(plain, "Newcomer");
    const events = await newcomer.handle.evaluate((raw) => raw.events);
    const history = events.filter((event) => event.kind === "message");
    assertEqual([history.length, history.at(-1).message], [100, "the last word"], "length and end of the history");
    await newcomer.close();
    await raw.close();
  });

  await check("no page had an error or a violation of its policy", async () => {
    for (const person of [ada, grace, linus]) assertEqual(person.problems, [], "problems");
  });

  await check("SIGINT ends the server within seconds, with status 0, and the pages know why", async () => {
    raw = await RawSocket.open(plain, "Raw");
    assertEqual(await server.stop("SIGINT", 5_000), { code: 0, signal: null }, "the end of the server");
    const { code, wasClean } = await raw.closed();
    assertEqual([code, wasClean], [1001, true], "code and wasClean");
    await Promise.all([ada, grace, linus].map((person) => person.isIn("reconnecting", 3_000)));
  });

  await browser.close();
});
