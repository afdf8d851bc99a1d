// What the tests of pages have in common: a real browser, runs of their own, and what goes wrong in either.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import chromium from '@sparticuz/chromium'
import { chromium as driver } from 'playwright-core'

/** The server key of each run. */
export const KEY = 'sk-page-0123456789abcdef'
/** Where pictures go, if some are wanted. */
export const SHOTS = process.env.GREENLIGHT_SCREENSHOTS

export async function launched() {
  // What it has its arguments for, a function of Lambda's, wants one process; here a page that ends would end them all.
  const args = chromium.args.filter((one) => !['--single-process', '--no-zygote'].includes(one))
  return driver.launch({ executablePath: await chromium.executablePath(), args, headless: true })
}

/** A run of its own: where it is, and what ends it. */
export async function started() {
  const run = spawn(process.env.GREENLIGHT_LOCAL, ['--port', '0'], { env: { ...process.env, GREENLIGHT_SERVER_KEY: KEY }, stdio: ['ignore', 'pipe', 'ignore'] })
  const lines = createInterface({ input: run.stdout })
  const first = await new Promise((heard, failed) => { lines.once('line', heard); run.once('exit', () => failed(new Error('it did not start'))) })
  return { url: first.split(' ').at(-1), stop: () => run.kill() }
}

/** What goes wrong in all pages of a context, as it happens: nothing may, but for what is expected in their console. */
export function faultsOf(context, url, expected) {
  const faults = []
  context.setDefaultTimeout(30_000)
  context.on('weberror', (error) => faults.push(`error: ${error.error().message}`))
  context.on('console', (message) => { if (message.type() === 'error' && !expected?.test(message.text())) faults.push(`console: ${message.text()}`) })
  context.on('request', (request) => { if (!/^(blob|data):/.test(request.url()) && new URL(request.url()).origin !== url) faults.push(`elsewhere: ${request.url()}`) })
  context.on('response', async (response) => { const text = await response.text().catch(() => ''); if (text.includes(KEY)) faults.push(`the key: ${response.url()}`) })
  return faults
}
