/** What tests of the viewer in a browser share. */
import type { Page } from 'playwright-core'
import type { PNG } from 'pngjs'

/** Waits for an expression to hold. By evaluate, not waitForFunction: the page's own security policy forbids eval. */
export async function until(page: Page, expression: string, milliseconds = 60_000): Promise<void> {
  const end = Date.now() + milliseconds
  while (!await page.evaluate(`Boolean(${expression})`)) {
    if (Date.now() > end) throw new Error(`never true: ${expression}`)
    await page.waitForTimeout(20)
  }
}

/** Waits until nothing loads and the last frame is drawn. */
export async function settled(page: Page): Promise<void> {
  await until(page, 'globalThis.dothi?.scene?.stats.frames > 0')
  await page.waitForTimeout(250)
  await until(page, 'dothi.scene.settled')
}

export function distinctColours({ data }: PNG): number {
  const seen = new Set<number>()
  for (let i = 0; i < data.length; i += 4 * 7) seen.add((data[i]! >> 3 << 10) | (data[i + 1]! >> 3 << 5) | (data[i + 2]! >> 3))
  return seen.size
}

export const pixel = ({ data, width }: PNG, [x, y]: readonly [number, number]) => [...data.subarray((Math.round(y) * width + Math.round(x)) * 4).subarray(0, 3)] as [number, number, number]
