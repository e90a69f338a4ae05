/**
 * not-built.ts — words of FreeBSD's ifconfig about what this kernel does not have: pfsync, 802.11, IPsec interfaces, MAC labels.
 * Read first: ifconfig(8).
 *
 * A word that nobody knows is taken for an address, and the complaint would be about that. These are known, and refused with their reason
 * before anything is changed by them. `rxtls` only warns, as it does on every interface without such capabilities.
 */
import { word } from './invocation.js';
import type { Command } from './invocation.js';

/** What is missing, how the kernel calls it, and its words. */
interface Absent {
  readonly what: string;
  readonly option: string;
  readonly words: string;
  /** Words that have a `-word` too. */
  readonly switches?: string;
}

const ABSENT: readonly Absent[] = [
  { what: 'state synchronisation is', option: 'pfsync', words: 'syncpeer -syncpeer maxupd version', switches: 'syncdev syncif defer' },
  { what: 'IPsec interfaces are', option: 'IPSEC', words: 'reqid' },
  { what: 'MAC labels are', option: 'MAC', words: 'maclabel' },
  {
    what: '802.11 parameters are',
    option: 'wlan',
    words: 'ssid nwid meshid stationname station channel authmode powersavemode powersavesleep wepmode deftxkey weptxkey wepkey rtsthreshold protmode txpower '
      + 'roaming chanlist bssid ap scan list cwmin cwmax aifs txoplimit bss:cwmin bss:cwmax bss:aifs bss:txoplimit dtimperiod bintval mac:open mac:allow mac:deny '
      + 'mac:radius mac:flush mac:detach mac:add mac:del mac:kick bgscanidle bgscanintvl scanvalid quiet_count quiet_period quiet_duration quiet_offset roam:rssi '
      + 'roam:rate mcastrate ucastrate mgtrate mgmtrate maxretry fragthreshold bmiss bmissthreshold ampdulimit ampdudensity amsdulimit regdomain country anywhere '
      + 'htprotmode smpsdyn chanswitch tdmaslot tdmaslotcnt tdmaslotlen tdmabintval meshttl meshmetric meshpath meshrt:flush meshrt:add meshrt:del hwmprootmode '
      + 'hwmpmaxhops',
    switches: 'powersave wep nwkey wme wmm hidessid apbridge acm ack pureg ff dturbo bgscan quiet burst shortgi ampdurx ampdutx ampdu amsdurx amsdutx amsdu stbcrx '
      + 'stbctx stbc ldpcrx ldpctx ldpc uapsd puren doth dfs htcompat dwds inact tsn indoor outdoor ecm dotd ht20 ht40 ht vht vht40 vht80 vht160 vht80p80 rifs smps '
      + 'meshforward meshgate meshpeering',
  },
];

function words({ words: plain, switches = '' }: Absent): string[] {
  const both = switches === '' ? [] : switches.split(' ');
  return [...plain.split(' '), ...both, ...both.map((name) => `-${name}`)];
}

export const NOT_BUILT_COMMANDS: readonly Command[] = [
  ...ABSENT.flatMap((absent) => words(absent).map((name) => word(name, (cx) => cx.errx(`${name}: ${absent.what} not available: this kernel is built without ${absent.option}`)))),
  ...['rxtls', '-rxtls'].map((name) => word(name, (cx) => cx.warnx('IFCAP_NV not supported'))),
];
