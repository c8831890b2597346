// How a socket closes, as a real Chromium reports it, against the echo example: codes that arrive, and arrive cleanly.
//
//   node close.mjs PATH_OF_THE_ECHO_BINARY

import { assert, assertEqual, freePort, launchBrowser, run, startServer } from "./harness.mjs";

const [binary] = process.argv.slice(2);
if (!binary) {
  console.error("usage: node close.mjs PATH_OF_THE_ECHO_BINARY");
  process.exit(2);
}

// Opens a socket on the page, does `body` with it once it is open, and returns what became of it:
// { opened, heard, last, code, reason, wasClean, unsent }. `heard` has the length of each message, `last` the last text.
function talk(page, body, ...values) {
  return page.evaluate(([source, values]) => new Promise((resolve) => {
    const body = new Function(`return (${source})`)();
    const [protocols] = values;
    const socket = new WebSocket(`ws://${location.host}/echo`, protocols ?? []);
    socket.binaryType = "arraybuffer";
    const result = { opened: false, heard: [] };
    const late = setTimeout(() => resolve({ ...result, late: true }), 10_000);
    socket.onopen = () => {
      result.opened = true;
      body(socket, ...values.slice(1));
    };
    socket.onmessage = ({ data }) => {
      result.heard.push(data.length ?? data.byteLength);
      result.last = typeof data === "string" ? data : null;
      socket.heard?.(result.heard.length);
    };
    socket.onclose = ({ code, reason, wasClean }) => {
      clearTimeout(late);
      resolve({ ...result, code, reason, wasClean, unsent: socket.bufferedAmount });
    };
  }), [body.toString(), values]);
}

function assertClosed(end, code, wasClean) {
  assert(!end.late, `no end within 10 s: ${JSON.stringify(end)}`);
  assertEqual([end.code, end.wasClean], [code, wasClean], "code and wasClean");
}

await run(async (check) => {
  const server = await startServer(binary, await freePort());
  const browser = await launchBrowser();
  const page = await browser.newPage();
  await page.goto(server.url);

  await check("a message one byte beyond the limit: 1009, clean, 20 times of 20", async () => {
    for (let round = 1; round <= 20; round += 1) {
      const end = await talk(page, (socket) => socket.send(new Uint8Array((1 << 20) + 1)));
      assert(end.code === 1009 && end.wasClean && end.reason, `round ${round}: ${JSON.stringify(end)}`);
    }
  });

  // Chromium stops sending when it sees our Close, and calls no end clean while it holds data that the page has sent.
  // The server has no part in that; a connection that was reset would be unclean without such data, or lose the code.
  for (const megabytes of [2, 8]) {
    await check(`a message of ${megabytes} MiB: 1009, and clean if Chromium had sent all of it, 20 times of 20`, async () => {
      for (let round = 1; round <= 20; round += 1) {
        const end = await talk(page, (socket, bytes) => socket.send(new Uint8Array(bytes)), null, megabytes << 20);
        assert(end.code === 1009 && end.reason && end.wasClean === (end.unsent === 0), `round ${round}: ${JSON.stringify(end)}`);
      }
    });
  }

  await check("16 KiB of text come back", async () => {
    const text = "sixteen bytes ✓".repeat(1024);
    const end = await talk(page, (socket, text) => {
      socket.heard = () => socket.close(1000);
      socket.send(text);
    }, null, text);
    assert(end.last === text, `${end.heard} characters came back, not the ${text.length} that were sent`);
    assertClosed(end, 1000, true);
  });

  await check("a message at the limit comes back", async () => {
    const end = await talk(page, (socket) => {
      socket.heard = () => socket.close(1000);
      socket.send(new Uint8Array(1 << 20));
    });
    assertEqual(end.heard, [1 << 20], "bytes");
    assertClosed(end, 1000, true);
  });

  await check("the page's own code and reason come back", async () => {
    assertClosed(await talk(page, (socket) => socket.close(4001, "bye")), 4001, true);
  });

  await check("a close without a code is one", async () => {
    assertClosed(await talk(page, (socket) => socket.close()), 1005, true);
  });

  await check("an unknown subprotocol is not agreed on: Chromium fails the connection, at once", async () => {
    const end = await talk(page, () => {}, ["unheard.of"]);
    assertClosed(end, 1006, false);
    assertEqual(end.opened, false, "whether it was open");
  });

  await check("SIGINT ends the server, with status 0", async () => {
    assertEqual(await server.stop("SIGINT"), { code: 0, signal: null }, "the end of the server");
  });

  await browser.close();
});
