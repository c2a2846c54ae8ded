// All clients of one worker lose their sockets at once and come back, in virtual time. The delays
// are the client's own: WSGuard.backoff. Reads a JSON object from its argument, writes one.
'use strict';

const [, , client, given] = process.argv;
const WSGuard = require(client);
const { clients, perSecond, down, spread, timeout, backlog, options } = JSON.parse(given);

// A small generator, so that a run can be repeated.
let seed = 1;
function random() {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 4294967296;
}

// A binary heap of [time, attempt], earliest first.
const heap = [];
function push(event) {
  let at = heap.push(event) - 1;
  while (at && heap[(at - 1) >> 1][0] > heap[at][0]) {
    const above = (at - 1) >> 1;
    [heap[above], heap[at]] = [heap[at], heap[above]];
    at = above;
  }
}
function pop() {
  const first = heap[0];
  const last = heap.pop();
  if (heap.length) {
    heap[0] = last;
    for (let at = 0; ;) {
      let least = at;
      for (const below of [2 * at + 1, 2 * at + 2]) {
        if (below < heap.length && heap[below][0] < heap[least][0]) { least = below; }
      }
      if (least === at) { break; }
      [heap[least], heap[at]] = [heap[at], heap[least]];
      at = least;
    }
  }
  return first;
}

function wait(attempt) {
  return WSGuard.backoff(attempt, options, random) / 1000;
}

for (let number = 0; number < clients; number++) {
  push([spread * number / clients + wait(0), 1]);
}

// One worker: whoever asks waits for all who asked before. A client that gave up is still served,
// since the worker cannot know; beyond the listen backlog the kernel lets nobody in.
const upAt = spread + down;
const arrivals = [];
const recovered = [];
let free = upAt, asked = 0;
while (heap.length) {
  const [now, attempt] = pop();
  asked++;
  arrivals[Math.floor(now)] = (arrivals[Math.floor(now)] || 0) + 1;
  const waiting = Math.max(0, free - now) * perSecond;
  if (now < upAt) {
    push([now + wait(attempt), attempt + 1]);
  } else if (waiting > backlog) {
    push([now + timeout + wait(attempt), attempt + 1]);
  } else {
    free = Math.max(free, now) + 1 / perSecond;
    if (free - now > timeout) {
      push([now + timeout + wait(attempt), attempt + 1]);
    } else {
      recovered.push(free);
    }
  }
}

recovered.sort((one, other) => one - other);
const every = Array.from(arrivals, (count) => count || 0);
process.stdout.write(JSON.stringify({
  asked,
  peak: Math.max(0, ...every),
  peakServed: Math.max(0, ...every.slice(Math.floor(upAt))),
  half: recovered[Math.floor(clients / 2)] - upAt,
  most: recovered[Math.floor(clients * 0.99)] - upAt,
  all: recovered[clients - 1] - upAt
}));
