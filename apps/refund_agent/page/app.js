// The chat page. What the customer says gets an id here and is kept until the server has it, so that a crash
// in between neither loses it nor says it twice.
const $ = (id) => document.getElementById(id);
const store = {
  get unsent() { return JSON.parse(localStorage.getItem("unsent") ?? "[]"); },
  set unsent(list) { localStorage.setItem("unsent", JSON.stringify(list)); },
};
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const STATES = { none: "–", review: "under review", paying: "being paid", paid: "refunded", rejected: "rejected" };

let current = null;
let source = null;
let server = null;
let crashed = false;

async function api(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, options);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

function banner(text) {
  $("banner").textContent = text;
  $("banner").hidden = !text;
}

function line(kind, id) {
  const key = `${kind}-${id}`;
  let item = document.querySelector(`#messages li[data-key="${CSS.escape(key)}"]`);
  if (!item) {
    document.querySelector("#messages .empty")?.remove();
    item = document.createElement("li");
    item.dataset.key = key;
    item.classList.add(kind);
    $("messages").append(item);
  }
  return item;
}

function show(kind, id, text, { partial = false, unsent = false } = {}) {
  const item = line(kind, id);
  item.textContent = text;
  item.classList.toggle("partial", partial);
  item.classList.toggle("unsent", unsent);
  const list = $("messages");
  list.scrollTop = list.scrollHeight;
}

function take(event) {
  if (event.kind === "said") {
    store.unsent = store.unsent.filter((said) => said.id !== event.id);
    show("said", event.id, event.text);
    show("answer", event.id, "", { partial: true });
  } else if (event.kind === "partial") {
    const item = line("answer", event.id);
    if (!item.classList.contains("done")) show("answer", event.id, event.text, { partial: true });
  } else if (event.kind === "answer") {
    show("answer", event.id, event.text);
    line("answer", event.id).classList.add("done");
    orders();
  } else if (event.kind === "notice") {
    show("notice", event.offset, event.text);
    orders();
  }
}

function listen(id) {
  source?.close();
  const opened = new EventSource(`/api/conversations/${id}/events`);
  source = opened;
  opened.onmessage = (message) => { if (source === opened) take(JSON.parse(message.data)); };
  opened.onopen = () => { if (source === opened) connected(); };
  opened.onerror = () => {
    if (source !== opened) return;
    banner("Connection lost: the system is down. Reconnecting…");
    crashed = true;
    if (opened.readyState === EventSource.CLOSED) setTimeout(() => source === opened && listen(id), 500);
  };
}

async function connected() {
  const about = await api("/api/about").catch(() => null);
  if (!about) return;
  if (crashed && server !== null && about.process !== server) {
    banner("The system crashed and was started again. Whatever was interrupted is being completed, once.");
    setTimeout(() => banner(""), 8000);
  } else if (crashed) {
    banner("");
  }
  crashed = false;
  server = about.process;
  await resend();
  orders();
}

async function resend() {
  for (const said of store.unsent) await deliver(said).catch(() => {});
}

async function deliver(said) {
  await api(`/api/conversations/${said.conversation}/say`, { id: said.id, text: said.text });
  store.unsent = store.unsent.filter((other) => other.id !== said.id);
  document.querySelector(`#messages li[data-key="said-${said.id}"]`)?.classList.remove("unsent");
}

async function orders() {
  const list = await api("/api/orders").catch(() => null);
  if (!list) return;
  $("orders").replaceChildren(...list.map((order) => {
    const row = document.createElement("tr");
    row.dataset.order = order.order_id;
    for (const [text, name] of [[order.order_id, ""], [order.item, ""], [order.price, "number"], [STATES[order.refund], `state-${order.refund}`]]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      if (name) cell.className = name;
      row.append(cell);
    }
    return row;
  }));
}

function tabs(conversations) {
  const buttons = conversations.map((conversation) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("role", "tab");
    button.setAttribute("aria-selected", String(conversation.id === current));
    button.textContent = conversation.title;
    button.addEventListener("click", () => open(conversation.id));
    return button;
  });
  const more = document.createElement("button");
  more.type = "button";
  more.textContent = "+ New conversation";
  more.addEventListener("click", () => begin(conversations.length + 1));
  $("conversations").replaceChildren(...buttons, more);
}

async function begin(number) {
  const id = newId();
  await api("/api/conversations", { id: `c${String(number).padStart(4, "0")}-${id}`, title: `Conversation ${number}` });
  await open(`c${String(number).padStart(4, "0")}-${id}`);
}

async function open(id) {
  current = id;
  localStorage.setItem("current", id);
  const empty = document.createElement("li");
  empty.className = "empty";
  empty.textContent = "Ask for an order's status or a refund, for example “Refund order 1003”.";
  $("messages").replaceChildren(empty);
  listen(id);
  tabs(await api("/api/conversations"));
  $("say").focus();
}

$("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("say").value.trim();
  if (!text || !current) return;
  $("say").value = "";
  const said = { id: newId(), conversation: current, text };
  store.unsent = [...store.unsent, said];
  show("said", said.id, text, { unsent: true });
  await deliver(said).catch(() => banner("Not sent yet: the system is down. It will be sent when it is back."));
});

$("crash").addEventListener("click", async () => {
  crashed = true;
  banner("Crashing…");
  await api("/api/crash", {}).catch(() => {});
});

$("reset").addEventListener("click", async () => {
  source?.close();
  store.unsent = [];
  await api("/api/reset", {});
  location.reload();
});

async function start() {
  for (;;) {
    const about = await api("/api/about").catch(() => null);
    if (about) {
      $("model").textContent = about.model;
      $("crash").hidden = $("reset").hidden = !about.demo;
      server = about.process;
      break;
    }
    await wait(500);
  }
  const conversations = await api("/api/conversations");
  const last = conversations.find((conversation) => conversation.id === localStorage.getItem("current")) ?? conversations.at(-1);
  await (last ? open(last.id) : begin(1));
  orders();
  setInterval(orders, 2000);
}

start();
