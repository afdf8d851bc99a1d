// WeChat's moods: what the simulator is told to do.

const CHECKS = ['msg_sec_check', 'media_check_async']
const failing = (how) => ({ fail: CHECKS.map((api) => ({ api, calls: null, how })) })
// More than anybody posts here.
const saying = (suggest, label) => {
  const all = Array.from({ length: 200 }, () => ({ verdict: { suggest, label } }))
  return { text_verdicts: all, media_verdicts: all }
}

/** By name; `words.js` says what each is called, and, as `<name>Says`, what becomes of content. */
export const moods = {
  normal: {},
  slow: { hold_pushes: true },
  deaf: { push_copies: 0 },
  down: failing({ errcode: -1 }),
  strict: saying('risky', 20006),
  lying: saying('pass', 20002),
  blind: { media_reading: 'skip' },
  quota: failing({ errcode: 45009 }),
}

/** Which mood a behaviour is that the simulator tells of. */
export function moodOf(behaviour) {
  const fails = behaviour.fail[0]?.how.errcode
  if (fails) return fails === 45009 ? 'quota' : 'down'
  const forced = behaviour.text_verdicts[0] ?? behaviour.media_verdicts[0]
  if (forced) return forced.verdict?.suggest === 'pass' ? 'lying' : 'strict'
  if (behaviour.media_reading === 'skip') return 'blind'
  if (behaviour.push_copies === 0) return 'deaf'
  return behaviour.hold_pushes ? 'slow' : 'normal'
}
