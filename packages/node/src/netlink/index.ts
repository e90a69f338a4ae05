/**
 * index.ts — rtnetlink: what Linux's kernel is asked for, and told, about interfaces, their qdiscs and filters.
 * Read first: netlink-socket.ts; docs/adr/0040-rtnetlink.md.
 */
export { addLink, deleteLink, getLink, isLinkName, listLinks, setLink } from './link.js';
export type { Link, LinkChange, LinkRef } from './link.js';
export { EEXIST, isErrno, NetlinkError } from './netlink-error.js';
export type { Asked } from './netlink-error.js';
export { NetlinkSocket } from './netlink-socket.js';
export { KernelTransport } from './netlink-transport.js';
export type { NetlinkTransport } from './netlink-transport.js';
export { PLUG_LIMIT_MAX, plugOptions, TCQ_PLUG_BUFFER, TCQ_PLUG_LIMIT, TCQ_PLUG_RELEASE_INDEFINITE, TCQ_PLUG_RELEASE_ONE } from './plug-options.js';
export { addQdisc, changeQdisc, deleteQdisc, INGRESS_HANDLE, listQdiscs, replaceQdisc, TC_H_INGRESS, TC_H_ROOT } from './qdisc.js';
export type { Qdisc, QdiscSpec } from './qdisc.js';
export { addRedirect, deleteFilters, lacksClassifier, listFilters } from './redirect-filter.js';
export type { Classifier, Filter, FilterPlace } from './redirect-filter.js';
