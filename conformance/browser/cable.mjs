// A way to a server that can be cut.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Cable {
  #server;
  #ends = new Set();
  #port;

  static async to(port) {
    const cable = new Cable();
    cable.#port = port;
    await cable.mend();
    return cable;
  }

  async mend() {
    this.#server = createServer((near) => {
      const far = connect(this.#port, "127.0.0.1");
      near.pipe(far).pipe(near);
      for (const end of [near, far]) {
        this.#ends.add(end);
        end.on("error", () => {});
        end.on("close", () => this.#ends.delete(end));
      }
    });
    this.#server.listen(this.port ?? 0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = this.#server.address().port;
  }

  // What is under way is lost, and nothing gets through until it is mended.
  async cut() {
    this.#server.close();
    for (const end of this.#ends) end.resetAndDestroy();
    await once(this.#server, "close");
  }
}
