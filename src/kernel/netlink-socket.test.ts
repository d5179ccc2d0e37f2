import { test } from 'node:test';
import assert from 'node:assert/strict';
import { concat } from '../base/bytes.js';
import { NLMSG_DONE, NLMSG_ERROR, NLM_F_DUMP_INTR, NLM_F_MULTI, messageSequence } from '../netlink/message.js';
import { MessageWriter } from '../netlink/message-writer.js';
import { EAGAIN, EINTR, ENOBUFS, ENOENT, EPERM } from './errno.js';
import { type FakeSocket, fakeLibc } from './fake-libc.js';
import { NETLINK_NETFILTER, NetlinkSocket } from './netlink-socket.js';
import { SystemError } from './system-error.js';

const message = (type: number, flags: number, sequence: number, body = 0): Uint8Array =>
  new MessageWriter().begin(type, flags, sequence).u32(body).end().finish();
const acknowledgement = (sequence: number, errno: number): Uint8Array =>
  new MessageWriter().begin(NLMSG_ERROR, 0x100, sequence).u32(-errno).u32(20).u32(0).u32(0).u32(0).end().finish();

function open(answer: (socket: FakeSocket, request: Uint8Array, sequence: number) => void) {
  const fake = fakeLibc({
    sent: (socket, bytes) => {
      answer(socket, bytes, messageSequence(bytes, 0));
      return 0;
    },
  });
  const socket = NetlinkSocket.open(NETLINK_NETFILTER, { libc: fake.libc });
  const request = (): MessageWriter => {
    socket.writer.reset();
    return socket.writer.begin(5, 0x305, socket.nextSequence()).u32(0).end();
  };
  return { socket, request, fake };
}

test('a request returns its answers and the errno; leftovers of an older request are skipped', () => {
  const { socket, request } = open((kernel, _bytes, sequence) => {
    kernel.deliver(message(0x77, 0, sequence - 1, 1));
    kernel.deliver(-EINTR);
    kernel.deliver(concat(message(0x77, 0, sequence, 2), acknowledgement(sequence, 0)));
  });
  let answers = 0;
  assert.equal(socket.request(request(), () => answers++), 0);
  assert.equal(answers, 1);
  assert.equal(socket.request(request()), 0);
});

test('a refusal is a number for request and an error with the doing for mustRequest', () => {
  const { socket, request } = open((kernel, _bytes, sequence) => kernel.deliver(acknowledgement(sequence, ENOENT)));
  assert.equal(socket.request(request()), ENOENT);
  assert.throws(
    () => socket.mustRequest(request(), 'delete the set', 'NFT_MSG_DELSET'),
    (error: unknown) => error instanceof SystemError && error.errno === ENOENT && /delete the set/.test(error.message),
  );
});

test('several requests in one send are acknowledged one by one', () => {
  const { socket } = open((kernel, _bytes, sequence) => {
    for (const [i, errno] of [0, ENOENT, EPERM].entries()) kernel.deliver(acknowledgement(sequence + i, errno));
  });
  socket.writer.reset();
  for (let i = 0; i < 3; i++) socket.writer.begin(5, 5, socket.nextSequence()).u32(0).end();
  const errnos: number[] = [];
  assert.equal(socket.requestAll(socket.writer, 3, (_sequence, errno) => errnos.push(errno)), 3);
  assert.deepEqual(errnos, [0, ENOENT, EPERM]);
});

test('a dump visits every part and says when the table changed meanwhile', async () => {
  for (const flag of [0, NLM_F_DUMP_INTR]) {
    const { socket, request } = open((kernel, _bytes, sequence) => {
      kernel.deliver(concat(message(0x77, NLM_F_MULTI, sequence, 1), message(0x77, NLM_F_MULTI | flag, sequence, 2)));
      kernel.deliver(message(0x77, NLM_F_MULTI, sequence, 3));
      kernel.deliver(message(NLMSG_DONE, NLM_F_MULTI, sequence));
    });
    let visited = 0;
    assert.equal(socket.dump(request(), 'list', () => visited++), flag === 0);
    assert.equal(await socket.dumpInTurns(request(), 'list', () => visited++), flag === 0);
    assert.equal(visited, 6);
  }
});

test('a dump that fails half way throws', () => {
  const { socket, request } = open((kernel, _bytes, sequence) => {
    kernel.deliver(message(0x77, NLM_F_MULTI, sequence, 1));
    kernel.deliver(message(NLMSG_DONE, NLM_F_MULTI, sequence, -EPERM));
  });
  assert.throws(() => socket.dump(request(), 'list', () => undefined), SystemError);
});

test('events arrive, an overrun is told, and closing ends it', async () => {
  const { socket, fake } = open(() => undefined);
  const seen: (number | string)[] = [];
  socket.listen((bytes, at) => seen.push(messageSequence(bytes, at)), () => seen.push('overrun'));
  fake.sockets[0]?.deliver(message(0x100, 0, 1));
  fake.sockets[0]?.deliver(-ENOBUFS);
  fake.sockets[0]?.deliver(-EAGAIN);
  fake.sockets[0]?.deliver(message(0x100, 0, 2));
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(seen, [1, 'overrun', 2]);
  socket.close();
  socket.close();
  assert.equal(fake.sockets[0]?.isClosed, true);
});

test('a socket that cannot be set up is closed again', () => {
  const fake = fakeLibc({ sent: () => 0, bound: () => -EPERM });
  assert.throws(() => NetlinkSocket.open(NETLINK_NETFILTER, { libc: fake.libc, groups: 1 }), SystemError);
  assert.equal(fake.sockets[0]?.isClosed, true);
});
