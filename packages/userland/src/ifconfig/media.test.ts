/**
 * media.test.ts — `media:` and `status:` of every kind, and what the media words are answered.
 */
import { tapOf } from '@netloom/core';
import { describe, expect, it } from 'vitest';
import { golden } from '../../test/golden.js';
import { ToolLab } from '../../test/test-proc.js';
import { mediaArguments, mediaOption, mediaSubtype, mediaText } from './media-words.js';

/** The lines of a listing about media. */
async function mediaLines(lab: ToolLab, ifname: string): Promise<string[]> {
  return (await lab.ok(`ifconfig -m ${ifname}`)).split('\n').slice(1).filter((line) => /^\t(media|status|supported media|Opened)|^\t\t/.test(line));
}

describe('media lines', () => {
  it('are those of the kind', async () => {
    const lab = new ToolLab();
    for (const name of ['epair', 'tap', 'tun', 'gif', 'bridge', 'vlan']) await lab.ok(`ifconfig ${name} create`);
    const epair = ['\tmedia: Ethernet 10Gbase-T (10Gbase-T <full-duplex>)', '\tstatus: active', '\tsupported media:', '\t\tmedia 10Gbase-T'];
    expect(await mediaLines(lab, 'epair0a')).toEqual(epair);
    for (const name of ['lo0', 'tun0', 'gif0', 'bridge0', 'vlan0']) expect(await mediaLines(lab, name), name).toEqual([]);
    await lab.ok('ifconfig vlan0 vlan 5 vlandev epair0a');
    expect(await mediaLines(lab, 'vlan0')).toEqual(epair);
    await lab.ok('ifconfig vlan1 create vlan 5 vlandev tap0');
    expect(await mediaLines(lab, 'vlan1')).toEqual(['\tmedia: Ethernet 1000baseT <full-duplex>', '\tstatus: no carrier', '\tsupported media:', '\t\tmedia 1000baseT mediaopt full-duplex']);
  });

  it('tell who has a tap open', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig tap create');
    const closed = ['\tmedia: Ethernet 1000baseT <full-duplex>', '\tstatus: no carrier', '\tsupported media:', '\t\tmedia autoselect'];
    expect(await mediaLines(lab, 'tap0')).toEqual(closed);
    const tap = tapOf(lab.kernel.vnet0.net.ifunit('tap0')!)!;
    lab.kernel.call(lab.kernel.now, () => tap.attach({ pid: 4711, offload: { csum: false, gso: false }, output: () => false }));
    expect(await mediaLines(lab, 'tap0')).toEqual([closed[0], '\tstatus: active', closed[2], closed[3], '\tOpened by PID 4711']);
    lab.kernel.call(lab.kernel.now, () => tap.attach(null));
    expect(await mediaLines(lab, 'tap0')).toEqual(closed);
  });
});

describe('--json', () => {
  it('has the same, and with -m what is supported', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    const [plain] = JSON.parse(await lab.ok('ifconfig --json epair0a')) as object[];
    expect(plain).toMatchObject({ media: 'Ethernet 10Gbase-T (10Gbase-T <full-duplex>)', status: 'active' });
    expect(plain).not.toHaveProperty('capabilities');
    const [lo, a] = JSON.parse(await lab.ok('ifconfig -m --json')) as object[];
    expect(a).toMatchObject({ name: 'epair0a', capabilities: ['VLAN_MTU'], 'supported media': ['media 10Gbase-T'] });
    expect(lo).toMatchObject({ name: 'lo0', capabilities: ['RXCSUM', 'TXCSUM', 'LINKSTATE', 'RXCSUM_IPV6', 'TXCSUM_IPV6'] });
    expect(lo).not.toHaveProperty('supported media');
  });
});

describe('media words', () => {
  it('are one request at the end of the line', async () => {
    await golden(`
$ ifconfig epair create
epair0a
$ ifconfig epair0a media 10gbase-t
$ ifconfig epair0a media 10Gbase-T mediaopt full-duplex -mediaopt fdx
$ ifconfig epair0a instance 0 up
$ ifconfig epair0a media autoselect
! ifconfig: SIOCSIFMEDIA (media): Device not configured
[1]
$ ifconfig epair0a mediaopt full-duplex
! ifconfig: SIOCSIFMEDIA (media): Device not configured
[1]
$ ifconfig epair0a instance 1
! ifconfig: SIOCSIFMEDIA (media): Device not configured
[1]
$ ifconfig epair0a mode 11a
! ifconfig: SIOCSIFMEDIA (media): Device not configured
[1]
$ ifconfig epair0a media 100baseTX down
! ifconfig: SIOCSIFMEDIA (media): Device not configured
[1]
$ ifconfig -l -d
epair0a epair0b
$ ifconfig epair0a media nosuch
! ifconfig: unknown media subtype: nosuch
[1]
$ ifconfig epair0a mediaopt full-duplex,nosuch
! ifconfig: unknown option: nosuch
[1]
$ ifconfig epair0a instance 16
! ifconfig: invalid media instance: 16
[1]
$ ifconfig tap create
tap0
$ ifconfig tap0 media 1000baseT mediaopt full-duplex
! ifconfig: SIOCSIFMEDIA (media): Invalid argument
[1]
$ ifconfig vlan create vlan 5 vlandev epair0a
vlan0
$ ifconfig vlan0 media 10Gbase-T
! ifconfig: SIOCSIFMEDIA (media): Invalid argument
[1]
$ ifconfig lo0 media autoselect
! ifconfig: lo0: ifconfig_media_get_mediareq: Invalid argument
[1]
$ ifconfig lo0 mediaopt nosuch
! ifconfig: lo0: ifconfig_media_get_mediareq: Invalid argument
[1]
`);
  });

  it('have names for every subtype, which read back', () => {
    for (let n = 0; n <= 119; n++) {
      const bits = (n & 0x1f) | ((n & 0x1e0) << 6);
      const name = mediaText(0x20 | bits, false);
      expect(mediaSubtype(name.toUpperCase()), name).toBe(bits);
      expect(mediaArguments(0x20 | bits)).toBe(`media ${name}`);
    }
    expect([mediaSubtype('1000baseT-FDX-flow-master'), mediaSubtype('auto'), mediaSubtype('')]).toEqual([0x10 | 0x500100, 0, null]);
    expect(mediaText((0x20 | 0x10 | 0x700100 | (3 << 28)) >>> 0, true)).toBe('Ethernet 1000baseT <full-duplex,half-duplex,flowcontrol,master> instance 3');
    expect([mediaText(0x80, true), mediaText(0x20 | 0x7800, true), mediaOption('LOOP')]).toEqual(['<unknown type>', 'Ethernet<unknown subtype>', 0x8000000]);
  });
});
