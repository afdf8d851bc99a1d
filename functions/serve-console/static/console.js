// Keys for the console, and nothing else: each presses what stands on the page, so that all works without this file.
'use strict'

{
  const cases = () => [...document.querySelectorAll('.case')]
  let current = 0

  /** Whether an input method composes: all keys are its own then. */
  const isComposing = (event) => event.isComposing || event.keyCode === 229

  /** Whether the event is not for us: a key that is held, a shortcut of the browser, what somebody writes in a field. */
  const isElsewhere = (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return true
    const target = event.target
    return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || (target instanceof HTMLInputElement && target.type !== 'checkbox')
  }

  const show = (index) => {
    const all = cases()
    if (all.length === 0) return
    current = Math.min(Math.max(index, 0), all.length - 1)
    all.forEach((one, at) => one.classList.toggle('current', at === current))
    all[current].focus({ preventScroll: true })
    // No further than it has to be: what stands above the first case tells what the last deed was, and takes it back.
    all[current].scrollIntoView({ block: 'nearest' })
  }

  const inCurrent = (selector) => cases()[current]?.querySelector(selector)

  /** Opens what is folded, and puts the cursor where something is to be written. */
  const unfold = (summary) => {
    const details = summary?.parentElement
    if (!details) return
    details.open = !details.open
    if (!details.open) return
    details.scrollIntoView({ block: 'nearest' })
    if (summary.dataset.key !== 'r') details.querySelector('textarea, input:not([type=hidden])')?.focus()
  }

  const look = () => {
    const boxes = [...(cases()[current]?.querySelectorAll('.look') ?? [])]
    const open = boxes.some((box) => !box.checked)
    boxes.forEach((box) => {
      box.checked = open
    })
  }

  let pressed = false
  const press = (button) => {
    if (!button || pressed) return
    pressed = true
    button.click()
  }

  document.addEventListener('keydown', (event) => {
    if (isComposing(event)) return
    if (event.key === 'Escape') {
      document.activeElement?.blur()
      document.querySelectorAll('details.choose[open]').forEach((details) => {
        details.open = false
      })
      show(current)
      return
    }
    if (isElsewhere(event)) return
    const reject = inCurrent('details[data-open]')
    if (/^[1-9]$/.test(event.key) && reject?.open) {
      event.preventDefault()
      press(inCurrent(`[data-digit="${event.key}"]`))
      return
    }
    const deeds = {
      j: () => show(current + 1),
      k: () => show(current - 1),
      v: look,
      r: () => unfold(inCurrent('[data-key=r]')),
      n: () => unfold(inCurrent('[data-key=n]')),
      b: () => unfold(inCurrent('[data-key=b]')),
      a: () => press(inCurrent('[data-key=a]')),
      s: () => press(inCurrent('[data-key=s]')),
      e: () => press(inCurrent('[data-key=e]')),
      u: () => press(document.querySelector('.flash [data-key=u]')),
      q: () => press(document.querySelector('a[data-key=q]'))
    }
    const deed = Object.hasOwn(deeds, event.key) ? deeds[event.key] : undefined
    if (deed) {
      event.preventDefault()
      deed()
    }
  })

  // A page that is shown again from the browser's memory takes keys again.
  window.addEventListener('pageshow', () => {
    pressed = false
  })
  document.addEventListener('focusin', (event) => {
    const at = cases().findIndex((one) => one.contains(event.target))
    if (at >= 0 && at !== current) {
      current = at
      cases().forEach((one, index) => one.classList.toggle('current', index === current))
    }
  })
  if (location.pathname.endsWith('/queue')) show(0)
}
