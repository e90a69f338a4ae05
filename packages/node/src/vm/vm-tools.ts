/**
 * vm-tools.ts — the names of bhyve's tools, which the daemon has itself: they start processes of the host, which no tool of userland can.
 *
 * A file of its own, because `netloom tools install` must not load a daemon.
 */

/** What each does, as `netloom tools list` says it. */
export const VM_TOOLS = {
  bhyve: 'run a virtual machine, with bhyve\'s command line',
  bhyvectl: 'destroy, reset and power off virtual machines',
  'vmrun.sh': 'run a virtual machine as FreeBSD\'s example script does',
} as const satisfies Readonly<Record<string, string>>;
