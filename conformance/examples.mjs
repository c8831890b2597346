// The examples that have no page: node examples.mjs PATH/TO/examples

import { join } from "node:path";

import { assertEqual, check, listening, open, run, start } from "./client.mjs";

const FOLDER = process.argv[2];

async function serve(example, port) {
  const server = start(join(FOLDER, example), "--listen", `127.0.0.1:${port}`);
  await listening(port);
  return server;
}

async function text(socket) {
  const { opcode, payload } = await socket.frame();
  assertEqual(opcode, 1, "opcode");
  return payload.toString();
}

function say(socket, text) {
  socket.send(1, Buffer.from(text));
}

await run(async () => {
  await serve("session", 9203);
  await check("session: one task tells the time, another answers", async () => {
    const socket = await open(9203, "/");
    say(socket, "hello");
    const texts = [await text(socket), await text(socket), await text(socket)];
    assertEqual(texts.filter((text) => text === "hello").length, 1, "answers");
    assertEqual(texts.filter((text) => /^time \d+$/.test(text)).length, 2, "times");
    say(socket, "bye");
    let frame;
    do frame = await socket.frame(); while (frame.opcode === 1);
    assertEqual([frame.opcode, frame.payload.readUInt16BE(0), frame.payload.subarray(2).toString()], [8, 1000, "as you wish"], "the end");
  });

  await serve("actor", 9204);
  await check("actor: started, a method for each message, events from elsewhere, a heartbeat", async () => {
    const socket = await open(9204, "/");
    assertEqual(await text(socket), "say something", "the greeting");
    say(socket, "hello");
    assertEqual(await text(socket), "1: hello", "the first answer");
    say(socket, "wake me");
    assertEqual(await text(socket), "2: wake me", "the second answer");
    assertEqual(await text(socket), "ring", "the alarm");
    assertEqual((await socket.frame()).opcode, 9, "the heartbeat's opcode");
    socket.send(8, Buffer.from([3, 232]));
    assertEqual((await socket.frame()).opcode, 8, "the last opcode");
  });
});
