// What is sent, the same for the clients that are written in JavaScript; the page of a browser gets this function too.

export function messages() {
  const json = JSON.stringify(Array.from({ length: 300 }, (_, id) => ({ id, name: `user ${id}`, mail: `user${id}@example.com` })));
  const noise = new Uint8Array(100_000);
  for (let at = 0; at < noise.length; at += 50_000) crypto.getRandomValues(noise.subarray(at, at + 50_000));
  return [
    "", "a", "below the threshold", json, "Zażółć gęślą jaźń 😀 ".repeat(5000), "x".repeat(1 << 20),
    new Uint8Array(0), new Uint8Array([1, 2, 3]), noise, new Uint8Array(900_000), new TextEncoder().encode(json),
  ];
}

// Long, and new to whoever has not seen it before.
export function novel() {
  const bytes = crypto.getRandomValues(new Uint8Array(4096));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const REPEATS = 10;

// What ten of the same must amount to on the wire: about one, if each may refer to those before; else ten.
export function judge(bytes, takeover, what) {
  const ok = takeover ? bytes > 4000 && bytes < 8000 : bytes > 40_000 && bytes < 60_000;
  if (!ok) throw new Error(`${what}: ${bytes} bytes on the wire, ${takeover ? "with" : "without"} context takeover`);
}
