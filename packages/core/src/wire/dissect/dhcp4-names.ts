/**
 * dhcp4-names.ts — what tcpdump calls the options of DHCP for IPv4, and how each is printed.
 *
 * A letter says how: `a` text, `i` addresses, `l` and `L` numbers without and with a sign, `p` pairs of addresses, `s` short numbers, `B` yes or no, `b` bytes, `$` a form of its
 * own; a blank: the message's type.
 */

type Line = readonly [first: number, ...names: string[]];

const LINES: readonly Line[] = [
  [0, ' PAD', 'iSubnet-Mask', 'LTime-Zone', 'iDefault-Gateway', 'iTime-Server', 'iIEN-Name-Server', 'iDomain-Name-Server', 'iLOG', 'iCS', 'iLPR-Server', 'iIM', 'iRL', 'aHostname'],
  [13, 'sBS', 'aDP', 'aDomain-Name', 'iSS', 'aRP', 'aEP', 'BIPF', 'BSRT', 'pPF', 'sRSZ', 'bTTL', 'lMTU-Timeout', 'sMTU-Table', 'sMTU', 'BLSN', 'iBR', 'BMD', 'BMS'],
  [31, 'BRouter-Discovery', 'iRSA', 'pStatic-Route', 'BUT', 'lAT', 'BIE', 'bTT', 'lKI', 'BKG', 'aYD', 'iYS', 'iNTP', 'bVendor-Option', 'iNetbios-Name-Server', 'iWDD'],
  [46, '$Netbios-Node', 'aNetbios-Scope', 'iXFS', 'iXDM', 'iRequested-IP', 'lLease-Time', '$OO', ' DHCP-Message', 'iServer-ID', 'bParameter-Request', 'aMSG', 'sMSZ', 'lRN', 'lRB'],
  [60, 'aVendor-Class', '$Client-ID'],
  [64, 'sN+D', 'iN+S', 'aTFTP', 'aBF', 'iMH', 'iSMTP', 'iPOP3', 'iNNTP', 'iWWW', 'iFG', 'iIRC', 'iSTS', 'iSTDA', '$User-Class', 'bSLP-DA', 'bSLP-SCOPE', 'aSLP-NA', '$FQDN', '$Agent-Information', 'bARMT'],
  [88, 'aTZSTR', 'bFQDNS', 'bAUTH', 'LLast-Transaction-Time', 'iAssociated-IP', 'sARCH', 'bNDI', 'aLDAP'],
  [97, 'bGUID', 'aUAP'], [100, 'aPOSIX-TZ', 'aTZ-Name'], [112, 'iNI', 'aNITAG', 'aURL'], [116, 'BNOAUTO', 'sNSSEARCH', 'iSUBNET'], [121, '$Classless-Static-Route'],
  [150, 'iTFTP-Server-Address'], [161, 'aMUD-URL'], [249, '$Classless-Static-Route-Microsoft'], [255, ' END'],
];

/** By number: the letter and the name. */
export const DHCP4_OPTION_NAMES: ReadonlyMap<number, readonly [kind: string, name: string]> = new Map(
  LINES.flatMap(([first, ...names]) => names.map((name, i) => [first + i, [name.slice(0, 1), name.slice(1)] as const] as const)),
);
