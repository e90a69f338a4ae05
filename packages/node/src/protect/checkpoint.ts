/**
 * checkpoint.ts — what a protected machine is made of, for whoever takes its state and whoever keeps it: an image of pages, a device state, and who has them.
 * Read first: docs/protect.md; Cully et al., "Remus" (NSDI 2008) §3.
 *
 * Theory of operation. A machine has an *image*, pages of PAGE_BYTES (QEMU: its RAM; v86: all of its state), and a *device state*, some bytes that mean nothing here
 * (v86: none). The side that runs it has a `Checkpointer`, which remembers the image as it was when it looked last and answers what is different by now; the side that
 * keeps it has a `StandbyMachine`, which has the same image without running, and puts the differences in. Both images begin as zeros, so a difference is all there ever is:
 * the first ones are the whole image.
 *
 *     scan, scan, ...   while it runs: torn, but it leaves less for later
 *     take(closing)     stopped: the image and the device state of one moment; `closing` is called then, and output of before and after is told apart
 *
 * A difference is the exclusive or of the page as it was and as it is, so a page that changed little is mostly zeros and packs well.
 *
 * Invariant: a checkpointer's memory of the image is what all the differences it has answered make of zeros. So none may be lost: when one is, begin anew on both sides.
 */

export const PAGE_BYTES = 4096;

/** What is different in an image. */
export interface ImageDelta {
  /** Bytes of the image from now on, a multiple of PAGE_BYTES; bytes that it did not have before were zeros. */
  readonly imageBytes: number;
  /** Numbers of pages, ascending. */
  readonly pages: Uint32Array;
  /** PAGE_BYTES for each of them, in that order: old XOR new. The owner's until the next call of the checkpointer. */
  readonly xor: Uint8Array;
}

/** A part of a look at the image of a machine that runs. */
export interface ImageScan {
  readonly delta: ImageDelta;
  /** The page to go on from; null: all of it has been looked at. */
  readonly next: number | null;
}

/** A machine at one moment. */
export interface Checkpoint {
  readonly delta: ImageDelta;
  /** All of the device state, not its differences. */
  readonly device: Uint8Array;
  /** How long the machine stood still, and of that how long the device state took, and the image. */
  readonly pauseUs: number;
  readonly deviceUs: number;
  readonly imageUs: number;
}

/** Takes the state of a machine that runs. One call at a time. Everything rejects with an Error of one line when the machine is gone. */
export interface Checkpointer {
  readonly imageBytes: number;
  /** Forgets the image: what is answered next is the difference to zeros. */
  begin(): Promise<void>;
  /** Looks at pages from `from` on, of a machine that runs, until `pagesMax` different ones are found. */
  scan(from: number, pagesMax: number): Promise<ImageScan>;
  /** Stops the machine, takes its state, calls `closing`, and lets it go on; it stays stopped when `stay`, asked then, says so. */
  take(closing: () => void, stay?: () => boolean): Promise<Checkpoint>;
  /** Stops the machine, or lets it go on. Again: nothing. */
  stop(): Promise<void>;
  resume(): Promise<void>;
  /** Lets go of what it has beside the machine. May be called again. */
  end(): Promise<void>;
}

/** A machine that waits to be another one. */
export interface StandbyMachine {
  /** Called once, with one line, when it cannot be used any more; not after `end`, nor when it has taken over. */
  onFailed: (reason: string) => void;
  /** Puts differences into the image, all or none of them unless it throws; then it cannot be used any more. @throws Error, one line: no space. */
  apply(delta: ImageDelta): void;
  /** Runs on from the image as it is and this device state; `connect` is called before it does, and joins it to its network. Rejects with an Error of one line. */
  takeOver(device: Uint8Array, connect: () => void): Promise<void>;
  /** It is gone, and all that was made for it, unless it has taken over. May be called again. */
  end(): Promise<void>;
}
