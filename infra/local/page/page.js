// The page: asks everybody what they see, shows it, and does what is clicked.

import { greenlight } from './greenlight.js'
import { moods, moodOf } from './moods.js'
import { moderator, run, wechat as simulatorOf } from './server.js'
import { Story } from './story.js'
import { words } from './words.js'
import { phone } from './wx.js'

const CHANNEL = 'square'
const SHOWN = 20
const EVERY_MS = 700
const EVERY_MS_HIDDEN = 5000

const $ = (selector, within = document) => within.querySelector(selector)

// ---- The language.

const kept = () => { try { return localStorage.getItem('language') } catch { return null } }
const keep = (language) => { try { localStorage.setItem('language', language) } catch { /* then it is not kept */ } }
let language = kept() ?? (navigator.language.startsWith('zh') ? 'zh' : 'en')
const say = (name, ...given) => { const word = words[language][name]; return typeof word === 'function' ? word(...given) : word }

function speak() {
  document.documentElement.lang = say('lang')
  for (const one of document.querySelectorAll('[data-word]')) one.textContent = say(one.dataset.word)
  for (const one of document.querySelectorAll('[data-label]')) one.setAttribute('aria-label', say(one.dataset.label))
  for (const one of document.querySelectorAll('[data-placeholder]')) one.placeholder = say(one.dataset.placeholder)
  const nickname = $('#nickname')
  if (Object.values(words).some(({ me }) => me === nickname.value) || !nickname.value) nickname.value = say('me')
  for (const show of ideas) show()
  showMoods()
}

// ---- Elements. What comes from outside is put in as text.

function element(name, { className, text, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  made.append(...children.filter(Boolean))
  return made
}

function ago(time) {
  const seconds = Math.max(0, Math.round((Date.now() - new Date(time)) / 1000))
  if (seconds < 5) return say('now')
  if (seconds < 60) return say('seconds', seconds)
  return seconds < 3600 ? say('minutes', Math.floor(seconds / 60)) : say('hours', Math.floor(seconds / 3600))
}

/** Shows a list; an entry is made anew only if its `signature` differs, so that nothing flickers. */
function showList(list, entries, make, signature) {
  const known = new Map([...list.children].map((child) => [child.dataset.id, child]))
  const shown = entries.map((entry) => {
    const [old, now] = [known.get(entry.id), `${language} ${signature(entry)}`]
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

function pictures(submission, old) {
  const before = new Map([...(old?.querySelectorAll('img') ?? [])].map((image) => [image.getAttribute('src'), image]))
  return submission.media.filter(({ url }) => url).map(({ url }) => before.get(url) ?? element('img', { src: url, alt: say('picture') }))
}

function post(submission, old, ...more) {
  const name = submission.nickname ?? say('nobody')
  const time = element('time', { dateTime: submission.created_at, text: ago(submission.created_at) })
  const head = element('div', { className: 'head' }, element('b', { text: name }), time)
  const text = submission.text && element('p', { text: submission.text })
  const avatar = element('span', { className: 'avatar', text: [...name][0] ?? '?', ariaHidden: 'true' })
  return element('li', {}, element('article', {}, avatar, element('div', {}, head, text, ...pictures(submission, old), ...more)))
}

// ---- The phones.

// One user for a tab; the simulator takes any.
const tab = Math.random().toString(36).slice(2, 8)
const client = (user) => greenlight({ url: location.href.replace(/[^/]*$/, ''), platform: phone(user + tab, () => say('lang')) })
const [author, reader] = [client('author'), client('reader')]

let toastEnds
function toast(text) {
  $('.toast').textContent = text
  $('.toast').classList.add('shown')
  clearTimeout(toastEnds)
  toastEnds = setTimeout(() => $('.toast').classList.remove('shown'), 4000)
}

const attempt = async (deed) => {
  try { await deed() } catch (error) { toast(error.code ? `${error.message} (${error.code})` : error.message) }
  await look()
}

function authorsPost(submission, old) {
  const { state, mine, reasons = [], decision, message } = submission
  const seen = state === 'rejected' && element('p', { className: 'message', text: message })
  const takeBack = mine && element('button', { type: 'button', className: 'quiet', text: say('withdraw'), onclick: () => attempt(() => author.withdraw(submission.id)) })
  const made = post(submission, old, seen, takeBack)
  const why = decision?.reason || reasons.map(({ label_name }) => label_name).join('、')
  // Outside of what he sees himself: what the state is, for who looks at this page.
  if (mine) made.append(element('p', { className: `note ${state}`, text: say(state, why) }))
  return made
}

const picked = { file: null }
function pick(file) {
  picked.file = file
  const preview = $('.preview')
  if ($('img', preview).src) URL.revokeObjectURL($('img', preview).src)
  preview.hidden = !file
  if (file) $('img', preview).src = URL.createObjectURL(file)
  else $('img', preview).removeAttribute('src')
}

const LIGHTS = { clean: ['#0d8f46', '#3ddc84'], doubtful: ['#f2c200', '#ffe14d'], risky: ['#b3121d', '#f0444f'] }
function light(name) {
  const canvas = element('canvas', { width: 480, height: 320 })
  const context = canvas.getContext('2d')
  const sky = context.createLinearGradient(0, 0, 0, 320)
  LIGHTS[name].forEach((colour, at) => sky.addColorStop(at, colour))
  context.fillStyle = sky
  context.fillRect(0, 0, 480, 320)
  // No two are the same file, or WeChat's verdict on the first would do for all.
  context.fillStyle = `rgb(255 255 255 / ${0.15 + Math.random() / 10})`
  for (let ring = 1; ring < 4; ring += 1) {
    context.beginPath()
    context.arc(120 + Math.random() * 240, 90 + Math.random() * 140, 20 + ring * 14, 0, 7)
    context.fill()
  }
  return new Promise((made) => canvas.toBlob(made, 'image/png'))
}

const ideas = []
function chip(place, kind, show, onclick) {
  const made = element('button', { type: 'button', className: `chip ${kind}`, onclick })
  ideas.push(() => { made.textContent = show() })
  place.append(made)
  return made
}

function compose(facts) {
  const form = $('.composer')
  const [texts, lights] = form.querySelectorAll('.chips')
  // Words that the simulator knows, in the page's language.
  const known = (list) => list.find((word) => /^[a-z]/.test(word) === (language === 'en')) ?? list[0]
  const text = { clean: () => say('cleanText'), doubtful: () => say('doubtfulText', known(facts.review_words)), risky: () => say('riskyText', known(facts.risky_words)) }
  for (const kind of ['clean', 'doubtful', 'risky']) {
    chip(texts, kind, () => say(kind), () => { $('#text').value = text[kind](); $('#text').focus() })
    chip(lights, kind, () => say(kind), async () => pick(await light(kind)))
  }
  const file = element('input', { type: 'file', accept: 'image/*', hidden: true, onchange: () => { pick(file.files[0] ?? null); file.value = '' } })
  form.append(file)
  chip(lights, 'own', () => say('own'), () => file.click())
  $('.preview button').onclick = () => pick(null)
  form.onsubmit = async (event) => {
    event.preventDefault()
    const [button, written, taken] = [$('.post'), $('#text').value.trim(), picked.file]
    if (!written && !taken) return toast(say('empty'))
    const draft = { scene: 'forum', channel: CHANNEL, nickname: $('#nickname').value.trim() || say('me'), ...(written && { text: written }), files: taken ? [taken] : [] }
    button.disabled = true
    await attempt(async () => {
      await author.submit(draft, (percent) => { button.textContent = say('posting', percent) })
      $('#text').value = ''
      pick(null)
    })
    Object.assign(button, { disabled: false, textContent: say('post') })
  }
}

// ---- The moderator.

function entry(submission, old) {
  const why = submission.reasons.map(({ label_name }) => label_name).join('、')
  const reason = element('input', { maxLength: 100, placeholder: say('defaultReason'), ariaLabel: say('reasonLabel') })
  const told = element('p', { className: 'message', role: 'status' })
  const decide = async (decision) => {
    try {
      await moderator.decide(say('lang'), submission, decision, decision === 'reject' ? reason.value || say('defaultReason') : 'fine')
    } catch (error) {
      told.textContent = error.status === 409 ? say('conflict') : error.message
    }
    await look()
  }
  const button = (decision) => element('button', { type: 'button', className: decision, text: say(decision), onclick: () => decide(decision) })
  const deeds = element('div', { className: 'deeds' }, button('approve'), reason, button('reject'))
  return post(submission, old, why && element('p', { className: 'why', text: say('why') + why }), deeds, told)
}

// ---- WeChat.

let simulator
let mood = 'normal'
function showMoods() {
  const place = $('#moods')
  if (!place.children.length) {
    for (const name of Object.keys(moods)) {
      const choice = element('input', { type: 'radio', name: 'mood', value: name, onchange: () => attempt(() => simulator.behave(moods[name])) })
      place.append(element('label', {}, choice, element('span')))
    }
  }
  for (const label of place.children) {
    const [choice, name] = label.children
    choice.checked = choice.value === mood
    name.textContent = say(choice.value)
  }
  $('#mood-says').textContent = say(`${mood}Says`)
}

// ---- Looking.

let story
let looking
/** Asks everybody once; who asks meanwhile waits for the same answers, and then once more. */
async function look() {
  while (looking) await looking
  looking = lookOnce().finally(() => { looking = undefined })
  return looking
}

async function lookOnce() {
  const asked = [author.feed(CHANNEL), author.own(), reader.feed(CHANNEL), moderator.reviews(say('lang')), simulator.state(), simulator.checks(), simulator.pushes()]
  let answers
  try {
    answers = await Promise.all(asked)
  } catch (error) {
    $('#away').hidden = error.code !== 'network' && !(error instanceof TypeError)
    return
  }
  $('#away').hidden = true
  const [authors, own, readers, reviews, state, checks, pushes] = answers
  const mine = own.submissions.filter((one) => one.state !== 'withdrawn')
  const others = authors.submissions.filter((one) => !one.mine)
  const feed = [...mine, ...others].sort((a, b) => b.created_at.localeCompare(a.created_at)).slice(0, SHOWN)
  const signature = ({ version, state: now, decided_at, media }) => [version, now, decided_at, ...media.map(({ url }) => url)].join(' ')
  showList($('#author .feed'), feed, authorsPost, signature)
  showList($('#reader .feed'), readers.submissions.slice(0, SHOWN), post, signature)
  showList($('#queue'), reviews.submissions.slice(0, SHOWN), entry, signature)
  $('#reader .empty').hidden = readers.submissions.length > 0
  $('#queue-empty').hidden = reviews.submissions.length > 0
  const now = moodOf(state.behaviour)
  if (now !== mood) { mood = now; showMoods() }
  const held = state.held_pushes.length
  Object.assign($('#release'), { textContent: say('release', held), disabled: held === 0 })
  showList($('#story'), story.told(own.submissions, checks, pushes), storyLine, () => '')
  $('#story-empty').hidden = $('#story').children.length > 0
}

const storyLine = ({ at, kind, name, given }) =>
  element('li', { className: kind }, element('time', { dateTime: at, text: ago(at) }), element('span', { text: say(name, ...given.map((one) => say(...one))) }))

async function begin() {
  let facts
  while (!facts) {
    try { facts = await run() } catch { $('#away').hidden = false; await new Promise((wake) => setTimeout(wake, EVERY_MS)) }
  }
  simulator = simulatorOf(facts.app_id)
  story = new Story()
  compose(facts)
  speak()
  $('#language').onclick = () => { language = language === 'zh' ? 'en' : 'zh'; keep(language); speak(); look() }
  $('#release').onclick = () => attempt(() => simulator.release())
  $('#expire').onclick = () => attempt(async () => { await simulator.expireToken(); toast(say('expired')) })
  for (;;) {
    await look()
    await new Promise((wake) => setTimeout(wake, document.hidden ? EVERY_MS_HIDDEN : EVERY_MS))
  }
}

speak()
await begin()
