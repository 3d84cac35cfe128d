/** Values by key: the oldest unused leave when the sum of sizes passes the limit, and nobody computes a value twice at once. */
export class SingleFlightCache<T> {
  readonly #kept = new Map<string, { readonly value: T; readonly size: number }>()
  readonly #flying = new Map<string, Promise<T>>()
  #size = 0

  constructor(readonly limit: number, readonly sizeOf: (value: T) => number) {}

  /** The value under `key`, computed where it is not there. What `compute` throws is not kept. */
  async get(key: string, compute: () => Promise<T>): Promise<T> {
    const kept = this.#kept.get(key)
    if (kept) {
      this.#kept.delete(key)
      this.#kept.set(key, kept) // youngest last
      return kept.value
    }
    const flying = this.#flying.get(key)
    if (flying) return flying
    const flight = compute().then(value => { this.#keep(key, value); return value }).finally(() => this.#flying.delete(key))
    this.#flying.set(key, flight)
    return flight
  }

  get size(): number { return this.#size }

  #keep(key: string, value: T): void {
    const size = this.sizeOf(value)
    this.#kept.set(key, { value, size })
    this.#size += size
    for (const [old, { size }] of this.#kept) {
      if (this.#size <= this.limit) break
      this.#kept.delete(old)
      this.#size -= size
    }
  }
}
