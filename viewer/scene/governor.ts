/**
 * How much each picture may cost. While things move, slow machines get fewer pixels and an older shadow;
 * at rest everyone gets one crisp picture, and then nothing is drawn at all.
 */
export interface Governor {
  /** Device pixels for a CSS pixel while the eye or the water moves. */
  readonly movingRatio: number
  readonly restRatio: number
  /** Pictures are dear: shadows wait for rest, and nothing plays by itself. */
  readonly slow: boolean
  /** Least milliseconds between two pictures while tiles arrive: what a picture takes, the tiles do not get. */
  readonly loadingInterval: number
  /** Milliseconds between two pictures that followed each other without a pause. True where the grade changed. */
  measured(milliseconds: number): boolean
}

const SLOW_MS = 150
const FAST_MS = 45
const SAMPLE = 5
/** Shares of the full number of pixels along a side. */
const GRADES = [1, 0.75, 0.6] as const

export function createGovernor(software: boolean, deviceRatio: number): Governor {
  const best = software ? 1 : Math.min(2, deviceRatio)
  const last = GRADES.length - 1
  let grade = software ? 1 : 0
  let sample: number[] = []
  return {
    restRatio: best,
    get movingRatio() { return Math.min(best, grade > 0 ? 1 : best) * GRADES[grade]! },
    get slow() { return software || grade > 0 },
    get loadingInterval() { return software || grade > 0 ? 2200 : 150 },
    measured(milliseconds) {
      sample.push(milliseconds)
      if (sample.length < SAMPLE) return false
      const median = sample.sort((a, b) => a - b)[SAMPLE >> 1]!
      sample = []
      const next = median > SLOW_MS ? Math.min(last, grade + 1) : median < FAST_MS ? Math.max(0, grade - 1) : grade
      const changed = next !== grade
      grade = next
      return changed
    },
  }
}
