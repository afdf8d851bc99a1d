// Adds a mini program to a deployed stack, or changes its keys, and prints what is to be pasted into WeChat's console.

import { randomBytes, randomInt } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { Failure, appIdFault, awsCli, command, readArguments, run } from './deployed.mjs'
import { consoleSettings, faultOf, isObject, readSecret, readStack } from './deployed.mjs'

const USAGE = `usage: node infra/add-app.mjs --stack NAME --app-id wx... [--region R] [--profile P] [one of these]

Without one of these it adds the mini program. Its AppSecret is asked for at the terminal, or read from standard
input; it is never an argument.

  --show                    print again what to paste into WeChat's console
  --rotate-push             a new Token and EncodingAESKey; the present ones stay good beside them
  --end-rotation            forget the ones before, an hour after the new ones were saved in WeChat's console
  --new-app-secret          ask for the new AppSecret
  --new-server-key          add a server key and print it
  --keep-newest-server-key  forget all server keys but the newest
  --decision-url URL        tell your backend there of each decision, and print the key of its signatures; 'none' ends it
  --relay-url URL           send pushes that are not Greenlight's on to your server there; 'none' ends it
  --remove                  remove the mini program; asks first, but for --yes`

const NOTICED = 'Running functions notice it within 5 minutes by themselves.'
const WHERE_APP_SECRETS_ARE = '开发管理 → 开发设置 of https://mp.weixin.qq.com'
const LETTERS_AND_DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

// ---- Keys.

function randomText(length, alphabet) {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}

function newPushKeys() {
  // Two bits of the last character of an EncodingAESKey mean nothing, and may be anything; so any character will do.
  const push_aes_key = randomText(43, LETTERS_AND_DIGITS)
  return { push_token: randomText(32, LETTERS_AND_DIGITS), push_aes_key }
}

const newServerKey = () => `sk-${randomText(43, `${LETTERS_AND_DIGITS}-_`)}`

// ---- Questions.

/** Asks at the terminal, where `hidden` is not shown as it is typed; without a terminal reads standard input. */
async function ask(question, { hidden = false } = {}) {
  if (!process.stdin.isTTY) {
    let text = ''
    for await (const part of process.stdin.setEncoding('utf8')) text += part
    return text.replace(/^\uFEFF/, '').trim()
  }
  process.stderr.write(question)
  // A `terminal` does not echo: readline does it instead, and here into nothing.
  const nowhere = new Writable({ write: (part, encoding, done) => done() })
  const output = hidden ? nowhere : process.stderr
  const lines = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 })
  try {
    return await new Promise((resolve, reject) => {
      lines.once('line', (line) => resolve(line.trim()))
      lines.once('SIGINT', () => lines.close())
      lines.once('close', () => reject(new Failure('there was no answer', 'nothing was changed; run this again')))
    })
  } finally {
    lines.close()
    if (hidden) process.stderr.write('\n')
  }
}

async function askForAppSecret(appId) {
  const secret = await ask(`AppSecret of ${appId} (it is not shown): `, { hidden: true })
  if (!/^[!-~]+$/.test(secret)) {
    const what = secret ? 'that is no AppSecret' : 'the AppSecret is empty'
    throw new Failure(what, `nothing was changed; copy it from ${WHERE_APP_SECRETS_ARE}, and run this again`)
  }
  if (!/^[0-9a-f]{32}$/i.test(secret)) {
    console.error('warning: WeChat makes an AppSecret of 32 characters 0-9 a-f; this one differs; it is taken as it is')
  }
  return secret
}

// ---- The secret.

/** Writes the document, if the secret is still the version that was read. */
async function write(aws, arn, { document, versionId }) {
  if ((await readSecret(aws, arn)).versionId !== versionId) {
    throw new Failure('somebody else has changed the secret meanwhile', 'nothing was written; run this again')
  }
  // All ASCII, for the AWS CLI reads files in whatever encoding the machine has.
  const escaped = (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
  const json = JSON.stringify(document, null, 2).replace(/[\u007f-\uffff]/g, escaped)
  // In an argument everybody on the machine could read it; in this file only we and the AWS CLI can.
  const folder = mkdtempSync(join(tmpdir(), 'greenlight-'))
  const tidy = () => rmSync(folder, { recursive: true, force: true })
  const interrupted = () => {
    console.error('interrupted: look with --show whether it was written')
    process.exit(130)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  process.once('exit', tidy)
  for (const signal of signals) process.once(signal, interrupted)
  try {
    const file = join(folder, 'secret.json')
    writeFileSync(file, json, { mode: 0o600 })
    await aws('secretsmanager', 'put-secret-value', '--secret-id', arn, '--secret-string', `file://${file}`)
  } finally {
    tidy()
    for (const signal of signals) process.removeListener(signal, interrupted)
  }
}

// ---- What is done to an app; each gives the lines to print. `save` writes what was changed.

async function add({ appId, apps, outputs, save, smoke }) {
  const [keys, serverKey] = [newPushKeys(), newServerKey()]
  const app_secret = await askForAppSecret(appId)
  apps[appId] = { platform: 'wechat', app_secret, ...keys, server_keys: [serverKey] }
  await save()
  return [
    `${appId} is added.`, NOTICED, 'Where there was no app before, they do so within seconds.', '',
    consoleSettings(outputs, appId, apps[appId]), '',
    'The server key, for your backend alone, never for the mini program. It is not shown again:', `  ${serverKey}`, '',
    'When the console is saved, try it all:', smoke,
  ]
}

async function remove({ appId, apps, save, options }) {
  if (!options.yes && (await ask(`Type ${appId} to remove it: `)) !== appId) {
    throw new Failure('that is not its id', 'nothing was removed; type the whole id, or add --yes')
  }
  delete apps[appId]
  await save()
  return [
    `${appId} is removed.`,
    NOTICED,
    'What was submitted stays in the table and the bucket.',
    "Switch 消息推送 off in WeChat's console.",
  ]
}

async function rotatePush({ appId, app, outputs, save, again }) {
  if (app.previous_push_token != null || app.previous_push_aes_key != null) {
    throw new Failure('a rotation is under way', `so that no push is lost, end it first: ${again('--end-rotation')}`)
  }
  const { push_token: previous_push_token, push_aes_key: previous_push_aes_key } = app
  Object.assign(app, newPushKeys(), { previous_push_token, previous_push_aes_key })
  await save()
  return [
    `${appId} has a new Token and EncodingAESKey; the ones before stay good beside them.`, NOTICED, '',
    consoleSettings(outputs, appId, app), '',
    'An hour after it was saved in the console:', `  ${again('--end-rotation')}`,
  ]
}

async function endRotation({ app, save, again, smoke }) {
  if (app.previous_push_token == null && app.previous_push_aes_key == null) {
    throw new Failure('there is no rotation to end', `nothing was changed; to begin one: ${again('--rotate-push')}`)
  }
  delete app.previous_push_token
  delete app.previous_push_aes_key
  await save()
  return ['The rotation is ended: the ones before are forgotten.', 'Try it all:', smoke]
}

async function newAppSecret({ appId, app, save, smoke }) {
  const appSecret = await askForAppSecret(appId)
  if (appSecret === app.app_secret) {
    throw new Failure('that one is there already', `nothing was changed; see ${WHERE_APP_SECRETS_ARE}`)
  }
  app.app_secret = appSecret
  await save()
  return [`${appId} has the new AppSecret.`, NOTICED, 'Then try it all:', smoke]
}

async function addServerKey({ app, serverKeys, save, again }) {
  const serverKey = newServerKey()
  app.server_keys = [...serverKeys, serverKey]
  await save()
  return [
    'A new server key, for your backend alone; the ones before stay good. It is not shown again:', `  ${serverKey}`, '',
    'Once your backend uses it:', `  ${again('--keep-newest-server-key')}`,
  ]
}

async function keepNewestServerKey({ app, serverKeys, save, again }) {
  if (serverKeys.length < 2) {
    throw new Failure('there is no older server key', `nothing was changed; to add one: ${again('--new-server-key')}`)
  }
  app.server_keys = serverKeys.slice(-1)
  await save()
  return [`Only the newest server key is good now; the others, ${serverKeys.length - 1}, are forgotten.`, NOTICED]
}

/** The URL that was given; nothing for `none`. On AWS nothing but https is gone to. */
function ownersUrl(given) {
  if (given === 'none') return undefined
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (url?.protocol !== 'https:' || url.search || url.hash || url.username || url.password) {
    throw new Failure('that is no URL for it', "nothing was changed; it is like https://example.com/greenlight, without a query, or 'none'")
  }
  return given
}

async function tellDecisions({ appId, app, options, save }) {
  const url = ownersUrl(options['decision-url'])
  if (url) {
    app.decision_url = url
    app.decision_key ??= `whsec_${randomBytes(32).toString('base64')}`
  } else {
    delete app.decision_url
  }
  await save()
  if (!url) return [`${appId}: nobody is told of decisions any more.`, NOTICED]
  return [
    `${appId}: ${url} is told of each decision on what is submitted from now on.`, NOTICED, '',
    'The key of the signatures (Standard Webhooks), for your backend:', `  ${app.decision_key}`,
  ]
}

async function relayPushes({ appId, app, options, save }) {
  const url = ownersUrl(options['relay-url'])
  if (url) app.relay_url = url
  else delete app.relay_url
  await save()
  const lines = url ? `pushes that are not Greenlight's go to ${url}.` : "pushes that are not Greenlight's are dropped."
  return [`${appId}: ${lines}`, NOTICED]
}

const show = ({ appId, app, outputs, smoke }) => [consoleSettings(outputs, appId, app), '', 'To try it all:', smoke]

const CHANGES = {
  'rotate-push': rotatePush,
  'end-rotation': endRotation,
  'new-app-secret': newAppSecret,
  'new-server-key': addServerKey,
  'keep-newest-server-key': keepNewestServerKey,
  'decision-url': tellDecisions,
  'relay-url': relayPushes,
  remove,
}
const WITH_VALUE = ['decision-url', 'relay-url']
const ACTIONS = ['show', ...Object.keys(CHANGES)]

function argumentsFault(values) {
  if (!values['app-id']) return '--app-id is missing: the AppID of the mini program'
  const given = ACTIONS.filter((name) => values[name] !== undefined)
  if (given.length > 1) return `--${given.join(' and --')} do not go together`
  if (values.yes && !values.remove) return '--yes belongs to --remove'
  return appIdFault(values['app-id'])
}

async function main() {
  const own = Object.fromEntries([...ACTIONS, 'yes'].map((name) => [name, { type: WITH_VALUE.includes(name) ? 'string' : 'boolean' }]))
  const options = readArguments(USAGE, own, argumentsFault)
  const appId = options['app-id']
  const action = ACTIONS.find((name) => options[name] !== undefined)
  const again = (more) => command('add-app.mjs', options, appId, more)
  const aws = awsCli(options)
  const { outputs } = await readStack(aws, options.stack)
  const secret = await readSecret(aws, outputs.Secret)
  const { apps } = secret.document
  const isThere = Object.hasOwn(apps, appId)
  const app = apps[appId]
  if (isThere && !action) {
    const names = Object.keys(CHANGES).map((name) => `--${name}`).join(', ')
    throw new Failure(`${appId} is there already`, `to see its settings add --show; to change it, one of ${names}`)
  }
  if (!isThere && action) throw new Failure(`there is no ${appId} here`, `look at --app-id, or add it: ${again()}`)
  if (isThere && !isObject(app) && action !== 'remove') {
    throw new Failure(`what the secret has of ${appId} is broken`, `remove it, and add it again: ${again('--remove')}`)
  }
  const deed = { show, ...CHANGES }[action] ?? add
  const lines = await deed({
    appId, app, apps, outputs, options, again,
    serverKeys: Array.isArray(app?.server_keys) ? app.server_keys : [],
    save: () => write(aws, outputs.Secret, secret),
    smoke: `  ${command('smoke.mjs', options, appId)}`,
  })
  console.log(lines.join('\n'))
  // A wrong field switches the app off, whatever was done here.
  const fault = action === 'remove' ? undefined : faultOf(secret.document, appId)
  if (!fault) return 0
  throw new Failure(`the secret is wrong: ${fault}`, `mend it in the console of Secrets Manager: ${outputs.Secret}`)
}

await run(main)
