/**
 * tcp-seq-table.ts — the first sequence numbers of conversations, so that later ones print relative to them.
 *
 * As in tcpdump, a conversation is recorded at the first segment with ACK (or again at a SYN with ACK), and that segment
 * itself prints absolute numbers. One entry serves both directions: the side with the lower port, or at equal ports the
 * lower address, is the first. The table is bounded; when it is full the oldest conversation is forgotten.
 */

/** Conversations remembered at most. */
const CONVERSATIONS_MAX = 4096;

/** What a segment of a conversation is relative to. */
export interface TcpConversation {
  /** Sequence number the first side's numbers are relative to. */
  seq: number;
  /** The same for the second side. */
  ack: number;
}

export class TcpSeqTable {
  private readonly byKey = new Map<string, TcpConversation>();

  find(key: string): TcpConversation | undefined {
    return this.byKey.get(key);
  }

  /** Records or overwrites a conversation. */
  record(key: string, seq: number, ack: number): TcpConversation {
    const known = this.byKey.get(key);
    if (known !== undefined) {
      known.seq = seq;
      known.ack = ack;
      return known;
    }
    if (this.byKey.size >= CONVERSATIONS_MAX) {
      const oldest = this.byKey.keys().next();
      if (oldest.done !== true) this.byKey.delete(oldest.value);
    }
    const made = { seq, ack };
    this.byKey.set(key, made);
    return made;
  }

  get size(): number {
    return this.byKey.size;
  }
}
