// The whole client for a mini program: native (wx), uni-app (uni) or Taro. Copy this file; it needs no other.
//
//   import { greenlight, GreenlightError } from './greenlight.js'
//   const client = greenlight({ url: 'https://greenlight.example.com', platform: wx })
//   await client.submit({ scene: 'forum', channel: 'square', text: '你好', files: [tempFilePath] })

/** What went wrong: a stable `code`, and a Chinese `message` that may be shown as it is. */
export class GreenlightError extends Error {
  constructor({ code, message, status = 0, faults = [], retryAfter = 0 }) {
    super(message)
    Object.assign(this, { name: 'GreenlightError', code, status, faults, retryAfter })
  }
}

// Phones and servers disagree about the time, so a session is left by its age: it is good for 110 minutes.
const SESSION_MS = 100 * 60 * 1000
const TIMEOUT_MS = 60 * 1000

/**
 * `url`: where Greenlight is. `platform`: `wx`, `uni` or `Taro`. `uploadUrl`: where uploads go, if that is another address.
 * `appId`: which app, where one deployment serves several.
 */
export function greenlight({ url, platform, uploadUrl = url, appId }) {
  const [base, uploads] = [url, uploadUrl].map((one) => one.replace(/\/+$/, ''))
  let session

  // `success` is called for every status. Taro returns a promise besides, which fails with `fail`: that is told once.
  const call = (api, options, withTask) =>
    new Promise((success, fail) => {
      const task = platform[api]({ ...options, success, fail })
      if (task && task.catch) task.catch(() => {})
      if (withTask && task) withTask(task)
    }).catch((failure) => {
      const reason = (failure && failure.errMsg) || String(failure)
      throw Object.assign(new GreenlightError({ code: 'network', message: '网络不太好，请稍后再试。' }), { reason })
    })

  const to = (method, path, data) => ({ url: base + path, method, data, timeout: TIMEOUT_MS })

  // uploadFile gives a text, and whatever stands between may answer something else than JSON.
  const answered = ({ statusCode, data, header = {} }) => {
    let body = data
    try { if (typeof data === 'string' && data) body = JSON.parse(data) } catch { body = null }
    if (statusCode >= 200 && statusCode < 300 && body !== null) return body || undefined
    const retryAfter = Number(header['Retry-After'] || header['retry-after']) || 0
    const { code = 'unavailable', message = '服务暂时不可用，请稍后再试。', faults } = body || {}
    throw new GreenlightError({ code, message, status: statusCode, faults, retryAfter })
  }

  // One login at a time, however many calls wait for it; one that failed is not kept.
  const login = () => {
    const open = ({ code }) => call('request', to('POST', '/v1/sessions', { code, ...(appId && { app_id: appId }) }))
    const token = call('login', {}).then(open).then(answered).then((opened) => opened.token)
    const own = { at: Date.now(), token }
    own.token.catch(() => { if (session === own) session = undefined })
    session = own
    return own.token
  }

  // Sends with a session, and once more with a new one if the server knows it no longer.
  const authorized = async (send) => {
    const age = session ? Date.now() - session.at : SESSION_MS
    const used = age >= 0 && age < SESSION_MS ? session.token : login()
    const attempt = async (token) => answered(await send({ Authorization: `Bearer ${await token}` }))
    try {
      return await attempt(used)
    } catch (error) {
      if (error.status !== 401 || error.code === 'login_refused') throw error
      return attempt(session && session.token !== used ? session.token : login())
    }
  }

  const request = (method, path, data) => authorized((header) => call('request', { ...to(method, path, data), header }))

  const paged = (path, page = {}) => {
    const given = ['cursor', 'limit'].filter((name) => page[name])
    const query = given.map((name) => `${name}=${encodeURIComponent(page[name])}`).join('&')
    return request('GET', query ? `${path}?${query}` : path)
  }

  const client = {
    /** Opens a new session. Call it in App.onShow: what waits for the author (61010) goes on then. */
    login: () => login().then(() => undefined),

    /** Uploads a file of up to 4 MiB: `{upload_id, kind, …}`. `onProgress` is told percents. */
    upload: (filePath, onProgress) =>
      authorized((header) =>
        call('uploadFile', { url: `${uploads}/v1/uploads`, filePath, name: 'file', header, timeout: TIMEOUT_MS }, (task) => {
          if (onProgress && task.onProgressUpdate) task.onProgressUpdate(({ progress }) => onProgress(progress))
        })
      ),

    /** Submits a draft, its `files` uploaded first. It keeps its key: sending the same object again makes nothing new. */
    async submit(draft, onProgress = () => {}) {
      const random = () => Math.random().toString(36).slice(2).padEnd(12, '0')
      draft.idempotency_key = draft.idempotency_key || random() + random()
      const { files = [], media = [], ...body } = draft
      const uploaded = media.map(({ upload_id }) => ({ upload_id }))
      for (const [index, file] of files.entries()) {
        const { upload_id } = await client.upload(file, (own) => onProgress(Math.floor((index * 100 + own) / files.length)))
        uploaded.push({ upload_id })
      }
      return request('POST', '/v1/submissions', uploaded.length ? { ...body, media: uploaded } : body)
    },

    /** One submission. */
    read: (id) => request('GET', `/v1/submissions/${encodeURIComponent(id)}`),
    /** The author's own, newest first: `{submissions, next_cursor}`. */
    own: (page) => paged('/v1/submissions', page),
    /** A channel's feed, newest first; the author's own that wait stand before it. */
    feed: (channel, page) => paged(`/v1/channels/${encodeURIComponent(channel)}/submissions`, page),
    /** Takes a submission back for good. */
    withdraw: (id) => request('DELETE', `/v1/submissions/${encodeURIComponent(id)}`),
    /** Checks a text that is not stored, such as a search: `{suggest, message, …}`. */
    checkText: (content, scene = 'comment') => request('POST', '/v1/checks/text', { scene, content }),
  }
  return client
}
