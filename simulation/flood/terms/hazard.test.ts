import t from 'tap'
import { debrisFactor, hazardClass, hazardRating, peopleDanger } from './hazard.js'

t.test('FD2321: rating, debris and danger', t => {
  t.equal(hazardRating(0, 3, 'urban'), 0, 'dry')
  t.equal(hazardRating(0.2, 1, 'urban'), 0.2 * 1.5, 'shallow and slow: no debris')
  t.equal(hazardRating(0.5, 1, 'urban'), 0.5 * 1.5 + 1)
  t.equal(hazardRating(1, 0, 'pasture'), 0.5 + 0.5)
  t.same((['pasture', 'woodland', 'urban'] as const).map(use => [0.25, 0.75, 0.76].map(depth => debrisFactor(depth, 2, use))), [[0, 0, 0.5], [0, 0.5, 1], [0, 1, 1]])
  t.equal(debrisFactor(0.1, 2.1, 'woodland'), 1, 'fast water carries debris however shallow')
  t.same([0.74, 0.75, 1.24, 1.25, 2, 2.01].map(peopleDanger), [0, 1, 1, 2, 2, 3])
  t.end()
})

t.test('AR&R classes at each of their limits, and just beyond', t => {
  t.equal(hazardClass(0, 5), 0, 'dry')
  t.same([0.3, 0.31, 0.5, 0.51, 1.2, 1.21, 2, 2.01, 4, 4.01].map(depth => hazardClass(depth, 0)), [1, 2, 2, 3, 3, 4, 4, 5, 5, 6], 'depth alone')
  t.same([2, 2.01, 4, 4.01].map(speed => hazardClass(0.05, speed)), [1, 5, 5, 6], 'speed alone')
  t.same([0.3, 0.31, 0.6, 0.61, 1, 1.01, 4, 4.01].map(product => hazardClass(0.3, 1, product)), [1, 2, 2, 4, 4, 5, 5, 6], 'd·v alone')
  t.equal(hazardClass(1, 1, 0.4), 3, 'the greatest depth and the greatest speed were not at one moment')
  t.equal(hazardClass(1, 1), 4)
  t.end()
})

t.test('more water or more speed is never safer', t => {
  for (let depth = 0.05; depth < 5; depth += 0.05) for (let speed = 0; speed < 5; speed += 0.1) {
    if (hazardClass(depth + 0.05, speed) < hazardClass(depth, speed) || hazardClass(depth, speed + 0.1) < hazardClass(depth, speed)) t.fail(`class at ${depth} m, ${speed} m/s`)
    for (const debris of ['pasture', 'woodland', 'urban'] as const)
      if (hazardRating(depth + 0.05, speed, debris) < hazardRating(depth, speed, debris) || hazardRating(depth, speed + 0.1, debris) < hazardRating(depth, speed, debris)) t.fail(`rating at ${depth} m, ${speed} m/s`)
  }
  t.pass('classes and ratings rise')
  t.end()
})
