/**
 * console-upgrade.ts — a machine's console over HTTP: GET /v1/vms/NAME/console, upgraded to netloom-console: bytes both ways until either side ends.
 * Read first: vm-console.ts; daemon/upgrades.ts.
 *
 * What the machine said last comes first, unless `?history=no`.
 */
import type { UpgradeProtocol } from '../daemon/upgrades.js';
import type { Vms } from './vms.js';

export const CONSOLE_UPGRADE = 'netloom-console';

export function consoleUpgrade(vms: Vms): UpgradeProtocol {
  return {
    name: CONSOLE_UPGRADE,
    where: 'GET /v1/vms/NAME/console',
    serve: ({ method, url = '' }) => {
      const [, encoded, query = ''] = /^\/v1\/vms\/([^/?]+)\/console(?:\?(.*))?$/.exec(url) ?? [];
      if (method !== 'GET' || encoded === undefined) return null;
      const name = nameIn(encoded);
      const vm = vms.find(name);
      if (vm === null) return `404 no virtual machine is called "${name}" ("netloom vm ls" lists them)`;
      const { console } = vm;
      if (console === null) return `409 "${name}" is ${vm.state} and has no console`;
      return (socket, head) => {
        if (head.length > 0) console.type(head);
        console.join(socket, !/(^|&)history=no($|&)/.test(query));
      };
    },
  };
}

/** A name is ASCII; what cannot be one is shown as it came, without what would end a line. */
function nameIn(encoded: string): string {
  return encoded.replace(/[^A-Za-z0-9._%-]/g, '?');
}
