/**
 * echo-rom.ts — a guest of v86 in its BIOS's place: it answers frames with two counters, and works as much as it is told to.
 * Read first: vm-v86.test.ts (how such a program begins, and sets its card up); the datasheets of the 8254 and the DP8390.
 *
 * The program says "up" on COM1, once, and then halts until the timer's interrupt, a hundred times a second, which counts ticks at 0600:0004. When it wakes it writes to
 * the first word of as many pages as the last frame has asked for, from address 0x10000 on; then it takes what is in its card's ring. Each frame goes back to its sender,
 * from 02:00:00:00:00:86, with numbers put in, little-endian:
 *
 *     14  4  frames that it has had since it began (0600:0000)
 *     18  4  ticks
 *     22  2  pages to write to at each tick; from the sender, at most 144
 */
const PROGRAM = Buffer.from(
  'fa31c08ed88ec08ed0bc0070fcbf0006b91000f3abc70620002a018c0e2200be36012ead83f8ff740931d288c288e0eeebf0be4801e8e200c6060c0647be7201'
  + '2eac84c07406baf803eeebf4fbf4fa8b0e0806e314b800108ec02666ff060000050001e2f331c08ec0b062e8a700b207ec88c3b022e89d003a1e0c0674ceb000'
  + '8a260c06b340b70ae87200bf0007b94000ba1003ecaae2fc66ff060006be0a07bf040766a5a566c7060a0702000000c7060e07008666a1000666a3120766a104'
  + '0666a31607a11a07a30806b80040b33cb712e82800be0407b93c00ba1003aceee2fcbe6801e83200a00107a20c06fec83c457502b07fba0303eee96cff50ba08'
  + '03ee4288e0ee4288d8ee42b000ee88f8e8020058c3ba0003eec32ead3cff7409b60388c288e0eeebf1c35066ff060406b020e62058cf201121082104210121fe'
  + '4334409c402effff00210e480a000b000c1c0d0201460280034607ff0f000061074700220d00ffff0440053c06000026ffff75700a00',
  'hex',
);
/** jmp f000:0000 */
const RESET = Buffer.from('ea000000f0', 'hex');

export const ECHO_MAC = '020000000086';
const FRAMES_AT = 14;
const TICKS_AT = 18;
const PAGES_AT = 22;

/** What the guest has answered. */
export interface Echo {
  readonly to: string;
  readonly from: string;
  readonly frames: number;
  readonly ticks: number;
}

export function echoRom(): Buffer {
  const image = Buffer.alloc(65_536);
  PROGRAM.copy(image, 0);
  RESET.copy(image, 0xfff0);
  return image;
}

/** A frame for it, from 02:00:00:00:00:01. */
export function echoRequest(pages: number): Buffer {
  const frame = Buffer.alloc(60);
  frame.write(`${ECHO_MAC}02000000000188b5`, 'hex');
  frame.writeUInt16LE(pages, PAGES_AT);
  return frame;
}

/** @param frame from it, or from anybody else. */
export function readEcho(frame: Uint8Array): Echo {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
  return { to: bytes.toString('hex', 0, 6), from: bytes.toString('hex', 6, 12), frames: bytes.readUInt32LE(FRAMES_AT), ticks: bytes.readUInt32LE(TICKS_AT) };
}
