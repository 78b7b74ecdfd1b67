// Node's `ws` against an echo server that compresses.
const WebSocket = require("ws");

const messages = ["", "short", "a mail from Bob ".repeat(50), "é€🐭".repeat(1000)];
const wishes = [
  {},
  { clientNoContextTakeover: true, serverNoContextTakeover: true },
  { serverMaxWindowBits: 10, clientMaxWindowBits: 10, threshold: 0 },
];

function talk(wish) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(process.argv[2], { perMessageDeflate: { threshold: 64, ...wish } });
    const left = [...messages];
    ws.on("error", reject);
    ws.on("open", () => {
      if (!ws.extensions.includes("permessage-deflate")) reject(new Error("not agreed on"));
      ws.send(left[0]);
    });
    ws.on("message", (data) => {
      const sent = left.shift();
      if (data.toString() !== sent) reject(new Error(`not what was sent: ${sent.slice(0, 20)}`));
      if (left.length > 0) ws.send(left[0]);
      else ws.close(1000);
    });
    ws.on("close", (code) => (code === 1000 && left.length === 0 ? resolve() : reject(new Error(`closed: ${code}`))));
  });
}

(async () => {
  for (const wish of wishes) {
    await talk(wish);
    console.log("ws", require("ws/package.json").version, JSON.stringify(wish));
  }
})().catch((error) => {
  console.error("ws:", error.message);
  process.exit(1);
});
