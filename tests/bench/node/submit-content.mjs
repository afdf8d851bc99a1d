// POST /v1/submissions: takes an author's text, has WeChat judge it, and stores it with what came of that.

import { BatchGetCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb'
import axios from 'axios'
import jwt from 'jsonwebtoken'
import { randomUUID } from 'node:crypto'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { TABLE, secret, table } from './start.mjs'

const SCENES = { profile: 1, comment: 2, forum: 3, social_log: 4 }
const STATES = { pass: 'approved', risky: 'rejected', review: 'in_review' }
const MAX_TEXT = 2500
const MAX_NICKNAME = 100
const CHANNEL = /^[a-z0-9_-]{1,64}$/
const RECENT = 20
const RATE = 30
const RATE_WINDOW_MS = 10 * 60 * 1000
const ADDRESS_KEPT_S = 200 * 24 * 3600
// WeChat's codes for an access token that is wrong or over.
const TOKEN_OVER = new Set([40001, 40014, 42001])
const TOKEN_MARGIN_MS = 60 * 1000

const wechat = axios.create({
  baseURL: process.env.GREENLIGHT_WECHAT_URL,
  timeout: 5000,
  httpAgent: new HttpAgent({ keepAlive: true }),
  httpsAgent: new HttpsAgent({ keepAlive: true }),
})

class Refusal extends Error {
  constructor(status, code, message) {
    super(message)
    this.status = status
    this.code = code
  }
}

function reply(statusCode, value, headers = {}) {
  return { statusCode, headers: { 'content-type': 'application/json; charset=utf-8', ...headers }, body: JSON.stringify(value) }
}

function readSession(headers) {
  const [, token] = /^bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
  if (!token) throw new Refusal(401, 'unauthorized', 'Sign in first.')
  try {
    const { app, sub } = jwt.verify(token, secret.session_key, { algorithms: ['HS256'], audience: 'session' })
    if (Object.hasOwn(secret.apps, app) && sub) return { app, openid: sub }
  } catch (error) {
    if (error instanceof jwt.TokenExpiredError) throw new Refusal(401, 'session_expired', 'The session has expired.')
  }
  throw new Refusal(401, 'unauthorized', 'The session is not valid.')
}

function readBody(event) {
  let body
  try {
    body = JSON.parse(event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString() : event.body)
  } catch {
    throw new Refusal(400, 'invalid_json', 'The body is not JSON.')
  }
  const { scene, text, nickname, channel } = body ?? {}
  const faults = []
  const isText = (value, longest) => typeof value === 'string' && value.trim() !== '' && [...value].length <= longest
  if (!Object.hasOwn(SCENES, scene)) faults.push(`scene must be one of ${Object.keys(SCENES).join(', ')}`)
  if (!isText(text, MAX_TEXT)) faults.push(`text must have 1 to ${MAX_TEXT} characters`)
  if (nickname != null && !isText(nickname, MAX_NICKNAME)) faults.push(`nickname must have 1 to ${MAX_NICKNAME} characters`)
  if (channel != null && !(typeof channel === 'string' && CHANNEL.test(channel))) faults.push('channel must be a-z, 0-9, _ or -')
  if (faults.length > 0) throw new Refusal(400, 'invalid_submission', faults.join('; '))
  return { scene, text, nickname: nickname ?? undefined, channel: channel ?? undefined }
}

function authorKey({ app, openid }) {
  return { pk: `node-author#${app}#${openid}`, sk: 'A' }
}

function tokenKey(app) {
  return { pk: `node-app#${app}`, sk: 'K' }
}

async function readAuthorAndToken(session) {
  let keys = [authorKey(session), tokenKey(session.app)]
  const found = []
  while (keys?.length > 0) {
    const { Responses, UnprocessedKeys } = await table.send(new BatchGetCommand({ RequestItems: { [TABLE]: { Keys: keys } } }))
    found.push(...(Responses?.[TABLE] ?? []))
    keys = UnprocessedKeys?.[TABLE]?.Keys
  }
  return { author: found.find((item) => item.sk === 'A') ?? {}, token: found.find((item) => item.sk === 'K') }
}

async function freshToken(app) {
  const { data } = await wechat.post('/cgi-bin/stable_token', {
    grant_type: 'client_credential',
    appid: app,
    secret: secret.apps[app].app_secret,
    force_refresh: false,
  })
  if (!data.access_token) throw new Error(`stable_token: errcode ${data.errcode}`)
  const expires_at = Date.now() + data.expires_in * 1000
  await table.send(new PutCommand({ TableName: TABLE, Item: { ...tokenKey(app), access_token: data.access_token, expires_at } }))
  return data.access_token
}

async function askWeChat(accessToken, { openid }, { scene, text, nickname }) {
  const body = { content: text, version: 2, scene: SCENES[scene], openid, nickname }
  const { data } = await wechat.post('/wxa/msg_sec_check', body, { params: { access_token: accessToken } })
  return data
}

// Whatever goes wrong at WeChat, the submission is stored; it is then pending.
async function judge(token, session, content) {
  try {
    const lives = token?.expires_at > Date.now() + TOKEN_MARGIN_MS
    let answer = await askWeChat(lives ? token.access_token : await freshToken(session.app), session, content)
    if (TOKEN_OVER.has(answer.errcode)) answer = await askWeChat(await freshToken(session.app), session, content)
    if (answer.errcode) {
      console.warn(`msg_sec_check: errcode ${answer.errcode}`)
      return { state: 'pending' }
    }
    const { suggest, label } = answer.result ?? {}
    const state = Object.hasOwn(STATES, suggest ?? '') ? STATES[suggest] : 'in_review'
    return { state, suggest, label, trace_id: answer.trace_id, decided_at: Date.now() }
  } catch (error) {
    // An axios error holds the URL, and with it the access token.
    console.error(`msg_sec_check: ${error.code ?? ''} ${error.message}`)
    return { state: 'pending' }
  }
}

function admit(author, now) {
  if (author.banned_until > now) throw new Refusal(403, 'banned', 'You may not submit at present.')
  if (author.window_from > now - RATE_WINDOW_MS && author.submissions >= RATE) {
    throw new Refusal(429, 'too_many_requests', 'Too many submissions; try again later.')
  }
}

function countSubmission(session, author, id, now) {
  const isInWindow = author.window_from > now - RATE_WINDOW_MS
  const recent = [...(author.recent ?? []), id].slice(-RECENT)
  return table.send(
    new UpdateCommand({
      TableName: TABLE,
      Key: authorKey(session),
      ...(isInWindow
        ? {
            UpdateExpression: 'SET recent = :recent ADD submissions :one',
            ExpressionAttributeValues: { ':recent': recent, ':one': 1 },
          }
        : {
            UpdateExpression: 'SET recent = :recent, window_from = :now, submissions = :one',
            ExpressionAttributeValues: { ':recent': recent, ':now': now, ':one': 1 },
          }),
    }),
  )
}

// From where it came, as evidence.
function keepAddress(event, id, now) {
  const expires_at = Math.floor(now / 1000) + ADDRESS_KEPT_S
  const client_ip = event.requestContext.http.sourceIp
  return table.send(new PutCommand({ TableName: TABLE, Item: { pk: `node-submission#${id}`, sk: 'E', client_ip, at: now, expires_at } }))
}

async function submit(event) {
  const session = readSession(event.headers)
  const content = readBody(event)
  const { author, token } = await readAuthorAndToken(session)
  const [id, now] = [randomUUID(), Date.now()]
  admit(author, now)
  const kept = countSubmission(session, author, id, now).then(() => keepAddress(event, id, now))
  const [verdict] = await Promise.all([judge(token, session, content), kept])
  const submission = { id, app_id: session.app, version: 1, ...content, ...verdict, created_at: new Date(now).toISOString() }
  await table.send(
    new PutCommand({
      TableName: TABLE,
      Item: { pk: `node-submission#${id}`, sk: 'S', openid: session.openid, ...submission },
      ConditionExpression: 'attribute_not_exists(pk)',
    }),
  )
  const { suggest, trace_id, ...view } = submission
  return reply(201, view, { location: `/v1/submissions/${id}` })
}

export async function handler(event) {
  try {
    if (event.rawPath !== '/v1/submissions') throw new Refusal(404, 'not_found', 'There is nothing here.')
    if (event.requestContext.http.method !== 'POST') throw new Refusal(405, 'method_not_allowed', 'Only POST is taken here.')
    return await submit(event)
  } catch (error) {
    if (error instanceof Refusal) return reply(error.status, { code: error.code, message: error.message })
    throw error
  }
}
