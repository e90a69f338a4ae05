/**
 * protect-view.ts — a protected machine as people, programs and metrics see it: /v1/protections.
 * Read first: docs/protect.md ("What ls shows").
 */
import type { HeldEpoch } from '@netloom/core';
import type { EpochFigure } from './epoch-figures.js';

export interface ProtectionView {
  readonly machine: string;
  readonly vnet: string;
  /** Does it run here, or is it kept here? */
  readonly side: 'primary' | 'backup';
  /** primary-state.ts or backup-state.ts of core. */
  readonly phase: string;
  /** Where the other side is. */
  readonly peer: string;
  readonly fence: string;
  /** Milliseconds between checkpoints, or on demand; null at the backup, which takes them as they come. */
  readonly interval: number | 'on-demand' | null;
  /** The last checkpoint that was taken, and the last that is safe; -1: none. */
  readonly epoch: number;
  readonly committed: number;
  /** How old the safe one is; null: there is none. */
  readonly ageUs: number | null;
  readonly epochsPerSecond: number;
  /** Of the last checkpoint; null: there is none. */
  readonly pauseUs: number | null;
  readonly commitUs: number | null;
  readonly pages: number | null;
  readonly bytes: number | null;
  /** Of the image and the disks, copied to this backup before the first checkpoint; null at the backup. */
  readonly copiedBytes: number | null;
  /** Since protection began. */
  readonly totals: { readonly checkpoints: number; readonly commits: number; readonly pauseUs: number; readonly commitUs: number; readonly bytes: number };
  /** Output and writes that wait. */
  readonly held: { readonly frames: number; readonly bytes: number; readonly ageUs: number; readonly drops: number; readonly diskBytes: number; readonly byEpoch: readonly HeldEpoch[] };
  readonly paths: { readonly stream: boolean; readonly beat: boolean };
  /** Why it is as it is; '' when all is well. */
  readonly why: string;
  /** How long a take-over took, from the decision until it ran; null: there was none. */
  readonly takeOverUs: number | null;
  /** The last checkpoints, oldest first. */
  readonly recent: readonly EpochFigure[];
}

export const NOTHING_HELD: ProtectionView['held'] = { frames: 0, bytes: 0, ageUs: 0, drops: 0, diskBytes: 0, byEpoch: [] };
