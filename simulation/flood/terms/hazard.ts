/** How dangerous water is to people, vehicles and buildings, from its depth (m) and speed (m/s). */

/** What floats with the water, by land use (FD2321/TR1, table 3.1). */
export type Debris = 'pasture' | 'woodland' | 'urban'

/** Debris factor DF of FD2321: 0, 0.5, 1. */
export function debrisFactor(depth: number, speed: number, debris: Debris): number {
  if (depth > 0.75 || speed > 2) return debris === 'pasture' ? 0.5 : 1
  if (depth > 0.25) return { pasture: 0, woodland: 0.5, urban: 1 }[debris]
  return 0
}

/** HR = d (v + 0.5) + DF (Defra/Environment Agency 2006, Flood Risks to People, FD2321/TR1); 0 where dry. */
export function hazardRating(depth: number, speed: number, debris: Debris): number {
  return depth > 0 ? depth * (speed + 0.5) + debrisFactor(depth, speed, debris) : 0
}

/** Danger to people: 0 low (below 0.75), 1 for some (children, the frail), 2 for most (from 1.25), 3 for all (above 2). */
export function peopleDanger(rating: number): 0 | 1 | 2 | 3 {
  return rating > 2 ? 3 : rating >= 1.25 ? 2 : rating >= 0.75 ? 1 : 0
}

/** Most of d·v (m²/s), depth (m) and speed (m/s) that a class bears. */
const CLASS_LIMITS = [
  { depthSpeed: 0.3, depth: 0.3, speed: 2 },
  { depthSpeed: 0.6, depth: 0.5, speed: 2 },
  { depthSpeed: 0.6, depth: 1.2, speed: 2 },
  { depthSpeed: 1, depth: 2, speed: 2 },
  { depthSpeed: 4, depth: 4, speed: 4 },
] as const

/**
 * H1…H6 as 1…6, 0 where dry (Australian Rainfall and Runoff 2019, book 6, ch. 7, table 6.7.4): H1 safe, H2 not for small vehicles,
 * H3 not for vehicles, children, the elderly, H4 not for people, H5 weak buildings fail, H6 all buildings may.
 * `depthSpeed` is the greatest d·v of one moment; greatest depth × greatest speed overstates it.
 */
export function hazardClass(depth: number, speed: number, depthSpeed = depth * speed): 0 | 1 | 2 | 3 | 4 | 5 | 6 {
  if (!(depth > 0)) return 0
  const within = CLASS_LIMITS.findIndex(limit => depthSpeed <= limit.depthSpeed && depth <= limit.depth && speed <= limit.speed)
  return (within < 0 ? 6 : within + 1) as 1 | 2 | 3 | 4 | 5 | 6
}
