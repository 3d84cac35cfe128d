/** A map of the city with nothing but MapLibre and the style that this server serves: to look at, and to copy from. */
import { Map, NavigationControl, Popup, ScaleControl } from './maplibre-gl.mjs'

const main = document.querySelector('main')
const style = await (await fetch(main.dataset.style)).json()
const map = new Map({ container: 'map', style, hash: true, attributionControl: { compact: true } })
map.addControl(new NavigationControl())
map.addControl(new ScaleControl({ unit: 'metric' }))
globalThis.map = map

// Of one layer its tiles know where it is; what shows only near by is looked at from the middle of the city.
const [source, ...others] = Object.values(style.sources)
if (others.length === 0 && !location.hash) {
  const { bounds, minzoom } = await (await fetch(source.url)).json()
  map.fitBounds(bounds, { duration: 0, padding: 40, maxZoom: 15 })
  if (map.getZoom() < minzoom) map.jumpTo({ center: style.center, zoom: minzoom + 0.5 })
}

const layersOf = id => style.layers.filter(layer => layer['source-layer'] === id)
const setVisible = (id, visible) => {
  for (const layer of layersOf(id)) map.setLayoutProperty(layer.id, 'visibility', visible ? 'visible' : 'none')
}

const list = document.querySelector('#layers')
const titles = JSON.parse(document.querySelector('#titles').textContent)
map.once('style.load', () => {
  for (const id of Object.keys(titles).filter(id => layersOf(id).length > 0).reverse()) {
    const label = document.createElement('label')
    const box = Object.assign(document.createElement('input'), { type: 'checkbox', checked: layersOf(id)[0].layout.visibility !== 'none' })
    box.addEventListener('change', () => setVisible(id, box.checked))
    label.append(box, titles[id])
    list.append(label)
  }
})

map.on('click', event => {
  const [feature] = map.queryRenderedFeatures(event.point)
  if (!feature) return
  const table = document.createElement('table')
  for (const [name, value] of Object.entries(feature.properties)) {
    const row = table.insertRow()
    row.insertCell().textContent = name
    row.insertCell().textContent = String(value)
  }
  const title = document.createElement('b')
  title.textContent = titles[feature.sourceLayer] ?? feature.sourceLayer
  const content = document.createElement('div')
  content.append(title, table)
  new Popup({ maxWidth: '320px' }).setLngLat(event.lngLat).setDOMContent(content).addTo(map)
})
map.on('mousemove', event => { map.getCanvas().style.cursor = map.queryRenderedFeatures(event.point).length > 0 ? 'pointer' : '' })
