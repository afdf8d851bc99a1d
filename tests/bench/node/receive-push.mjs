// POST /push/<app id>: takes WeChat's verdict on a medium (wxa_media_check) and applies it to its submission.

import { GetCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb'
import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto'
import { TABLE, secret, table } from './start.mjs'

const STATES = { pass: 'approved', risky: 'rejected', review: 'in_review' }
const BLOCK = 32
const ATTEMPTS = 3
const VERDICT_KEPT_S = 30 * 24 * 60 * 60
const PARKED_KEPT_S = 24 * 60 * 60

class Refusal extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

function reply(statusCode, body) {
  return { statusCode, headers: { 'content-type': 'text/plain; charset=utf-8' }, body }
}

function isSigned(parts, given) {
  if (parts.some((part) => !part) || !given) return false
  const made = Buffer.from(createHash('sha1').update(parts.sort().join('')).digest('hex'))
  const theirs = Buffer.from(given)
  return made.length === theirs.length && timingSafeEqual(made, theirs)
}

function decrypt(aesKey, encrypt, appId) {
  const key = Buffer.from(`${aesKey}=`, 'base64')
  const decipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false)
  let padded
  try {
    padded = Buffer.concat([decipher.update(encrypt, 'base64'), decipher.final()])
  } catch {
    throw new Refusal(400, 'The message is cut off.')
  }
  // 16 random bytes, the message's length in four, the message, the app id, padding.
  const padding = padded.at(-1)
  const isPadded = padding >= 1 && padding <= BLOCK && padded.length % BLOCK === 0
  if (!isPadded || !padded.subarray(-padding).every((byte) => byte === padding))
    throw new Refusal(401, 'The message does not open.')
  const plain = padded.subarray(0, -padding)
  if (plain.length < 20) throw new Refusal(400, 'The message is cut off.')
  const end = 20 + plain.readUInt32BE(16)
  if (plain.subarray(end).toString() !== appId) throw new Refusal(403, 'The message is for another app.')
  return plain.subarray(20, end).toString()
}

function parse(json) {
  try {
    return JSON.parse(json)
  } catch {
    throw new Refusal(400, 'Not JSON.')
  }
}

function open(event, appId, app) {
  const { timestamp, nonce, msg_signature } = event.queryStringParameters ?? {}
  const { Encrypt } = parse(event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString() : event.body) ?? {}
  if (typeof Encrypt !== 'string' || !isSigned([app.push_token, timestamp, nonce, Encrypt], msg_signature)) {
    throw new Refusal(401, 'The push is not authentic.')
  }
  return parse(decrypt(app.push_aes_key, Encrypt, appId))
}

async function read(pk, sk, ConsistentRead = false) {
  const { Item } = await table.send(new GetCommand({ TableName: TABLE, Key: { pk, sk }, ConsistentRead }))
  return Item
}

// Keeps the verdict until its check is linked. If it was linked meanwhile, the answer names the submission.
async function park(traceId, verdict) {
  const { Attributes } = await table.send(
    new UpdateCommand({
      TableName: TABLE,
      Key: { pk: `node-trace#${traceId}`, sk: 'T' },
      UpdateExpression: 'SET verdict = :verdict, expires_at = :expires',
      ExpressionAttributeValues: { ':verdict': verdict, ':expires': Math.floor(Date.now() / 1000) + PARKED_KEPT_S },
      ReturnValues: 'ALL_NEW',
    }),
  )
  return Attributes.submission
}

// The next submission with the same bytes need not ask WeChat. It is no misfortune if that fails.
async function keepVerdict(sha256, { suggest, label }) {
  const expires_at = Math.floor(Date.now() / 1000) + VERDICT_KEPT_S
  const Item = { pk: `node-verdict#${sha256}`, sk: 'V', suggest, label, expires_at }
  try {
    await table.send(new PutCommand({ TableName: TABLE, Item }))
  } catch (error) {
    console.warn('the verdict is not kept', error)
  }
}

function decide({ pk, sk, version }, { suggest, label }) {
  return table.send(
    new UpdateCommand({
      TableName: TABLE,
      Key: { pk, sk },
      UpdateExpression: 'SET #state = :state, label = :label, version = :next, decided_at = :now',
      ConditionExpression: 'version = :read',
      ExpressionAttributeNames: { '#state': 'state' },
      ExpressionAttributeValues: {
        ':state': STATES[suggest],
        ':label': label ?? null,
        ':next': version + 1,
        ':now': Date.now(),
        ':read': version,
      },
    }),
  )
}

async function apply(submissionId, verdict) {
  for (let attempt = 1; ; attempt += 1) {
    const submission = await read(`node-submission#${submissionId}`, 'S', attempt > 1)
    if (submission?.state !== 'pending') return
    try {
      const keep = verdict.failed || !submission.sha256 ? undefined : keepVerdict(submission.sha256, verdict)
      await Promise.all([decide(submission, verdict), keep])
      return
    } catch (error) {
      if (error.name !== 'ConditionalCheckFailedException' || attempt === ATTEMPTS) throw error
    }
  }
}

function verdictOf({ errcode, result }) {
  if (errcode) return { suggest: 'review', failed: true }
  const suggest = Object.hasOwn(STATES, result?.suggest ?? '') ? result.suggest : 'review'
  return { suggest, label: result?.label }
}

async function take(event) {
  const [, appId] = /^\/push\/([\w-]+)$/.exec(event.rawPath) ?? []
  if (!appId || !Object.hasOwn(secret.apps, appId)) throw new Refusal(404, 'There is nothing here.')
  const app = secret.apps[appId]
  if (event.requestContext.http.method === 'GET') {
    // WeChat's console asks when the URL is set.
    const { signature, timestamp, nonce, echostr } = event.queryStringParameters ?? {}
    if (!isSigned([app.push_token, timestamp, nonce], signature)) throw new Refusal(401, 'Not authentic.')
    return reply(200, echostr ?? '')
  }
  const push = open(event, appId, app)
  if (push.MsgType !== 'event' || push.Event !== 'wxa_media_check') return reply(200, 'success')
  if (push.appid !== undefined && push.appid !== appId) throw new Refusal(403, 'The push is for another app.')
  if (typeof push.trace_id !== 'string' || !push.trace_id) throw new Refusal(400, 'No trace_id.')
  const verdict = verdictOf(push)
  const trace = await read(`node-trace#${push.trace_id}`, 'T')
  const submissionId = trace?.submission ?? (await park(push.trace_id, verdict))
  if (submissionId) await apply(submissionId, verdict)
  return reply(200, 'success')
}

export async function handler(event) {
  try {
    return await take(event)
  } catch (error) {
    if (error instanceof Refusal) return reply(error.status, error.message)
    throw error
  }
}
