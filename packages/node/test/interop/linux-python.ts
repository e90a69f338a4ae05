/**
 * linux-python.ts — a Python interpreter in a network namespace: Linux's sockets, one statement at a time, for tests that are a dialogue.
 * Read first: Python's socket; tcp(7), ip(7) of Linux.
 *
 *     const py = new LinuxPython(ns);
 *     await py.run("s = create_connection(('10.77.0.2', 7))");
 *     expect(await py.run('s.recv(4)')).toBe('ping');
 *     expect(await py.fails("create_connection(('10.77.0.2', 8))")).toBe('ECONNREFUSED');
 *
 * Theory of operation. A statement is a line of JSON to its standard input, and the answer a line of JSON: the value of an expression (bytes as latin-1),
 * or the name of what went wrong. All of Python's `socket` is in scope, and the functions of PRELUDE. Calls are answered in their order. A socket waits 20 s at most.
 */
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Netns } from './netns.js';

const PRELUDE = `
import errno, hashlib, json, struct, sys, threading, time
from socket import *
setdefaulttimeout(20)

def server(port, family=AF_INET, backlog=16):
    s = socket(family)
    s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    s.bind(('', port))
    s.listen(backlog)
    return s

def exactly(s, n):
    parts = bytearray()
    while len(parts) < n:
        part = s.recv(n - len(parts))
        if not part: raise EOFError(len(parts))
        parts += part
    return bytes(parts)

def to_end(s):
    total, digest = 0, hashlib.sha256()
    while part := s.recv(262144):
        total += len(part)
        digest.update(part)
    return [total, digest.hexdigest()]

# Blocks that differ from one another, so that one in another's place shows.
def noise(total, seed=1):
    block, at = bytearray(hashlib.shake_128(b'%d' % seed).digest(1 << 20)), 0
    while at < total:
        block[:8] = struct.pack('>Q', at)
        n = min(len(block), total - at)
        yield memoryview(block)[:n]
        at += n

def send_noise(s, total, seed=1):
    digest = hashlib.sha256()
    for block in noise(total, seed):
        s.sendall(block)
        digest.update(block)
    return [total, digest.hexdigest()]

# struct tcp_info of linux/tcp.h.
def info(s):
    b = s.getsockopt(IPPROTO_TCP, TCP_INFO, 256)
    word = lambda at: struct.unpack_from('=I', b, at)[0]
    options = [name for bit, name in enumerate(['timestamps', 'sack', 'wscale', 'ecn', 'ecn_seen', 'syn_data']) if b[5] >> bit & 1]
    return {'state': b[0], 'options': options, 'snd_wscale': b[6] & 15, 'rcv_wscale': b[6] >> 4, 'snd_mss': word(16), 'pmtu': word(60),
            'retrans': word(100), 'delivered_ce': word(196), 'snd_wnd': word(228)}

# tcp_md5sig(2): the key shared with the peer at addr.
def md5sig(s, addr, key):
    six = ':' in addr
    sockaddr = struct.pack('=HHI16sI', AF_INET6, 0, 0, inet_pton(AF_INET6, addr), 0) if six else struct.pack('=HH4s', AF_INET, 0, inet_aton(addr))
    s.setsockopt(IPPROTO_TCP, 14, sockaddr.ljust(128, b'\\0') + struct.pack('=BBHi', 0, 0, len(key), 0) + key.ljust(80, b'\\0'))

def sysctl(name, value):
    with open('/proc/sys/' + name.replace('.', '/'), 'w') as f: f.write(str(value))

def netstat():
    rows = [line.split() for line in open('/proc/net/netstat')]
    return {k: int(v) for names, values in zip(rows[::2], rows[1::2]) for k, v in zip(names[1:], values[1:])}

for line in sys.stdin:
    text = json.loads(line)
    try:
        try: code = compile(text, 'test', 'eval')
        except SyntaxError: code = None
        answer = {'value': eval(code, globals())} if code else exec(text, globals()) or {}
    except OSError as e:
        answer = {'error': errno.errorcode.get(e.errno, type(e).__name__)}
    except Exception as e:
        answer = {'error': repr(e)}
    print(json.dumps(answer, default=lambda v: bytes(v).decode('latin-1') if isinstance(v, (bytes, bytearray)) else None), flush=True)
`;

interface Answer {
  readonly value?: unknown;
  readonly error?: string;
}

export class LinuxPython {
  private readonly child: ChildProcess;
  private readonly waiting: { readonly statement: string; readonly resolve: (a: Answer) => void; readonly reject: (e: Error) => void }[] = [];
  private errors = '';

  constructor(ns: Netns) {
    this.child = ns.converse('python3', '-c', PRELUDE);
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.waiting.shift()?.resolve(JSON.parse(line) as Answer));
    this.child.once('close', (status) => {
      for (const { statement, reject } of this.waiting.splice(0)) reject(new Error(`python3 ended (${status}) at: ${statement}\n${this.errors}`));
    });
  }

  private ask(statement: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ statement, resolve, reject });
      this.child.stdin!.write(`${JSON.stringify(statement)}\n`);
    });
  }

  /** Runs a statement; the value, if it is an expression. Rejects with what it raised. */
  async run<T = unknown>(statement: string): Promise<T> {
    const { value, error } = await this.ask(statement);
    if (error !== undefined) throw new Error(`${error}: ${statement}`);
    return value as T;
  }

  /** Runs a statement that must fail; the errno's name, or the exception. */
  async fails(statement: string): Promise<string> {
    const { value, error } = await this.ask(statement);
    if (error === undefined) throw new Error(`did not fail: ${statement} (${JSON.stringify(value)})`);
    return error;
  }

  /** Ends it, and with it every socket it has. */
  kill(): void {
    this.child.kill('SIGKILL');
  }
}

/** What Linux says of a connection: `info(s)`. */
export interface LinuxTcpInfo {
  /** TCP_ESTABLISHED 1 … of Linux's enumeration. */
  readonly state: number;
  readonly options: readonly string[];
  readonly snd_wscale: number;
  readonly rcv_wscale: number;
  readonly snd_mss: number;
  readonly pmtu: number;
  readonly retrans: number;
  readonly delivered_ce: number;
  readonly snd_wnd: number;
}
