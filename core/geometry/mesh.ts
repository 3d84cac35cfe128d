/**
 * A growing triangle mesh that many features share, one draw call for all.
 * Positions are in whatever frame its `place` maps to; triangles are counter-clockwise seen from outside.
 */

/** Maps a feature's own coordinates (x, y, z up) into the mesh's frame. */
export type Place = (x: number, y: number, z: number, out: [number, number, number]) => void

export const asIs: Place = (x, y, z, out) => { out[0] = x; out[1] = y; out[2] = z }

/** Linear RGB, 0…255. */
export type Colour = readonly [red: number, green: number, blue: number]

export class MeshBuilder {
  #vertices = 0
  #indexCount = 0
  #positions = new Float32Array(3 * 4096)
  #normals: Float32Array | null
  #uvs: Float32Array | null
  #colours = new Uint8Array(4 * 4096)
  #features = new Float32Array(4096)
  #above = new Float32Array(4096)
  #indices = new Uint32Array(3 * 4096)
  readonly #place: Place
  readonly #at: [number, number, number] = [0, 0, 0]
  /** Corners of the feature at hand by a number that hardly two have in common. */
  readonly #shared = new Map<number, { readonly x: number; readonly y: number; readonly z: number; readonly colour: Colour; readonly vertex: number }>()
  #sharedBy = -1
  /** The row that following vertices belong to, their colour, and the ground that heights are told from. */
  feature = 0
  colour: Colour = [255, 255, 255]
  ground = 0

  constructor(place: Place = asIs, { normals = false, uvs = false } = {}) {
    this.#place = place
    this.#normals = normals ? new Float32Array(3 * 4096) : null
    this.#uvs = uvs ? new Float32Array(2 * 4096) : null
  }

  get vertexCount(): number { return this.#vertices }
  get triangleCount(): number { return this.#indexCount / 3 }

  /** Adds a vertex of the current feature; returns its index. */
  vertex(x: number, y: number, z: number): number {
    const i = this.#vertices++
    if (i === this.#features.length) this.#growVertices()
    const [at, positions, colours] = [this.#at, this.#positions, this.#colours]
    this.#place(x, y, z, at)
    // One by one: typed arrays' set() costs more than three stores.
    positions[3 * i] = at[0]
    positions[3 * i + 1] = at[1]
    positions[3 * i + 2] = at[2]
    colours[4 * i] = this.colour[0]
    colours[4 * i + 1] = this.colour[1]
    colours[4 * i + 2] = this.colour[2]
    colours[4 * i + 3] = 255
    this.#features[i] = this.feature
    this.#above[i] = z - this.ground
    return i
  }

  /** As `vertex`; where the current feature has one of this colour there already, that one. For faces that meet, under flat shading. */
  sharedVertex(x: number, y: number, z: number): number {
    if (this.#sharedBy !== this.feature) { this.#shared.clear(); this.#sharedBy = this.feature }
    const [red, green, blue] = this.colour
    const key = x * 73_856_093 + y * 19_349_663 + z * 83_492 + red + 3 * green + 7 * blue
    const known = this.#shared.get(key)
    if (known && known.x === x && known.y === y && known.z === z && known.colour === this.colour) return known.vertex
    const vertex = this.vertex(x, y, z)
    this.#shared.set(key, { x, y, z, colour: this.colour, vertex })
    return vertex
  }

  /** Sets the normal of a vertex; `place` must be a rotation then. */
  normal(vertex: number, x: number, y: number, z: number): void {
    if (!this.#normals) return
    this.#place(x, y, z, this.#at)
    this.#normals.set(this.#at, 3 * vertex)
  }

  /** Sets the texture coordinates of a vertex, as glTF has them. */
  uv(vertex: number, u: number, v: number): void {
    if (!this.#uvs) return
    this.#uvs[2 * vertex] = u
    this.#uvs[2 * vertex + 1] = v
  }

  triangle(a: number, b: number, c: number): void {
    if (this.#indexCount + 3 > this.#indices.length) this.#indices = grown(this.#indices)
    this.#indices[this.#indexCount++] = a
    this.#indices[this.#indexCount++] = b
    this.#indices[this.#indexCount++] = c
  }

  finish(): Mesh {
    const n = this.#vertices
    return {
      positions: this.#positions.slice(0, 3 * n),
      normals: this.#normals?.slice(0, 3 * n) ?? null,
      uvs: this.#uvs?.slice(0, 2 * n) ?? null,
      colours: this.#colours.slice(0, 4 * n),
      features: this.#features.slice(0, n),
      aboveGround: this.#above.slice(0, n),
      indices: n <= 0xffff ? Uint16Array.from(this.#indices.subarray(0, this.#indexCount)) : this.#indices.slice(0, this.#indexCount),
    }
  }

  #growVertices(): void {
    this.#positions = grown(this.#positions)
    this.#colours = grown(this.#colours)
    this.#features = grown(this.#features)
    this.#above = grown(this.#above)
    if (this.#normals) this.#normals = grown(this.#normals)
    if (this.#uvs) this.#uvs = grown(this.#uvs)
  }
}

export interface Mesh {
  /** Float32Array(3 × vertices), metres. */
  readonly positions: Float32Array
  /** Float32Array(3 × vertices), unit; `null` asks for flat shading. */
  readonly normals: Float32Array | null
  /** Float32Array(2 × vertices), 0, 0 is the upper left corner of the image; `null` without texture. */
  readonly uvs: Float32Array | null
  /** Uint8Array(4 × vertices), linear RGBA. */
  readonly colours: Uint8Array
  /** Row of the property table, one a vertex. */
  readonly features: Float32Array
  /** Metres above the feature's ground, one a vertex. */
  readonly aboveGround: Float32Array
  readonly indices: Uint16Array | Uint32Array
}

/** The mesh with a normal a face: corners that faces share are doubled. For small meshes. */
export function facetted(mesh: Mesh): Mesh {
  const corners = mesh.indices.length
  const spread = <T extends Float32Array | Uint8Array>(values: T, components: number): T => {
    const out = new (values.constructor as new (length: number) => T)(corners * components)
    mesh.indices.forEach((vertex, i) => { for (let d = 0; d < components; d++) out[i * components + d] = values[vertex * components + d]! })
    return out
  }
  const positions = spread(mesh.positions, 3)
  return {
    positions, normals: faceNormals(positions), uvs: mesh.uvs && spread(mesh.uvs, 2), colours: spread(mesh.colours, 4),
    features: spread(mesh.features, 1), aboveGround: spread(mesh.aboveGround, 1),
    indices: (corners <= 0xffff ? new Uint16Array(corners) : new Uint32Array(corners)).map((_, i) => i),
  }
}

/** Unit normals of triangles whose corners follow each other; upwards where a triangle has no area. */
function faceNormals(positions: Float32Array): Float32Array {
  const normals = new Float32Array(positions.length)
  for (let i = 0; i < positions.length; i += 9) {
    const [ax, ay, az] = [positions[i + 3]! - positions[i]!, positions[i + 4]! - positions[i + 1]!, positions[i + 5]! - positions[i + 2]!]
    const [bx, by, bz] = [positions[i + 6]! - positions[i]!, positions[i + 7]! - positions[i + 1]!, positions[i + 8]! - positions[i + 2]!]
    const normal = [ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]
    const length = Math.hypot(...normal)
    for (let k = 0; k < 9; k++) normals[i + k] = length > 0 ? normal[k % 3]! / length : k % 3 === 1 ? 1 : 0
  }
  return normals
}

function grown<T extends Float32Array | Uint8Array | Uint32Array>(array: T): T {
  const larger = new (array.constructor as new (length: number) => T)(array.length * 2)
  larger.set(array)
  return larger
}
