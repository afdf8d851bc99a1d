// The console in a real browser, before a real run: worked in by keys alone, without scripts, and without barriers.
// What GREENLIGHT_LOCAL and GREENLIGHT_SCREENSHOTS say is told in page.test.mjs. No waiting for time here either.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import axe from 'axe-core'
import { faultsOf, KEY, launched, SHOTS, started } from './browser.mjs'

const DESK = { viewport: { width: 1280, height: 900 }, locale: 'en-US' }
const PHONE = { viewport: { width: 390, height: 844 }, locale: 'zh-CN', isMobile: true, hasTouch: true, deviceScaleFactor: 2 }
const AUTHORS = ['小明', '晓雯', 'Ming', '阿杰', 'Lily']
const SAID = [
  '楼下新开的这家店有点可疑，有人去过吗？',
  '收到一条可疑的短信，说我中奖了。',
  '可疑的链接不要点，先问问家里人。',
  '早市的价格低得可疑，还是买了两斤。',
  '这张照片里的影子很可疑，你们看呢？',
]

const doubtful = (count) => Array.from({ length: count }, (_, index) => `${SAID[index % SAID.length]}（${index + 1}）`)

let browser

before(async () => { browser = await launched() })
after(() => browser?.close())

// ---- The run, as a mini program and its owner's backend see it.

function caller(url) {
  return async (method, path, token, body, language = 'en') => {
    const isForm = body instanceof FormData
    const headers = { 'Accept-Language': language, ...(token && { Authorization: `Bearer ${token}` }), ...(body && !isForm && { 'Content-Type': 'application/json' }) }
    const answer = await fetch(url + path, { method, headers, body: isForm ? body : body && JSON.stringify(body) })
    const text = await answer.text()
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`)
    return JSON.parse(text)
  }
}

/** Yellow pictures, which the simulator doubts; no two are the same. */
async function pictures(count) {
  const page = await browser.newPage()
  const drawn = await page.evaluate((count) => Array.from({ length: count }, (_, index) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 480, height: 320 })
    const context = canvas.getContext('2d')
    const fill = (colour, ...box) => { context.fillStyle = colour; context.fillRect(...box) }
    fill('#f2c200', 0, 0, 480, 320)
    fill('#ffe14d', 40 + index * 8, 60, 160, 200)
    fill('#8a5a00', 260, 90 + index * 8, 60, 120)
    return canvas.toDataURL('image/png').split(',')[1]
  }), count)
  await page.close()
  return drawn.map((base64) => new Blob([Buffer.from(base64, 'base64')], { type: 'image/png' }))
}

/** A run in which so much waits for people, pictures first, and what it is asked and told with. */
async function withWaiting({ texts = [], pictured = 0 }) {
  const run = await started()
  try {
    const call = caller(run.url)
    const tokens = await Promise.all(AUTHORS.map(async (_, at) => (await call('POST', '/v1/sessions', undefined, { code: `author${at}-1` })).token))
    const submit = (index, more) => {
      const draft = { scene: 'forum', channel: 'square', nickname: AUTHORS[index % AUTHORS.length], ...more }
      return call('POST', '/v1/submissions', tokens[index % AUTHORS.length], draft)
    }
    for (const [index, picture] of (await pictures(pictured)).entries()) {
      const form = new FormData()
      form.append('file', picture, 'picture.png')
      const { upload_id } = await call('POST', '/v1/uploads', tokens[index % AUTHORS.length], form)
      await submit(index, { text: '阳台上拍的', media: [{ upload_id }] })
    }
    const waiting = async () => (await call('GET', '/v1/reviews?limit=100', KEY)).submissions
    // WeChat's verdicts on pictures are pushed.
    while ((await waiting()).length < pictured);
    for (const [index, text] of texts.entries()) await submit(index, { text })
    const link = async (moderator, role) => (await call('POST', '/v1/moderators/links', KEY, { moderator, role })).url
    return { ...run, call, waiting, link }
  } catch (error) {
    run.stop()
    throw error
  }
}

// ---- The browser.

/** What a browser of that kind does in such a run; nothing goes wrong in it but what is expected. */
async function at(kind, waiting, work, expected) {
  const context = await browser.newContext(kind)
  let run
  try {
    run = await withWaiting(waiting)
    const faults = faultsOf(context, run.url, expected)
    const page = await context.newPage()
    await work(page, run)
    assert.deepEqual(faults, [])
  } finally {
    await context.close()
    run?.stop()
  }
}

/** Walks by Tab to what is named, and presses Enter there. */
async function enter(page, selector) {
  await page.waitForSelector(selector, { state: 'attached' })
  for (let steps = 0; !(await page.evaluate((selector) => document.activeElement.matches(selector), selector)); steps += 1) {
    assert.ok(steps < 40, `Tab does not lead to ${selector}`)
    await page.keyboard.press('Tab')
  }
  await page.keyboard.press('Enter')
}

/** Comes in by a link, and to the queue, by keys. */
async function enterQueue(page, link) {
  await page.goto(link)
  await enter(page, 'form .go')
  await enter(page, 'a.go[href$="/console"]')
  await page.waitForSelector('a[data-key=q]')
  await page.keyboard.press('q')
  await page.waitForSelector('.case.current')
}

const current = async (page) => (await page.locator('.case.current').getAttribute('id')).slice('case-'.length)

/** Does what leads to another page, and waits for that: a deed's says what was done. */
async function leads(page, deed, did) {
  await page.evaluate(() => { document.documentElement.dataset.left = 'true' })
  await deed()
  await page.waitForFunction((did) => {
    const isNew = !document.documentElement.dataset.left && document.readyState === 'complete'
    return isNew && (!did || (new URLSearchParams(location.search).get('did') === did && document.querySelector('.flash p').textContent))
  }, did)
}

/** How the current case's picture is shown. */
const filter = (page) => page.locator('.case.current .picture img').evaluate((image) => getComputedStyle(image).filter)

/** Works off all that waits, by keys alone, and holds what the API says of it against what was decided. */
async function workOff(page, { call, waiting }, { moderator, language, count }) {
  const decided = new Map()
  const undone = new Set()
  let strokes = 0
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key)
    strokes += keys.length
  }
  const deed = (did, ...keys) => leads(page, () => press(...keys), did)
  const approve = async () => {
    const id = await current(page)
    await deed('approve', 'a')
    decided.set(id, { state: 'approved' })
  }
  const reject = async (digit) => {
    const id = await current(page)
    const reason = await page.locator(`.case.current [data-digit="${digit}"]`).evaluate((button) => button.lastChild.textContent.trim())
    await press('r')
    await page.locator(`.case.current [data-digit="${digit}"]`).waitFor()
    await deed('reject', digit)
    decided.set(id, { state: 'rejected', reason })
  }
  const write = async (note) => {
    const id = await current(page)
    await page.keyboard.press('n')
    await page.keyboard.type(note)
    await page.keyboard.press('Tab')
    await leads(page, () => page.keyboard.press('Enter'), 'note')
    assert.equal(await current(page), id)
    await page.locator('.case.current .notes').filter({ hasText: note }).filter({ hasText: moderator }).waitFor()
  }
  let [turn, noted, skipped] = [0, false, 0]
  for (let left; (left = await page.locator('.case').count()) > 0; turn += 1) {
    const id = await current(page)
    if (await page.locator('.case.current .look').count()) {
      assert.match(await filter(page), /blur/)
      await press('v')
      assert.equal(await filter(page), 'none')
      await page.waitForFunction(() => { const image = document.querySelector('.case.current img'); return image.complete && image.naturalWidth > 0 })
      await approve()
    } else if (undone.has(id)) await reject('1')
    else if (!noted && turn > 7) {
      noted = true
      await write('ask 客服 as usual')
      await reject('9')
    } else if (turn % 12 === 7) {
      await approve()
      await deed('undo', 'u')
      assert.equal(await current(page), id, 'it is in hand again')
      assert.equal((await call('GET', `/v1/submissions/${id}`, KEY)).state, 'in_review')
      undone.add(id)
    } else if (turn % 12 === 4 && left > 1) {
      await deed('skip', 's')
      assert.notEqual(await current(page), id)
      skipped += 1
    } else if (turn % 12 === 2 && left > 1) {
      await press('j')
      assert.notEqual(await current(page), id)
      await approve()
    } else if (turn % 3 === 1) await reject(String(1 + (turn % 9)))
    else await approve()
  }
  assert.ok(noted && undone.size > 0 && skipped > 0)
  assert.equal((await waiting()).length, skipped)
  // What was skipped is shown again when that is asked for.
  await enter(page, 'details.tools summary')
  await leads(page, () => enter(page, 'a[href*="again"]'))
  while (await page.locator('.case').count()) await approve()
  assert.deepEqual(await waiting(), [])
  assert.equal(decided.size, count)
  assert.ok(strokes <= 2 * count, `${strokes} keys for ${count}`)
  for (const [id, { state, reason }] of decided) {
    const { decision, ...now } = await call('GET', `/v1/submissions/${id}`, KEY, undefined, language)
    assert.deepEqual([now.state, decision.by, decision.moderator], [state, 'moderator', moderator])
    if (reason) assert.equal(decision.reason, reason)
  }
}

const FIFTY = { texts: doubtful(50), pictured: 6 }

for (const [name, kind, moderator] of [['at a desk, in English', DESK, 'Li'], ['at the width of a phone, in Chinese', PHONE, '小李']]) {
  test(`all that waits is worked off by keys, ${name}`, () => at(kind, FIFTY, async (page, run) => {
    await enterQueue(page, await run.link(moderator, 'moderator'))
    assert.equal(await page.evaluate(() => document.documentElement.lang), kind.locale.replace('-US', ''))
    await workOff(page, run, { moderator, language: kind.locale, count: 56 })
  }))
}

test('keys that are held, and keys of an input method, do nothing', () => at(DESK, { texts: doubtful(4) }, async (page, run) => {
  await enterQueue(page, await run.link('Li', 'moderator'))
  const index = () => page.evaluate(() => [...document.querySelectorAll('.case')].findIndex((one) => one.matches('.current')))
  for (const at of [1, 1, 1]) {
    await page.keyboard.down('j')
    assert.equal(await index(), at)
  }
  await page.keyboard.up('j')
  // Held over the page that follows.
  await leads(page, () => page.keyboard.down('a'), 'approve')
  await page.evaluate(() => { window.sent = 0; document.addEventListener('submit', () => { window.sent += 1 }) })
  await page.keyboard.down('a')
  await page.keyboard.up('a')
  await page.keyboard.press('Control+a')
  await page.evaluate(() => {
    for (const key of ['j', 'r', '1', 'a', 's', 'e', 'u']) {
      for (const how of [{ isComposing: true }, { keyCode: 229 }, { repeat: true }]) {
        document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...how }))
      }
    }
  })
  assert.deepEqual([await index(), await page.locator('details.choose[open]').count()], [0, 0])
  // A real composition in the note: the Escape that ends it closes nothing.
  await page.keyboard.press('n')
  const method = await page.context().newCDPSession(page)
  await method.send('Input.imeSetComposition', { text: 'keyi', selectionStart: 4, selectionEnd: 4 })
  await method.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'Escape', windowsVirtualKeyCode: 229 })
  await method.send('Input.insertText', { text: '可以 as is' })
  const written = page.locator('.case.current textarea[name=note]')
  assert.equal(await written.inputValue(), '可以 as is')
  assert.ok(await written.evaluate((textarea) => textarea === document.activeElement))
  // One that ends nothing leads out of the field, and what was folded is folded again.
  await page.keyboard.press('Escape')
  assert.deepEqual([await page.locator('details.choose[open]').count(), await page.evaluate(() => window.sent)], [0, 0])
  assert.equal((await run.waiting()).length, 3)
}))

test('what the last deed was, and what takes it back, is seen beside the next case', () => at(DESK, { texts: doubtful(4), pictured: 2 }, async (page, run) => {
  await enterQueue(page, await run.link('Li', 'moderator'))
  const isSeen = (selector) => page.locator(selector).evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect()
    return top >= 0 && bottom <= innerHeight
  })
  await leads(page, () => page.keyboard.press('a'), 'approve')
  for (const selector of ['.flash [data-key=u]', '.case.current']) assert.ok(await isSeen(selector), selector)
  // What is unfolded is seen whole, down to where one writes reasons of one's own.
  await page.keyboard.press('r')
  assert.ok(await isSeen('.case.current details[open]'))
}))

test('all of it works without scripts', () => at({ ...DESK, javaScriptEnabled: false }, { texts: doubtful(4), pictured: 1 }, async (page, run) => {
  await page.goto(await run.link('Li', 'lead'))
  await page.click('form .go')
  await page.click('a.go')
  await page.click('a[data-key=q]')
  const first = page.locator('.case').first()
  const state = async (id) => (await run.call('GET', `/v1/submissions/${id}`, KEY)).state
  /** Clicks in the first case, and says which it was. */
  const click = async (selector, said) => {
    const id = (await first.getAttribute('id')).slice('case-'.length)
    await first.locator(selector).click()
    await page.locator('.flash').filter({ hasText: said }).waitFor()
    return id
  }
  const image = first.locator('.picture img')
  assert.match(await image.evaluate((image) => getComputedStyle(image).filter), /blur/)
  await image.click()
  assert.equal(await image.evaluate((image) => getComputedStyle(image).filter), 'none')
  const approved = await click('[data-key=a]', 'approved: 1')
  assert.equal(await state(approved), 'approved')
  await page.click('.flash [data-key=u]')
  await page.locator('.flash').filter({ hasText: 'back in the queue: 1' }).waitFor()
  assert.equal(await state(approved), 'in_review')
  await first.locator('[data-key=r]').click()
  assert.equal(await state(await click('[data-digit="2"]', 'rejected: 1')), 'rejected')
  await first.locator('[data-key=n]').click()
  await first.locator('textarea').fill('looked at twice')
  await click('form[action$="/notes"] button', 'Noted.')
  await first.locator('.notes').filter({ hasText: 'looked at twice' }).waitFor()
  await first.locator('[data-key=b]').click()
  await first.locator('form[action$="/bans"] [name=reason]').fill('again and again')
  await click('form[action$="/bans"] button', 'The ban is changed.')
  assert.equal(await state(await click('[data-key=e]', 'Left to a lead.')), 'in_review')
  await first.locator('.tag').filter({ hasText: 'for a lead' }).waitFor()
  const skipped = await click('[data-key=s]', 'Skipped.')
  assert.equal(await page.locator(`#case-${skipped}`).count(), 0)
  await page.click('details.tools summary')
  await page.click('a[href*="again"]')
  await page.locator(`#case-${skipped}`).waitFor()
}))

/** Looks for barriers, by day and by night, and for what is wider than a phone. */
async function look(page, name, barriers) {
  await page.evaluate(`${axe.source}; 0`)
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    const { violations, incomplete } = await page.evaluate(() => window.axe.run())
    // A text in the very colour of its ground it only doubts.
    const isUnseen = ({ any }) => any.some(({ data }) => data?.messageKey === 'equalRatio')
    const unseen = incomplete.map(({ id, nodes }) => ({ id, nodes: nodes.filter(isUnseen) })).filter(({ nodes }) => nodes.length > 0)
    const why = ({ html, any, all, none }) => [html, ...[...any, ...all, ...none].map(({ message }) => message)].join(' ')
    barriers.push(...[...violations, ...unseen].map(({ id, nodes }) => `${name}, ${colorScheme}: ${id} ${nodes.map(why).join(' ')}`))
  }
  await page.setViewportSize(PHONE.viewport)
  const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  if (wide > screen) barriers.push(`${name}: ${wide} of ${screen} pixels`)
  await page.setViewportSize(DESK.viewport)
}

for (const locale of ['en-US', 'zh-CN']) {
  const texts = [...doubtful(6), `可疑${'长'.repeat(60)}${'w'.repeat(200)}\u200b\u202e`]
  test(`no page has barriers, or is wider than a phone: ${locale}`, () => at({ ...DESK, locale }, { texts, pictured: 1 }, async (page, run) => {
    const barriers = []
    const see = (name) => look(page, name, barriers)
    const send = (selector) => leads(page, () => page.click(selector))
    await page.goto(await run.link('小李 Li', 'lead'))
    await see('link')
    await send('form .go')
    await see('entered')
    await send('a.go')
    await see('start')
    await page.fill('form[action$="/handover"] textarea', `周末人多 ${'w'.repeat(100)}`)
    await send('form[action$="/handover"] button')
    await see('start with a note')
    const base = page.url()
    await send('a[data-key=q]')
    await see('queue')
    await page.fill('.case.current textarea[name=note]', 'noted', { force: true })
    await page.evaluate(() => { for (const details of document.querySelectorAll('details')) details.open = true })
    await page.click('.case.current .look')
    await see('queue, all unfolded')
    await send('.case.current [data-key=e]')
    await send('.case.current [data-key=a]')
    await see('queue after a deed')
    const [submission, author] = await page.locator('.case.current .about a').evaluateAll((links) => links.map(({ href }) => href))
    await page.goto(submission)
    await see('submission')
    await page.evaluate(() => { for (const details of document.querySelectorAll('details')) details.open = true })
    await page.fill('textarea[name=note]', 'w'.repeat(300))
    await send('form[action$="/notes"] button')
    await send('[data-key=a]')
    await see('submission, decided')
    await page.goto(author)
    await see('author')
    await page.fill('form[action$="/bans"] [name=reason]', 'again and again')
    await send('form[action$="/bans"] button')
    await see('author, banned')
    await page.goto(`${base}/people`)
    await see('people')
    await page.fill('form[action$="/links"] input[name=moderator]', 'Wang')
    await send('form[action$="/links"] button')
    await see('people, with a link')
    await page.goto(`${base}/record`)
    await see('record')
    for (const span of ['day', 'week']) {
      await page.goto(`${base}/figures?span=${span}`)
      await see(`figures, ${span}`)
    }
    await page.goto(`${base}/reasons`)
    await see('reasons')
    await send('main form button')
    await see('reasons, saved')
    await page.fill('textarea', 'none')
    await send('main form button')
    await see('reasons, wrong')
    await page.goto(`${base}/queue?channel=none`)
    await see('queue, empty')
    await page.goto(`${base}/nowhere`)
    await see('trouble')
    await page.goto(base)
    await send('form[action$="/leave"] button')
    await see('left')
    assert.deepEqual(barriers, [])
  }, /status of 40[04]/))
}

for (const [name, kind, moderator, waiting, keys] of [
  ['console-desk.png', DESK, 'Li', { texts: doubtful(6) }, []],
  ['console-phone.png', PHONE, '小李', { pictured: 1 }, ['r']],
]) {
  test(`the README's picture, ${name}`, { skip: !SHOTS }, () => at(kind, waiting, async (page, run) => {
    await enterQueue(page, await run.link(moderator, 'moderator'))
    for (const key of keys) await page.keyboard.press(key)
    await page.waitForFunction(() => [...document.images].every((image) => image.complete))
    await page.screenshot({ path: `${SHOTS}/${name}` })
  }))
}
