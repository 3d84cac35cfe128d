/** Runs in browsers, on every page with lines to copy or a map. A page without it lacks nothing but the convenience. */
export const PAGE_SCRIPT = `
const vi = document.documentElement.lang === 'vi'

for (const line of document.querySelectorAll('.cmd')) {
  const button = Object.assign(document.createElement('button'), { type: 'button', textContent: vi ? 'Sao chép' : 'Copy' })
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(line.querySelector('code').textContent)
    } catch {
      // Without https there is no clipboard to write to: the line is selected instead.
      getSelection().selectAllChildren(line.querySelector('code'))
      if (!document.execCommand('copy')) return
    }
    const before = button.textContent
    button.textContent = vi ? 'Đã chép' : 'Copied'
    setTimeout(() => { button.textContent = before }, 1500)
  }
  line.append(button)
}

/* A box drawn on a map becomes the bbox of the page. The map is Mercator: x and y of the picture to degrees. */
for (const map of document.querySelectorAll('svg.map[data-mercator]')) {
  const [left, top, scale] = map.dataset.mercator.split(' ').map(Number)
  const at = event => new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse())
  const degrees = ({ x, y }) => [(left + x * scale) * 180 / Math.PI, (2 * Math.atan(Math.exp(top - y * scale)) - Math.PI / 2) * 180 / Math.PI]
  let start, box
  map.addEventListener('pointerdown', event => {
    if (event.pointerType === 'mouse' && event.button === 0) start = at(event)
  })
  map.addEventListener('dragstart', event => event.preventDefault())
  map.addEventListener('pointermove', event => {
    if (!start) return
    const end = at(event)
    if (!box) {
      if (Math.hypot(end.x - start.x, end.y - start.y) < 6) return
      box = map.appendChild(document.createElementNS('http://www.w3.org/2000/svg', 'rect'))
      box.setAttribute('class', 'extent')
      map.setPointerCapture(event.pointerId)
    }
    const put = (name, value) => box.setAttribute(name, value)
    put('x', Math.min(start.x, end.x)); put('y', Math.min(start.y, end.y)); put('width', Math.abs(end.x - start.x)); put('height', Math.abs(end.y - start.y))
  })
  map.addEventListener('pointerup', event => {
    const [a, b] = start && box ? [degrees(start), degrees(at(event))] : []
    box?.remove()
    start = box = undefined
    if (!a || a[0] === b[0] || a[1] === b[1]) return
    const url = new URL(map.dataset.items ?? location.href, location.href)
    url.searchParams.delete('cursor'); url.searchParams.delete('bbox-crs')
    url.searchParams.set('bbox', [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])].map(v => v.toFixed(6)).join())
    location.href = url.href.replaceAll('%2C', ',')
  })
}
`
