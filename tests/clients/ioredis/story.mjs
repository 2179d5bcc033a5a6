// What a program with ioredis sees of a group that sentinels watch. Prints each thing that holds; ends with 1 at the first
// that does not.
//
//   node story.mjs FIRST_PORT      where `slotmesh up --sentinel --port FIRST_PORT` runs

import assert from "node:assert/strict";
import Redis from "ioredis";

const first = Number(process.argv[2]);
const name = "mymaster";
const sentinels = [3, 4, 5].map((at) => ({ host: "127.0.0.1", port: first + at }));
// Longest wait for a failover and what follows it.
const LIMIT_MS = 60_000;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const passed = (what) => console.log(`ok: ${what}`);
const port = (client) => client.stream?.remotePort;

const clients = [];
function open(options) {
  const client = new Redis({ sentinels, name, maxRetriesPerRequest: null, ...options });
  // Connections are lost on purpose here; what matters is what commands say.
  client.on("error", () => {});
  clients.push(client);
  return client;
}

async function until(what, holds) {
  const end = Date.now() + LIMIT_MS;
  for (;;) {
    const value = await holds().catch(() => undefined);
    if (value !== undefined && value !== false) return value;
    assert.ok(Date.now() < end, `${what} within ${LIMIT_MS} ms`);
    await pause(50);
  }
}

async function named() {
  const sentinel = new Redis({ ...sentinels[0], lazyConnect: true, maxRetriesPerRequest: 1 });
  sentinel.on("error", () => {});
  try {
    const [, found] = await sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name);
    return Number(found);
  } finally {
    sentinel.disconnect();
  }
}

async function beforeAnything() {
  const client = open();
  assert.equal(await client.set("k", "v"), "OK");
  assert.equal((await client.role())[0], "master");
  assert.equal(port(client), first);
  passed("the primary is found through the sentinels and takes a write");
  assert.ok(await client.wait(2, 5000) >= 2);

  const replica = open({ role: "slave" });
  assert.equal(await replica.get("k"), "v");
  assert.equal((await replica.role())[0], "slave");
  await assert.rejects(replica.set("k", "w"), /^ReplyError: READONLY You can't write against a read only replica\.$/);
  passed("a replica is found, reads, and refuses a write");
  return client;
}

/** Events of a sentinel, as its subscribers hear them. */
async function listen() {
  const events = [];
  const listener = new Redis({ ...sentinels[1] });
  clients.push(listener);
  listener.on("pmessage", (_, event, text) => events.push(`${event} ${text}`));
  await listener.psubscribe("*");
  return events;
}

async function afterAnOrder(client, events, kind) {
  const before = await named();
  const operator = new Redis({ ...sentinels[2] });
  clients.push(operator);
  // An order is refused while the failover before it goes on, or a replica has not been heard of for too long.
  await until("an order that is taken", async () => (await operator.call("SENTINEL", "FAILOVER", name, ...kind)) === "OK");
  const now = await until("another primary", async () => {
    const found = await named();
    return found !== before && found;
  });
  // The old primary has not gone: a client that is not told of the new one would keep its connection to a replica.
  await until("the client at the new primary", async () => (await client.set("k", "x")) === "OK" && port(client) === now);
  assert.equal((await client.role())[0], "master");
  await until("an event", async () => events.some((event) => event.startsWith(`+switch-master ${name} 127.0.0.1 ${before} 127.0.0.1 ${now}`)));
  passed(`a client that watches for failovers follows one that an operator orders ${kind.join(" ")}`.trimEnd());
}

async function afterADeath(client) {
  const old = await named();
  const victim = new Redis({ host: "127.0.0.1", port: old, retryStrategy: null });
  victim.on("error", () => {});
  await victim.set("last", "words");
  await victim.wait(1, 5000);
  await victim.shutdown("NOSAVE").catch(() => {});
  victim.disconnect();
  // One call, which ioredis repeats by itself until the sentinels name another primary.
  assert.equal(await client.set("k", "after"), "OK");
  const now = port(client);
  assert.notEqual(now, old);
  assert.equal((await client.role())[0], "master");
  assert.equal(await client.get("last"), "words");
  assert.equal(await named(), now);
  passed("a client goes on after the death of the primary, and what was replicated is there");

  const late = open();
  assert.equal(await late.get("k"), "after");
  assert.equal(port(late), now);
  passed("a client that comes later finds the new primary");
}

try {
  const client = await beforeAnything();
  const events = await listen();
  const watcher = open({ failoverDetector: true });
  assert.equal(await watcher.ping(), "PONG");
  await afterAnOrder(watcher, events, []);
  await afterAnOrder(watcher, events, ["COORDINATED"]);
  await afterADeath(client);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  clients.forEach((one) => one.disconnect());
}
