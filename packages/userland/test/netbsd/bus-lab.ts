/**
 * bus-lab.ts — hosts on buses, as NetBSD's tests of its network have them: each host a jail with a vnet, each bus a bridge, made with the tools alone.
 * Read first: ../test-proc.ts; docs/netbsd-tests.md.
 *
 *     const lab = new BusLab();
 *     await lab.host('local', { em0: 'bus1' });
 *     await lab.on('local', 'ifconfig em0 10.0.0.2/24');
 *     expect(await lab.route('local', '10.0.0.0/24')).toBe('link#6 U em0');
 *
 * `hear` taps an interface with tcpdump, and answers with the lines that came since it was last asked. Time is virtual, so what NetBSD's
 * tests sleep for is `advance`.
 */
import { ToolLab } from '../test-proc.js';
import type { Ran, Running } from '../test-proc.js';

export class BusLab extends ToolLab {
  private readonly buses = new Map<string, string>();
  private readonly taps = new Map<string, { readonly dump: Running; seen: number }>();

  /** A jail with lo0 and `interfaces`, a name of an interface to the bus it is on. */
  async host(name: string, interfaces: Readonly<Record<string, string>>): Promise<void> {
    await this.ok(`jail -c name=${name} persist vnet`);
    await this.on(name, 'ifconfig lo0 127.0.0.1/8');
    for (const [ifname, bus] of Object.entries(interfaces)) await this.plug(name, ifname, bus);
  }

  /** Gives a host another interface. */
  async plug(host: string, ifname: string, bus: string): Promise<void> {
    let bridge = this.buses.get(bus);
    if (bridge === undefined) {
      bridge = await this.ok('ifconfig bridge create up');
      this.buses.set(bus, bridge);
    }
    const near = await this.ok('ifconfig epair create up');
    const far = near.replace(/a$/, 'b');
    await this.ok(`ifconfig ${bridge} addm ${near}`);
    await this.ok(`ifconfig ${far} vnet ${host}`);
    await this.on(host, `ifconfig ${far} name ${ifname} up`);
  }

  /** Runs a command on a host, which must succeed. */
  on(host: string, line: string): Promise<string> {
    return this.ok(line, { jail: host });
  }

  /** The same, whatever comes of it. */
  tryOn(host: string, line: string): Promise<Ran> {
    return this.sh(line, { jail: host });
  }

  /** Gateway, flags and interface of a line of `netstat -rn`, or null when there is no such line. */
  async route(host: string, destination: string): Promise<string | null> {
    const lines = (await this.on(host, 'netstat -rn')).split('\n').map((line) => line.split(/ +/));
    const [, gateway, flags, netif] = lines.find(([dst]) => dst === destination) ?? [];
    return gateway === undefined ? null : `${gateway} ${flags} ${netif}`;
  }

  /** `link#N` of an interface. */
  async link(host: string, ifname: string): Promise<string> {
    const names = (await this.on(host, 'ifconfig -l')).split(' ');
    if (!names.includes(ifname)) throw new Error(`${host} has no ${ifname}`);
    const index = this.kernel.prisons.find(this.kernel.prisons.prison0, host)?.vnet.net.ifunit(ifname)?.index;
    return `link#${index}`;
  }

  /** One ping: its exit code. */
  async ping(host: string, words: string): Promise<number> {
    return (await this.tryOn(host, `ping -n -c 1 -t 1 ${words}`)).exit;
  }

  /** What an interface carried since this was last asked; the first call begins to listen. */
  async hear(host: string, ifname: string): Promise<string> {
    const key = `${host} ${ifname}`;
    let tap = this.taps.get(key);
    if (tap === undefined) {
      tap = { dump: this.start(`tcpdump -n -l -i ${ifname}`, { jail: host }), seen: 0 };
      this.taps.set(key, tap);
    }
    await this.advance(1);
    const text = tap.dump.stdout.slice(tap.seen);
    tap.seen += text.length;
    return text;
  }

  /** The link address of an interface, as `route monitor` prints it: `em0:2.0.5e.0.53.1`. */
  async lladdr(host: string, ifname = 'em0'): Promise<string> {
    const ether = /ether (\S+)/.exec(await this.on(host, `ifconfig ${ifname}`))?.[1] ?? '';
    return `${ifname}:${ether.replace(/\b0([0-9a-f])/g, '$1').replaceAll(':', '.')}`;
  }

  /** The messages about neighbours that `route monitor` prints while `act` runs: type, flags, neighbour, link address. */
  async neighbourMessages(host: string, act: () => Promise<unknown>): Promise<string[]> {
    const monitor = this.start('route -n monitor', { jail: host });
    await this.advance(1);
    await act();
    await this.advance(1);
    monitor.proc.signal('INT');
    await monitor.done;
    const all = monitor.stdout.matchAll(/(RTM_[A-Z]+): .*?flags:(<[^>]*LLINFO[^>]*>)\n.*\nsockaddrs: <DST,GATEWAY>\n (\S+) (\S+)/g);
    return [...all].map(([, type, flags, dst, gateway]) => `${type!} ${flags!} ${dst!} ${gateway!}`);
  }

  /** Ends what listens, and the hosts; what is left over fails. */
  async end(): Promise<void> {
    for (const { dump } of this.taps.values()) {
      dump.proc.signal('INT');
      await dump.done;
    }
    for (const name of (await this.ok('jls name')).split('\n')) await this.ok(`jail -r ${name}`);
    for (const name of (await this.ok('ifconfig -l')).split(' ')) if (/^(epair[0-9]+a|bridge)/.test(name)) await this.ok(`ifconfig ${name} destroy`);
  }
}
