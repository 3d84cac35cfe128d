import t from 'tap'
import fc from 'fast-check'
import { geocentric as toEcef, geodetic as fromEcef } from '../../core/geometry/geocentric.js'
import { createFrame } from './frame.js'

const metres = (a: readonly number[], b: readonly number[]) => Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!, a[2]! - b[2]!)

t.test('earth-centred coordinates of known places', async (t) => {
  t.ok(metres(toEcef(0, 0, 0), [6378137, 0, 0]) < 1e-6, 'equator and prime meridian')
  t.ok(metres(toEcef(90, 0, 100), [0, 6378237, 0]) < 1e-6, 'a hundred metres above')
  t.ok(metres(toEcef(0, 90, 0), [0, 0, 6356752.314245]) < 1e-5, 'the pole lies on the minor axis')
})

t.test('geodetic → earth-centred → geodetic comes back within a micrometre', async (t) => {
  fc.assert(fc.property(fc.double({ min: -180, max: 180, noNaN: true }), fc.double({ min: -89.9, max: 89.9, noNaN: true }), fc.double({ min: -500, max: 9000, noNaN: true }), (lon, lat, h) => {
    const p = toEcef(lon, lat, h)
    return metres(toEcef(...fromEcef(...p)), p) < 1e-6
  }))
  t.pass()
})

t.test('the local frame of Đà Nẵng', async (t) => {
  const frame = createFrame({ lon: 108.2208, lat: 16.0678, geoidOffset: -8.5 })
  t.ok(metres(frame.toLocal(108.2208, 16.0678, 0), [0, 0, 0]) < 1e-6, 'its origin is at orthometric height 0')
  t.ok(metres(frame.toLocal(108.2208, 16.0678, 25), [0, 0, 25]) < 1e-6, 'up is up')
  const north = frame.toLocal(108.2208, 16.0778, 0)
  t.ok(Math.abs(north[0]) < 1e-3 && Math.abs(north[1] - 1106.5) < 0.5, 'a hundredth of a degree of latitude is 1,106.5 m to the north')
  t.ok(Math.abs(north[2] + north[1] ** 2 / 2 / 6.37e6) < 0.01, 'and the earth curves away under the tangent')
  fc.assert(fc.property(fc.double({ min: 107.5, max: 109, noNaN: true }), fc.double({ min: 15.5, max: 16.6, noNaN: true }), fc.double({ min: -50, max: 2000, noNaN: true }), (lon, lat, h) => {
    const local = frame.toLocal(lon, lat, h)
    return metres(frame.toLocal(...frame.fromLocal(...local)), local) < 0.001
  }))
  t.pass('there and back within a millimetre')
  const [x, y, z] = toEcef(108.3, 16.1, 42 - 8.5)
  const m = frame.fromEcefMatrix
  const by = [0, 1, 2].map((i) => m[i]! * x + m[4 + i]! * y + m[8 + i]! * z + m[12 + i]!)
  t.ok(metres(by, frame.toLocal(108.3, 16.1, 42)) < 1e-6, 'the matrix for 3D Tiles says the same')
})
