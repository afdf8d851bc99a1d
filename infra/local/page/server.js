// What the page asks of the run behind it, beside what phones ask: the moderator's side, and the simulator.

// Without this header nothing is answered, and another site cannot send it.
const OURS = { 'Greenlight-Page': '1' }

async function asked(path, language, method = 'GET', body) {
  const headers = { ...OURS, 'Accept-Language': language, ...(body && { 'Content-Type': 'application/json' }) }
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: 'no-store' })
  const text = await answer.text()
  const value = text ? JSON.parse(text) : undefined
  if (!answer.ok)
    throw Object.assign(new Error(value?.message ?? `HTTP ${answer.status}`), { code: value?.code, status: answer.status })
  return value
}

export const run = () => asked('page/run.json', 'en')

/** What has to do with moderators; the server adds the owner's key. */
export const moderator = {
  reviews: (language) => asked('page/owner/v1/reviews', language),
  /** A link into the console, good once. */
  link: (language) => asked('page/owner/v1/moderators/links', language, 'POST', { moderator: 'demo', role: 'lead' }),
}

/** The simulator's control API. */
export function wechat(appId) {
  const app = `page/wechat/simulator/apps/${appId}`
  return {
    state: async () => (await asked('page/wechat/simulator', 'en')).apps[appId],
    checks: () => asked('page/wechat/simulator/checks', 'en'),
    pushes: () => asked('page/wechat/simulator/pushes', 'en'),
    behave: (behaviour) => asked(`${app}/behaviour`, 'en', 'PUT', behaviour),
    release: () => asked(`${app}/pushes/release`, 'en', 'POST'),
    expireToken: () => asked(`${app}/token/expire`, 'en', 'POST'),
  }
}
