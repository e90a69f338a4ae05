#!/usr/bin/env node
/**
 * launcher.cjs — a Netloom tool under its own name: hands one call to the daemon and is its terminal.
 *
 * Read first: docs/exec-protocol.md.
 *
 * `netloom tools install` copies this file once per tool where there is no Perl (launcher.pl starts thirty times faster), with the path of
 * Node and the tool's name filled in; the netloom command loads it for `exec` and `capture`. One file, CommonJS, nothing loaded but
 * node:net and what Node has loaded anyway, because its start is what a tool call costs.
 *
 * Theory of operation. Frames from the daemon are written in order; standard input is read when the daemon asks for a block; signals are
 * forwarded. While a host program runs (`jexec J sh`), the terminal's signals are its own business, as in system(3).
 *
 * Not here: telling the daemon which signals the caller's shell had ignored. Node resets them before any of this runs.
 */
'use strict';
const net = require('node:net');
const fs = require('node:fs');

const TOOL = '@TOOL@';
const [START, STDIN, STDIN_EOF, SIGNAL, WINDOW, SPAWNED] = [1, 2, 3, 4, 5, 6];
const [STDOUT, STDERR, EXIT, SPAWN, KILL, WANT_STDIN, RAW] = [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17];
const BLOCK = 65536;
const EXIT_EPIPE = 141;
const HEAD = 'POST /v1/exec HTTP/1.1\r\nHost: netloom\r\nConnection: Upgrade\r\nUpgrade: netloom-exec\r\n\r\n';
const ENV = /^(NETLOOM_|LC_|IFCONFIG_FORMAT$|LANG$|TZ$|HOME$|TERM$|COLUMNS$|NO_COLOR$)/;
/** strerror(3) of what connecting can fail with. */
const WHY = { ENOENT: 'No such file or directory', ECONNREFUSED: 'Connection refused', EACCES: 'Permission denied', EPERM: 'Operation not permitted', ENAMETOOLONG: 'File name too long', EINVAL: 'File name too long', ENOTSOCK: 'Socket operation on non-socket', ENOTDIR: 'Not a directory' };
const SIGNALS = ['INT', 'QUIT', 'TERM', 'HUP', 'TSTP', 'USR1', 'WINCH'];

function frame(type, payload) {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(5);
  head[0] = type;
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

function socketPath(env) {
  if (env.NETLOOM_SOCKET) return { path: env.NETLOOM_SOCKET, isDefault: false };
  return { path: `${env.XDG_RUNTIME_DIR || `/tmp/netloom-${process.getuid()}`}/netloom.sock`, isDefault: true };
}

function windowSize() {
  const { isatty, WriteStream } = require('node:tty');
  if (!isatty(1)) return [0, 0];
  return process.stdout instanceof WriteStream ? process.stdout.getWindowSize() : [0, 0];
}

/** One call of a tool: its connection, its output, its children. */
class Call {
  constructor(tool, argv, env, done, stdout) {
    this.stdout = stdout;
    this.tool = tool;
    this.argv = argv;
    this.env = env;
    this.done = done;
    this.input = Buffer.alloc(0);
    this.upgraded = false;
    this.writing = false;
    this.pendingWrites = [];
    this.children = new Map();
    this.interrupted = false;
    this.ending = null;
    this.cooked = null;
    this.terminal = null;
    this.handlers = [];
  }

  start() {
    const { path, isDefault } = socketPath(this.env);
    this.path = path;
    if (isDefault) {
      const owner = fs.lstatSync(path, { throwIfNoEntry: false })?.uid;
      if (owner !== undefined && owner !== process.getuid() && owner !== 0) return this.unreachable(`the socket belongs to user ${owner}`);
    }
    if (Buffer.byteLength(path) > (process.platform === 'linux' ? 107 : 103)) return this.unreachable(WHY.ENAMETOOLONG);
    this.env.NETLOOM_SOCKET = path;
    for (const name of SIGNALS) this.on(`SIG${name}`, () => this.signal(name));
    const env = Object.fromEntries(Object.entries(this.env).filter(([key]) => ENV.test(key)));
    const { isatty } = require('node:tty');
    const tty = isatty(this.stdout);
    const call = { argv: this.argv, cwd: process.cwd(), env, tty, stdinTty: isatty(0), columns: tty ? windowSize()[0] : 0 };
    this.socket = net.connect(path);
    this.socket.on('error', (error) => (this.upgraded ? this.lost() : this.unreachable(WHY[error.code] ?? error.code ?? error.message)));
    this.socket.on('data', (chunk) => this.data(chunk));
    this.socket.on('close', () => this.lost());
    this.socket.write(Buffer.concat([Buffer.from(HEAD), frame(START, JSON.stringify(call))]));
  }

  on(event, handler) {
    process.on(event, handler);
    this.handlers.push([event, handler]);
  }

  say(text) {
    this.write(2, `${this.tool}: ${text}\n`);
  }

  unreachable(why) {
    this.say(`cannot reach the Netloom daemon at ${this.path}: ${why}`);
    this.write(2, 'Start it with "netloom daemon" or "netloom up LAB.yaml", or let NETLOOM_SOCKET name its socket.\n');
    this.end({ code: 1, signal: '', unreachable: true });
  }

  lost() {
    if (this.ending !== null) return;
    this.say('the Netloom daemon closed the connection');
    for (const child of this.children.values()) this.killTree(child.pid, 'TERM');
    this.end({ code: 1, signal: '' });
  }

  send(type, payload) {
    if (this.ending === null && this.socket.writable) this.socket.write(frame(type, payload));
  }

  data(chunk) {
    this.input = this.input.length === 0 ? chunk : Buffer.concat([this.input, chunk]);
    if (!this.upgraded && !this.acceptUpgrade()) return;
    while (this.ending === null && this.input.length >= 5) {
      const length = this.input.readUInt32BE(1);
      if (this.input.length < 5 + length) break;
      const type = this.input[0];
      const payload = this.input.subarray(5, 5 + length);
      this.input = this.input.subarray(5 + length);
      this.serve(type, payload);
    }
  }

  acceptUpgrade() {
    const end = this.input.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const head = this.input.toString('latin1', 0, end);
    this.input = this.input.subarray(end + 4);
    this.upgraded = head.startsWith('HTTP/1.1 101 ');
    if (this.upgraded) return true;
    this.say(`the Netloom daemon refused the call: ${/^HTTP\/\S+ ([^\r\n]*)/.exec(head)?.[1] ?? 'not an HTTP answer'}; is it of this version?`);
    this.end({ code: 1, signal: '' });
    return false;
  }

  serve(type, payload) {
    if (type === STDOUT) this.write(this.stdout, payload);
    else if (type === STDERR) this.write(2, payload);
    else if (type === EXIT) this.end({ code: payload[0], signal: payload.toString('latin1', 1) });
    else if (type === SPAWN) this.spawn(payload);
    else if (type === WANT_STDIN) this.readInput();
    else if (type === RAW) this.rawInput(payload[0]);
    else if (type === KILL) {
      const child = this.children.get(payload.readUInt32BE(0));
      if (child !== undefined) this.killTree(child.pid, payload.toString('latin1', 4));
    }
  }

  /** Writes in order without blocking the signals; while a write is under way the daemon is not read. */
  write(fd, data) {
    this.pendingWrites.push([fd, Buffer.from(data)]);
    if (!this.writing) this.nextWrite();
  }

  nextWrite() {
    const next = this.pendingWrites.shift();
    this.writing = next !== undefined;
    if (next === undefined) {
      if (this.ending !== null) return this.finish();
      this.socket?.resume();
      return;
    }
    this.socket?.pause();
    const [fd, data] = next;
    fs.write(fd, data, (error, n) => {
      if (error?.code === 'EAGAIN') return setTimeout(() => this.rewrite(next), 5);
      if (error !== null) {
        this.ending = { code: error.code === 'EPIPE' ? EXIT_EPIPE : 1, signal: '' };
        this.pendingWrites = [];
        return this.nextWrite();
      }
      if (n < data.length) return this.rewrite([fd, data.subarray(n)]);
      this.nextWrite();
    });
  }

  rewrite(rest) {
    this.pendingWrites.unshift(rest);
    this.nextWrite();
  }

  readInput() {
    if (require('node:tty').isatty(0)) return this.readTerminal();
    const block = Buffer.allocUnsafe(BLOCK);
    fs.read(0, block, 0, BLOCK, null, (error, n) => {
      if (error?.code === 'EAGAIN') return setTimeout(() => this.readInput(), 20);
      if (error !== null || n === 0) this.send(STDIN_EOF, '');
      else this.send(STDIN, block.subarray(0, n));
    });
  }

  /** A terminal is read as a stream: a read under way in one of Node's threads would hold the process at its end until a key is pressed. */
  readTerminal() {
    this.terminal ??= new (require('node:tty').ReadStream)(0);
    const { terminal } = this;
    const got = (block) => {
      terminal.removeListener('data', got).removeListener('end', got).removeListener('error', got).pause();
      if (Buffer.isBuffer(block)) this.send(STDIN, block);
      else this.send(STDIN_EOF, '');
    };
    terminal.on('data', got).on('end', got).on('error', got).resume();
  }

  /** Every key as it is pressed, and not shown; signals of the terminal stay unless `on` is 2. What it was before is put back at the end. */
  rawInput(on) {
    const stty = (...words) => String(require('node:child_process').spawnSync('stty', words, { stdio: ['inherit', 'pipe', 'ignore'] }).stdout ?? '').trim();
    if (on) {
      this.cooked ??= stty('-g');
      stty(...(on === 2 ? ['raw', '-echo'] : ['-icanon', '-echo', 'min', '1', 'time', '0']));
    } else if (this.cooked) {
      stty(this.cooked);
      this.cooked = null;
    }
  }

  spawn(payload) {
    const id = payload.readUInt32BE(0);
    const argc = payload.readUInt32BE(4);
    const strings = payload.toString('utf8', 8).split('\0').slice(0, -1);
    const argv = strings.slice(0, argc);
    const changes = Object.fromEntries(strings.slice(argc).map((s) => [s.slice(0, s.indexOf('=')), s.slice(s.indexOf('=') + 1)]));
    const report = (code, why) => {
      const head = Buffer.alloc(8);
      head.writeUInt32BE(id, 0);
      head.writeUInt32BE(code, 4);
      this.children.delete(id);
      this.send(SPAWNED, Buffer.concat([head, Buffer.from(why)]));
    };
    let child;
    try {
      child = require('node:child_process').spawn(argv[0], argv.slice(1), { stdio: 'inherit', env: { ...this.env, ...changes } });
    } catch (error) {
      return report(0, error.code ?? 'EIO');
    }
    this.children.set(id, child);
    child.on('error', (error) => report(0, error.code ?? 'EIO'));
    child.on('exit', (code, signal) => report(code ?? 128 + (require('node:os').constants.signals[signal] ?? 0), ''));
  }

  /** Signals a process and everything below it. */
  killTree(root, name) {
    const { spawnSync } = require('node:child_process');
    const rows = String(spawnSync('ps', ['-A', '-o', 'pid=', '-o', 'ppid=']).stdout ?? '');
    const pairs = [...rows.matchAll(/(\d+)\s+(\d+)/g)].map((m) => [Number(m[1]), Number(m[2])]);
    const all = [root];
    for (let i = 0; i < all.length; i++) all.push(...pairs.filter(([, parent]) => parent === all[i]).map(([pid]) => pid));
    // Parents first: a shell must not go on with its next command.
    for (const pid of all) {
      try {
        process.kill(pid, `SIG${name}`);
      } catch {
        // it has ended by itself
      }
    }
  }

  signal(name) {
    if (name === 'WINCH') {
      const size = Buffer.alloc(4);
      windowSize().forEach((n, i) => size.writeUInt16BE(n, i * 2));
      this.send(WINDOW, size);
    } else if (name === 'TSTP') {
      if (this.children.size === 0) this.send(SIGNAL, 'TSTP');
      setImmediate(() => {
        process.kill(process.pid, 'SIGSTOP');
        if (this.children.size === 0) setImmediate(() => this.send(SIGNAL, 'CONT'));
      });
    } else if (this.children.size > 0) {
      if (name !== 'INT' && name !== 'QUIT') for (const child of this.children.values()) child.kill(`SIG${name}`);
    } else if (name === 'USR1') {
      this.send(SIGNAL, 'INFO');
    } else if (name === 'INT' && this.interrupted) {
      this.ending = { code: 130, signal: 'INT' };
      this.finish();
    } else {
      if (name === 'INT') this.interrupted = true;
      this.send(SIGNAL, name);
    }
  }

  end(result) {
    if (this.ending !== null) return;
    this.ending = result;
    if (!this.writing) this.nextWrite();
  }

  finish() {
    for (const [event, handler] of this.handlers) process.removeListener(event, handler);
    this.handlers = [];
    this.rawInput(0);
    this.terminal?.destroy();
    this.socket?.destroy();
    const { done, ending } = this;
    this.done = () => {};
    done(ending);
  }
}

/**
 * Calls a tool. `env` is the whole environment of the call; `done` is told { code, signal, unreachable? } when it is over and
 * everything has been written; `stdout` is the descriptor its standard output goes to; `name` is who complains about the connection.
 */
function call(argv, env, done, stdout, name) {
  new Call(name, argv, { ...env }, done, stdout).start();
}

/** Ends this process the way the tool ended. */
function exitLike({ code, signal }) {
  if (/^(INT|TERM|HUP|KILL|ALRM)$/.test(signal)) process.kill(process.pid, `SIG${signal}`);
  if (signal !== '') setTimeout(() => process.exit(code), 100);
  else process.exit(code);
}

if (require.main === module) {
  process.title = TOOL;
  call([TOOL, ...process.argv.slice(2)], process.env, exitLike, 1, TOOL);
} else {
  module.exports = { call, exitLike };
}
