// What greenlight.js finds in a mini program as `wx`, over fetch: the phone of one user. A file's path is the file itself.

/** `language` says in which language messages are asked for. */
export function phone(user, language) {
  let logins = 0
  const headersOf = (header, json) => ({
    'Accept-Language': language(),
    ...(json && { 'Content-Type': 'application/json' }),
    ...header,
  })
  return {
    request({ url, method = 'GET', data, header, timeout, success, fail }) {
      const body = data === undefined ? undefined : JSON.stringify(data)
      fetch(url, { method, body, headers: headersOf(header, body), signal: AbortSignal.timeout(timeout), cache: 'no-store' })
        .then(async (answer) => ({
          statusCode: answer.status,
          data: await answer.text(),
          header: Object.fromEntries(answer.headers),
        }))
        .then(success, (error) => fail({ errMsg: `request:fail ${error.message}` }))
    },
    // fetch does not tell how much it has sent.
    uploadFile({ url, filePath, name, header, timeout, success, fail }) {
      const [call, form] = [new XMLHttpRequest(), new FormData()]
      form.append(name, filePath, 'picture.png')
      call.open('POST', url)
      call.timeout = timeout
      for (const [field, value] of Object.entries(headersOf(header))) call.setRequestHeader(field, value)
      call.onload = () =>
        success({
          statusCode: call.status,
          data: call.responseText,
          header: { 'Retry-After': call.getResponseHeader('Retry-After') },
        })
      call.onerror = call.ontimeout = () => fail({ errMsg: 'uploadFile:fail' })
      const told = []
      call.upload.onprogress = ({ loaded, total }) => told.forEach((tell) => tell({ progress: Math.floor((loaded * 100) / total) }))
      call.send(form)
      return { onProgressUpdate: (tell) => told.push(tell) }
    },
    // The simulator's codes: what comes before the hyphen is the user, and each is good once.
    login: ({ success }) => success({ code: `${user}-${Date.now()}${(logins += 1)}` }),
  }
}
