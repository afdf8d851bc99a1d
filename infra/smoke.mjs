// Walks a deployed stack as WeChat, an author and the owner's backend do, and says what is wrong and what to do.

import { createCipheriv, createHash, randomBytes, randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { deflateSync, gzipSync } from 'node:zlib'
import { Failure, appIdFault, awsCli, command, readArguments, run } from './deployed.mjs'
import { consoleSettings, faultOf, readSecret, readStack } from './deployed.mjs'
import { OTHER_SECRET, expect, request, settled, unexpected } from './deployed.mjs'

const USAGE = `usage: node infra/smoke.mjs --stack NAME [--region R] [--profile P] [--app-id wx...]
                            [--openid O] [--wait SECONDS] [--show-push-settings]

  --app-id              which mini program; needed where the stack has several
  --openid              a user who has opened the mini program within the last 2 hours: WeChat is then asked for
                        real verdicts, and its push is waited for
  --wait                how many seconds to wait for that push; 180 without
  --show-push-settings  print at the end what to paste into WeChat's console, with Token and EncodingAESKey`

// No user of any mini program: WeChat refuses it, which it does only once it has taken the access token.
const NOBODY = 'greenlight-smoke'
const HARMLESS = '今天天气真好 (Greenlight, smoke test)'
const BETWEEN = 'look at what stands between: a proxy, a CDN'

const counts = { ok: 0, FAIL: 0, warn: 0, skip: 0 }

function say(kind, text) {
  counts[kind] += 1
  console.log(`${kind.padEnd(4)} ${text}`)
}

/** Does a step. Where it fails, says so and gives undefined. */
async function attempt(what, body) {
  try {
    return await body()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    say('FAIL', `${what}: ${error.message}`)
    return undefined
  }
}

// ---- The stack, its secret, and what the account allows.

async function checkStack(aws, name) {
  const { status, outputs } = await readStack(aws, name)
  if (!/^(CREATE|UPDATE|IMPORT|UPDATE_ROLLBACK)_COMPLETE/.test(status)) {
    const waiting = status.endsWith('_IN_PROGRESS')
    const todo = waiting ? 'wait until it is complete' : 'see its events in CloudFormation, and deploy again'
    throw new Failure(`${name} is ${status}`, todo)
  }
  say('ok', `stack: ${name} is ${status}, with Door=${outputs.Door}`)
  if (/ROLLBACK/.test(status)) say('warn', 'stack: its last update was undone; see its events in CloudFormation')
  return outputs
}

function chooseApp(document, given, options) {
  const ids = Object.keys(document.apps)
  const appId = given ?? (ids.length === 1 ? ids[0] : undefined)
  if (ids.includes(appId)) return appId
  if (!given && ids.length > 1) throw new Failure('it names several', `choose one with --app-id: ${ids.join(', ')}`)
  throw new Failure(`it names no ${given ?? 'app'}`, `add it: ${command('add-app.mjs', options, given ?? 'wx...')}`)
}

async function checkSecret(aws, outputs, options) {
  const { document } = await readSecret(aws, outputs.Secret)
  const appId = chooseApp(document, options['app-id'], options)
  const fault = faultOf(document, appId)
  if (fault) throw new Failure(fault, `mend it in the console of Secrets Manager: ${outputs.Secret}`)
  const app = document.apps[appId]
  const addApp = (more) => command('add-app.mjs', options, appId, more)
  if (!app.server_keys?.length) {
    throw new Failure(`apps.${appId}.server_keys: there is none`, `add one: ${addApp('--new-server-key')}`)
  }
  say('ok', `secret: ${appId} is in it, and its fields are well formed`)
  if (app.allow_plaintext_push) say('warn', 'secret: allow_plaintext_push is true; use 安全模式, and take it out')
  if (app.previous_push_token || app.previous_push_aes_key) {
    say('warn', `secret: a rotation is under way; after an hour end it: ${addApp('--end-rotation')}`)
  }
  return { appId, app }
}

async function checkConcurrency(aws) {
  let limit
  try {
    limit = (await aws('lambda', 'get-account-settings')).AccountLimit.ConcurrentExecutions
  } catch (error) {
    // Everything else works without that permission.
    if (!(error instanceof Failure)) throw error
    return say('skip', `concurrency: ${error.message}`)
  }
  if (limit >= 100) return say('ok', `concurrency: this account may run ${limit} functions at a time`)
  return say(
    'warn',
    `concurrency: this account may run only ${limit} functions at a time, as new ones do; ask for more in ` +
      'Service Quotas (Lambda, Concurrent executions), and leave ReservedConcurrency at 0',
  )
}

// ---- What WeChat sends. (Its page 消息推送.)

const signature = (...parts) => createHash('sha1').update(parts.sort().join('')).digest('hex')

function signed(token) {
  const [timestamp, nonce] = [String(Math.floor(Date.now() / 1000)), String(randomInt(1e9))]
  return { timestamp, nonce, signature: signature(token, timestamp, nonce) }
}

/** Encrypts as WeChat does: AES-256 in CBC mode, padded to blocks of 32 bytes. */
function seal(aesKey, message, appId) {
  const key = Buffer.from(`${aesKey}=`, 'base64')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(Buffer.byteLength(message))
  const plain = Buffer.concat([randomBytes(16), length, Buffer.from(message), Buffer.from(appId)])
  const padding = 32 - (plain.length % 32)
  const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false)
  const sealed = [cipher.update(plain), cipher.update(Buffer.alloc(padding, padding)), cipher.final()]
  return Buffer.concat(sealed).toString('base64')
}

async function checkPushUrl(url, app) {
  const echostr = String(randomInt(1e12))
  const verify = (token) => request(`${url}?${new URLSearchParams({ ...signed(token), echostr })}`)
  const answer = await settled(() => verify(app.push_token))
  const { code } = answer.json ?? {}
  if (code === 'not_found') throw new Failure('receive-push does not know the app', OTHER_SECRET)
  if (code === 'not_authentic') throw new Failure("receive-push refuses the secret's push_token", OTHER_SECRET)
  expect(answer, 200)
  if (answer.text !== echostr) throw new Failure('it does not answer the echostr letter for letter', BETWEEN)
  const forged = await verify(`${app.push_token}x`)
  if (forged.status !== 401) throw new Failure(`a wrong signature is answered ${forged.status}, not 401`, BETWEEN)
  say('ok', `push URL: ${url} answers as WeChat wants it, and refuses a wrong signature`)
  return true
}

async function checkSecurityMode(url, appId, app) {
  const { timestamp, nonce, signature: withoutBody } = signed(app.push_token)
  const to = { ToUserName: 'gh_greenlight' }
  const kind = { MsgType: 'event', Event: 'greenlight_smoke' }
  const event = { ...to, FromUserName: NOBODY, CreateTime: Number(timestamp), ...kind }
  const Encrypt = seal(app.push_aes_key, JSON.stringify(event), appId)
  const msg_signature = signature(app.push_token, timestamp, nonce, Encrypt)
  const query = { signature: withoutBody, timestamp, nonce, openid: NOBODY, encrypt_type: 'aes', msg_signature }
  const push = () => request(`${url}?${new URLSearchParams(query)}`, { method: 'POST', json: { ...to, Encrypt } })
  const answer = await settled(push)
  if (answer.json?.code === 'not_authentic') {
    throw new Failure("receive-push does not open it with the secret's push_token and push_aes_key", OTHER_SECRET)
  }
  expect(answer, 200)
  if (answer.text !== 'success') throw new Failure('it is not answered success', BETWEEN)
  say('ok', 'security mode: an encrypted push is opened and answered success')
}

// ---- What WeChat is asked.

function refusedByWeChat(errcode, options, appId) {
  const addApp = (more) => command('add-app.mjs', options, appId, more)
  const secret = `give the right one (just done? wait 5 minutes): ${addApp('--new-app-secret')}`
  const again = 'run this again in a minute'
  const [what, todo] = {
    '-1': ['WeChat is busy', again],
    40001: ['the AppSecret is wrong', secret],
    40003: ['there is no such openid', 'look at --openid'],
    40013: ['there is no such AppID', `compare it with 开发管理 → 开发设置; to take it out: ${addApp('--remove')}`],
    40125: ['the AppSecret is wrong', secret],
    40164: [
      'the address that calls is not on the IP allow-list',
      'switch the list (IP白名单) off in 开发管理 → 开发设置: Lambda has no fixed address, ' +
        'unless the parameter WeChatUrl names a proxy of yours that has one',
    ],
    40243: ['the AppSecret is frozen', 'unfreeze or reset it in 开发管理 → 开发设置'],
    41004: ['the AppSecret is missing', secret],
    43104: ['the openid is of another mini program', 'look at --openid'],
    44991: ["the minute's quota is used up", again],
    45009: ["the day's quota is used up", 'wait for midnight in Beijing; an unreleased app may have only 100 a day'],
    45011: ["the minute's quota is used up", again],
    61010: ['the user was not there in the last 2 hours', 'open the mini program as that user, then run this again'],
  }[errcode] ?? ['WeChat refuses the mini program', 'see in its console whether it is blocked, or lacks 内容安全']
  return new Failure(`it answers ${errcode}: ${what}`, todo)
}

/** Whether WeChat gives verdicts for the user. */
async function checkWeChat(post, options, appId) {
  const ask = () => post('/v1/checks/text', { scene: 'comment', content: HARMLESS })
  const isSilent = ({ json }) => json?.code === 'check_unavailable' && json.errcode === undefined
  let answer = await settled(ask)
  if (isSilent(answer)) {
    // The first call fetches an access token too, and that may take longer than the function waits.
    await sleep(5000)
    answer = await ask()
  }
  const errcode = answer.json?.errcode
  if (answer.status === 200 && answer.json?.suggest) {
    say('ok', `WeChat: it takes AppSecret and user, and judges a text (${answer.json.suggest})`)
    return true
  }
  if (isSilent(answer)) {
    const why = 'WeChat (the parameter WeChatUrl) cannot be reached from there, or is slow, or a quota is used up'
    throw new Failure('no answer', `run this again in a minute; if it stays, see the log of submit-content: ${why}`)
  }
  if (errcode === undefined) throw unexpected(answer)
  if (options.openid || ![40003, 43104, 61010].includes(errcode)) throw refusedByWeChat(errcode, options, appId)
  say('ok', `WeChat: it takes the AppSecret, and refuses the made-up user (${errcode}) as it should`)
  return false
}

// ---- What an author does.

/** One chunk of a PNG. Its checksum is the one at the end of a gzip file. */
function chunk(name, data) {
  const named = Buffer.concat([Buffer.from(name), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  return Buffer.concat([length, named, gzipSync(named).subarray(-8, -4).reverse()])
}

/** A PNG of 64 x 64 pixels, in other greens each time: WeChat is not asked twice about the same bytes. */
function greenPicture() {
  const greens = Array.from({ length: 64 }, () => [randomInt(60), 150 + randomInt(60), randomInt(60)])
  const rows = Buffer.concat(Array(64).fill(Buffer.from([0, ...greens.flat()])))
  const header = Buffer.from([0, 0, 0, 64, 0, 0, 0, 64, 8, 2, 0, 0, 0])
  const chunks = [chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks])
}

async function uploadPicture(outputs, key, openid) {
  const body = new FormData()
  body.append('openid', openid)
  body.append('file', new Blob([greenPicture()], { type: 'image/png' }), 'smoke.png')
  const sent = await settled(() => request(`${outputs.AcceptUploadUrl}/v1/uploads`, { method: 'POST', key, body }))
  return expect(sent, 201).upload_id
}

/** Reads a submission as its owner and as a stranger, who must see it if it is approved, and only then. */
async function checkSeen(url, key) {
  const { state } = expect(await request(url, { key }), 200)
  const stranger = await request(url)
  if (stranger.status === 404) {
    if (state === 'approved') throw new Failure('strangers do not see it though it is approved', 'run this again')
    return `${state}; strangers do not see it`
  }
  const seen = expect(stranger, 200)
  if (seen.state === 'approved') return 'approved; everyone sees it'
  throw new Failure(`strangers see it though it is ${seen.state}`, 'switch the stack off, and report it')
}

async function awaitPush(url, key, options, appId, outputs) {
  const begun = Date.now()
  console.log(`     waiting up to ${options.wait} s for WeChat's push; Ctrl-C ends the waiting`)
  const interrupt = new AbortController()
  const abort = () => interrupt.abort()
  process.once('SIGINT', abort)
  let submission
  let seconds
  try {
    do {
      await sleep(1000, undefined, { signal: interrupt.signal }).catch(() => {})
      submission = expect(await request(url, { key }), 200)
      seconds = Math.round((Date.now() - begun) / 1000)
    } while (submission.state === 'pending' && seconds < options.wait && !interrupt.signal.aborted)
  } finally {
    process.removeListener('SIGINT', abort)
  }
  const { state, reasons } = submission
  // A verdict has a label; without one it was given up.
  if (state === 'in_review' && reasons.every((reason) => reason.label === null)) {
    throw new Failure('WeChat refused to check the picture', 'see the log of submit-content')
  }
  if (state !== 'pending') return say('ok', `push: it came within ${seconds} s; the picture is ${state}`)
  if (interrupt.signal.aborted) return say('skip', 'push: the waiting was ended')
  const hosts = new Set([outputs.ReceivePushUrl, outputs.ServeMediaUrl].map((base) => new URL(base).host))
  throw new Failure(
    `none came within ${options.wait} s (it mostly takes seconds, and up to 30 minutes)`,
    `see that ${[...hosts].join(' and ')} can be reached from China, and that in WeChat's console 消息推送 is saved, ` +
      `in 安全模式, with what this prints: ${command('add-app.mjs', options, appId, '--show')}`,
  )
}

async function checkWithdrawn({ url, media }, key) {
  expect(await request(url, { method: 'DELETE', key }), 204)
  const { state } = expect(await request(url, { key }), 200)
  if (state !== 'withdrawn') throw new Failure(`its owner sees it ${state} instead of withdrawn`, 'run this again')
  for (const gone of [url, ...media]) {
    const { host, status } = await request(gone)
    if (status !== 404) throw new Failure(`${host} still answers ${status} instead of 404`, BETWEEN)
  }
}

async function walk(outputs, { appId, app }, options) {
  const pushUrl = `${outputs.ReceivePushUrl}/push/${appId}`
  const answers = await attempt('push URL', () => checkPushUrl(pushUrl, app))
  if (answers) await attempt('security mode', () => checkSecurityMode(pushUrl, appId, app))
  else say('skip', 'security mode: the push URL comes first')

  const key = app.server_keys.at(-1)
  const openid = options.openid ?? NOBODY
  const api = (path) => outputs.SubmitContentUrl + path
  const post = (path, json) => request(api(path), { method: 'POST', key, json: { openid, ...json } })
  const judges = await attempt('WeChat', () => checkWeChat(post, options, appId))

  const made = []
  const submit = async (what, content) => {
    const submission = { scene: 'comment', idempotency_key: randomUUID(), ...content }
    const { id, media } = expect(await post('/v1/submissions', submission), 201)
    made.push({ what, url: api(`/v1/submissions/${id}`), media: media.map((medium) => medium.url) })
    return made.at(-1)
  }
  await attempt('text', async () => {
    const { url } = await submit('text', { text: HARMLESS })
    say('ok', `text: submitted, and ${await checkSeen(url, key)}`)
  })
  const picture = await attempt('picture', async () => {
    const upload_id = await uploadPicture(outputs, key, openid)
    const submission = await submit('picture', { media: [{ upload_id }] })
    const seen = await request(submission.media[0])
    expect(seen, 200)
    if (!seen.type.startsWith('image/')) throw new Failure(`${seen.host} answers no picture (${seen.type})`, BETWEEN)
    say('ok', `picture: uploaded, submitted and read again, and ${await checkSeen(submission.url, key)}`)
    return submission
  })
  if (!options.openid) say('skip', 'push: it is waited for with the --openid of a user who is there now')
  else if (!judges || !picture) say('skip', 'push: what it needs has failed')
  else await attempt('push', () => awaitPush(picture.url, key, options, appId, outputs))

  await attempt('console', async () => {
    const link = await post('/v1/moderators/links', { openid: undefined, moderator: 'smoke', role: 'lead' })
    const { url } = expect(link, 201)
    const shown = await request(url)
    expect(shown, 200)
    say('ok', `console: this link lets you in as a lead, once, within ten minutes\n       ${url}`)
  })

  for (const submission of made) {
    const what = `withdrawal of the ${submission.what}`
    await attempt(what, async () => {
      await checkWithdrawn(submission, key)
      say('ok', `${what}: only you see that it was there`)
    })
  }
}

function argumentsFault({ openid, wait, 'app-id': appId }) {
  if (openid !== undefined && !/^[\w-]{1,128}$/.test(openid)) return '--openid takes letters, digits, _ and -'
  if (!/^\d{1,4}$/.test(wait)) return '--wait takes a number of seconds, at most 9999'
  return appId === undefined ? undefined : appIdFault(appId)
}

async function main() {
  const text = { type: 'string' }
  const own = { openid: text, wait: { ...text, default: '180' }, 'show-push-settings': { type: 'boolean' } }
  const options = readArguments(USAGE, own, argumentsFault)
  options.wait = Number(options.wait)
  const aws = awsCli(options)

  const outputs = await attempt('stack', () => checkStack(aws, options.stack))
  const found = outputs && (await attempt('secret', () => checkSecret(aws, outputs, options)))
  if (outputs) await checkConcurrency(aws)
  if (found) await walk(outputs, found, options)
  else say('skip', 'all the rest')

  console.log(`\n${Object.entries(counts).map(([kind, count]) => `${count} ${kind}`).join(', ')}`)
  if (counts.FAIL > 0) console.log('Mend the first failure first: the others may come from it.')
  if (outputs?.Dashboard) console.log(`Dashboard: ${outputs.Dashboard}`)
  if (found && options['show-push-settings']) {
    console.log(`\n${consoleSettings(outputs, found.appId, found.app)}`)
  }
  return counts.FAIL > 0 ? 1 : 0
}

await run(main)
