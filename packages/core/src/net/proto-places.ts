/**
 * proto-places.ts — ProtoPlaces: byte-sized numbers (protocols, types of messages), densely numbered anew.
 *
 * A number has the place it got when the first vnet took it, so the byte table is there once in a Kernel and each vnet's list of handlers is short.
 */

/** The places of numbers, for any number of switches. */
export class ProtoPlaces {
  private readonly place = new Uint8Array(256);
  private used = 0;

  /** 0: it has none. */
  of(number: number): number {
    return this.place[number]!;
  }

  /** Places given. */
  get count(): number {
    return this.used;
  }

  /** … or gets one now. */
  take(number: number): number {
    const place = this.place[number]!;
    return place > 0 ? place : (this.place[number] = ++this.used);
  }
}
