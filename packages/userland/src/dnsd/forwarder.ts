/**
 * forwarder.ts — class Forwarder: questions that others must answer, sent on to them.
 * Read first: RFC 5625 (what a forwarder may and may not do); socket/dns-exchange.ts of the core.
 *
 * Theory of operation. A question that is under way already is not sent again: whoever asks it waits for the same answer. Servers are asked in turn, beginning with the one that answered last;
 * one that cannot or will not answer is passed over, and what it said is the answer when nobody says anything better. A server is an address, reached through the vnet's own stack, or the
 * machine's own servers, reached by the host. An answer that did not fit into a datagram is fetched over TCP.
 *
 * Invariants: at most QUESTIONS_MAX questions are under way, more are answered with SERVFAIL; each ends after ROUNDS tries of every server.
 *
 * @rfc 5625 3 yes
 * @rfc 5625 4.4 yes
 */
import { DnsExchange } from '@netloom/core';
import type { SockAddr, SocketHolder, Vnet } from '@netloom/core';
import { DNS_CD, DNS_EDNS_DO, DNS_NOERROR, DNS_NXDOMAIN, DNS_PORT, DNS_RD, dnsEmit, dnsNameKey, dnsParse, dnsRcode } from '@netloom/core/wire';
import type { DnsMessage, DnsQuestion } from '@netloom/core/wire';
import type { Proc } from '../proc.js';

const QUESTIONS_MAX = 512;
const WAITERS_MAX = 64;
const TRY_US = 2_000_000;
const ROUNDS = 2;
/** What fits on every link without fragments. */
const UDP_SIZE = 1_232;
const FD_NONE = -1;

/** An address with a port, or the machine's own servers. */
export type Upstream = { readonly kind: 'server'; readonly addr: SockAddr; readonly port: number } | { readonly kind: 'host' };

/** Null: nobody could say. */
export type ForwardDone = (message: DnsMessage | null) => void;

export interface ForwarderStats {
  sent: number;
  answered: number;
  failed: number;
  refused: number;
}

interface Question {
  readonly q: DnsQuestion;
  readonly bits: number;
  readonly done: ForwardDone[];
  tries: number;
  poor: DnsMessage | null;
  exchange: DnsExchange | null;
}

export class Forwarder {
  readonly stats: ForwarderStats = { sent: 0, answered: 0, failed: 0, refused: 0 };
  private readonly p: Proc;
  private readonly vnet: Vnet;
  private readonly upstreams: readonly Upstream[];
  private readonly underWay = new Map<string, Question>();
  /** Where the last good answer came from. */
  private first = 0;

  /** @param vnet whose stack the questions leave by */
  constructor(p: Proc, vnet: Vnet, upstreams: readonly Upstream[]) {
    this.p = p;
    this.vnet = vnet;
    this.upstreams = upstreams;
    p.atExit(() => this.close());
  }

  get pending(): number {
    return this.underWay.size;
  }

  /** Asks; `done` is called later. @param bits DNS_CD of the query's flags, DNS_EDNS_DO of its EDNS */
  ask(q: DnsQuestion, bits: number, done: ForwardDone): void {
    const key = `${q.type} ${q.cls} ${bits} ${dnsNameKey(q.name)}`;
    const same = this.underWay.get(key);
    if (same !== undefined && same.done.length < WAITERS_MAX) {
      same.done.push(done);
      return;
    }
    if (same !== undefined || this.underWay.size >= QUESTIONS_MAX || this.upstreams.length === 0) {
      this.stats.refused++;
      done(null);
      return;
    }
    const question: Question = { q, bits, done: [done], tries: 0, poor: null, exchange: null };
    this.underWay.set(key, question);
    this.next(key, question);
  }

  close(): void {
    for (const question of this.underWay.values()) question.exchange?.cancel();
    this.underWay.clear();
  }

  private next(key: string, question: Question): void {
    const at = (this.first + question.tries) % this.upstreams.length;
    const upstream = this.upstreams[at];
    if (upstream === undefined || question.tries >= ROUNDS * this.upstreams.length) return this.end(key, question, question.poor);
    question.tries++;
    this.stats.sent++;
    const heard = (message: DnsMessage | null): void => {
      if (this.underWay.get(key) !== question) return;
      if (message === null) return this.next(key, question);
      const rcode = dnsRcode(message);
      if (rcode !== DNS_NOERROR && rcode !== DNS_NXDOMAIN) {
        question.poor = message;
        return this.next(key, question);
      }
      this.first = at;
      this.end(key, question, message);
    };
    if (upstream.kind === 'host') this.askHost(question, heard);
    else this.askServer(question, upstream, heard);
  }

  private query({ q, bits }: Question, id: number): DnsMessage {
    const edns = { udpSize: UDP_SIZE, rcodeHi: 0, version: 0, flags: bits & DNS_EDNS_DO, options: new Uint8Array(0) };
    return { id, flags: DNS_RD | (bits & DNS_CD), questions: [q], answers: [], authority: [], additional: [], edns };
  }

  private askServer(question: Question, { addr, port }: Upstream & { kind: 'server' }, heard: ForwardDone): void {
    const { p } = this;
    const { resolver } = this.vnet;
    const holder: SocketHolder = { pid: p.pid, command: 'dnsd', prison: p.prison, fd: FD_NONE };
    const options = { server: addr, port, query: this.query(question, resolver.queryId()), timeoutUs: TRY_US, fib: p.fib, holder };
    const { tries } = question;
    const exchange = new DnsExchange(resolver.layer, options, (_error, message) => heard(message));
    // One that failed at once has been followed by another by now.
    if (question.tries === tries) question.exchange = exchange;
  }

  /** The host has time-outs of its own. */
  private askHost(question: Question, heard: ForwardDone): void {
    const { host } = this.p;
    const query = this.query(question, this.vnet.resolver.queryId());
    const bytes = dnsEmit(query);
    if (host === null || bytes === null) return heard(null);
    question.exchange = null;
    host.dnsQuery(bytes).then((answer) => {
      const message = dnsParse(answer);
      heard(message !== null && message.id === query.id ? message : null);
      this.p.wake();
    }, () => {
      heard(null);
      this.p.wake();
    });
  }

  private end(key: string, question: Question, message: DnsMessage | null): void {
    this.underWay.delete(key);
    if (message === null) this.stats.failed++;
    else this.stats.answered++;
    for (const done of question.done) done(message);
  }
}

/** The port that servers have unless somebody says otherwise. */
export const UPSTREAM_PORT = DNS_PORT;
