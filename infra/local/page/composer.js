// Where the author writes: texts and pictures to try, a picture of one's own, and the draft that is submitted.

import { isOurs, say } from './language.js'
import { $, element, toast } from './show.js'

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

function chip(place, kind, onclick) {
  const made = element('button', { type: 'button', className: `chip ${kind}`, onclick })
  made.dataset.word = kind
  place.append(made)
}

/** Fills the composer; `submit` is given each draft, and whom to tell how much of it is sent. */
export function compose(facts, submit) {
  const form = $('.composer')
  const [texts, lights] = form.querySelectorAll('.chips')
  // Words that the simulator knows, in the page's language.
  const known = (list) => list.find((word) => /^[a-z]/.test(word) === (say('lang') === 'en')) ?? list[0]
  const text = {
    clean: () => say('cleanText'),
    doubtful: () => say('doubtfulText', known(facts.review_words)),
    risky: () => say('riskyText', known(facts.risky_words)),
  }
  const write = (kind) => {
    $('#text').value = text[kind]()
    $('#text').focus()
  }
  for (const kind of Object.keys(text)) {
    chip(texts, kind, () => write(kind))
    chip(lights, kind, async () => pick(await light(kind)))
  }
  const file = element('input', { type: 'file', accept: 'image/*', hidden: true })
  file.onchange = () => {
    pick(file.files[0] ?? null)
    file.value = ''
  }
  form.append(file)
  chip(lights, 'own', () => file.click())
  $('.preview button').onclick = () => pick(null)
  form.onsubmit = async (event) => {
    event.preventDefault()
    const [button, written, taken] = [$('.post'), $('#text').value.trim(), picked.file]
    if (!written && !taken) return toast(say('empty'))
    const nickname = $('#nickname').value.trim() || say('me')
    const draft = { scene: 'forum', nickname, ...(written && { text: written }), files: taken ? [taken] : [] }
    button.disabled = true
    const told = (percent) => {
      button.textContent = say('posting', percent)
    }
    if (await submit(draft, told)) {
      $('#text').value = ''
      pick(null)
    }
    Object.assign(button, { disabled: false, textContent: say('post') })
  }
}

/** The nickname that nobody has changed is said in the page's language. */
export function renameAuthor() {
  const nickname = $('#nickname')
  if (!nickname.value || isOurs('me', nickname.value)) nickname.value = say('me')
}
