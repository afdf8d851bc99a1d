// Which language the page speaks, and how it says things in it.

import { words } from './words.js'

const kept = () => {
  try {
    return localStorage.getItem('language')
  } catch {
    return null
  }
}
const keep = (language) => {
  try {
    localStorage.setItem('language', language)
  } catch {
    /* then it is not kept */
  }
}
let language = kept() ?? (navigator.language.startsWith('zh') ? 'zh' : 'en')
export const say = (name, ...given) => {
  const word = words[language][name]
  return typeof word === 'function' ? word(...given) : word
}

/** The other language from now on. */
export function switchLanguage() {
  language = language === 'zh' ? 'en' : 'zh'
  keep(language)
}

/** Whether this is said so in any language, and was not written by somebody. */
export const isOurs = (name, text) => Object.values(words).some((table) => table[name] === text)

/** How long ago a time is. */
export function ago(time) {
  const seconds = Math.max(0, Math.round((Date.now() - new Date(time)) / 1000))
  if (seconds < 5) return say('now')
  if (seconds < 60) return say('seconds', seconds)
  return seconds < 3600 ? say('minutes', Math.floor(seconds / 60)) : say('hours', Math.floor(seconds / 3600))
}

/** Says everything that stands in the page's own text once more. */
export function speak() {
  document.documentElement.lang = say('lang')
  for (const one of document.querySelectorAll('[data-word]')) one.textContent = say(one.dataset.word)
  for (const one of document.querySelectorAll('[data-label]')) one.setAttribute('aria-label', say(one.dataset.label))
  for (const one of document.querySelectorAll('[data-placeholder]')) one.placeholder = say(one.dataset.placeholder)
}
