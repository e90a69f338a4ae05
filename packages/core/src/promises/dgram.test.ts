/**
 * dgram.test.ts — UDP sockets of both families with promises.
 */
import { describe, expect, it } from 'vitest';
import { SimNet } from '../sim/sim-net.js';
import { dgram } from './dgram.js';

const net = new SimNet(3);
const v = net.vnet('a');
if (v.net.loif !== null) net.addr(v, v.net.loif, '127.0.0.1/8');

describe('udp6', () => {
  it('sends and receives, and says who sent', async () => {
    const server = dgram(v, { type: 'udp6', port: 7 });
    expect(server.address).toEqual({ address: '::', family: 'IPv6', port: 7 });
    const client = dgram(v, { address: '::1' });
    client.send('hello', 7, '::1');
    net.run(1_000);
    expect(await server.receive()).toEqual({ data: Uint8Array.from(Buffer.from('hello')), address: '::1', family: 'IPv6', port: client.address.port });
    server.send('back', client.address.port, '::1');
    net.run(1_000);
    expect((await client.receive())?.address).toBe('::1');
    server.close();
    client.close();
  });

  it('names zones as interfaces', async () => {
    const server = dgram(v, { address: 'fe80::1%lo0', port: 7 });
    expect(server.address.address).toBe('fe80::1%lo0');
    const client = dgram(v, { type: 'udp6' });
    client.connect(7, 'fe80::1%lo0');
    client.send('x');
    net.run(1_000);
    expect((await server.receive())?.address).toBe('fe80::1%lo0');
    server.close();
    client.close();
  });

  it('hears groups it joined', async () => {
    const member = dgram(v, { type: 'udp6', port: 7 });
    member.addMembership('ff02::99', 'lo0');
    const from = dgram(v, { type: 'udp6' });
    from.setMulticastInterface('::%lo0');
    from.setMulticastTTL(4);
    from.send('x', 7, 'ff02::99');
    net.run(1_000);
    expect((await member.receive())?.address).toBe('fe80::1%lo0');
    from.setMulticastLoopback(false);
    from.send('y', 7, 'ff02::99');
    net.run(1_000);
    expect(member.socket.nextLength).toBe(-1);
    member.dropMembership('ff02::99', 'lo0');
    expect(() => from.setMulticastInterface('em9')).toThrow("interface 'em9'");
    member.close();
    from.close();
  });

  it('is IPv6 only unless told otherwise', async () => {
    const both = dgram(v, { type: 'udp6', ipv6Only: false, port: 7 });
    const four = dgram(v);
    four.send('x', 7, '127.0.0.1');
    net.run(1_000);
    expect((await both.receive())?.address).toBe('::ffff:127.0.0.1');
    expect(() => dgram(v, { port: 7 })).toThrow(/EADDRINUSE|in use/);
    both.close();
    const only = dgram(v, { type: 'udp6', port: 7 });
    dgram(v, { port: 7 }).close();
    only.close();
    four.close();
  });

  it('refuses addresses of the other family, and zones there are not', () => {
    expect(() => dgram(v, { type: 'udp6', address: '127.0.0.1' })).toThrow("address '127.0.0.1'");
    expect(() => dgram(v, { type: 'udp4', address: '::1' })).toThrow("address '::1'");
    expect(() => dgram(v, { address: 'fe80::1%em9' })).toThrow("address 'fe80::1%em9'");
    expect(v.sockets.count).toBe(0);
  });
});
