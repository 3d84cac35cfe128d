/** What tests of the viewer in a browser share. */
import { existsSync } from 'node:fs'
import { chromium, type Browser, type Page } from 'playwright-core'
import type { PNG } from 'pngjs'

/** The browser of the machine: CHROMIUM, or where Debian and others put it. */
const CHROMIUM = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

/** A browser with a software renderer, which asks nobody but us for anything; it ends with the test, which fails where there is none. */
export async function launchBrowser(t: { ok(value: unknown, name: string): unknown; teardown(handler: () => Promise<unknown>): unknown }): Promise<Browser> {
  t.ok(CHROMIUM, 'there is a browser')
  const browser = await chromium.launch({
    executablePath: CHROMIUM!,
    args: ['--headless', '--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
  t.teardown(() => browser.close())
  return browser
}

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
