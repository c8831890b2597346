// A person at a page of the chat, in a browser profile of their own, with the words that the tests speak about it.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./harness.mjs";

export const DESKTOP = { viewport: { width: 1200, height: 780 }, colorScheme: "light" };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: "dark" };

export class Person {
  constructor(page) {
    this.page = page;
    this.problems = [];
    const problem = (text) => {
      this.problems.push(text);
      console.log(`        a page reports: ${text}`);
    };
    page.on("pageerror", (error) => problem(error.stack ?? String(error)));
    page.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) problem(message.text());
    });
  }

  static async open(browser, url, settings = DESKTOP) {
    const context = await browser.newContext({ locale: "en-GB", ...settings });
    const person = new Person(await context.newPage());
    person.response = await person.page.goto(url);
    return person;
  }

  // Into this directory, if there is to be one.
  async shot(directory, name) {
    if (!directory) return;
    mkdirSync(directory, { recursive: true });
    // Messages slide in; wait until they have.
    await this.page.evaluate(() => Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations === 1).map((a) => a.finished)));
    await this.page.screenshot({ path: join(directory, `${name}.png`) });
  }

  async say(text) {
    await this.page.fill("#message-input", text);
    await this.page.press("#message-input", "Enter");
  }

  async chooseName(name) {
    await this.page.fill("#name-input", name);
    await this.page.click("#naming-ok");
  }

  // Every row of the conversation, pending ones included: { kind, author, text, time }.
  rows() {
    return this.page.$$eval("#log .message", (rows) => rows.map((row) => ({
      kind: ["pending", "system", "own", "other"].find((kind) => row.classList.contains(kind)),
      author: row.querySelector(".author")?.textContent ?? "",
      text: row.querySelector(".text").textContent,
      time: row.querySelector("time")?.textContent ?? "",
    })));
  }

  async row(kind, text) {
    return (await this.rows()).find((row) => row.kind === kind && row.text === text);
  }

  sees(kind, text) {
    return eventually(`a row of kind ${kind} with the text ${JSON.stringify(text)}`, () => this.row(kind, text));
  }

  people() {
    return this.page.$$eval("#people .name", (names) => names.map((name) => name.textContent));
  }

  // In any order: after a reconnect it is a matter of chance.
  seesPeople(...names) {
    const sorted = (names) => names.sort().join();
    return eventually(`the list of people ${names}`, async () => sorted(await this.people()) === sorted(names));
  }

  // The events of this kind that the server sends from now on.
  hears(kind) {
    const events = [];
    this.page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => {
      const event = JSON.parse(payload);
      if (event.kind === kind) events.push(event);
    }));
    return events;
  }

  state() {
    return this.page.getAttribute("#status", "data-state");
  }

  isIn(state, milliseconds) {
    return eventually(`the state ${state}`, async () => await this.state() === state, milliseconds);
  }
}
