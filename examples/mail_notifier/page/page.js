"use strict";

// How many mails the list keeps.
const MAX_MAILS = 20;
// The bounds of the wait before a new attempt, in milliseconds.
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
// A connection that lived this long was a good one: the next wait is short again.
const GOOD_AFTER = 5_000;

const mailbox = new URLSearchParams(location.search).get("mailbox") || "alice";
const element = (id) => document.getElementById(id);

let failures = 0;
let openedAt = 0;
let lastSeq = null;
let retry = null;

function connect() {
  clearTimeout(retry);
  retry = null;
  showState("waiting", "Connecting …");
  const address = new URL("/ws", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.searchParams.set("mailbox", mailbox);
  const socket = new WebSocket(address);
  openedAt = 0;
  socket.onmessage = (message) => receive(JSON.parse(message.data));
  socket.onclose = reconnectLater;
}

function receive(notice) {
  if (notice.type === "hello") {
    openedAt = performance.now();
    showState("open", "Connected");
    // A lower number than before is that of another server process, which counts anew.
    if (lastSeq !== null && notice.seq > lastSeq) showGap(notice.seq - lastSeq);
  } else if (notice.type === "mail") {
    const missed = notice.seq - lastSeq - 1;
    if (missed > 0) showGap(missed);
    showMail(notice);
  } else {
    return;
  }
  lastSeq = notice.seq;
  showUnseen(notice.unseen);
}

// Exponential backoff with full jitter: when a server comes back, its visitors do not come at once.
function reconnectLater() {
  if (openedAt && performance.now() - openedAt > GOOD_AFTER) failures = 0;
  const wait = Math.random() * Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** failures);
  failures += 1;
  const seconds = Math.max(1, Math.round(wait / 1000));
  const hint = openedAt || lastSeq !== null ? "Disconnected" : `No connection to a mailbox "${mailbox}"`;
  showState("closed", `${hint}, next try in ${seconds} s`);
  retry = setTimeout(connect, wait);
}

function showState(state, text) {
  element("state").dataset.state = state;
  element("state").textContent = text;
}

function showUnseen(count) {
  element("unseen").textContent = count;
  element("unseen-label").textContent = count === 1 ? "unseen mail" : "unseen mails";
  document.title = count > 0 ? `(${count}) Mail for ${mailbox}` : `Mail for ${mailbox}`;
}

function showMail({ from, subject }) {
  const now = new Date();
  const time = part("time", "", now.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = now.toISOString();
  addToList(part("span", "from", from), time, part("span", "subject", subject));
}

function showGap(count) {
  addToList(part("span", "gap", count === 1 ? "1 more mail arrived" : `${count} more mails arrived`));
}

function addToList(...parts) {
  const list = element("mails");
  const item = document.createElement("li");
  item.append(...parts);
  list.prepend(item);
  while (list.children.length > MAX_MAILS) list.lastElementChild.remove();
  element("nothing").hidden = true;
}

// Text of strangers only ever enters the page here, as text.
function part(tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

element("mailbox").textContent = mailbox;
element("other").value = mailbox;
document.title = `Mail for ${mailbox}`;
// The network is back: no reason to wait any longer.
addEventListener("online", () => retry !== null && connect());
connect();
