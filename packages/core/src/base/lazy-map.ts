/**
 * lazy-map.ts — a Map and a Set whose table is made with the first entry.
 *
 * An empty Map takes some 180 bytes, and an idle stack has dozens of tables that nothing is in. These take 32; full, they are a Map and a Set.
 * Order is that of insertion, as there; a loop sees what is added or deleted while it runs.
 */

export class LazyMap<K, V> {
  private map: Map<K, V> | null = null;

  get size(): number {
    return this.map === null ? 0 : this.map.size;
  }

  get(key: K): V | undefined {
    return this.map?.get(key);
  }

  has(key: K): boolean {
    return this.map !== null && this.map.has(key);
  }

  set(key: K, value: V): void {
    (this.map ??= new Map<K, V>()).set(key, value);
  }

  delete(key: K): boolean {
    return this.map !== null && this.map.delete(key);
  }

  clear(): void {
    this.map = null;
  }

  keys(): Iterable<K> {
    return this.map === null ? NOTHING : this.map.keys();
  }

  values(): Iterable<V> {
    return this.map === null ? NOTHING : this.map.values();
  }

  [Symbol.iterator](): Iterator<[K, V]> {
    return (this.map === null ? NOTHING : this.map)[Symbol.iterator]();
  }
}

export class LazySet<T> {
  private set: Set<T> | null = null;

  get size(): number {
    return this.set === null ? 0 : this.set.size;
  }

  has(item: T): boolean {
    return this.set !== null && this.set.has(item);
  }

  add(item: T): void {
    (this.set ??= new Set<T>()).add(item);
  }

  delete(item: T): boolean {
    return this.set !== null && this.set.delete(item);
  }

  clear(): void {
    this.set = null;
  }

  [Symbol.iterator](): Iterator<T> {
    return (this.set === null ? NOTHING : this.set)[Symbol.iterator]();
  }
}

const NOTHING: readonly never[] = [];
