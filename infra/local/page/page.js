// The page: asks everybody what they see, shows it, and does what is clicked.

import { compose, renameAuthor } from './composer.js'
import { greenlight } from './greenlight.js'
import { ago, say, speak, switchLanguage } from './language.js'
import { moods, moodOf } from './moods.js'
import { moderator, run, wechat as simulatorOf } from './server.js'
import { $, element, post, showList, toast } from './show.js'
import { Story } from './story.js'
import { phone } from './wx.js'

const CHANNEL = 'square'
const SHOWN = 20
const EVERY_MS = 700
const EVERY_MS_HIDDEN = 5000

// ---- The phones.

// One user for a tab; the simulator takes any.
const tab = Math.random().toString(36).slice(2, 8)
const client = (user) => greenlight({ url: location.href.replace(/[^/]*$/, ''), platform: phone(user + tab, () => say('lang')) })
const [author, reader] = [client('author'), client('reader')]

/** Does something that may fail, and looks what has become of it; whether it was done. */
async function attempt(deed) {
  let done = true
  try {
    await deed()
  } catch (error) {
    done = false
    toast(error.code ? `${error.message} (${error.code})` : error.message)
  }
  await look()
  return done
}

function authorsPost(submission, old) {
  const { state, mine, reasons = [], decision, message } = submission
  const seen = state === 'rejected' && element('p', { className: 'message', text: message })
  const takeBack =
    mine &&
    element('button', {
      type: 'button',
      className: 'quiet',
      text: say('withdraw'),
      onclick: () => attempt(() => author.withdraw(submission.id)),
    })
  const made = post(submission, old, seen, takeBack)
  const why = decision?.reason || reasons.map(({ label_name }) => label_name).join(say('comma'))
  // Outside of what he sees himself: what the state is, for who looks at this page.
  if (mine) made.append(element('p', { className: `note ${state}`, text: say(state, why) }))
  return made
}

// ---- The moderator.

function showWaiting({ submissions, next_cursor }) {
  const count = submissions.length
  const said = say(count || next_cursor ? 'waiting' : 'nothingWaits', `${count}${next_cursor ? '+' : ''}`)
  // Said again only if it is something else: it would be read out each time.
  if ($('#waiting').textContent !== said) $('#waiting').textContent = said
}

async function openConsole() {
  const { url } = await moderator.link(say('lang'))
  window.open(url, '_blank', 'noopener')
}

// ---- WeChat.

let simulator
let mood = 'normal'
function showMoods() {
  const place = $('#moods')
  if (!place.children.length) {
    for (const name of Object.keys(moods)) {
      const choice = element('input', {
        type: 'radio',
        name: 'mood',
        value: name,
        onchange: () => attempt(() => simulator.behave(moods[name])),
      })
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
  looking = lookOnce().finally(() => {
    looking = undefined
  })
  return looking
}

async function lookOnce() {
  const asked = [
    author.feed(CHANNEL),
    author.own(),
    reader.feed(CHANNEL),
    moderator.reviews(say('lang')),
    simulator.state(),
    simulator.checks(),
    simulator.pushes(),
  ]
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
  const signature = ({ version, state: now, decided_at, media }) =>
    [version, now, decided_at, ...media.map(({ url }) => url)].join(' ')
  showList($('#author .feed'), feed, authorsPost, signature)
  showList($('#reader .feed'), readers.submissions.slice(0, SHOWN), post, signature)
  showWaiting(reviews)
  $('#reader .empty').hidden = readers.submissions.length > 0
  const now = moodOf(state.behaviour)
  if (now !== mood) {
    mood = now
    showMoods()
  }
  const held = state.held_pushes.length
  Object.assign($('#release'), { textContent: say('release', held), disabled: held === 0 })
  showList($('#story'), story.told(own.submissions, checks, pushes), storyLine, () => '')
  $('#story-empty').hidden = $('#story').children.length > 0
}

const storyLine = ({ at, kind, name, given }) =>
  element(
    'li',
    { className: kind },
    element('time', { dateTime: at, text: ago(at) }),
    element('span', { text: say(name, ...given.map((one) => say(...one))) }),
  )

async function begin() {
  let facts
  while (!facts) {
    try {
      facts = await run()
    } catch {
      $('#away').hidden = false
      await new Promise((wake) => setTimeout(wake, EVERY_MS))
    }
  }
  simulator = simulatorOf(facts.app_id)
  story = new Story()
  compose(facts, (draft, told) => attempt(() => author.submit({ ...draft, channel: CHANNEL }, told)))
  const speakAll = () => {
    speak()
    renameAuthor()
    showMoods()
  }
  speakAll()
  $('#language').onclick = () => {
    switchLanguage()
    speakAll()
    look()
  }
  $('#console').onclick = () => attempt(openConsole)
  $('#release').onclick = () => attempt(() => simulator.release())
  $('#expire').onclick = () =>
    attempt(async () => {
      await simulator.expireToken()
      toast(say('expired'))
    })
  for (;;) {
    await look()
    await new Promise((wake) => setTimeout(wake, document.hidden ? EVERY_MS_HIDDEN : EVERY_MS))
  }
}

speak()
await begin()
