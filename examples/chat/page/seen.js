// Where this page is in its room: the last position of each epoch. With these it comes back, to any node, and gets what
// it has missed: a position is an epoch (a node's time in the room) and an offset in it, two hexadecimal numbers.

export class Seen {
  #last = new Map();

  get isEmpty() {
    return this.#last.size === 0;
  }

  note(position) {
    const [epoch, offset] = position.split(".");
    const number = parseInt(offset, 16);
    if (!(this.#last.get(epoch) >= number)) this.#last.set(epoch, number);
  }

  // All that the server knows. What it does not know any more, it would be asked for in vain.
  adopt(positions) {
    const known = new Set(positions.map((position) => position.split(".")[0]));
    for (const epoch of this.#last.keys()) if (!known.has(epoch)) this.#last.delete(epoch);
    for (const position of positions) this.note(position);
  }

  toString() {
    return Array.from(this.#last, ([epoch, offset]) => `${epoch}.${offset.toString(16)}`).join();
  }
}
