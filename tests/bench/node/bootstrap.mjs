// Runs a job against the Lambda Runtime API: `node bootstrap.mjs submit-content` or `node bootstrap.mjs receive-push`.
//
// It stands for AWS's own Node runtime client, which cannot be installed without compiling. It is leaner than that, which is in
// Node's favour.

import { Agent, request } from 'node:http'

const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const runtime = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`

function call(method, path, value) {
  return new Promise((resolve, reject) => {
    const body = value === undefined ? undefined : JSON.stringify(value)
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const calling = request(`${runtime}${path}`, { method, agent, headers }, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        if (answer.statusCode >= 300) reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`))
        else resolve({ headers: answer.headers, text })
      })
    })
    calling.on('error', reject)
    calling.end(body)
  })
}

function shown(error) {
  return { errorMessage: String(error?.message ?? error), errorType: error?.name ?? 'Error' }
}

async function load(name) {
  try {
    const { handler } = await import(`./${name}.mjs`)
    return handler
  } catch (error) {
    console.error(error)
    await call('POST', '/init/error', shown(error))
    return process.exit(1)
  }
}

const handler = await load(process.argv[2])
for (;;) {
  const next = await call('GET', '/invocation/next')
  const invocation = `/invocation/${next.headers['lambda-runtime-aws-request-id']}`
  let answer
  try {
    answer = await handler(JSON.parse(next.text))
  } catch (error) {
    console.error(error)
    await call('POST', `${invocation}/error`, shown(error))
    continue
  }
  await call('POST', `${invocation}/response`, answer ?? null)
}
