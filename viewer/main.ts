import './style.css'
import { getCity } from './core/api.js'
import { createScene } from './scene/scene.js'

const city = await getCity()
const scene = createScene(document.querySelector('canvas')!, city, city.layers, city.layers.filter((l) => l.style.visible !== false).map((l) => l.id), {
  onCamera() {}, onPick(f) { console.log(JSON.stringify(f)) }, onCursor() {}, onTick() {}, onBusy() {},
})
scene.setCamera({ lon: 108.2265, lat: 16.066, distance: 3800, heading: 20, pitch: 32 })
Object.assign(window, { scene })
