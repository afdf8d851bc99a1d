// What has happened, from what can be asked: submissions as their author sees them, WeChat's checks, WeChat's pushes.

const KEPT = 12
const SAID = { pass: ['pass'], review: ['review'], risky: ['riskyVerdict'] }
const said = ({ suggest }) => SAID[suggest] ?? ['other', suggest]
const BECAME = { approved: 'becameApproved', rejected: 'becameRejected', in_review: 'becameInReview', withdrawn: 'becameWithdrawn' }

/** Each event is told once: `{id, at, kind, name, given}`, its words by their names. */
export class Story {
  #seen = new Set()
  #events = []
  #begun = false

  /** What is new since the last time, before what was told; of what was there before the first nothing is told. */
  told(submissions, checks, pushes) {
    const found = []
    const event = (id, at, kind, name, ...given) => {
      if (this.#seen.has(id)) return
      this.#seen.add(id)
      if (this.#begun) found.push({ id, at: new Date(at).toISOString(), kind, name, given })
    }
    const now = Date.now()
    for (const { id, created_at, state, decision, decided_at } of submissions) {
      event(id, created_at, 'posted', 'posted')
      const [by, became] = [decision?.by, BECAME[state]]
      if (became && by === 'moderator') event(`${id} ${state} by ${decided_at}`, decided_at ?? now, state, 'byModerator', [became])
      else if (became) event(`${id} ${state}`, decided_at ?? now, state, became)
    }
    for (const { at, trace_id, media_url, errcode, verdict, push_errcode } of checks) {
      const id = `${at} ${trace_id} ${media_url}`
      event(id, at, 'asked', media_url ? 'askedPicture' : 'askedText')
      if (errcode) event(`${id} failed`, at, 'failed', 'failed', ['other', errcode])
      else if (push_errcode) event(`${id} failed`, now, 'failed', 'failed', ['other', push_errcode])
      else if (verdict && !media_url) event(`${id} said`, at, verdict.suggest, 'said', said(verdict))
    }
    const verdicts = new Map(checks.map(({ trace_id, verdict }) => [trace_id, verdict]))
    for (const { at, trace_id, attempt, dropped, accepted } of pushes) {
      const [id, verdict] = [`${at} ${trace_id} ${attempt} push`, verdicts.get(trace_id)]
      if (dropped || !accepted) event(id, at, 'lost', dropped ? 'lost' : 'pushRefused')
      else if (verdict) event(id, at, verdict.suggest, 'pushed', said(verdict))
    }
    this.#begun = true
    const rank = ({ name }) =>
      ['posted', 'askedText', 'askedPicture'].indexOf(name) + 1 || (Object.values(BECAME).includes(name) ? 9 : 5)
    const latestFirst = (a, b) => b.at.localeCompare(a.at) || rank(b) - rank(a)
    this.#events = [...found, ...this.#events].sort(latestFirst).slice(0, KEPT)
    return this.#events
  }
}
