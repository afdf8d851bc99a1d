// How things are put into the page. What comes from outside is put in as text.

import { ago, say } from './language.js'

/** The first element that fits. */
export const $ = (selector, within = document) => within.querySelector(selector)

/** A new element. */
export function element(name, { className, text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  made.append(...children.filter(Boolean))
  return made
}

/** Shows a list; an entry is made anew only if its `signature` differs, so that nothing flickers. */
export function showList(list, entries, make, signature) {
  const known = new Map([...list.children].map((child) => [child.dataset.id, child]))
  const shown = entries.map((entry) => {
    const [old, now] = [known.get(entry.id), `${say('lang')} ${signature(entry)}`]
    if (old?.dataset.signature === now) return old
    const made = make(entry, old)
    made.classList.toggle('fresh', !old && list.dataset.begun === 'true')
    Object.assign(made.dataset, { id: entry.id, signature: now })
    return made
  })
  if (shown.length !== list.children.length || shown.some((one, at) => one !== list.children[at])) list.replaceChildren(...shown)
  for (const time of list.querySelectorAll('time')) time.textContent = ago(time.dateTime)
  list.dataset.begun = 'true'
}

/** A picture that was there is kept: it would be loaded again. */
function pictures(submission, old) {
  const before = new Map([...(old?.querySelectorAll('img') ?? [])].map((image) => [image.getAttribute('src'), image]))
  return submission.media
    .filter(({ url }) => url)
    .map(({ url }) => before.get(url) ?? element('img', { src: url, alt: say('picture') }))
}

/** A post, as phones show it; `more` stands below it. */
export function post(submission, old, ...more) {
  const name = submission.nickname ?? say('nobody')
  const time = element('time', { dateTime: submission.created_at, text: ago(submission.created_at) })
  const head = element('div', { className: 'head' }, element('b', { text: name }), time)
  const text = submission.text && element('p', { text: submission.text })
  const avatar = element('span', { className: 'avatar', text: [...name][0] ?? '?', ariaHidden: 'true' })
  return element('li', {}, element('article', {}, avatar, element('div', {}, head, text, ...pictures(submission, old), ...more)))
}

let toastEnds
/** Tells the author something for a while. */
export function toast(text) {
  $('.toast').textContent = text
  $('.toast').classList.add('shown')
  clearTimeout(toastEnds)
  toastEnds = setTimeout(() => $('.toast').classList.remove('shown'), 4000)
}
