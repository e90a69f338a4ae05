/**
 * virtio-net.ts — numbers of the virtio network device: feature bits, ring flags, the header before every frame.
 * Read first: virtio 1.2 §2.7 (split virtqueues), §5.1 (network device), §6 (reserved feature bits).
 */
import { VIRTIO_NET_HDR_LEN } from '@netloom/core/wire';

/** The queue whose buffers receive frames (receiveq1), and the one that carries the guest's (transmitq1). */
export const RECEIVEQ = 0;
export const TRANSMITQ = 1;
export const QUEUES = 2;

export const VIRTIO_NET_F_CSUM = 1n << 0n;
export const VIRTIO_NET_F_GUEST_CSUM = 1n << 1n;
export const VIRTIO_NET_F_MTU = 1n << 3n;
export const VIRTIO_NET_F_GUEST_TSO4 = 1n << 7n;
export const VIRTIO_NET_F_GUEST_TSO6 = 1n << 8n;
export const VIRTIO_NET_F_HOST_TSO4 = 1n << 11n;
export const VIRTIO_NET_F_HOST_TSO6 = 1n << 12n;
export const VIRTIO_NET_F_MRG_RXBUF = 1n << 15n;
/** The driver takes any split of header and frame into descriptors; only drivers older than VERSION_1 need to ask. */
export const VIRTIO_F_ANY_LAYOUT = 1n << 27n;
export const VIRTIO_F_INDIRECT_DESC = 1n << 28n;
export const VIRTIO_F_EVENT_IDX = 1n << 29n;
export const VIRTIO_F_VERSION_1 = 1n << 32n;
export const VIRTIO_NET_F_GUEST_USO4 = 1n << 54n;
export const VIRTIO_NET_F_GUEST_USO6 = 1n << 55n;
export const VIRTIO_NET_F_HOST_USO = 1n << 56n;

export const VRING_DESC_SIZE = 16;
export const VRING_DESC_F_NEXT = 1;
/** The device writes this buffer; without it, it reads it. */
export const VRING_DESC_F_WRITE = 2;
/** The buffer holds a table of descriptors. */
export const VRING_DESC_F_INDIRECT = 4;
export const VRING_AVAIL_F_NO_INTERRUPT = 1;
export const VRING_USED_F_NO_NOTIFY = 1;
export const VRING_NUM_MAX = 32_768;

/** Bytes of a ring's three parts, with the event indexes at their ends. */
export const vringDescBytes = (num: number): number => VRING_DESC_SIZE * num;
export const vringAvailBytes = (num: number): number => 6 + 2 * num;
export const vringUsedBytes = (num: number): number => 6 + 8 * num;

/** struct virtio_net_hdr with and without `num_buffers`; its first ten bytes are those of tap/vnet-hdr.ts. */
export const VIRTIO_NET_HDR_MRG_SIZE = VIRTIO_NET_HDR_LEN + 2;
export const VIRTIO_NET_HDR_LEGACY_SIZE = VIRTIO_NET_HDR_LEN;
