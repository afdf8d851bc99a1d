// The page at `/` in a real browser, before a real run. GREENLIGHT_LOCAL says where the binary is; GREENLIGHT_SCREENSHOTS
// names a folder, if pictures for the README are wanted. No waiting for time: each step waits for what has to be seen.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { faultsOf, launched, SHOTS, started } from './browser.mjs'

let browser

before(async () => { browser = await launched() })
after(() => browser?.close())

/** A run of its own, the page in it, and what went wrong there: nothing may. */
async function opened(work, { locale = 'en-US', viewport = { width: 1440, height: 1000 }, colorScheme = 'light', expected = /status of 4\d\d/ } = {}) {
  const context = await browser.newContext({ locale, viewport, colorScheme })
  let run
  try {
    run = await started()
    const faults = faultsOf(context, run.url, expected)
    const page = await context.newPage()
    await page.goto(run.url)
    await page.waitForSelector('.chip.clean')
    await work(page, run.url)
    assert.deepEqual(faults, [])
  } finally {
    await context.close()
    run?.stop()
  }
}

const author = (page) => page.locator('#author .feed li')
const reader = (page) => page.locator('#reader .feed li')
const waiting = (page, text) => page.locator('#waiting').filter({ hasText: text })
const note = (page, text) => author(page).filter({ hasText: text }).locator('.note')

/** Posts a text, a picture of that light, or both. */
async function post(page, text, light) {
  if (light) {
    await page.click(`.lights-to-send .${light}`)
    await page.waitForSelector('.preview:not([hidden])')
  }
  await page.fill('#text', text)
  await page.click('.post')
  await author(page).filter({ hasText: text }).waitFor()
}

async function mood(page, name) {
  await page.check(`#moods input[value=${name}]`, { force: true })
  await page.waitForFunction((name) => document.querySelector(`#moods input[value=${name}]`).checked, name)
  await page.waitForResponse((response) => response.url().endsWith('/page/wechat/simulator'))
}

/** What a reader sees once everybody was asked again. */
async function readerSees(page, text) {
  await page.waitForResponse((response) => response.url().includes('/v1/channels/square'))
  return reader(page).filter({ hasText: text }).count()
}

test('a clean text is seen by both, a risky one by its author with the reason', () => opened(async (page) => {
  await post(page, 'What a fine day')
  await reader(page).filter({ hasText: 'What a fine day' }).waitFor()
  await page.click('.chips >> nth=0 >> text=risky')
  const risky = await page.inputValue('#text')
  await post(page, risky)
  await page.waitForSelector('.note.rejected')
  assert.match(await note(page, risky).textContent(), /did not pass \(.+\)/)
  assert.equal(await readerSees(page, risky), 0)
  await page.waitForSelector('#story .approved >> text=Green light')
  await page.waitForSelector('#story .rejected >> text=Not passed')
}))

test('a picture is the authors alone until WeChat has pushed its verdict', () => opened(async (page) => {
  await mood(page, 'slow')
  await post(page, 'From my balcony', 'clean')
  const own = author(page).filter({ hasText: 'From my balcony' }).locator('img')
  await page.waitForFunction((image) => image.complete && image.naturalWidth > 0, await own.elementHandle())
  assert.match(await note(page, 'From my balcony').textContent(), /No word from WeChat/)
  await page.waitForSelector('#release:not(:disabled) >> text=Let 1 verdict go')
  assert.equal(await readerSees(page, 'From my balcony'), 0)
  await page.click('#release')
  const seen = reader(page).filter({ hasText: 'From my balcony' }).locator('img')
  await page.waitForFunction((image) => image.complete && image.naturalWidth > 0, await seen.elementHandle())
  await page.waitForSelector('#story .pass >> text=WeChat pushes: pass')
}))

test('what is doubtful a moderator decides in the console, and the author learns why', () => opened(async (page) => {
  await waiting(page, 'Nothing waits').waitFor()
  for (const [text, light] of [['the first doubtful', undefined], ['the second', 'doubtful']]) await post(page, text, light)
  await waiting(page, '2 wait for a moderator').waitFor()
  assert.equal(await readerSees(page, 'the first'), 0)
  const [desk] = await Promise.all([page.context().waitForEvent('page'), page.click('#console')])
  await desk.click('form .go')
  await desk.click('a.go')
  await desk.waitForSelector('a[data-key=q]')
  await desk.keyboard.press('q')
  await desk.locator('.case.current').filter({ hasText: 'the first doubtful' }).waitFor()
  await desk.keyboard.press('a')
  await reader(page).filter({ hasText: 'the first doubtful' }).waitFor()
  await waiting(page, '1 waits for a moderator').waitFor()
  await desk.locator('.case.current').filter({ hasText: 'the second' }).waitFor()
  await desk.keyboard.press('r')
  await desk.keyboard.press('9')
  await note(page, 'the second').filter({ hasText: 'Against the rules of this community' }).waitFor()
  assert.equal(await readerSees(page, 'the second'), 0)
  await waiting(page, 'Nothing waits').waitFor()
}))

test('an outage loses nothing, and what only looks like a pass goes to people', () => opened(async (page) => {
  await mood(page, 'down')
  await post(page, 'in the middle of it')
  await note(page, 'in the middle of it').filter({ hasText: 'No word from WeChat' }).waitFor()
  assert.equal(await readerSees(page, 'in the middle of it'), 0)
  await mood(page, 'lying')
  await post(page, 'a pass that is none')
  await note(page, 'a pass that is none').filter({ hasText: 'Waits for a moderator' }).waitFor()
  await mood(page, 'normal')
  await page.click('#expire')
  await page.waitForSelector('.toast.shown')
  await post(page, 'with a new token')
  await reader(page).filter({ hasText: 'with a new token' }).waitFor()
}))

test('what its author takes back is gone for everybody', () => opened(async (page) => {
  await post(page, 'said too early')
  await reader(page).filter({ hasText: 'said too early' }).waitFor()
  await author(page).filter({ hasText: 'said too early' }).locator('.quiet').click()
  for (const list of [author(page), reader(page)]) await list.filter({ hasText: 'said too early' }).waitFor({ state: 'detached' })
}))

test('whatever is posted is text, and empty posts are told', () => opened(async (page) => {
  const hostile = '<img src=x onerror=alert(1)><script>alert(2)</script>'
  await post(page, hostile)
  await reader(page).filter({ hasText: hostile }).waitFor()
  assert.equal(await page.locator('#reader .feed img').count(), 0)
  await page.fill('#text', '  ')
  await page.click('.post')
  await page.waitForSelector('.toast.shown >> text=Write something first')
}))

test('both languages have the same words, and none is left behind', () => opened(async (page, url) => {
  const tables = await page.evaluate(async (url) => {
    const { words } = await import(`${url}/page/words.js`)
    return Object.fromEntries(Object.entries(words).map(([language, table]) => [language, Object.keys(table).sort()]))
  }, url)
  assert.deepEqual(tables.zh, tables.en)
  await page.click('.chips >> nth=0 >> text=doubtful')
  await page.click('.post')
  await waiting(page, '1').waitFor()
  await page.fill('#nickname', '小明')
  await page.click('#language')
  await page.waitForSelector('#waiting >> text=1 条在等审核员')
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN')
  // What people wrote stays; all else is Chinese now, but for names and the other language's own.
  const english = await page.evaluate(() => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    const found = []
    while (walk.nextNode()) if (!walk.currentNode.parentElement.closest('article, script, .avatar, h1, #language')) found.push(walk.currentNode.textContent.trim())
    return found.filter((text) => /[a-z]{3}/i.test(text.replace(/Greenlight|access_token|greenlight\.js|cargo run/g, '')))
  })
  assert.deepEqual(english, [])
  await page.reload()
  await page.waitForSelector('#waiting >> text=1 条在等审核员')
}, { locale: 'en-US' }))

test('it stands on a phone as well, in the dark as in the light', () => opened(async (page) => {
  await post(page, 'a long word '.repeat(12) + 'w'.repeat(120))
  await page.waitForSelector('#reader .feed li')
  const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  assert.ok(wide <= screen, `${wide} of ${screen}`)
  assert.equal(await page.evaluate(() => document.querySelector('h1').textContent), 'Greenlight')
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/phone-dark.png`, fullPage: true })
}, { locale: 'zh-CN', viewport: { width: 390, height: 844 }, colorScheme: 'dark' }))

test('a server that does not answer is missed, and found again', () => opened(async (page) => {
  await page.route('**/v1/**', (route) => route.abort())
  await page.waitForSelector('#away:not([hidden])')
  await page.unroute('**/v1/**')
  await page.waitForSelector('#away', { state: 'hidden' })
}, { expected: /ERR_FAILED/ }))

for (const [locale, name, texts] of [
  ['en-US', 'screenshot.png', ['The market opens at eight, come early!', 'From my balcony']],
  ['zh-CN', 'screenshot.zh-CN.png', ['早市八点开门，早点来！', '阳台上拍的']],
]) {
  test(`the README's picture, ${name}`, { skip: !SHOTS }, () => opened(async (page) => {
    const idea = (kind) => page.click(`.chips >> nth=0 >> css=.${kind}`)
    const send = async () => { const text = await page.inputValue('#text'); await post(page, text) }
    await idea('risky'); await send()
    await post(page, texts[0], 'clean')
    await reader(page).locator('img').waitFor()
    await idea('doubtful'); await send()
    await waiting(page, '1').waitFor()
    await mood(page, 'slow')
    await post(page, texts[1], 'clean')
    await page.waitForSelector('#release:not(:disabled)')
    await page.waitForFunction(() => [...document.images].every((image) => !image.src || image.complete))
    await page.screenshot({ path: `${SHOTS}/${name}`, fullPage: true, animations: 'disabled' })
  }, { locale }))
}
