/**
 * netlink-socket.test.ts — requests and their answers: acknowledgements, errors in the kernel's words, dumps in parts, what is lost on the way.
 */
import { describe, expect, test } from 'vitest';
import { ackOf, ScriptTransport } from '../../test/netlink/script-transport.js';
import type { Answer } from '../../test/netlink/script-transport.js';
import { EAGAIN, EMSGSIZE, ENOBUFS, ENODEV, ENOENT, EPERM } from '../tap/libc.js';
import { textAttribute, words } from './attributes.js';
import { encodeMessage, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLM_F_MULTI, NLMSG_DONE, NLMSG_NOOP, NLMSG_OVERRUN } from './message.js';
import { NetlinkError } from './netlink-error.js';
import { NetlinkSocket } from './netlink-socket.js';

const asked = { doing: 'frob', device: 'eth9' };
const TYPE = 16;
const body = (n: number): Uint8Array => words(n);
const part = (n: number, flags = 0) => (sequence: number) => encodeMessage(TYPE, NLM_F_MULTI | flags, sequence, body(n));
const done = (errno = 0, flags = 0, attributes: Uint8Array = new Uint8Array(0)) => (sequence: number) => encodeMessage(NLMSG_DONE, NLM_F_MULTI | flags, sequence, words(-errno), attributes);
const together = (...answers: readonly ((sequence: number) => Uint8Array)[]) => (sequence: number) => Buffer.concat(answers.map((answer) => answer(sequence)));
const numbers = (bodies: readonly Uint8Array[]): number[] => bodies.map((bytes) => bytes[0]!);

function ask(...answers: readonly Answer[]): { socket: NetlinkSocket; transport: ScriptTransport } {
  const transport = new ScriptTransport(...answers);
  return { socket: new NetlinkSocket(transport), transport };
}

function failure(act: () => unknown): NetlinkError {
  try {
    act();
  } catch (error) {
    if (error instanceof NetlinkError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('a request', () => {
  test('ends with its acknowledgement; answers before it are its result', () => {
    const { socket, transport } = ask(part(5), together(part(6), ackOf(0)));
    expect(numbers(socket.request(asked, TYPE, 0))).toEqual([5, 6]);
    expect(transport.left).toBe(0);
  });

  test('skips what answers another request, and what is no answer', () => {
    const stale = (): Uint8Array => encodeMessage(TYPE, 0, 77, body(1));
    const { socket } = ask(stale, () => ackOf(ENOENT)(77), (sequence) => encodeMessage(NLMSG_NOOP, 0, sequence), together(part(2), ackOf(0)));
    expect(numbers(socket.request(asked, TYPE, 0))).toEqual([2]);
  });

  test('numbers its requests', () => {
    const { socket, transport } = ask(ackOf(0), ackOf(0));
    socket.request(asked, TYPE, 0);
    socket.request(asked, TYPE, 0);
    expect(transport.sent.map((bytes) => bytes[8])).toEqual([1, 2]);
  });

  test('fails with the errno, and in the words of the kernel if it has some', () => {
    const error = failure(() => ask(ackOf(ENODEV)).socket.request(asked, TYPE, 0));
    expect([error.message, error.code, error.errno, error.device, error.said]).toEqual([
      'cannot frob eth9: no such device (ENODEV). There is no interface eth9 here any more; "ip link" lists what there is.', 'ENODEV', ENODEV, 'eth9', '',
    ]);
    const capped = ackOf(ENOENT, NLM_F_CAPPED | NLM_F_ACK_TLVS, textAttribute(1, 'Specified frob is unknown.'));
    expect(failure(() => ask(capped).socket.request(asked, TYPE, 0)).message).toBe('cannot frob eth9: Specified frob is unknown (ENOENT)');
    const whole = (sequence: number): Uint8Array => encodeMessage(2, NLM_F_ACK_TLVS, sequence, words(-EPERM), words(22, 0, sequence, 0), words(1, 2), textAttribute(1, 'No.'));
    expect(failure(() => ask(whole).socket.request(asked, TYPE, 0)).message).toBe('cannot frob eth9: No (EPERM). That needs CAP_NET_ADMIN: run it as root, with sudo for instance.');
  });

  test('gives its own advice', () => {
    const advised = { ...asked, advice: (errno: number, said: string) => (errno === ENOENT ? `Load it${said}` : null) };
    expect(failure(() => ask(ackOf(ENOENT)).socket.request(advised, TYPE, 0)).message).toBe('cannot frob eth9: no such file or directory (ENOENT). Load it');
  });

  test.each<[string, number, string]>([
    ['no answer', EAGAIN, 'cannot frob eth9: the kernel does not answer (EAGAIN)'],
    ['an answer that was lost', ENOBUFS, 'cannot frob eth9: the answer did not fit in the socket (ENOBUFS)'],
  ])('%s is an error', (_, errno, message) => expect(failure(() => ask(errno).socket.request(asked, TYPE, 0)).message).toBe(message));
});

describe('a dump', () => {
  test('comes in parts up to DONE', () => {
    expect(numbers(ask(together(part(1), part(2)), together(part(3), done())).socket.dump(asked, TYPE))).toEqual([1, 2, 3]);
    expect(numbers(ask(done()).socket.dump(asked, TYPE))).toEqual([]);
  });

  test.each<[string, readonly Answer[]]>([
    ['something changed meanwhile', [part(1, NLM_F_DUMP_INTR), together(part(2), done())]],
    ['the end says that something changed', [together(part(1), done(0, NLM_F_DUMP_INTR))]],
    ['something was lost', [part(1), ENOBUFS, together(part(2), done())]],
    ['something was lost, the end too', [part(1), ENOBUFS, EAGAIN]],
    ['a part was too long', [EMSGSIZE, done()]],
    ['the kernel says that something was lost', [together(part(1), (sequence) => encodeMessage(NLMSG_OVERRUN, 0, sequence)), done()]],
  ])('%s: it is read to its end and asked for again', (_, first) => {
    const { socket, transport } = ask(...first, together(part(8), part(9), done()));
    expect(numbers(socket.dump(asked, TYPE))).toEqual([8, 9]);
    expect([transport.sent.length, transport.left]).toEqual([2, 0]);
  });

  test('is given up when it changes all the time', () => {
    const { socket, transport } = ask(...Array.from({ length: 12 }, () => done(0, NLM_F_DUMP_INTR)));
    expect(failure(() => socket.dump(asked, TYPE)).message).toBe('cannot frob eth9: it changes all the time, or the answer does not fit in the socket (ENOBUFS)');
    expect(transport.sent).toHaveLength(10);
  });

  test('fails by an error in its place, or at its end', () => {
    expect(failure(() => ask(ackOf(EPERM)).socket.dump(asked, TYPE)).code).toBe('EPERM');
    expect(failure(() => ask(part(1), done(ENODEV)).socket.dump(asked, TYPE)).code).toBe('ENODEV');
    expect(failure(() => ask(done(ENOENT, NLM_F_ACK_TLVS, textAttribute(1, 'Not here'))).socket.dump(asked, TYPE)).said).toBe('Not here');
    expect(failure(() => ask().socket.dump(asked, TYPE)).code).toBe('EAGAIN');
  });
});

test('the transport is closed with it', () => {
  const { socket, transport } = ask();
  socket.close();
  expect(transport.closed).toBe(1);
});
