// Speaks with a deployed stack, for add-app.mjs and smoke.mjs: the AWS CLI, the stack's outputs, its secret, and HTTP.

import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

/** Something that a person has to mend: what is wrong, and what to do about it. */
export class Failure extends Error {
  constructor(what, todo) {
    super(`${what}: ${todo}`)
  }
}

/** What was asked for is not there. */
class Absent extends Failure {}

// ---- The command line.

/** Reads the command line. Whatever is wrong with it ends the run with the usage and 2. */
export function readArguments(usage, own, check) {
  const text = { type: 'string' }
  const options = { stack: text, region: text, profile: text, 'app-id': text, help: { type: 'boolean' }, ...own }
  let values
  let fault
  try {
    values = parseArgs({ options }).values
    fault = values.stack ? check(values) : '--stack is missing: the name of the CloudFormation stack'
  } catch (error) {
    // A word that is no option may be a secret that somebody typed here, so it is not repeated.
    const isWord = error.code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL'
    fault = isWord ? 'a word stands where an option should' : error.message.split('. ')[0]
  }
  if (values?.help) {
    console.log(usage)
    process.exit(0)
  }
  if (fault) {
    console.error(`${fault}\n\n${usage}`)
    process.exit(2)
  }
  return values
}

export function appIdFault(appId) {
  if (/^wx[a-zA-Z0-9]{1,30}$/.test(appId)) return undefined
  return '--app-id must be the AppID of the mini program: wx, then letters and digits'
}

/** One of our commands as it is to be typed, for the same stack. */
export function command(script, { stack, region, profile }, appId, more) {
  const words = [`node infra/${script} --stack ${stack}`]
  if (region) words.push(`--region ${region}`)
  if (profile) words.push(`--profile ${profile}`)
  words.push(`--app-id ${appId}`)
  if (more) words.push(more)
  return words.join(' ')
}

/** Runs `main`. A failure is told in one line, and ends the run with 1. */
export async function run(main) {
  try {
    process.exitCode = await main()
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}

// ---- AWS.

const SIGN_IN = 'sign in (aws configure, or aws sso login), or name a --profile'
const AWS_FAULTS = [
  [/config profile/i, 'the AWS CLI knows no such profile', 'look at --profile'],
  [/specify a region|invalid endpoint|valid region/i, 'no region is named that exists', 'look at --region'],
  [/locate credentials|partial credentials/i, 'the AWS CLI has no credentials', SIGN_IN],
  [/ExpiredToken|has expired|sso (login|session|token)/i, 'the AWS credentials have expired', SIGN_IN],
  [/InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch/, 'AWS does not know the credentials', SIGN_IN],
  [
    /could not connect|timeout|failed to connect|connection was closed|ssl validation/i,
    'AWS cannot be reached',
    'look at the network, at --region and at AWS_ENDPOINT_URL',
  ],
]

function awsFailure([service, operation], error, stderr) {
  const called = `aws ${service} ${operation}`
  if (error.code === 'ENOENT') {
    const todo = 'install the AWS CLI, version 2, from https://aws.amazon.com/cli and open a new terminal'
    return new Failure('there is no command aws', todo)
  }
  const code = /\((\w+)\) when calling/.exec(stderr)?.[1] ?? ''
  if (code === 'ResourceNotFoundException' || /does not exist|marked (for deletion|deleted)/.test(stderr)) {
    return new Absent(`${called} finds nothing`, 'look at --stack, --region and --profile')
  }
  if (/^AccessDenied|^Unauthorized|NotAuthorized/.test(code)) {
    const action = operation.replace(/(?:^|-)(\w)/g, (_, letter) => letter.toUpperCase())
    return new Failure(`AWS does not permit you ${service}:${action}`, 'have it permitted, or name a --profile')
  }
  const known = AWS_FAULTS.find(([pattern]) => pattern.test(stderr))
  if (known) return new Failure(known[1], known[2])
  // The message could repeat what was to be written.
  const said = operation.startsWith('put-') ? code : stderr.trim().split('\n').pop()
  return new Failure(`${called} failed (${said || error.code})`, 'try again; if it stays, run that command yourself')
}

/** The AWS CLI, with the caller's own credentials. Called with its words, it gives what it answers. */
export function awsCli({ region, profile }) {
  const common = ['--output', 'json', '--cli-connect-timeout', '10', '--cli-read-timeout', '30']
  if (region) common.push('--region', region)
  if (profile) common.push('--profile', profile)
  // No pager and no menu that waits for somebody; and UTF-8, for Windows has other ideas.
  const env = { ...process.env, AWS_PAGER: '', AWS_CLI_AUTO_PROMPT: 'off', PYTHONUTF8: '1', PYTHONIOENCODING: 'utf-8' }
  const options = { env, maxBuffer: 1 << 24, windowsHide: true }
  return (...words) =>
    new Promise((resolve, reject) => {
      const child = execFile('aws', [...words, ...common], options, (error, stdout, stderr) => {
        if (error) return reject(awsFailure(words, error, stderr))
        try {
          resolve(JSON.parse(stdout))
        } catch {
          reject(new Failure(`aws ${words[0]} ${words[1]} answers no JSON`, 'run it yourself, and look'))
        }
      })
      child.stdin?.end()
    })
}

const URLS = ['SubmitContentUrl', 'AcceptUploadUrl', 'ReceivePushUrl', 'ServeMediaUrl', 'UploadFormsUrl']

/** The stack's status and outputs; their URLs without a slash at the end. */
export async function readStack(aws, name) {
  const answer = await aws('cloudformation', 'describe-stacks', '--stack-name', name).catch((error) => {
    if (!(error instanceof Absent)) throw error
    throw new Failure(`there is no stack ${name} here`, 'look at --stack, --region and --profile, or deploy it first')
  })
  const { StackStatus: status, Outputs: listed = [] } = answer.Stacks[0]
  const outputs = Object.fromEntries(listed.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]))
  const missing = [...URLS, 'Door', 'Secret'].filter((key) => !outputs[key])
  if (missing.length > 0 && status.endsWith('_IN_PROGRESS')) {
    throw new Failure(`the stack ${name} is ${status}`, 'wait until it is complete')
  }
  if (missing.length > 0) {
    const what = `the stack ${name} is ${status}, and has no output ${missing.join(', ')}`
    throw new Failure(what, 'deploy infra/template.yaml to it again')
  }
  for (const key of URLS) outputs[key] = outputs[key].replace(/\/+$/, '')
  return { status, outputs }
}

// ---- The secret.

export const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The secret document, and which version of it that is. */
export async function readSecret(aws, arn) {
  const answer = await aws('secretsmanager', 'get-secret-value', '--secret-id', arn).catch((error) => {
    if (!(error instanceof Absent)) throw error
    const todo = `if it was deleted, bring it back: aws secretsmanager restore-secret --secret-id ${arn}`
    throw new Failure("the stack's secret is not there", todo)
  })
  let document
  try {
    document = JSON.parse(answer.SecretString)
  } catch {
    // The parser's own words would quote the secret.
  }
  if (!isObject(document) || !isObject(document.apps)) {
    const todo = `mend it in the console of Secrets Manager, which keeps the version before as well: ${arn}`
    throw new Failure('the secret is not the JSON document that it should be', todo)
  }
  return { document, versionId: answer.VersionId }
}

// The same rules as in shared/src/apps.rs.
const isText = (value) => typeof value === 'string' && value !== ''
const isUrl = (value) => isText(value) && /^https?:\/\/[^/?#@\s]+[^?#\s]*$/.test(value)
const isListOf = (good) => (value) => Array.isArray(value) && value.every((one) => isText(one) && good(one))
const TEXT = [isText, 'it must be a text that is not empty']
const AES_KEY = [
  (value) => isText(value) && /^[A-Za-z0-9+/]{43}$/.test(value),
  'an EncodingAESKey has 43 characters A-Z a-z 0-9',
]
const isWebhookKey = (value) => {
  if (!isText(value) || !/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(value)) return false
  const { length } = Buffer.from(value.slice(6), 'base64')
  return value.length % 4 === 2 && length >= 24 && length <= 64
}
const BASE_URL = [isUrl, 'it must be a URL without a query']
const FIELDS = {
  platform: [(value) => value === 'wechat', 'it must be wechat'],
  app_secret: TEXT,
  push_token: TEXT,
  push_aes_key: AES_KEY,
  previous_push_token: TEXT,
  previous_push_aes_key: AES_KEY,
  server_keys: [isListOf((key) => key.length >= 8), 'it must be a list of texts of at least 8 characters'],
  allow_plaintext_push: [(value) => typeof value === 'boolean', 'it must be true or false'],
  channels: [
    isListOf((name) => /^[a-z0-9_-]{1,64}$/.test(name)),
    'it must be a list of channels, each of a-z, 0-9, _ and -',
  ],
  decision_url: BASE_URL,
  decision_key: [isWebhookKey, 'it must be whsec_ and the base64 of 24 to 64 random bytes'],
  relay_url: BASE_URL,
}
const REQUIRED = ['platform', 'app_secret', 'push_token', 'push_aes_key']

/** The first thing in the document that is wrong for an app, by its field; no value is repeated. */
export function faultOf(document, appId) {
  for (const name of Object.keys(document)) {
    if (!['session_key', 'previous_session_key', 'apps'].includes(name)) return `${name}: there is no such field`
  }
  const { session_key, previous_session_key, apps } = document
  const isKey = (value) => isText(value) && value.length >= 16
  if (!isKey(session_key)) return 'session_key: it must be a text of at least 16 characters'
  if (!isKey(previous_session_key ?? session_key)) return 'previous_session_key: it must have at least 16 characters'
  const app = apps[appId]
  if (!isObject(app)) return `apps.${appId}: it must be an object`
  // What is null is as good as not there.
  for (const name of REQUIRED) if (app[name] == null) return `apps.${appId}.${name}: it is missing`
  for (const [name, value] of Object.entries(app)) {
    if (!Object.hasOwn(FIELDS, name)) return `apps.${appId}.${name}: there is no such field`
    const [good, rule] = FIELDS[name]
    if (value !== null && !good(value)) return `apps.${appId}.${name}: ${rule}`
  }
  if (app.decision_url && !app.decision_key) return `apps.${appId}.decision_key: it is missing; decisions are told signed`
  for (const [id, other] of Object.entries(apps)) {
    if (id === appId || !Array.isArray(other?.server_keys)) continue
    if (other.server_keys.some((key) => app.server_keys?.includes(key))) {
      return `apps.${appId}.server_keys: one of them stands with ${id} too, so it is good for neither`
    }
  }
  return undefined
}

/** What to paste into WeChat's console; with `app` also its Token and EncodingAESKey. */
export function consoleSettings(outputs, appId, app) {
  const origin = (key) => new URL(outputs[key]).origin
  const lines = [
    `For ${appId}, into WeChat's console (https://mp.weixin.qq.com):`,
    '',
    '开发管理 → 消息推送 (message push)',
    `  URL               ${outputs.ReceivePushUrl}/push/${appId}`,
    ...(app ? [`  Token             ${app.push_token}`, `  EncodingAESKey    ${app.push_aes_key}`] : []),
    '  消息加密方式      安全模式 (security mode)',
    '  数据格式          JSON',
    '',
    '开发管理 → 开发设置 → 服务器域名 (server domains)',
    `  request 合法域名       ${origin('SubmitContentUrl')}`,
    `  uploadFile 合法域名    ${origin('AcceptUploadUrl')}`,
    `  uploadFile 合法域名    ${origin('UploadFormsUrl')} (where you upload with forms)`,
    `  downloadFile 合法域名  ${origin('ServeMediaUrl')}`,
  ]
  if (/\.(on\.aws|amazonaws\.com(\.cn)?)$/.test(new URL(outputs.SubmitContentUrl).hostname)) {
    lines.push(
      '',
      'WeChat takes a server domain only with an ICP filing (备案) of yours, and a name of AWS can have none.',
      'For the developer tools tick 不校验合法域名; for users deploy with Door=HttpApi and DomainName.',
    )
  }
  return lines.join('\n')
}

// ---- HTTP.

const ANSWER_WITHIN_S = 10
// A function reads the secret again at most every 10 seconds; whoever has just changed it has to wait that long, once.
const SETTLES_WITHIN_S = 11
const UNSETTLED = ['no_app', 'app_switched_off', 'unauthorized', 'not_authentic', 'not_found']

export const OTHER_SECRET = 'it has another secret: wait 5 minutes if it was just changed, else deploy the stack again'

function unreachable(host, error) {
  const { cause } = error
  const code = cause?.code ?? cause?.errors?.[0]?.code ?? cause?.message ?? error.name
  let todo = 'look at your network (a proxy in HTTPS_PROXY is not used here), and at the log of the function'
  if (/ENOTFOUND|EAI_AGAIN/.test(code)) {
    todo = 'the name has no address; a domain of yours must be a CNAME of the output DomainTarget'
  } else if (/CERT|SIGNED|SIGNATURE|TLS|SSL/.test(code)) {
    todo = 'its certificate is not good for it; look at CertificateArn, and at a proxy between'
  }
  const how = error.name === 'TimeoutError' ? `within ${ANSWER_WITHIN_S} s` : `(${code})`
  return new Failure(`${host} does not answer ${how}`, todo)
}

/** Sends a request. Gives its status, content type, text and, if it is one, JSON. */
export async function request(url, { method = 'GET', key, json, body } = {}) {
  const headers = { 'Accept-Language': 'en' }
  if (key) headers.Authorization = `Bearer ${key}`
  if (json) headers['Content-Type'] = 'application/json'
  const { host } = new URL(url)
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_S * 1000)
    const sent = json ? JSON.stringify(json) : body
    const response = await fetch(url, { method, headers, body: sent, redirect: 'manual', signal })
    const type = response.headers.get('content-type') ?? ''
    const text = await response.text()
    return { host, status: response.status, type, text, json: /json/.test(type) && text ? JSON.parse(text) : undefined }
  } catch (error) {
    if (error instanceof SyntaxError) throw new Failure(`${host} answers broken JSON`, 'look at a proxy between')
    throw unreachable(host, error)
  }
}

/** Sends, and once more if the function may not have read the newest secret yet. */
export async function settled(send) {
  const answer = await send()
  if (!UNSETTLED.includes(answer.json?.code)) return answer
  console.log(`     ${answer.json.code}: trying once more in ${SETTLES_WITHIN_S} s, for the secret may be new`)
  await sleep(SETTLES_WITHIN_S * 1000)
  return send()
}

/** What an answer that was not expected means. */
export function unexpected({ host, status, json, type }) {
  const ours = /problem\+json/.test(type)
  const faults = (json?.faults ?? []).map((fault) => `${fault.field}: ${fault.message}`)
  const what = `${host} answers ${[status, json?.code].filter(Boolean).join(' ')}`
  if (['no_app', 'app_switched_off'].includes(json?.code)) {
    return new Failure(what, `${json.message} Yet the stack's secret is in order, so ${OTHER_SECRET}`)
  }
  if (ours && status === 401) return new Failure(what, OTHER_SECRET)
  if (ours && status !== 500) return new Failure(what, [json.message, ...faults].join(' '))
  if (status === 429) {
    return new Failure(`${what}: too much at a time`, "see this AWS account's quota of concurrent executions of Lambda")
  }
  if (status === 403) {
    const todo = 'deploy infra/template.yaml again; if public function URLs are forbidden to you, with Door=HttpApi'
    return new Failure(`${what}: AWS lets nobody in`, todo)
  }
  if (status >= 500) {
    const todo = 'look at the log of the function; the output Logs has the command for one of them'
    return new Failure(`${what}: the function did not start, or failed`, todo)
  }
  const todo = 'look where the URL leads: the outputs, DomainPath, a proxy between'
  return new Failure(`${what}: that is not Greenlight`, todo)
}

/** What an answer says, if it has the status that it should have. */
export function expect(answer, status) {
  if (answer.status !== status) throw unexpected(answer)
  return answer.json
}
