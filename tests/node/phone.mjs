// A stand-in for what mini programs have of the network, with the habits of the real ones: any status is a success, there is no
// PATCH, uploads are multipart and answer a text, a request ends after 60 seconds, a code from a login is good once.
// (微信开放文档: wx.request, wx.uploadFile, wx.login; uni.request; Taro.request.)

import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'

const METHODS = ['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT']

// WeChat's codes are good once: those of all phones are counted together. The person is what stands before the last hyphen.
let codes = 0

/** `kind`: `wx`, `uni` or `Taro`. What it was asked stands in `asked`; `spoil` has the next so many tokens be wrong ones. */
export function phone(kind, person) {
  const own = { asked: [], logins: 0, spoil: 0, codes: undefined }

  async function sent(api, url, { method, headers, body, timeout = 60_000 }) {
    own.asked.push(`${method} ${new URL(url).pathname}`)
    if (own.spoil > 0 && headers.Authorization) {
      own.spoil -= 1
      headers = { ...headers, Authorization: `${headers.Authorization}x` }
    }
    for (const name of Object.keys(headers)) {
      if (/^(referer|user-agent)$/i.test(name)) throw new Error(`${api}:fail ${name} cannot be set`)
    }
    let answer
    try {
      answer = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(Math.min(timeout, 60_000)) })
    } catch (error) {
      throw new Error(error.name === 'TimeoutError' ? `${api}:fail timeout` : `${api}:fail `)
    }
    const header = Object.fromEntries(answer.headers)
    return { statusCode: answer.status, header, data: await answer.text(), errMsg: `${api}:ok` }
  }

  // What each of the three gives back: a task, and Taro's is a promise too, which fails with `fail`.
  function told({ success, fail, complete }, task, work) {
    const done = work().then(
      (result) => { success?.(result); complete?.(result); return result },
      (error) => { const failure = { errMsg: error.message }; fail?.(failure); complete?.(failure); throw failure },
    )
    if (kind === 'Taro') return Object.assign(done, task)
    done.catch(() => {})
    return task
  }

  own.platform = {
    request(options) {
      const { url, method = 'GET', data, header = {}, dataType = 'json', timeout } = options
      return told(options, { abort() {} }, async () => {
        if (!METHODS.includes(method)) throw new Error('request:fail invalid method')
        const target = new URL(url)
        let body
        if (method === 'GET') {
          for (const [name, value] of Object.entries(data ?? {})) target.searchParams.append(name, value)
        } else if (data !== undefined) {
          body = typeof data === 'string' ? data : JSON.stringify(data)
        }
        const answer = await sent('request', target, { method, body, timeout, headers: { 'content-type': 'application/json', ...header } })
        if (dataType === 'json') {
          try { answer.data = JSON.parse(answer.data) } catch { /* It stays a text. */ }
        }
        return answer
      })
    },

    uploadFile(options) {
      const { url, filePath, name, header = {}, formData = {}, timeout } = options
      let onProgress = () => {}
      const task = { abort() {}, onProgressUpdate(listener) { onProgress = listener } }
      return told(options, task, async () => {
        if (!filePath || !name) throw new Error('uploadFile:fail parameter error')
        if (Object.keys(header).some((own) => /^content-type$/i.test(own))) throw new Error('uploadFile:fail content-type')
        const form = new FormData()
        for (const [field, value] of Object.entries(formData)) form.append(field, value)
        form.append(name, new Blob([await readFile(filePath)]), basename(filePath))
        for (const progress of [0, 50, 100]) onProgress({ progress, totalBytesSent: 0, totalBytesExpectedToSend: 0 })
        return sent('uploadFile', url, { method: 'POST', headers: header, body: form, timeout })
      })
    },

    login(options) {
      return told(options, undefined, async () => {
        own.logins += 1
        return { code: own.codes ? own.codes.shift() : `${person}-${kind}-${(codes += 1)}`, errMsg: 'login:ok' }
      })
    },
  }
  return own
}
