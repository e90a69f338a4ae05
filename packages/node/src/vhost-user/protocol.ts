/**
 * protocol.ts — vhost-user's messages: numbers, layouts, and what a payload says.
 * Read first: QEMU docs/interop/vhost-user.rst, "Message Specification".
 *
 * Not here: what a message does (session.ts).
 */

export const GET_FEATURES = 1;
export const SET_FEATURES = 2;
export const SET_OWNER = 3;
export const RESET_OWNER = 4;
export const SET_MEM_TABLE = 5;
export const SET_VRING_NUM = 8;
export const SET_VRING_ADDR = 9;
export const SET_VRING_BASE = 10;
export const GET_VRING_BASE = 11;
export const SET_VRING_KICK = 12;
export const SET_VRING_CALL = 13;
export const SET_VRING_ERR = 14;
export const GET_PROTOCOL_FEATURES = 15;
export const SET_PROTOCOL_FEATURES = 16;
export const GET_QUEUE_NUM = 17;
export const SET_VRING_ENABLE = 18;
export const NET_SET_MTU = 20;

/** A virtio feature bit that says: there are protocol features. */
export const VHOST_USER_F_PROTOCOL_FEATURES = 1n << 30n;
export const PROTOCOL_F_REPLY_ACK = 1n << 3n;
export const PROTOCOL_F_NET_MTU = 1n << 4n;

export const MESSAGE_HEADER = 12;
export const MESSAGE_VERSION = 1;
export const MESSAGE_VERSION_MASK = 3;
export const MESSAGE_REPLY = 4;
export const MESSAGE_NEED_REPLY = 8;
/** No message that is answered here has a longer payload. */
export const PAYLOAD_MAX = 1_024;
export const MEMORY_REGIONS_MAX = 8;
/** In the payload of SET_VRING_KICK, CALL and ERR: no descriptor comes along. */
const VRING_NO_FD = 0x100n;
const REGIONS_HEADER = 8;
const REGION_SIZE = 32;
/** Addresses and sizes beyond this do not fit a double; no machine has them. */
const ADDRESS_MAX = 1n << 52n;

/** What the front end says cannot be. The message is for whoever looks after the guest. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

export interface MemoryRegion {
  /** Guest-physical. */
  readonly address: number;
  readonly size: number;
  /** In the front end's own address space; rings are named by it. */
  readonly userAddress: number;
  /** Where in the file the region begins. */
  readonly fileOffset: number;
}

export interface VringAddresses {
  readonly desc: number;
  readonly used: number;
  readonly avail: number;
}

/** A payload, read with the checks that every reader needs. */
export class Payload {
  private readonly view: DataView;
  private readonly what: string;

  /** @param what the message's name, for errors. */
  constructor(bytes: Uint8Array, what: string) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.what = what;
  }

  u64(): bigint {
    this.need(8);
    return this.view.getBigUint64(0, true);
  }

  /** A vring's state: which, and a number. */
  state(): { readonly index: number; readonly num: number } {
    this.need(8);
    return { index: this.view.getUint32(0, true), num: this.view.getUint32(4, true) };
  }

  /** Which vring a descriptor is for, and whether there is one. */
  vringFd(): { readonly index: number; readonly hasFd: boolean } {
    const word = this.u64();
    return { index: Number(word & 0xffn), hasFd: (word & VRING_NO_FD) === 0n };
  }

  vringAddresses(): VringAddresses & { readonly index: number } {
    this.need(40);
    return { index: this.view.getUint32(0, true), desc: this.address(8), used: this.address(16), avail: this.address(24) };
  }

  memoryRegions(): MemoryRegion[] {
    this.need(REGIONS_HEADER);
    const count = this.view.getUint32(0, true);
    if (count > MEMORY_REGIONS_MAX) throw new ProtocolError(`${this.what} has ${count} memory regions; ${MEMORY_REGIONS_MAX} are allowed`);
    this.need(REGIONS_HEADER + REGION_SIZE * count);
    return Array.from({ length: count }, (_, i) => {
      const at = REGIONS_HEADER + REGION_SIZE * i;
      return { address: this.address(at), size: this.address(at + 8), userAddress: this.address(at + 16), fileOffset: this.address(at + 24) };
    });
  }

  private address(at: number): number {
    const value = this.view.getBigUint64(at, true);
    if (value >= ADDRESS_MAX) throw new ProtocolError(`${this.what} has the address or size 0x${value.toString(16)}`);
    return Number(value);
  }

  private need(bytes: number): void {
    if (this.view.byteLength < bytes) throw new ProtocolError(`${this.what} has ${this.view.byteLength} bytes of payload; it needs ${bytes}`);
  }
}

/** A message: its header, then the payload. */
export function message(request: number, flags: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(MESSAGE_HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, request, true);
  view.setUint32(4, MESSAGE_VERSION | flags, true);
  view.setUint32(8, payload.length, true);
  bytes.set(payload, MESSAGE_HEADER);
  return bytes;
}

export function u64Payload(value: bigint): Uint8Array {
  return new Uint8Array(new BigUint64Array([value]).buffer);
}

export function statePayload(index: number, num: number): Uint8Array {
  return new Uint8Array(new Uint32Array([index, num]).buffer);
}
