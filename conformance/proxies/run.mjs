// The proxies' settings of the README, run: node run.mjs PATH/TO/examples/shutdown
//
// Two servers behind nginx and behind HAProxy: sockets open, refusals pass, a server that is told to stop closes its
// sockets with 1001, and whoever connects anew lands on the other.

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { assertEqual, check, echoes, handshake, headers, listening, open, run, start } from "../client.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const SERVER = process.argv[2];
const PROXIES = [
  ["nginx", 9210, ["nginx", "-p", mkdtempSync(join(tmpdir(), "nginx-")), "-c", join(HERE, "nginx.conf")]],
  ["HAProxy", 9220, ["haproxy", "-q", "-f", join(HERE, "haproxy.cfg")]],
];

await run(async () => {
  for (const [name, port, command] of PROXIES) {
    const servers = [9201, 9202].map((port) => start(SERVER, "--listen", `127.0.0.1:${port}`));
    await Promise.all([9201, 9202].map(listening));
    const proxy = start(...command);
    await listening(port);
    let sockets;

    await check(`${name}: sockets open, and echo`, async () => {
      sockets = await Promise.all(Array.from({ length: 10 }, () => open(port, "/echo")));
      await Promise.all(sockets.map(echoes));
    });
    await check(`${name}: a plain GET is answered 426, a page of another host 403`, async () => {
      assertEqual((await handshake(port, "/echo", {})).status, 426, "status");
      assertEqual((await handshake(port, "/echo", headers(port, "http://evil.example"))).status, 403, "status");
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
      await Promise.all(Array.from({ length: 10 }, async () => echoes(await open(port, "/echo"))));
    });

    for (const process of [proxy, servers[1]]) {
      process.kill("SIGTERM");
      await process.ended;
    }
  }
});
