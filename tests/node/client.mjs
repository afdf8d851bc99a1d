// The mini program's client against the running functions, on stand-ins for WeChat's own API, uni-app's and Taro's.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'

import { GreenlightError, greenlight } from './greenlight.mjs'
import { phone } from './phone.mjs'

const { GREENLIGHT_URL: url, GREENLIGHT_SIMULATOR: simulator, GREENLIGHT_PICTURE: picture } = process.env

async function until(holds) {
  const ends = Date.now() + 20_000
  while (!(await holds())) {
    assert.ok(Date.now() < ends, 'it does not come')
    await new Promise((goOn) => setTimeout(goOn, 10))
  }
}

async function serving(answer) {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise((listens) => server.once('listening', listens))
  return { url: `http://127.0.0.1:${server.address().port}`, [Symbol.asyncDispose]: async () => { server.closeAllConnections(); server.close() } }
}

for (const kind of ['wx', 'uni', 'Taro']) {
  test(`${kind}: a draft with a picture is published, listed, and withdrawn`, async () => {
    const alice = phone(kind, 'alice')
    const client = greenlight({ url: `${url}/`, platform: alice.platform })
    const percents = []
    const draft = { scene: 'forum', channel: 'square', text: '今天天气真好', files: [picture, picture] }
    const made = await client.submit(draft, (percent) => percents.push(percent))
    assert.deepEqual(percents, [0, 25, 50, 50, 75, 100])
    assert.equal(made.media.length, 2)
    assert.equal(alice.logins, 1)
    await until(async () => (await client.read(made.id)).state === 'approved')

    // The draft keeps its key: whoever presses twice publishes once.
    assert.equal((await client.submit(draft)).id, made.id)
    const first = await client.own({ limit: 1 })
    assert.deepEqual(first.submissions.map(({ id }) => id), [made.id])
    assert.deepEqual((await client.own({ cursor: first.next_cursor })).submissions, [])
    const bob = greenlight({ url, platform: phone(kind, 'bob').platform })
    assert.ok((await bob.feed('square')).submissions.some(({ id }) => id === made.id))

    assert.equal(await client.withdraw(made.id), undefined)
    await assert.rejects(client.read(made.id), { name: 'GreenlightError', code: 'not_found', status: 404 })
  })

  test(`${kind}: a session that is over costs one new login, however many calls find out`, async () => {
    const alice = phone(kind, 'alice')
    const client = greenlight({ url, platform: alice.platform })
    await client.own()
    for (const calls of [1, 5]) {
      alice.logins = 0
      alice.spoil = calls
      await Promise.all(Array.from({ length: calls }, () => client.own()))
      assert.deepEqual([alice.logins, alice.spoil], [1, 0])
    }
    // An upload is sent once more as well.
    alice.spoil = 1
    assert.equal((await client.upload(picture)).kind, 'image')
    // And what is refused again is told, without end there would be.
    alice.spoil = 2
    alice.asked.length = 0
    await assert.rejects(client.own(), { status: 401 })
    assert.equal(alice.asked.length, 3)
  })

  test(`${kind}: what goes wrong has a code, and words that may be shown`, async () => {
    const alice = phone(kind, 'alice')
    const client = greenlight({ url, platform: alice.platform })
    await assert.rejects(client.submit({ scene: 'nowhere', text: '你好' }), (error) => {
      assert.ok(error instanceof GreenlightError)
      assert.deepEqual([error.code, error.status, error.faults[0].field], ['invalid_submission', 400, 'scene'])
      assert.match(error.message, /\p{Script=Han}/u)
      return true
    })
    alice.codes = ['bad-1', `alice-again-${kind}`]
    await assert.rejects(client.login(), { code: 'login_refused', status: 401, message: /\p{Script=Han}/u })
    // A login that failed is not kept.
    await client.own()

    const nobody = await serving(() => {})
    await nobody[Symbol.asyncDispose]()
    await assert.rejects(greenlight({ url: nobody.url, platform: alice.platform }).own(), {
      code: 'network', status: 0, message: /\p{Script=Han}/u, reason: 'request:fail ',
    })
    const gateway = await serving((request, response) => {
      response.writeHead(request.url === '/v1/sessions' ? 502 : 200, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>')
    })
    await assert.rejects(greenlight({ url: gateway.url, platform: alice.platform }).own(), {
      code: 'unavailable', status: 502, message: /\p{Script=Han}/u,
    })
    await gateway[Symbol.asyncDispose]()
    const missing = client.submit({ scene: 'forum', files: ['/nowhere/at/all'] })
    await assert.rejects(missing, { code: 'network' })
  })

  test(`${kind}: a text is checked, and what waits is seen by its author alone`, async () => {
    const alice = phone(kind, 'alice')
    const client = greenlight({ url, uploadUrl: `${url}/`, platform: alice.platform, appId: 'wx0' })
    await client.login()
    assert.equal((await client.checkText('出售违禁品')).suggest, 'risky')
    const slow = { fail: [{ api: 'msg_sec_check', how: { errcode: -1 } }] }
    await fetch(`${simulator}/simulator/apps/wx0/behaviour`, { method: 'PUT', body: JSON.stringify(slow) })
    const made = await client.submit({ scene: 'forum', channel: 'waiting', text: '今天天气真好' })
    assert.equal(made.state, 'pending')
    assert.equal((await client.feed('waiting')).submissions[0].id, made.id)
    assert.deepEqual((await greenlight({ url, platform: phone(kind, 'bob').platform }).feed('waiting')).submissions, [])
    const edit = await client.submit({ scene: 'forum', channel: 'waiting', text: '今天天气真好呀', replaces: made.id })
    assert.deepEqual((await client.feed('waiting', { limit: 5 })).submissions.map(({ id }) => id), [edit.id])
    await client.withdraw(edit.id)
  })
}
